"""How near sounds are to each other.

Owns the distance by which copies are found: of takes among themselves, and of takes and the
loops that were trained on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.training.spectral import mel_filters

_WINDOW = 1024
_HOP = 640
_BANDS = 40
_FLOOR = 1e-3
_ROWS_AT_ONCE = 32


@dataclass(frozen=True, kw_only=True)
class Nearness:
    """Distances to the nearest neighbour, in nats of mel magnitude.

    Attributes:
        nearest: The least of all.
        hundredth: One in a hundred is under it.
        median: Half are.
    """

    nearest: float
    hundredth: float
    median: float

    @classmethod
    def of(cls, distances: NDArray[np.float64]) -> Nearness:
        """The summary of many nearest distances."""
        low, middle = np.percentile(distances, [1, 50])
        return cls(
            nearest=round(float(distances.min()), 4),
            hundredth=round(float(low), 4),
            median=round(float(middle), 4),
        )


def maps(sounds: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
    """Log-mel maps of sounds [N, frames] of one length: [N, cells].

    40 bands in 20 ms hops; what is 60 dB under full scale is silence. The level of the whole
    sound is taken out, so that the same bar played softer is the same bar.
    """
    filters = mel_filters(sample_rate, _WINDOW, _BANDS).T * (4 / _WINDOW)
    window = np.hanning(_WINDOW).astype(np.float32)
    rows = []
    for sound in sounds:
        padded = np.pad(sound, (_WINDOW // 2, _WINDOW // 2))
        frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP] * window
        level = np.abs(np.fft.rfft(frames, axis=1)) @ filters
        level = level / max(float(np.sqrt((level**2).mean())), 1e-6) * 0.1
        rows.append(np.log(level + _FLOOR).ravel())
    return np.stack(rows).astype(np.float32)


def nearest_to(
    mine: NDArray[np.float32], others: NDArray[np.float32], *, same: bool = False
) -> NDArray[np.float64]:
    """Mean absolute difference of each map to its nearest among `others`: [N].

    Args:
        mine: Maps [N, cells].
        others: Maps [M, cells].
        same: Both are the same list, so no map is its own neighbour.
    """
    nearest = np.empty(len(mine))
    for place, one in enumerate(mine):
        least = np.inf
        for begin in range(0, len(others), _ROWS_AT_ONCE):
            part = np.abs(others[begin : begin + _ROWS_AT_ONCE] - one).mean(axis=1)
            if same and begin <= place < begin + len(part):
                part[place - begin] = np.inf
            least = min(least, float(part.min()))
        nearest[place] = least
    return nearest
