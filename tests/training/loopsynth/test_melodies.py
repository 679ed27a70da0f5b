from __future__ import annotations

import numpy as np
import pytest

from studio.training.loopsynth.labels import GENRES
from studio.training.loopsynth.melodies import (
    BassLine,
    chord,
    degree_at,
    draw_arp,
    draw_bass,
    draw_lead,
    draw_progression,
    draw_stabs,
    triad,
)

_SCALES = {False: {0, 2, 3, 5, 7, 8, 10}, True: {0, 2, 4, 5, 7, 9, 11}}
_HOME = {bars: (0,) * (2 * bars) for bars in (1, 2, 4)}


def _check_line(line: BassLine, bars: int, longest: int) -> None:
    starts = [step for step, _, _ in line]
    assert starts == sorted(set(starts))
    following = [*starts[1:], starts[0] + 16 * bars]
    for (step, length, _), after in zip(line, following, strict=True):
        assert 0 <= step < 16 * bars
        assert 1 <= length <= min(longest, after - step)


@pytest.mark.parametrize("genre", GENRES)
@pytest.mark.parametrize("bars", [1, 2, 4])
def test_bass_notes_follow_one_another_without_overlap(genre: str, bars: int) -> None:
    rng = np.random.default_rng(1)
    for _ in range(25):
        _check_line(draw_bass(rng, genre, _HOME[bars], major=False), bars, 8)


def test_a_bass_line_starts_on_its_root() -> None:
    rng = np.random.default_rng(2)
    for genre in GENRES:
        assert draw_bass(rng, genre, _HOME[1], major=False)[0][2] == 0


@pytest.mark.parametrize("major", [False, True])
def test_every_chord_is_made_of_the_key(major: bool) -> None:
    for degree in _SCALES[major]:
        for colour in range(5):
            notes = chord(degree, colour, major=major)
            assert {note % 12 for note in notes} <= _SCALES[major]
    assert triad(0, major=major) == ((0, 4, 7) if major else (0, 3, 7))


@pytest.mark.parametrize("major", [False, True])
@pytest.mark.parametrize("bars", [1, 2, 4])
def test_every_note_that_is_drawn_belongs_to_the_key(bars: int, major: bool) -> None:
    rng = np.random.default_rng(3)
    for _ in range(60):
        progression = draw_progression(rng, bars, major=major)
        notes = [note for _, _, note in draw_bass(rng, "house", progression, major=major)]
        notes += [note for _, _, note in draw_arp(rng, progression, major=major)]
        notes += [note for _, _, note in draw_lead(rng, progression, major=major)]
        for _, stab in draw_stabs(rng, "house", progression, major=major):
            notes += stab
        assert {note % 12 for note in notes} <= _SCALES[major]


@pytest.mark.parametrize("bars", [1, 2, 4])
def test_the_key_note_holds_in_the_first_bar_and_most_of_the_time(bars: int) -> None:
    rng = np.random.default_rng(4)
    drawn = {draw_progression(rng, bars, major=False) for _ in range(200)}
    assert len(drawn) == 1 if bars == 1 else len(drawn) > 4
    for progression in drawn:
        assert len(progression) == 2 * bars
        assert progression[:2] == (0, 0)
        assert progression.count(0) > len(progression) / 2
        assert degree_at(progression, 16 * bars - 1) == progression[-1]


def test_an_arpeggio_keeps_a_pulse() -> None:
    rng = np.random.default_rng(5)
    for _ in range(40):
        line = draw_arp(rng, _HOME[1], major=True)
        assert line[0][0] == 0
        assert line[0][2] == 0
        assert len(line) >= 3
        gaps = np.diff([step for step, _, _ in line])
        assert gaps.max() <= 12


def test_a_lead_moves_by_small_steps_and_begins_at_home() -> None:
    rng = np.random.default_rng(6)
    leaps = []
    for _ in range(60):
        line = draw_lead(rng, _HOME[2], major=False)
        _check_line(line, 2, 6)
        assert line[0][2] == 0
        leaps += list(np.abs(np.diff([note for _, _, note in line[1:]])))
    assert np.mean(np.array(leaps) <= 7) > 0.95
