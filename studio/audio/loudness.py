"""How loud a sound is, and keeping it under full scale.

Owns level measures and the peak limiter. It changes no clip in place.
"""

from __future__ import annotations

from math import cos, inf, log10, pi, sin, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from studio.audio.clip import AudioClip

_BLOCK_SECONDS: Final = 0.4
_HOP_SECONDS: Final = 0.1
_ABSOLUTE_GATE_LUFS: Final = -70.0
_RELATIVE_GATE_LU: Final = -10.0
_OFFSET_LUFS: Final = -0.691
_KNEE: Final = 0.8


def rms(clip: AudioClip) -> float:
    """Root mean square of every sample of every channel; 0 for an empty clip."""
    if clip.samples.size == 0:
        return 0.0
    return sqrt(float(np.mean(np.square(clip.samples, dtype=np.float64))))


def peak(clip: AudioClip) -> float:
    """The largest absolute sample value; 0 for an empty clip."""
    if clip.samples.size == 0:
        return 0.0
    return float(np.abs(clip.samples).max())


def limit_peak(samples: NDArray[np.float32], ceiling: float = 0.98) -> NDArray[np.float32]:
    """Bend what is louder than `ceiling` back under it.

    Each sample is treated alone: a stream limited in parts equals the whole limited at once.
    Below 0.8 of the ceiling nothing changes at all; above it a tanh curve of slope 1 at the knee
    leads to the ceiling.

    Args:
        samples: float32, any shape, finite.
        ceiling: The largest absolute value to leave.

    Raises:
        ValueError: A ceiling that is not positive.
    """
    if ceiling <= 0:
        raise ValueError(f"ceiling must be positive, not {ceiling}")
    knee = _KNEE * ceiling
    room = ceiling - knee
    size = np.abs(samples)
    loud = size > knee
    if not loud.any():
        return samples
    limited = samples.astype(np.float32, copy=True)
    bent = knee + room * np.tanh((size[loud].astype(np.float64) - knee) / room)
    limited[loud] = np.copysign(np.minimum(bent, ceiling), samples[loud])
    return np.clip(limited, np.float32(-ceiling), np.float32(ceiling))


def loudness_lufs(clip: AudioClip) -> float:
    """Integrated loudness after ITU-R BS.1770-4 (K weighting, 400 ms blocks, two gates).

    Every channel has weight 1. A clip shorter than a block is measured as one block.

    Returns:
        Loudness in LUFS; minus infinity for silence.
    """
    if clip.samples.size == 0:
        return -inf
    power = np.zeros(clip.frames)
    for channel in clip.samples:
        power += np.square(_k_weighted(channel, clip.sample_rate))
    block = min(clip.frames, max(1, round(_BLOCK_SECONDS * clip.sample_rate)))
    hop = max(1, round(_HOP_SECONDS * clip.sample_rate))
    total = np.concatenate(([0.0], np.cumsum(power)))
    starts = np.arange(0, clip.frames - block + 1, hop)
    blocks = np.maximum((total[starts + block] - total[starts]) / block, 0.0)
    blocks = blocks[blocks > _power(_ABSOLUTE_GATE_LUFS)]
    if not blocks.size:
        return -inf
    relative_gate = float(blocks.mean()) * 10 ** (_RELATIVE_GATE_LU / 10)
    return _OFFSET_LUFS + 10 * log10(float(blocks[blocks > relative_gate].mean()))


def _power(lufs: float) -> float:
    return float(10 ** ((lufs - _OFFSET_LUFS) / 10))


def _k_weighted(channel: NDArray[np.float32], sample_rate: int) -> NDArray[np.float64]:
    """One channel through the K weighting, in parts that overlap by the filter's memory."""
    memory = sample_rate
    part = max(1 << 19, 4 * memory)
    size = 1 << (part + memory - 1).bit_length()
    frequency = np.exp(-2j * pi * np.arange(size // 2 + 1) / size)
    response = np.ones(len(frequency), dtype=np.complex128)
    for b, a in k_weighting(sample_rate):
        response *= np.polyval(b[::-1], frequency) / np.polyval(a[::-1], frequency)
    weighted = np.empty(len(channel))
    for start in range(0, len(channel), part):
        first = max(0, start - memory)
        stop = min(len(channel), start + part)
        spectrum = np.fft.rfft(channel[first:stop].astype(np.float64), size)
        weighted[start:stop] = np.fft.irfft(spectrum * response, size)[start - first : stop - first]
    return weighted


def k_weighting(
    sample_rate: int,
) -> tuple[tuple[NDArray[np.float64], NDArray[np.float64]], ...]:
    """The two second-order sections of the K weighting at any rate, as (b, a) with a[0] = 1.

    The analogue parameters behind BS.1770's table for 48 kHz are those found by Brecht De Man
    ("Evaluation of implementations of the EBU R128 loudness measurement", 2018).
    """
    shelf_gain = 10 ** (3.999843853973347 / 20)
    shelf_middle = shelf_gain**0.4996667741545416
    quality = 0.7071752369554193
    w = _tangent(1681.974450955533, sample_rate)
    a0 = 1 + w / quality + w * w
    shelf = (
        np.array(
            [
                shelf_gain + shelf_middle * w / quality + w * w,
                2 * (w * w - shelf_gain),
                shelf_gain - shelf_middle * w / quality + w * w,
            ]
        )
        / a0,
        np.array([a0, 2 * (w * w - 1), 1 - w / quality + w * w]) / a0,
    )
    quality = 0.5003270373238773
    w = _tangent(38.13547087602444, sample_rate)
    a0 = 1 + w / quality + w * w
    rumble = (
        np.array([1.0, -2.0, 1.0]),
        np.array([a0, 2 * (w * w - 1), 1 - w / quality + w * w]) / a0,
    )
    return shelf, rumble


def _tangent(frequency_hz: float, sample_rate: int) -> float:
    angle = pi * min(frequency_hz / sample_rate, 0.49)
    return sin(angle) / cos(angle)
