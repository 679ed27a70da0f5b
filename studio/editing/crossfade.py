"""One sound into another.

Owns the gains of a crossfade. It does not choose where to fade.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def crossfade(leaving: NDArray[np.float32], arriving: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fade from one stretch into another of the same length at a steady power.

    The gains keep the power for the likeness that the two stretches have: their sum is constant
    for equal stretches, the sum of their squares for unlike ones. The first frame is that of
    `leaving`; the frame after the last would be all `arriving`.

    Args:
        leaving: float32 [channels, frames].
        arriving: The same shape.

    Returns:
        float32 [channels, frames].
    """
    frames = leaving.shape[1]
    old, new = leaving.astype(np.float64), arriving.astype(np.float64)
    rising = 0.5 - 0.5 * np.cos(np.pi * np.arange(frames) / max(frames, 1))
    falling = 1.0 - rising
    power = np.sqrt(rising**2 + falling**2 + 2.0 * likeness(old, new) * rising * falling)
    return np.asarray((new * rising + old * falling) / power, dtype=np.float32)


def likeness(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Correlation of two stretches [channels, n], 0 where they are opposed or silent."""
    scale = float(np.sqrt(np.sum(one**2) * np.sum(other**2)))
    if scale == 0.0:
        return 0.0
    return min(max(float(np.sum(one * other)) / scale, 0.0), 1.0)
