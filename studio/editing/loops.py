"""Exact loops.

Owns how many frames a loop has, closing it so that its end runs into its start, and measuring
the seam. It does not look for loop points.
"""

from __future__ import annotations

from math import isfinite
from typing import Final

import numpy as np
from numpy.typing import NDArray

from studio.editing.crossfade import crossfade

_SECONDS_PER_MINUTE: Final = 60
_BEATS_PER_BAR: Final = 4
_SEAM_FRAMES: Final = 256
_INAUDIBLE_STEP: Final = 1e-4


def loop_frames(tempo_bpm: float, bars: float, sample_rate: int) -> int:
    """Frames of `bars` bars of four beats, to the nearest frame.

    Raises:
        ValueError: A tempo, length or rate that is not positive and finite.
    """
    for name, value in (("tempo_bpm", tempo_bpm), ("bars", bars), ("sample_rate", sample_rate)):
        if not (isfinite(value) and value > 0):
            raise ValueError(f"{name} must be positive, not {value}")
    return round(bars * _BEATS_PER_BAR * _SECONDS_PER_MINUTE * sample_rate / tempo_bpm)


def close_loop(samples: NDArray[np.float32], frames: int, fade_frames: int) -> NDArray[np.float32]:
    """Cut a loop and crossfade its head with what really followed its end.

    The loop's first frame becomes the frame that came after its last, so the wrap is as smooth
    as the sound itself; `fade_frames` later the loop is the original again, and everything after
    that is untouched.

    Args:
        samples: float32 [channels, n] with n >= frames + fade_frames.
        frames: Length of the loop.
        fade_frames: Length of the crossfade, 0 for a plain cut, at most `frames`.

    Returns:
        float32 [channels, frames], a copy.

    Raises:
        ValueError: Too little sound, or lengths that make no loop.
    """
    if frames < 1 or not 0 <= fade_frames <= frames:
        raise ValueError(f"no loop of {frames} frames with a fade of {fade_frames}")
    if samples.ndim != 2 or samples.shape[1] < frames + fade_frames:
        raise ValueError(
            f"a loop of {frames} frames and a fade of {fade_frames} do not fit {samples.shape}"
        )
    loop = np.array(samples[:, :frames], dtype=np.float32)
    if fade_frames == 0:
        return loop
    after = samples[:, frames : frames + fade_frames]
    loop[:, :fade_frames] = crossfade(after, loop[:, :fade_frames])
    return loop


def seam_step(samples: NDArray[np.float32]) -> float:
    """How far the wrap jumps, measured in the steps around it.

    The step from the last frame to the first, divided by the root mean square of the 255 steps
    before and the 255 after it, for the worst channel. A loop that runs on by itself has about
    1 (rarely above 5); a click has 10 and more. Steps under -80 dB full scale count as that
    much, so silence has 0.

    Args:
        samples: A loop, float32 [channels, frames] with at least 2 frames.

    Raises:
        ValueError: Fewer than 2 frames or no channel.
    """
    if samples.ndim != 2 or samples.shape[0] < 1 or samples.shape[1] < 2:
        raise ValueError(f"a seam needs [channels, at least 2 frames], not {samples.shape}")
    before = np.diff(samples[:, -_SEAM_FRAMES:].astype(np.float64), axis=1)
    after = np.diff(samples[:, :_SEAM_FRAMES].astype(np.float64), axis=1)
    typical = np.sqrt(np.mean(np.concatenate((before, after), axis=1) ** 2, axis=1))
    wrap = np.abs(samples[:, 0].astype(np.float64) - samples[:, -1].astype(np.float64))
    return float(np.max(wrap / np.maximum(typical, _INAUDIBLE_STEP)))
