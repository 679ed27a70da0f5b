from __future__ import annotations

import pytest

from studio.training.loopsynth.timing import GRIDS, bars_allowed, grid_tempo_bpm


def test_grids_are_the_canonical_tempos() -> None:
    assert grid_tempo_bpm(4) == pytest.approx(187.5)
    assert grid_tempo_bpm(6) == pytest.approx(125.0)
    assert grid_tempo_bpm(12) == pytest.approx(62.5)


def test_two_bars_fit_every_grid_and_four_the_faster_ones() -> None:
    assert all({1, 2} <= set(bars_allowed(grid)) for grid in GRIDS)
    assert [grid for grid in GRIDS if 4 in bars_allowed(grid)] == [4, 5, 6]
