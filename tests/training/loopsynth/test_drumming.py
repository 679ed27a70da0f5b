from __future__ import annotations

import numpy as np
import pytest

from studio.training.loopsynth.drumming import ROLL, draw_drums, parse_pattern
from studio.training.loopsynth.drums import VOICES
from studio.training.loopsynth.grooves import GROOVES


def test_every_written_pattern_is_one_bar_of_known_voices() -> None:
    for groove in GROOVES.values():
        written = [("kick", kick) for kick, _, _ in groove.cores]
        written += [(voice, pattern) for _, voice, pattern in groove.cores]
        written += list(groove.tops)
        written += [(voice, one) for _, voice, patterns in groove.extras for one in patterns]
        for voice, pattern in written:
            assert voice in VOICES
            assert len(parse_pattern(pattern)) == 16


def test_levels_follow_the_written_marks() -> None:
    assert parse_pattern("x.ogr") == [3, 0, 2, 1, ROLL]


@pytest.mark.parametrize("genre", sorted(GROOVES))
@pytest.mark.parametrize("bars", [1, 2, 4])
def test_drawn_patterns_have_one_level_for_each_sixteenth(genre: str, bars: int) -> None:
    rng = np.random.default_rng(5)
    for _ in range(40):
        for voice, levels in draw_drums(rng, genre, bars, rolls=True):
            assert voice in VOICES
            assert len(levels) == 16 * bars
            assert set(levels) <= {0, 1, 2, 3, ROLL}
            assert any(levels)


def test_four_on_the_floor_keeps_its_kicks() -> None:
    rng = np.random.default_rng(6)
    for _ in range(60):
        kick = dict(draw_drums(rng, "house", 1))["kick"]
        assert all(kick[step] for step in (0, 4, 8, 12))


def test_a_fill_changes_only_the_end_of_the_last_bar() -> None:
    rng = np.random.default_rng(7)
    for _ in range(60):
        pattern = [one for one in draw_drums(rng, "jungle", 2, fill=True) if one[0] != "crash"]
        changed = [
            step for _, levels in pattern for step in range(16) if levels[step] != levels[16 + step]
        ]
        assert not changed or min(changed) >= 4
        assert any(level > 1 for _, levels in pattern for level in levels[28:])


def test_later_bars_bring_something_new() -> None:
    rng = np.random.default_rng(9)
    varied = 0
    for _ in range(60):
        pattern = draw_drums(rng, "breakbeat", 4)
        bars = [tuple((v, levels[16 * n : 16 * n + 16]) for v, levels in pattern) for n in range(4)]
        varied += len(set(bars)) >= 3
    assert varied > 50


def test_rolls_come_only_where_the_grid_carries_them() -> None:
    rng = np.random.default_rng(10)
    patterns = [draw_drums(rng, "trap", 2, fill=True) for _ in range(100)]
    assert not any(ROLL in levels for pattern in patterns for _, levels in pattern)
    patterns = [draw_drums(rng, "trap", 2, rolls=True) for _ in range(100)]
    rolling = sum(any(ROLL in levels for _, levels in pattern) for pattern in patterns)
    assert 20 < rolling < 70


def test_a_genre_has_thousands_of_patterns() -> None:
    rng = np.random.default_rng(8)
    assert len({draw_drums(rng, "dnb", 1) for _ in range(3_000)}) > 1_500
