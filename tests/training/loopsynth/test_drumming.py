from __future__ import annotations

import numpy as np
import pytest

from studio.training.loopsynth.drumming import draw_drums, parse_pattern
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
    assert parse_pattern("x.og") == [3, 0, 2, 1]


@pytest.mark.parametrize("genre", sorted(GROOVES))
@pytest.mark.parametrize("bars", [1, 2])
def test_drawn_patterns_have_one_level_for_each_sixteenth(genre: str, bars: int) -> None:
    rng = np.random.default_rng(5)
    for _ in range(40):
        for voice, levels in draw_drums(rng, genre, bars):
            assert voice in VOICES
            assert len(levels) == 16 * bars
            assert set(levels) <= {0, 1, 2, 3}
            assert any(levels)


def test_four_on_the_floor_keeps_its_kicks() -> None:
    rng = np.random.default_rng(6)
    for _ in range(60):
        kick = dict(draw_drums(rng, "house", 1))["kick"]
        assert all(kick[step] for step in (0, 4, 8, 12))


def test_a_fill_changes_only_the_end_of_the_second_bar() -> None:
    rng = np.random.default_rng(7)
    for _ in range(60):
        pattern = draw_drums(rng, "jungle", 2, fill=True)
        first = {voice: levels[:8] for voice, levels in pattern}
        second = {voice: levels[16:24] for voice, levels in pattern}
        assert first == second
        assert any(level > 1 for voice, levels in pattern for level in levels[28:])


def test_a_genre_has_thousands_of_patterns() -> None:
    rng = np.random.default_rng(8)
    assert len({draw_drums(rng, "dnb", 1) for _ in range(3_000)}) > 1_500
