"""Where sounds start.

Owns the onset envelope and the onsets in it. It knows nothing about tempo or slices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_HOP_SECONDS: Final = 0.004
_LAG_HOPS: Final = 3
_END_SECONDS: Final = 0.032
_FLOOR: Final = 1e-5
_SILENCE_POWER: Final = 1e-10
_FRAMES_AT_ONCE: Final = 1024
_PEAK_SECONDS: Final = 0.03
_MEAN_SECONDS: Final = 0.25
_OVER_MEAN: Final = 1.5
_OVER_LARGEST: Final = 0.08
_ATTACK_REACH_SECONDS: Final = 0.014
_ATTACK_WIDTH_SECONDS: Final = 0.003
_ATTACK_FLOOR: Final = 0.05


@dataclass(frozen=True, kw_only=True)
class _Resolution:
    """A range of frequencies and the window it is watched through."""

    window_seconds: float
    low_hz: float
    high_hz: float
    bands: int


# A bass note's single cycles must not look like hits, so the bass has the longer window.
_RESOLUTIONS: Final = (
    _Resolution(window_seconds=0.064, low_hz=30.0, high_hz=200.0, bands=4),
    _Resolution(window_seconds=0.032, low_hz=200.0, high_hz=14_000.0, bands=20),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class OnsetEnvelope:
    """How strongly something starts, over time.

    Attributes:
        values: float64 [n], not negative; values[i] belongs to time i / rate_hz.
        rate_hz: Values a second, about 250.
    """

    values: NDArray[np.float64]
    rate_hz: float


@dataclass(frozen=True, kw_only=True, eq=False)
class OnsetPeaks:
    """The onsets that stand out of an envelope.

    Attributes:
        seconds: float64 [n], rising.
        strengths: float64 [n], positive; how far each stands above its surroundings.
    """

    seconds: NDArray[np.float64]
    strengths: NDArray[np.float64]


def onset_envelope(samples_mono: NDArray[np.float32], sample_rate: int) -> OnsetEnvelope:
    """Rises of the logarithmic band spectrum, summed over bands.

    24 logarithmic bands from 30 Hz to 14 kHz, 4 ms hops, rises over 12 ms. A rise counts only
    above the loudest of the three neighbouring bands before it, which keeps wandering partials
    out (the maximum filter of Boeck and Widmer, "Maximum filter vibrato suppression for onset
    detection", DAFx 2013). What is 50 dB under the loudest moment counts as silence. The last
    32 ms stay empty: there the cut at the end cannot be told from a hit.

    Args:
        samples_mono: float32 [frames].
        sample_rate: In Hz.
    """
    hop = max(1, round(_HOP_SECONDS * sample_rate))
    count = len(samples_mono) // hop + 1
    bands = np.concatenate(
        [_band_powers(samples_mono, sample_rate, r, hop, count) for r in _RESOLUTIONS], axis=1
    )
    loudest = float(bands.sum(axis=1).max())
    rate_hz = sample_rate / hop
    if loudest < _SILENCE_POWER:
        return OnsetEnvelope(values=np.zeros(count), rate_hz=rate_hz)
    level = np.log(bands / loudest + _FLOOR)
    before = np.pad(level[:-_LAG_HOPS], ((0, 0), (1, 1)), mode="edge")
    before = np.maximum(np.maximum(before[:, :-2], before[:, 1:-1]), before[:, 2:])
    rises = np.maximum(level[_LAG_HOPS:] - before, 0.0).sum(axis=1)
    rises[max(0, round((len(samples_mono) / sample_rate - _END_SECONDS) * rate_hz)) :] = 0.0
    return OnsetEnvelope(values=rises, rate_hz=rate_hz)


def onset_peaks(envelope: OnsetEnvelope) -> OnsetPeaks:
    """The local maxima of an envelope that stand clearly above its running mean."""
    values = envelope.values
    reach = max(1, round(_PEAK_SECONDS * envelope.rate_hz))
    window = np.lib.stride_tricks.sliding_window_view
    highest = window(np.pad(values, reach), 2 * reach + 1).max(axis=1)
    span = round(_MEAN_SECONDS * envelope.rate_hz)
    sums = np.concatenate(([0.0], np.cumsum(np.pad(values, span, mode="symmetric"))))
    mean = (sums[2 * span + 1 :] - sums[: -2 * span - 1]) / (2 * span + 1)
    stands_out = (
        (values > 0)
        & (values >= highest)
        & (values > _OVER_MEAN * mean)
        & (values > _OVER_LARGEST * values.max())
    )
    places = np.flatnonzero(stands_out)
    return OnsetPeaks(seconds=places / envelope.rate_hz, strengths=(values - mean)[places])


def detect_onsets(samples_mono: NDArray[np.float32], sample_rate: int) -> NDArray[np.int64]:
    """The frames at which sounds start, rising, each put where its attack begins.

    Args:
        samples_mono: float32 [frames].
        sample_rate: In Hz.

    Returns:
        int64 [n].
    """
    peaks = onset_peaks(onset_envelope(samples_mono, sample_rate))
    attacks = [
        _attack_frame(samples_mono, sample_rate, round(seconds * sample_rate))
        for seconds in peaks.seconds
    ]
    return np.unique(np.array(attacks, dtype=np.int64))


def _band_powers(
    samples: NDArray[np.float32], sample_rate: int, resolution: _Resolution, hop: int, count: int
) -> NDArray[np.float64]:
    """Power [count + lag, bands]; row i + lag is centred on frame i * hop."""
    size = max(16, round(resolution.window_seconds * sample_rate))
    window = _low_leakage_window(size)
    window /= window.sum() / 2
    frequency = np.fft.rfftfreq(size, 1 / sample_rate)
    top = min(resolution.high_hz, sample_rate / 2)
    edges = np.geomspace(resolution.low_hz, max(top, 2 * resolution.low_hz), resolution.bands + 1)
    member = (frequency >= edges[:-1, None]) & (frequency < edges[1:, None])
    member = member[member.any(axis=1)]
    before = size // 2 + _LAG_HOPS * hop
    padded = np.pad(samples, (before, size + hop))
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop][: count + _LAG_HOPS]
    powers = np.empty((len(frames), len(member)))
    for start in range(0, len(frames), _FRAMES_AT_ONCE):
        part = np.abs(np.fft.rfft(frames[start : start + _FRAMES_AT_ONCE] * window)) ** 2
        powers[start : start + len(part)] = part @ member.T
    return powers


def _low_leakage_window(size: int) -> NDArray[np.float64]:
    """The four-term Blackman-Harris window: a loud bass leaks 92 dB down, not 31."""
    turn = 2 * np.pi * np.arange(size) / size
    return np.asarray(
        0.35875 - 0.48829 * np.cos(turn) + 0.14128 * np.cos(2 * turn) - 0.01168 * np.cos(3 * turn)
    )


def _attack_frame(samples: NDArray[np.float32], sample_rate: int, near_frame: int) -> int:
    """The frame near an onset where the sample steps grow most from just before to just after."""
    reach = round(_ATTACK_REACH_SECONDS * sample_rate)
    width = max(1, round(_ATTACK_WIDTH_SECONDS * sample_rate))
    start = near_frame - reach - width
    stop = near_frame + reach + width
    around = samples[max(start - 1, 0) : stop].astype(np.float64)
    around = np.pad(around, (max(1 - start, 0), max(stop - len(samples), 0)))
    sums = np.concatenate(([0.0], np.cumsum(np.abs(np.diff(around)))))
    before = sums[width:-width] - sums[: -2 * width]
    after = sums[2 * width :] - sums[width:-width]
    floor = _ATTACK_FLOOR * max(float(after.max()), 1e-12)
    growth = (after + floor) / (before + floor)
    return min(max(near_frame - reach + int(np.argmax(growth)), 0), len(samples) - 1)
