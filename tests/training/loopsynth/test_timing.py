from __future__ import annotations

import pytest

from studio.training.loopsynth.timing import GRIDS, bars_allowed, grid_tempo_bpm


def test_grids_are_the_canonical_tempos() -> None:
    assert grid_tempo_bpm(4) == pytest.approx(187.5)
    assert grid_tempo_bpm(6) == pytest.approx(125.0)
    assert grid_tempo_bpm(12) == pytest.approx(62.5)


def test_two_bars_fit_only_the_faster_grids() -> None:
    assert [grid for grid in GRIDS if 2 in bars_allowed(grid)] == [4, 5, 6, 7, 8]
    assert all(1 in bars_allowed(grid) for grid in GRIDS)
