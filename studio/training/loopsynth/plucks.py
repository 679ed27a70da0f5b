"""Owns the bank of melodic voices: what arpeggios and leads are played on; no patterns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

import numpy as np

from studio.training.loopsynth.oscillators import (
    Shape,
    Sound,
    decay,
    fade_edges,
    midi_hz,
    oscillate,
    shaped_noise,
    sine,
    times,
)
from studio.training.loopsynth.timing import FRAME_SAMPLES, SAMPLE_RATE

_BRIGHTNESS: Final = (0.7, 1.0, 1.4, 1.9)
_PLUCKED_SAMPLES: Final = int(0.42 * SAMPLE_RATE)
_HELD_SAMPLES: Final = int(0.9 * SAMPLE_RATE)
_HELD: Final = ("lead", "flute", "chip")


def _bell(hz: float, samples: int, bright: float) -> Sound:
    wave = sine(hz, samples) * decay(samples, 0.13)
    wave += 0.35 * bright * sine(hz * 2.76, samples) * decay(samples, 0.05)
    return wave + 0.15 * bright * sine(hz * 5.4, samples) * decay(samples, 0.025)


def _glass(hz: float, samples: int, bright: float) -> Sound:
    return (sine(hz, samples) + 0.4 * bright * sine(hz * 4, samples)) * decay(samples, 0.09)


def _saw(hz: float, samples: int, bright: float) -> Sound:
    cutoff_hz = (300 + 2_600 * decay(samples, 0.06)) * bright
    return 0.8 * oscillate(hz, samples, resonance=2.0, cutoff_hz=cutoff_hz) * decay(samples, 0.1)


def _soft(hz: float, samples: int, bright: float) -> Sound:
    cutoff_hz = (250 + 900 * decay(samples, 0.08)) * bright
    wave = oscillate(hz, samples, shape="square", cutoff_hz=cutoff_hz)
    return 0.9 * wave * decay(samples, 0.12)


def _harp(hz: float, samples: int, bright: float) -> Sound:
    """A plucked string: every partial fades faster than the one below."""
    wave = np.zeros(samples, dtype=np.float32)
    for n in range(1, 10):
        level = np.sin(0.3 * np.pi * n) / n * min(1.0, bright ** (0.3 * n))
        wave += np.float32(level) * sine(hz * n, samples) * decay(samples, 0.26 / n)
    return 0.9 * wave


def _marimba(hz: float, samples: int, bright: float) -> Sound:
    wave = sine(hz, samples) * decay(samples, 0.09)
    wave += 0.3 * bright * sine(hz * 3.93, samples) * decay(samples, 0.025)
    knock = shaped_noise(np.random.default_rng(3), samples, 400, 2_200) * decay(samples, 0.003)
    return wave + 0.08 * bright * knock


def _modulated(hz: float, samples: int, bright: float) -> Sound:
    turns = 2 * np.pi * hz * times(samples).astype(np.float64)
    depth = 1.6 * bright * decay(samples, 0.045)
    wave = np.sin(turns + depth * np.sin(2 * turns))
    return np.asarray(wave * decay(samples, 0.12), dtype=np.float32)


def _lead(hz: float, samples: int, bright: float) -> Sound:
    wave = np.zeros(samples, dtype=np.float32)
    for detune in (-0.004, 0.0, 0.004):
        wave += oscillate(hz * (1 + detune), samples, cutoff_hz=1_900 * bright, phase=30 * detune)
    return 0.34 * wave * decay(samples, 0.9)


def _flute(hz: float, samples: int, bright: float) -> Sound:
    breath = shaped_noise(np.random.default_rng(5), samples, 0.8 * hz, 3 * hz)
    wave = sine(hz, samples) + 0.25 * bright * sine(2 * hz, samples)
    wave += 0.08 * bright * sine(3 * hz, samples) + 0.05 * breath
    rise = np.minimum(1.0, times(samples) / np.float32(0.03))
    return np.asarray(0.8 * wave * rise * decay(samples, 0.8), dtype=np.float32)


def _chip(hz: float, samples: int, bright: float) -> Sound:
    shape: Shape = "pulse" if bright < 1.2 else "square"
    return 0.5 * oscillate(hz, samples, shape=shape, cutoff_hz=3_600 * bright) * decay(samples, 0.5)


_MAKERS: Final[Mapping[str, Callable[[float, int, float], Sound]]] = MappingProxyType(
    {
        "bell": _bell,
        "glass": _glass,
        "saw": _saw,
        "soft": _soft,
        "harp": _harp,
        "marimba": _marimba,
        "fm": _modulated,
        "lead": _lead,
        "flute": _flute,
        "chip": _chip,
    }
)
PLUCK_FAMILIES: Final = tuple(_MAKERS)
PLUCK_COUNT: Final = len(PLUCK_FAMILIES) * len(_BRIGHTNESS)


def pluck_family(patch: int) -> str:
    """The family of a melodic patch in ``range(PLUCK_COUNT)``."""
    return PLUCK_FAMILIES[patch % len(PLUCK_FAMILIES)]


def is_held(patch: int) -> bool:
    """Whether a patch sounds as long as its note is held, as a lead must."""
    return pluck_family(patch) in _HELD


@lru_cache(maxsize=1024)
def _whole_note(patch: int, note: int) -> Sound:
    samples = _HELD_SAMPLES if is_held(patch) else _PLUCKED_SAMPLES
    bright = _BRIGHTNESS[patch // len(PLUCK_FAMILIES)]
    sound = _MAKERS[pluck_family(patch)](midi_hz(note), samples, bright)
    sound = fade_edges(np.asarray(0.5 * sound, dtype=np.float32), 0.002, 0.02)
    sound.flags.writeable = False
    return sound


def pluck_note(patch: int, note: int, frames: int) -> Sound:
    """One note, ``[samples]``: a plucked one rings out, a held one ends with its ``frames``.

    Args:
        patch: Number in ``range(PLUCK_COUNT)``.
        note: MIDI number.
        frames: Length in codec frames, at least one.
    """
    sound = _whole_note(patch, note)
    if not is_held(patch) or frames * FRAME_SAMPLES >= len(sound):
        return sound
    return fade_edges(sound[: frames * FRAME_SAMPLES], 0.0, 0.012)
