"""Owns pads: held chords built as spectra of the loop's own length, so they have no seam.

The method is that of Nasca's PADsynth: each partial is a narrow band of random phases.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import groupby
from typing import Final

import numpy as np

from studio.training.loopsynth.oscillators import Sound, midi_hz
from studio.training.loopsynth.timing import FRAME_SAMPLES, SAMPLE_RATE

PAD_FAMILIES: Final = ("warm", "strings", "choir", "glassy", "sweep")
_BRIGHTNESS: Final = (0.6, 0.9, 1.4, 2.0)
PAD_COUNT: Final = len(PAD_FAMILIES) * len(_BRIGHTNESS)
_SWELL_SECONDS: Final = 0.06
_LEVEL: Final = 0.12
_HIGHEST_HZ: Final = 9_000.0
_SPREAD: Final = {"warm": 0.003, "strings": 0.006, "choir": 0.004, "glassy": 0.0015, "sweep": 0.004}
_FORMANTS: Final = (620.0, 1_050.0, 2_500.0)


def pad_family(patch: int) -> str:
    """The family of a pad patch in ``range(PAD_COUNT)``."""
    return PAD_FAMILIES[patch % len(PAD_FAMILIES)]


def _levels(family: str, bright: float, hertz: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Amplitude of a voice's partials."""
    if family == "strings":
        return np.asarray(order**-0.9 / (1 + (hertz / (2_600 * bright)) ** 2))
    if family == "choir":
        near = sum(1 / (1 + ((hertz - formant) / 170) ** 2) for formant in _FORMANTS)
        return np.asarray((0.15 + near * bright**0.3) * order**-0.7)
    if family == "glassy":
        return np.asarray(np.where((order == 1) | (order % 4 == 0), order**-0.8 * bright**0.3, 0))
    return np.asarray(order**-1.0 / (1 + (hertz / (700 * bright)) ** 2))


@lru_cache(maxsize=64)
def held_chord(patch: int, notes: tuple[int, ...], frames: int, *, opened: bool = False) -> Sound:
    """A chord without beginning or end, exactly periodic in ``frames`` codec frames.

    Args:
        patch: Number in ``range(PAD_COUNT)``.
        notes: MIDI numbers.
        frames: Period in codec frames.
        opened: The brightest moment of a sweep.
    """
    samples = frames * FRAME_SAMPLES
    family = pad_family(patch)
    bright = _BRIGHTNESS[patch // len(PAD_FAMILIES)] * (3.2 if opened else 1.0)
    rng = np.random.default_rng([16_180, patch])
    spectrum = np.zeros(samples // 2 + 1, dtype=np.complex128)
    resolution_hz = SAMPLE_RATE / samples
    for note in notes:
        fundamental_hz = midi_hz(note)
        order = np.arange(1, int(_HIGHEST_HZ / fundamental_hz) + 1)
        levels = _levels(family, bright, order * fundamental_hz, order)
        for n, level in zip(order, levels, strict=True):
            centre = n * fundamental_hz / resolution_hz
            reach = max(1.0, _SPREAD[family] * centre)
            bins = np.arange(round(centre - reach), round(centre + reach) + 1)
            shape = np.exp(-0.5 * ((bins - centre) / (0.5 * reach)) ** 2)
            phases = np.exp(2j * np.pi * rng.random(len(bins)))
            spectrum[bins] += level * shape / np.sqrt((shape**2).sum()) * phases
    wave = np.fft.irfft(spectrum, samples)
    sound = np.asarray(_LEVEL * wave / (np.std(wave) + 1e-12), dtype=np.float32)
    sound.flags.writeable = False
    return sound


def pad(patch: int, chords: tuple[tuple[int, ...], ...], frames: int) -> Sound:
    """Held chords that take equal turns within ``frames`` codec frames, ``[samples]``, circular.

    Equal neighbours are held through. Each chord swells in and out; a single one never stops.

    Args:
        patch: Number in ``range(PAD_COUNT)``.
        chords: MIDI numbers of each.
        frames: Period in codec frames, divisible by the number of chords.
    """
    samples = frames * FRAME_SAMPLES
    turn = samples // len(chords)
    swell = int(_SWELL_SECONDS * SAMPLE_RATE)
    sound = np.zeros(samples, dtype=np.float32)
    sweeping = pad_family(patch) == "sweep"
    opening = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(samples) / samples)).astype(np.float32)
    start = 0
    for notes, run in groupby(chords):
        length = turn * len(list(run))
        part = slice(start, start + length)
        start += length
        wave = held_chord(patch, notes, frames)[part]
        if sweeping:
            bright = held_chord(patch, notes, frames, opened=True)[part]
            wave = wave + opening[part] * (bright - wave)
        if length < samples:
            near_edge = np.minimum(np.arange(length), np.arange(length)[::-1]) / swell
            wave = wave * np.minimum(1.0, near_edge).astype(np.float32)
        sound[part] = wave
    return sound
