from __future__ import annotations

import numpy as np
import pytest

from studio.training.loopsynth.basses import (
    BASS_COUNT,
    BASS_FAMILIES,
    LONGEST_NOTE_FRAMES,
    bass_colour,
    bass_family,
    bass_note,
)
from studio.training.loopsynth.describing import treble_balance
from studio.training.loopsynth.oscillators import midi_hz
from studio.training.loopsynth.timing import FRAME_SAMPLES, SAMPLE_RATE


def test_the_bank_holds_eight_patches_of_each_family() -> None:
    families = [bass_family(patch) for patch in range(BASS_COUNT)]
    assert BASS_COUNT >= 64
    assert {name: families.count(name) for name in set(families)} == dict.fromkeys(BASS_FAMILIES, 8)


@pytest.mark.parametrize("patch", range(BASS_COUNT))
def test_notes_are_in_tune_with_their_key(patch: int) -> None:
    sound = bass_note(patch, 33, LONGEST_NOTE_FRAMES).astype(np.float64)
    level = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 8 * len(sound)))
    hertz = np.arange(len(level)) * SAMPLE_RATE / (8 * len(sound))
    strongest = float(hertz[np.argmax(level)])
    octaves = np.log2(strongest / midi_hz(33))
    harmonic = strongest / midi_hz(33)
    assert abs(harmonic - round(harmonic)) < 0.03 * harmonic
    assert -0.1 < octaves < 3.2


@pytest.mark.parametrize("frames", [1, 4, 11])
def test_notes_last_whole_frames_and_fade_to_silence(frames: int) -> None:
    for patch in range(BASS_COUNT):
        sound = bass_note(patch, 30, frames)
        assert sound.shape == (frames * FRAME_SAMPLES,)
        assert sound[0] == 0
        assert sound[-1] == 0
        assert 0.05 < np.abs(sound).max() < 2.5


def test_longer_notes_are_held_no_longer_than_the_limit() -> None:
    assert len(bass_note(0, 30, 500)) == LONGEST_NOTE_FRAMES * FRAME_SAMPLES


def test_bright_patches_have_more_treble_than_dark_ones_of_their_family() -> None:
    for family in range(len(BASS_FAMILIES)):
        patches = range(family, BASS_COUNT, len(BASS_FAMILIES))
        balance = {patch: treble_balance(bass_note(patch, 36, 12)) for patch in patches}
        dark = [balance[patch] for patch in patches if bass_colour(patch) == "dark"]
        bright = [balance[patch] for patch in patches if bass_colour(patch) == "bright"]
        assert len(dark) == len(bright) == 2
        assert max(dark) < min(bright), BASS_FAMILIES[family]


def test_an_equal_note_is_equal_samples_and_changing_it_spoils_no_other() -> None:
    first = bass_note(1, 34, 6)
    expected = first.copy()
    first[:] = 0
    assert np.array_equal(bass_note(1, 34, 6), expected)
