"""Owns the bank of bass patches; renders single notes, no patterns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

import numpy as np

from studio.training.loopsynth.labels import Tone
from studio.training.loopsynth.oscillators import (
    Shape,
    Sound,
    decay,
    glide,
    low_pass,
    midi_hz,
    oscillate,
    shaped_noise,
    sine,
    soft_clip,
    times,
)
from studio.training.loopsynth.timing import FRAME_SAMPLES

_BRIGHTNESS: Final = (0.5, 0.62, 0.8, 1.0, 1.15, 1.4, 1.8, 2.4)
_COLOURS: Final[tuple[Tone, ...]] = ("dark", "dark", "", "", "", "", "bright", "bright")
LONGEST_NOTE_FRAMES: Final = 48
_RELEASE_SAMPLES: Final = 256
_PEAK: Final = 1.1
_WOBBLE_FRAMES: Final = (8, 10, 12, 6)


def _sub(hz: float, samples: int, bright: float, rng: np.random.Generator) -> Sound:
    wave = sine(hz, samples)
    wave += rng.uniform(0.2, 0.25) * bright * sine(2 * hz, samples)
    wave += rng.uniform(0.08, 0.12) * bright * sine(3 * hz, samples)
    return soft_clip(wave * (0.7 + 0.6 * bright))


def _reese(hz: float, samples: int, bright: float, rng: np.random.Generator) -> Sound:
    apart = rng.uniform(0.003, 0.007)
    wave = sine(hz, samples) * 0.55
    for detune, phase in ((-apart, 0.0), (apart, 0.35)):
        wave += 0.5 * oscillate(hz * (1 + detune), samples, cutoff_hz=750 * bright, phase=phase)
    return wave


def _acid(hz: float, samples: int, bright: float, rng: np.random.Generator) -> Sound:
    shape: Shape = "square" if rng.random() < 0.5 else "saw"
    sweep = decay(samples, rng.uniform(0.05, 0.13))
    cutoff_hz = (230 + 2_300 * sweep) * np.float32(bright)
    return 0.42 * oscillate(2 * hz, samples, shape=shape, resonance=6.0, cutoff_hz=cutoff_hz)


def _pluck(hz: float, samples: int, bright: float, rng: np.random.Generator) -> Sound:
    cutoff_hz = (200 + 1_900 * decay(samples, 0.06)) * np.float32(bright)
    wave = oscillate(2 * hz, samples, resonance=2.0, cutoff_hz=cutoff_hz)
    wave += 0.5 * sine(hz, samples)
    return 0.6 * wave * decay(samples, rng.uniform(0.12, 0.22))


def _fm(hz: float, samples: int, bright: float, rng: np.random.Generator) -> Sound:
    """Two operators, as the digital keyboards of the 1980s had them."""
    ratio = float(rng.choice([1.0, 2.0]))
    depth = bright * (0.2 + 1.3 * decay(samples, rng.uniform(0.08, 0.16)))
    turns = 2 * np.pi * hz * times(samples).astype(np.float64)
    wave = np.sin(turns + depth * np.sin(ratio * turns)) + 0.3 * np.sin(2 * turns)
    return np.asarray(0.7 * wave * decay(samples, 0.5), dtype=np.float32)


def _slap(hz: float, samples: int, bright: float, rng: np.random.Generator) -> Sound:
    """A string struck with the thumb: a snap, then a fast closing filter."""
    cutoff_hz = (350 + 3_800 * decay(samples, 0.018) + 500 * decay(samples, 0.15)) * bright
    wave = 0.8 * oscillate(hz, samples, shape="pulse", resonance=1.4, cutoff_hz=cutoff_hz)
    wave += 0.5 * sine(hz, samples)
    snap = shaped_noise(rng, samples, 1_800, 6_500) * decay(samples, 0.004)
    return (wave * decay(samples, rng.uniform(0.2, 0.3)) + 0.12 * bright * snap).astype(np.float32)


def _wobble(hz: float, samples: int, bright: float, rng: np.random.Generator) -> Sound:
    period = int(rng.choice(_WOBBLE_FRAMES)) * FRAME_SAMPLES
    sweep = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(samples) / period)
    cutoff_hz = ((160 + 1_500 * sweep) * bright).astype(np.float32)
    wave = 0.6 * oscillate(hz, samples, resonance=2.5, cutoff_hz=cutoff_hz)
    wave += 0.4 * oscillate(1.006 * hz, samples, resonance=2.5, cutoff_hz=cutoff_hz, phase=0.4)
    return (wave + 0.5 * sine(hz, samples)).astype(np.float32)


def _long_kick(hz: float, samples: int, bright: float, rng: np.random.Generator) -> Sound:
    """The tuned, overdriven long kick of trap."""
    wave = glide(hz * rng.uniform(2.0, 3.0), hz, samples, 0.018) * decay(samples, 0.6)
    click = shaped_noise(rng, samples, 900, 4_500) * decay(samples, 0.003)
    return soft_clip((wave + 0.1 * bright * click) * (0.9 + 1.5 * bright))


def _organ(hz: float, samples: int, bright: float, rng: np.random.Generator) -> Sound:
    wave = sine(hz, samples)
    for harmonic, level in ((2, 0.55), (3, 0.25), (4, 0.18), (6, 0.1)):
        tone = level * (bright if harmonic > 2 else 1.0)
        wave += tone * sine(2 * hz * harmonic / 2, samples, phase=0.03 * harmonic)
    return 0.55 * wave * decay(samples, rng.uniform(0.2, 0.3))


def _growl(hz: float, samples: int, bright: float, rng: np.random.Generator) -> Sound:
    """A folded and overdriven wave."""
    turns = 2 * np.pi * hz * times(samples).astype(np.float64)
    drive = rng.uniform(1.6, 2.2) * (0.6 + 0.7 * bright)
    folded = np.sin(drive * (np.sin(turns) + 0.4 * np.sin(2 * turns + 0.7)))
    wave = low_pass(folded.astype(np.float32), 900 * bright)
    return (0.75 * wave + 0.35 * sine(hz, samples)).astype(np.float32)


_MAKERS: Final[Mapping[str, Callable[[float, int, float, np.random.Generator], Sound]]] = (
    MappingProxyType(
        {
            "sub": _sub,
            "reese": _reese,
            "acid": _acid,
            "pluck": _pluck,
            "fmbass": _fm,
            "slap": _slap,
            "wobble": _wobble,
            "808bass": _long_kick,
            "organbass": _organ,
            "growl": _growl,
        }
    )
)
BASS_FAMILIES: Final = tuple(_MAKERS)
BASS_COUNT: Final = len(BASS_FAMILIES) * len(_BRIGHTNESS)


def bass_family(patch: int) -> str:
    """The family ('sub', 'reese', ...) of a patch number in ``range(BASS_COUNT)``."""
    return BASS_FAMILIES[patch % len(BASS_FAMILIES)]


def bass_colour(patch: int) -> Tone:
    """'dark', 'bright', or '' for a patch in between."""
    return _COLOURS[patch // len(BASS_FAMILIES)]


@lru_cache(maxsize=512)
def _held_note(patch: int, note: int) -> Sound:
    rng = np.random.default_rng([27_182, patch % len(BASS_FAMILIES), patch // 2])
    samples = LONGEST_NOTE_FRAMES * FRAME_SAMPLES
    make = _MAKERS[bass_family(patch)]
    wave = make(midi_hz(note), samples, _BRIGHTNESS[patch // len(BASS_FAMILIES)], rng)
    attack = np.minimum(1.0, times(samples) * (1 / 0.003))
    wave = wave * attack
    sound = np.asarray(_PEAK / np.max(np.abs(wave)) * wave, dtype=np.float32)
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
