from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from studio.editing.key import PITCH_CLASSES, parse_key
from studio.editing.key_estimate import estimate_key, pitch_class_profiles
from studio.training.loopsynth import render_loop

RATE = 32_000


def chord(*notes: int, seconds: float = 2.0) -> NDArray[np.float32]:
    """Held notes with four falling harmonics each."""
    time = np.arange(int(seconds * RATE)) / RATE
    wave = np.zeros(len(time))
    for note in notes:
        for n in range(1, 5):
            wave += np.sin(2 * np.pi * 440 * 2 ** ((note - 69) / 12) * n * time) / n**2
    return (0.1 * wave).astype(np.float32)


@pytest.mark.parametrize("root", range(12))
@pytest.mark.parametrize(("third", "mode"), [(4, ""), (3, "m")])
def test_a_plain_triad_over_its_root_is_its_own_key(root: int, third: int, mode: str) -> None:
    sound = chord(36 + root, 48 + root, 48 + root + third, 55 + root)
    assert estimate_key(sound, RATE).key == PITCH_CLASSES[root] + mode


def test_a_drum_over_it_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    sound = chord(45, 57, 60, 64)
    for start in range(0, len(sound) - 4_000, 8_000):
        fall = np.exp(-np.arange(4_000) / 600)
        sound[start : start + 4_000] += (0.5 * fall * rng.standard_normal(4_000)).astype(np.float32)
    assert estimate_key(sound, RATE).key == "Am"


def test_other_sampling_rates_hear_the_same_key() -> None:
    time = np.arange(2 * 44_100) / 44_100
    wave = sum(np.sin(2 * np.pi * hz * time) for hz in (130.81, 261.63, 329.63, 392.0))
    assert estimate_key(np.asarray(0.1 * wave, dtype=np.float32), 44_100).key == "C"


def test_silence_has_no_key_and_no_profile() -> None:
    silence = np.zeros(RATE, dtype=np.float32)
    assert estimate_key(silence, RATE).key == ""
    middle, bass = pitch_class_profiles(silence, RATE)
    assert not middle.any()
    assert not bass.any()


def test_a_plain_chord_is_heard_with_more_confidence_than_noise() -> None:
    noise = 0.1 * np.random.default_rng(1).standard_normal(2 * RATE).astype(np.float32)
    assert estimate_key(chord(45, 57, 60, 64), RATE).confidence > 0.9
    assert estimate_key(noise, RATE).confidence < 0.9


def test_nine_in_ten_synthesised_loops_that_call_themselves_tonal_are_in_their_key() -> None:
    right = []
    for seed in range(7_000, 7_130):
        loop = render_loop(seed, split="validation")
        if loop.labels.tonal and loop.labels.key is not None:
            samples = np.resize(loop.samples, max(len(loop.samples), 4 * RATE))
            right.append(estimate_key(samples, RATE).key == parse_key(loop.labels.key))
    assert len(right) > 40
    assert np.mean(right) >= 0.9
