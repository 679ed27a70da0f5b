from __future__ import annotations

import numpy as np
import pytest

from studio.training.loopsynth.chords import (
    ARP_COUNT,
    PAD_COUNT,
    STAB_COUNT,
    arp_family,
    arp_note,
    pad,
    stab,
    stab_family,
)
from studio.training.loopsynth.oscillators import Sound, midi_hz
from studio.training.loopsynth.timing import FRAME_SAMPLES, SAMPLE_RATE

_MINOR = (48, 51, 55)


def _level_at(sound: Sound, frequency_hz: float) -> float:
    turns = frequency_hz / SAMPLE_RATE * np.arange(len(sound))
    return float(abs(np.sum(sound * np.exp(-2j * np.pi * turns))))


@pytest.mark.parametrize("patch", range(STAB_COUNT))
def test_stabs_hold_the_notes_of_their_chord_and_not_their_neighbours(patch: int) -> None:
    sound = stab(patch, _MINOR)
    for note in _MINOR:
        between = (_level_at(sound, midi_hz(note + 1.5)), _level_at(sound, midi_hz(note - 1.5)))
        assert _level_at(sound, midi_hz(note)) > 1.5 * max(between)


@pytest.mark.parametrize("patch", range(STAB_COUNT))
def test_stabs_are_short_and_start_and_end_in_silence(patch: int) -> None:
    sound = stab(patch, _MINOR)
    assert len(sound) < 0.5 * SAMPLE_RATE
    assert sound[0] == 0
    assert sound[-1] == 0
    assert 0.05 < np.abs(sound).max() < 1
    assert np.std(sound[: len(sound) // 4]) > 2 * np.std(sound[-len(sound) // 4 :])


@pytest.mark.parametrize("patch", range(ARP_COUNT))
def test_arpeggio_notes_are_plucked_in_tune(patch: int) -> None:
    sound = arp_note(patch, 69)
    assert _level_at(sound, 440.0) > 5 * _level_at(sound, 440.0 * 2 ** (0.5 / 12))
    assert np.std(sound[:3_000]) > 3 * np.std(sound[-3_000:])


@pytest.mark.parametrize("patch", range(PAD_COUNT))
def test_pads_last_exactly_their_frames_and_swell(patch: int) -> None:
    sound = pad(patch, _MINOR, 70)
    assert sound.shape == (70 * FRAME_SAMPLES,)
    assert abs(sound[0]) < 1e-3
    assert abs(sound[-1]) < 1e-3
    assert 0.02 < np.std(sound) < 0.3


def test_families_take_turns_through_the_banks() -> None:
    assert {stab_family(patch) for patch in range(4)} == {"house", "dub", "organ", "rave"}
    assert {arp_family(patch) for patch in range(4)} == {"bell", "glass", "saw", "soft"}
