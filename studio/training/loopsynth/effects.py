"""Owns what is done to whole tracks on a circle: echoes, rooms, ducking, mastering.

Every effect treats one period as a loop that has always been playing, so none leaves a seam.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from studio.training.loopsynth.oscillators import Sound, shaped_noise, soft_clip
from studio.training.loopsynth.timing import FRAME_SAMPLES, SAMPLE_RATE

CEILING: Final = 0.9
"""True peak of a master: 0.9 dB under full scale."""

_BLOCK: Final = 64
_ROOM_SECONDS: Final = {"small": 0.12, "large": 0.45}
_SINC_REACH: Final = 20
_BETWEEN: Final = (0.25, 0.5, 0.75)


def dub_echo(
    send: Sound, frames: int, *, feedback: float, low_hz: float = 250.0, high_hz: float = 2_600.0
) -> Sound:
    """A delay whose echoes go through a band-pass again and again, ``[samples]``, without the send.

    A steady state in closed form: with delay and filter E(f), the echoes are E / (1 - g E).

    Args:
        send: What is echoed, one period.
        frames: Delay in codec frames.
        feedback: Share of each echo that comes again, 0 to under 1.
        low_hz: Below this echoes lose bass.
        high_hz: Above this they lose treble.
    """
    hertz = np.fft.rfftfreq(len(send), 1.0 / SAMPLE_RATE)
    gain = 1.0 / np.sqrt((1 + (low_hz / (hertz + 1)) ** 4) * (1 + (hertz / high_hz) ** 4))
    once = gain * np.exp(-2j * np.pi * hertz * (frames * FRAME_SAMPLES / SAMPLE_RATE))
    wet = np.fft.irfft(np.fft.rfft(send) * once / (1 - feedback * once), len(send))
    return np.asarray(wet, dtype=np.float32)


@lru_cache(maxsize=64)
def _room_spectrum(size: str, samples: int) -> NDArray[np.complex64]:
    seconds = _ROOM_SECONDS[size]
    length = int(4 * seconds * SAMPLE_RATE)
    rng = np.random.default_rng([14_142, length])
    tail = shaped_noise(rng, length, 250, 6_500)
    tail *= np.exp(-np.arange(length, dtype=np.float32) / np.float32(seconds * SAMPLE_RATE))
    tail /= np.sqrt((tail**2).sum())
    folded = np.zeros(samples, dtype=np.float32)
    np.add.at(folded, np.arange(length) % samples, tail)
    return np.fft.rfft(folded).astype(np.complex64)


def room(send: Sound, size: str) -> Sound:
    """The reverberation of a "small" or "large" room, ``[samples]``, without the send."""
    wet = np.fft.irfft(np.fft.rfft(send) * _room_spectrum(size, len(send)), len(send))
    return np.asarray(wet, dtype=np.float32)


def ducking(frames: int, kick_frames: tuple[int, ...], *, depth: float, seconds: float) -> Sound:
    """A gain that dips at every kick and recovers, ``[frames * FRAME_SAMPLES]``."""
    samples = frames * FRAME_SAMPLES
    since = np.full(samples, np.inf)
    places = np.arange(samples)
    for kick in kick_frames:
        since = np.minimum(since, (places - kick * FRAME_SAMPLES) % samples)
    recovered = np.minimum(1.0, since / (seconds * SAMPLE_RATE))
    return np.asarray(1 - depth * (1 - recovered) ** 2, dtype=np.float32)


def compress(mix: Sound, *, threshold: float, ratio: float, release_seconds: float = 0.09) -> Sound:
    """A bus compressor: level above the threshold is divided by the ratio, circularly."""
    peaks = np.log(np.abs(mix).reshape(-1, _BLOCK).max(axis=1) + 1e-6)
    fall = _BLOCK / (release_seconds * SAMPLE_RATE)
    twice = np.concatenate([peaks, peaks])
    age = fall * np.arange(len(twice))
    level = (np.maximum.accumulate(twice + age) - age)[len(peaks) :]
    gain = np.exp(np.minimum(0.0, (level - np.log(threshold)) * (1 / ratio - 1)))
    at = (np.arange(len(mix)) + 0.5) / _BLOCK - 0.5
    smooth = np.interp(at, np.arange(len(gain)), gain, period=len(gain))
    return np.asarray(mix * smooth, dtype=np.float32)


def true_peak(samples: Sound) -> float:
    """The largest size between samples too, four times oversampled around the loud ones."""
    size = np.abs(samples)
    highest = float(size.max())
    loud = np.flatnonzero(size > 0.6 * highest)
    loud = loud[np.argsort(size[loud])[::-1][:6_000]]
    near = np.arange(-_SINC_REACH, _SINC_REACH + 1)
    around = samples[(loud[:, None] + near) % len(samples)]
    kernels = np.stack([np.sinc(part - near) for part in (*_BETWEEN, *(-b for b in _BETWEEN))])
    kernels = kernels * np.hanning(2 * _SINC_REACH + 3)[1:-1]
    return max(highest, float(np.abs(around @ kernels.T).max(initial=0.0)))


def master(mix: Sound, *, drive: float, threshold: float, ratio: float) -> Sound:
    """Compression, saturation, and a level whose true peak stays under `CEILING`."""
    driven = soft_clip(drive * compress(mix, threshold=threshold, ratio=ratio))
    peak = true_peak(driven)
    return driven if peak <= CEILING else np.asarray(driven * (CEILING / peak), dtype=np.float32)
