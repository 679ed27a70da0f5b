"""Owns the bank of bass patches; renders single notes, no patterns."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np

from studio.training.loopsynth.labels import Tone
from studio.training.loopsynth.oscillators import (
    Shape,
    Sound,
    decay,
    midi_hz,
    oscillate,
    sine,
    soft_clip,
    times,
)
from studio.training.loopsynth.timing import FRAME_SAMPLES

BASS_FAMILIES: Final = ("sub", "reese", "acid", "pluck")
_BRIGHTNESS: Final = (0.5, 0.7, 1.0, 1.15, 1.7, 2.3)
_COLOURS: Final[tuple[Tone, ...]] = ("dark", "dark", "", "", "bright", "bright")
BASS_COUNT: Final = len(BASS_FAMILIES) * len(_BRIGHTNESS)
LONGEST_NOTE_FRAMES: Final = 48
_RELEASE_SAMPLES: Final = 256


def bass_family(patch: int) -> str:
    """The family ('sub', 'reese', ...) of a patch number in ``range(BASS_COUNT)``."""
    return BASS_FAMILIES[patch % len(BASS_FAMILIES)]


def bass_colour(patch: int) -> Tone:
    """'dark', 'bright', or '' for a patch in between."""
    return _COLOURS[patch // len(BASS_FAMILIES)]


def _sub(frequency_hz: float, samples: int, brightness: float, rng: np.random.Generator) -> Sound:
    wave = sine(frequency_hz, samples)
    wave += rng.uniform(0.15, 0.3) * brightness * sine(2 * frequency_hz, samples)
    wave += rng.uniform(0.05, 0.15) * brightness * sine(3 * frequency_hz, samples)
    return soft_clip(wave * (0.7 + 0.6 * brightness))


def _reese(frequency_hz: float, samples: int, brightness: float, rng: np.random.Generator) -> Sound:
    apart = rng.uniform(0.0035, 0.006)
    wave = sine(frequency_hz, samples) * 0.55
    for detune, phase in ((-apart, 0.0), (apart, 0.35)):
        wave += 0.5 * oscillate(
            frequency_hz * (1 + detune), samples, cutoff_hz=750 * brightness, phase=phase
        )
    return wave


def _acid(frequency_hz: float, samples: int, brightness: float, rng: np.random.Generator) -> Sound:
    shape: Shape = "square" if rng.random() < 0.5 else "saw"
    sweep = decay(samples, rng.uniform(0.05, 0.13))
    cutoff_hz = (230 + 2_300 * sweep) * np.float32(brightness)
    return 0.42 * oscillate(
        2 * frequency_hz, samples, shape=shape, resonance=6.0, cutoff_hz=cutoff_hz
    )


def _pluck(frequency_hz: float, samples: int, brightness: float, rng: np.random.Generator) -> Sound:
    cutoff_hz = (200 + 1_900 * decay(samples, 0.06)) * np.float32(brightness)
    wave = oscillate(2 * frequency_hz, samples, resonance=2.0, cutoff_hz=cutoff_hz)
    wave += 0.5 * sine(frequency_hz, samples)
    return 0.6 * wave * decay(samples, rng.uniform(0.12, 0.22))


@lru_cache(maxsize=768)
def _held_note(patch: int, note: int) -> Sound:
    rng = np.random.default_rng([27_182, patch])
    samples = LONGEST_NOTE_FRAMES * FRAME_SAMPLES
    make = (_sub, _reese, _acid, _pluck)[patch % len(BASS_FAMILIES)]
    wave = make(midi_hz(note), samples, _BRIGHTNESS[patch // len(BASS_FAMILIES)], rng)
    attack = np.minimum(1.0, times(samples) * (1 / 0.003))
    sound = np.asarray(wave * attack, dtype=np.float32)
    sound.flags.writeable = False
    return sound


def bass_note(patch: int, note: int, frames: int) -> Sound:
    """One bass note, ``[frames * FRAME_SAMPLES]``, held for at most ``LONGEST_NOTE_FRAMES``.

    Args:
        patch: Number in ``range(BASS_COUNT)``.
        note: MIDI number of the lowest octave the patch sounds in.
        frames: Length in codec frames, at least one; the release ends with the last frame.
    """
    samples = min(frames, LONGEST_NOTE_FRAMES) * FRAME_SAMPLES
    sound: Sound = _held_note(patch, note)[:samples].copy()
    sound[-_RELEASE_SAMPLES:] *= np.linspace(1.0, 0.0, _RELEASE_SAMPLES, dtype=np.float32)
    return sound
