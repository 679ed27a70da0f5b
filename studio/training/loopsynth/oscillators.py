"""Owns wavetable oscillators with a precomputed filter axis, and shaped noise.

Knows nothing about instruments. All sounds are mono float32 at ``SAMPLE_RATE``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from studio.training.loopsynth.timing import SAMPLE_RATE

Sound = NDArray[np.float32]
Shape = Literal["saw", "square", "pulse"]

TABLE_SIZE: Final = 4096
_CUTOFF_RATIOS: Final = np.geomspace(0.7, 256.0, 44)
_LOG_FIRST: Final = float(np.log(_CUTOFF_RATIOS[0]))
_LOG_STEP: Final = float(np.log(_CUTOFF_RATIOS[1] / _CUTOFF_RATIOS[0]))
_HIGHEST_CUTOFF_HZ: Final = 7_600.0
_TAPER: Final = (1.3, 2.0)


def times(samples: int) -> Sound:
    """Seconds since the start, ``[samples]``."""
    return np.arange(samples, dtype=np.float32) / np.float32(SAMPLE_RATE)


def midi_hz(note: float) -> float:
    """Frequency in Hz of a MIDI note number (69 = 440 Hz)."""
    return float(440.0 * 2.0 ** ((note - 69.0) / 12.0))


@lru_cache(maxsize=16)
def filtered_tables(shape: Shape, resonance: float) -> Sound:
    """One period of a wave for each cutoff ratio, ``[cutoffs, TABLE_SIZE + 1]``.

    Row ``i`` is the wave through a resonant two-pole low-pass at ``_CUTOFF_RATIOS[i]`` times the
    fundamental. Harmonics end at twice the cutoff, so a capped cutoff keeps the sound below
    Nyquist. The last column repeats the first, for interpolation.
    """
    harmonics = np.arange(1, TABLE_SIZE // 2, dtype=np.float64)
    strength = 1.0 / harmonics
    if shape == "square":
        strength = strength * (harmonics % 2 == 1) * 1.5
    elif shape == "pulse":
        strength = strength * np.sin(0.25 * np.pi * harmonics) * 1.6
    ratio = harmonics / _CUTOFF_RATIOS[:, None]
    response = 1.0 / np.sqrt((1.0 - ratio**2) ** 2 + (ratio / resonance) ** 2)
    position = np.clip((ratio - _TAPER[0]) / (_TAPER[1] - _TAPER[0]), 0.0, 1.0)
    response *= 0.5 + 0.5 * np.cos(np.pi * position)
    spectrum = np.zeros((len(_CUTOFF_RATIOS), TABLE_SIZE // 2 + 1), dtype=np.complex128)
    spectrum[:, 1 : TABLE_SIZE // 2] = -1j * strength * response
    waves = np.fft.irfft(spectrum, axis=1) * TABLE_SIZE / np.pi
    return np.concatenate([waves, waves[:, :1]], axis=1).astype(np.float32)


def oscillate(
    frequency_hz: float,
    samples: int,
    *,
    shape: Shape = "saw",
    resonance: float = 0.8,
    cutoff_hz: float | Sound = 4_000.0,
    phase: float = 0.0,
) -> Sound:
    """A steady wave through a moving low-pass filter, ``[samples]``.

    Args:
        frequency_hz: Fundamental.
        samples: Length.
        shape: Wave before the filter.
        resonance: Height of the filter's peak (0.7 is flat).
        cutoff_hz: One cutoff, or one for each sample.
        phase: Start, in turns.
    """
    tables = filtered_tables(shape, resonance)
    turns = phase + frequency_hz / SAMPLE_RATE * np.arange(samples, dtype=np.float64)
    place = (turns - np.floor(turns)) * TABLE_SIZE
    column = place.astype(np.int64)
    between = (place - column).astype(np.float32)
    cutoff = np.clip(np.asarray(cutoff_hz, dtype=np.float64), 20.0, _HIGHEST_CUTOFF_HZ)
    level = (np.log(cutoff / frequency_hz) - _LOG_FIRST) / _LOG_STEP
    level = np.clip(level, 0.0, len(_CUTOFF_RATIOS) - 1.001)
    row = level.astype(np.int64)
    blend = (level - row).astype(np.float32)
    flat = tables.ravel()
    start = row * (TABLE_SIZE + 1) + column
    lower = flat[start] * (1 - between) + flat[start + 1] * between
    start = start + TABLE_SIZE + 1
    upper = flat[start] * (1 - between) + flat[start + 1] * between
    return np.asarray(lower * (1 - blend) + upper * blend, dtype=np.float32)


def sine(frequency_hz: float, samples: int, *, phase: float = 0.0) -> Sound:
    """A sine wave, ``[samples]``; ``phase`` in turns."""
    turns = phase + frequency_hz / SAMPLE_RATE * np.arange(samples, dtype=np.float64)
    return np.sin(2.0 * np.pi * turns).astype(np.float32)


def glide(start_hz: float, end_hz: float, samples: int, fall_seconds: float) -> Sound:
    """A sine whose pitch falls exponentially from ``start_hz`` to ``end_hz``, ``[samples]``."""
    seconds = np.arange(samples, dtype=np.float64) / SAMPLE_RATE
    fallen = fall_seconds * (1.0 - np.exp(-seconds / fall_seconds))
    return np.sin(2.0 * np.pi * (end_hz * seconds + (start_hz - end_hz) * fallen)).astype(
        np.float32
    )


def decay(samples: int, seconds: float) -> Sound:
    """An envelope falling to 1/e in ``seconds``, ``[samples]``."""
    return np.asarray(np.exp(-times(samples) / np.float32(seconds)), dtype=np.float32)


def shaped_noise(
    rng: np.random.Generator, samples: int, low_hz: float, high_hz: float, *, slope: float = 2.0
) -> Sound:
    """Gaussian noise of unit RMS between two frequencies, ``[samples]``; steeper with ``slope``."""
    size = 1 << max(8, (samples - 1).bit_length())
    spectrum = np.fft.rfft(rng.standard_normal(size))
    hertz = np.fft.rfftfreq(size, 1.0 / SAMPLE_RATE) + 1.0
    gain = ((1.0 + (low_hz / hertz) ** (2 * slope)) * (1.0 + (hertz / high_hz) ** (2 * slope))) ** (
        -0.5
    )
    noise = np.fft.irfft(spectrum * gain, size)[:samples]
    return np.asarray(noise / (np.std(noise) + 1e-9), dtype=np.float32)


def low_pass(sound: Sound, cutoff_hz: float, *, slope: float = 2.0) -> Sound:
    """A zero-phase low-pass over the whole sound, same length."""
    size = 2 * len(sound)
    hertz = np.fft.rfftfreq(size, 1.0 / SAMPLE_RATE)
    gain = 1.0 / np.sqrt(1.0 + (hertz / cutoff_hz) ** (2 * slope))
    filtered = np.fft.irfft(np.fft.rfft(sound, size) * gain, size)[: len(sound)]
    return np.asarray(filtered, dtype=np.float32)


def high_pass(sound: Sound, cutoff_hz: float, *, slope: float = 2.0) -> Sound:
    """What `low_pass` at the same cutoff takes away, same length."""
    return sound - low_pass(sound, cutoff_hz, slope=slope)


def soft_clip(sound: NDArray[np.floating]) -> Sound:
    """The sound bent into -1 to 1 by a hyperbolic tangent."""
    return np.asarray(np.tanh(sound), dtype=np.float32)


def fade_edges(sound: Sound, attack_seconds: float, release_seconds: float) -> Sound:
    """The sound with straight fades at both ends, as a new array."""
    faded = sound.astype(np.float32, copy=True)
    attack = min(len(faded), max(1, round(attack_seconds * SAMPLE_RATE)))
    release = min(len(faded), max(1, round(release_seconds * SAMPLE_RATE)))
    faded[:attack] *= np.arange(attack, dtype=np.float32) / attack
    faded[-release:] *= np.arange(release - 1, -1, -1, dtype=np.float32) / release
    return faded
