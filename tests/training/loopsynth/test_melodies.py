from __future__ import annotations

import numpy as np
import pytest

from studio.training.loopsynth.labels import GENRES
from studio.training.loopsynth.melodies import draw_arp, draw_bass, draw_shift, draw_stabs


@pytest.mark.parametrize("genre", GENRES)
@pytest.mark.parametrize("bars", [1, 2])
def test_bass_notes_follow_one_another_without_overlap(genre: str, bars: int) -> None:
    rng = np.random.default_rng(1)
    for _ in range(40):
        line = draw_bass(rng, genre, bars, major=False, shift=0)
        starts = [step for step, _, _ in line]
        assert starts == sorted(set(starts))
        following = [*starts[1:], starts[0] + 16 * bars]
        for (step, length, _), after in zip(line, following, strict=True):
            assert 0 <= step < 16 * bars
            assert 1 <= length <= min(8, after - step)


def test_a_bass_line_starts_on_its_root() -> None:
    rng = np.random.default_rng(2)
    for genre in GENRES:
        assert draw_bass(rng, genre, 1, major=False, shift=0)[0][2] == 0


def test_the_second_bar_moves_by_the_shift() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        chords = dict(draw_stabs(rng, "techno", 2, major=False, shift=5))
        first = {chord for step, chord in chords.items() if step < 16}
        second = {chord for step, chord in chords.items() if step >= 16}
        assert {tuple(note + 5 for note in chord) for chord in first} == second


def test_one_bar_is_never_shifted_and_two_bars_sometimes() -> None:
    rng = np.random.default_rng(4)
    assert {draw_shift(rng, 1, major=False) for _ in range(50)} == {0}
    assert {draw_shift(rng, 2, major=False) for _ in range(200)} == {0, 3, 5, -2, -4}


def test_an_arpeggio_keeps_a_pulse() -> None:
    rng = np.random.default_rng(5)
    for _ in range(40):
        line = draw_arp(rng, 1, major=True, shift=0)
        assert line[0] == (0, 0)
        assert len(line) >= 3
        gaps = np.diff([step for step, _ in line])
        assert gaps.max() <= 12
