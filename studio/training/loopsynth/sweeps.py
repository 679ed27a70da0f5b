"""Owns risers: noise and tones that climb through a whole period; no rhythm but their gate."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from studio.training.loopsynth.oscillators import Sound
from studio.training.loopsynth.timing import FRAME_SAMPLES, SAMPLE_RATE

_BANDS: Final = 10
_FIRST_HZ, _LAST_HZ = 300.0, 11_000.0
_EDGE_SECONDS: Final = 0.012
_LEVEL: Final = 0.22


@lru_cache(maxsize=24)
def _noise_bands(samples: int) -> NDArray[np.float32]:
    """Narrow bands of noise from low to high, float32 [_BANDS, samples], unit RMS."""
    rng = np.random.default_rng([17_320, samples])
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    hertz = np.fft.rfftfreq(samples, 1 / SAMPLE_RATE) + 1.0
    centres = np.geomspace(_FIRST_HZ, _LAST_HZ, _BANDS)
    rows = []
    for centre in centres:
        gain = np.exp(-0.5 * (np.log2(hertz / centre) / 0.45) ** 2)
        row = np.fft.irfft(spectrum * gain, samples)
        rows.append(row / np.std(row))
    return np.stack(rows).astype(np.float32)


def rising_noise(frames: int) -> Sound:
    """Noise whose band climbs from 300 Hz to 11 kHz and grows, ``[frames * FRAME_SAMPLES]``."""
    samples = frames * FRAME_SAMPLES
    bands = _noise_bands(samples)
    place = np.linspace(0, _BANDS - 1, samples, dtype=np.float32)
    low = np.minimum(place.astype(np.int64), _BANDS - 2)
    blend = place - low
    columns = np.arange(samples)
    wave = (1 - blend) * bands[low, columns] + blend * bands[low + 1, columns]
    return _grown(wave)


def rising_tone(frames: int, root_hz: float) -> Sound:
    """Detuned tones that climb two octaves to end on the root, and grow."""
    samples = frames * FRAME_SAMPLES
    climb = np.linspace(-2.0, 0.0, samples) ** 3 / 4.0
    pitch_hz = 4 * root_hz * 2.0**climb
    turns = np.cumsum(pitch_hz) / SAMPLE_RATE
    wave = np.zeros(samples)
    for detune, level in ((1.0, 1.0), (1.006, 0.8), (2.0, 0.4), (3.01, 0.2)):
        wave += level * np.sin(2 * np.pi * detune * turns)
    return _grown(wave.astype(np.float32))


def gate(frames: int, grid: int) -> Sound:
    """A gain that opens on every sixteenth and closes before the next."""
    samples = frames * FRAME_SAMPLES
    step = grid * FRAME_SAMPLES
    within = (np.arange(samples) % step) / step
    return np.asarray(np.clip(within * 40, 0, 1) * np.clip((0.72 - within) * 8, 0, 1), np.float32)


def _grown(wave: Sound) -> Sound:
    samples = len(wave)
    growth = np.linspace(0.15, 1.0, samples) ** 1.5
    edge = int(_EDGE_SECONDS * SAMPLE_RATE)
    growth[-edge:] *= np.linspace(1.0, 0.0, edge)
    return np.asarray(_LEVEL * wave * growth, dtype=np.float32)
