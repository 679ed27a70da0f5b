from __future__ import annotations

import numpy as np
import pytest

from studio.training.loopsynth.chords import STAB_COUNT, STAB_FAMILIES, stab, stab_family
from studio.training.loopsynth.oscillators import Sound, midi_hz
from studio.training.loopsynth.pads import PAD_COUNT, PAD_FAMILIES, pad, pad_family
from studio.training.loopsynth.plucks import (
    PLUCK_COUNT,
    PLUCK_FAMILIES,
    is_held,
    pluck_family,
    pluck_note,
)
from studio.training.loopsynth.timing import FRAME_SAMPLES, SAMPLE_RATE

_MINOR = (48, 51, 55)


def _level_at(sound: Sound, frequency_hz: float) -> float:
    turns = frequency_hz / SAMPLE_RATE * np.arange(len(sound))
    return float(abs(np.sum(sound * np.exp(-2j * np.pi * turns))))


def _loudest_octave(sound: Sound, note: float) -> float:
    return max(_level_at(sound, midi_hz(note + octave)) for octave in (-12, 0, 12, 24))


def test_there_are_more_than_sixty_four_chord_voices() -> None:
    assert STAB_COUNT + PLUCK_COUNT + PAD_COUNT >= 64
    for count, family, families in (
        (STAB_COUNT, stab_family, STAB_FAMILIES),
        (PLUCK_COUNT, pluck_family, PLUCK_FAMILIES),
        (PAD_COUNT, pad_family, PAD_FAMILIES),
    ):
        assert {family(patch) for patch in range(len(families))} == set(families)
        assert count % len(families) == 0


@pytest.mark.parametrize("patch", range(STAB_COUNT))
def test_stabs_hold_the_notes_of_their_chord_and_not_their_neighbours(patch: int) -> None:
    sound = stab(patch, _MINOR)
    for note in _MINOR:
        between = max(_loudest_octave(sound, note + 1.5), _loudest_octave(sound, note - 1.5))
        assert _loudest_octave(sound, note) > 1.5 * between


@pytest.mark.parametrize("patch", range(STAB_COUNT))
def test_stabs_are_short_and_start_and_end_in_silence(patch: int) -> None:
    sound = stab(patch, _MINOR)
    assert len(sound) < 0.7 * SAMPLE_RATE
    assert sound[0] == 0
    assert sound[-1] == 0
    assert 0.05 < np.abs(sound).max() < 1.2
    assert np.std(sound[: len(sound) // 4]) > 1.8 * np.std(sound[-len(sound) // 4 :])


@pytest.mark.parametrize("patch", range(STAB_COUNT))
def test_no_two_chord_patches_sound_the_same(patch: int) -> None:
    mine = stab(patch, _MINOR)
    for other in range(patch):
        assert not np.array_equal(mine, stab(other, _MINOR))


@pytest.mark.parametrize("patch", range(PLUCK_COUNT))
def test_melodic_notes_are_in_tune(patch: int) -> None:
    sound = pluck_note(patch, 69, 20)
    assert _level_at(sound, 440.0) > 4 * _level_at(sound, midi_hz(70))
    assert _level_at(sound, 440.0) > 4 * _level_at(sound, midi_hz(68))
    assert 0.1 < np.abs(sound).max() < 1.0


@pytest.mark.parametrize("patch", range(PLUCK_COUNT))
def test_plucked_notes_ring_out_and_held_ones_end_when_they_are_told(patch: int) -> None:
    short, long = pluck_note(patch, 69, 5), pluck_note(patch, 69, 20)
    assert short[-1] == 0
    if is_held(patch):
        assert len(short) == 5 * FRAME_SAMPLES
        assert len(long) == 20 * FRAME_SAMPLES
    else:
        assert np.array_equal(short, long)
        assert np.std(long[:3_000]) > 3 * np.std(long[-3_000:])


@pytest.mark.parametrize("patch", range(PAD_COUNT))
def test_pads_last_exactly_their_frames_at_an_even_level(patch: int) -> None:
    chords = (_MINOR, _MINOR, (53, 56, 60), _MINOR)
    sound = pad(patch, chords, 72)
    assert sound.shape == (72 * FRAME_SAMPLES,)
    assert 0.02 < np.std(sound) < 0.3
    held = sound[: 36 * FRAME_SAMPLES]
    assert _level_at(held, midi_hz(48)) > 3 * _level_at(held, midi_hz(48.5))


@pytest.mark.parametrize("patch", range(PAD_COUNT))
def test_a_pad_of_one_chord_goes_round_without_a_seam(patch: int) -> None:
    sound = pad(patch, (_MINOR, _MINOR), 70)
    seam = abs(float(sound[0]) - float(sound[-1]))
    assert seam <= float(np.abs(np.diff(sound)).max())
    ends = np.concatenate([sound[-4_000:], sound[:4_000]])
    assert np.std(ends) > 0.3 * np.std(sound)
