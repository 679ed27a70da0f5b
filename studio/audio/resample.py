"""Another sample rate for a clip.

Owns the use of soxr. It does not change length in time, level or pitch.
"""

from __future__ import annotations

import numpy as np
import soxr  # type: ignore[import-untyped] # ships no type information
from numpy.typing import NDArray

from studio.audio.clip import AudioClip


def resample(clip: AudioClip, sample_rate: int) -> AudioClip:
    """The clip at another rate, by soxr's best quality (VHQ), aligned to the first frame.

    Args:
        clip: The sound.
        sample_rate: The wanted rate in Hz.

    Returns:
        A clip of round(frames * sample_rate / clip.sample_rate) frames, or the same clip when
        it already has that rate.

    Raises:
        ValueError: A rate that is not positive.
    """
    if sample_rate <= 0:
        raise ValueError(f"sample_rate must be positive, not {sample_rate}")
    if sample_rate == clip.sample_rate:
        return clip
    frames = (2 * clip.frames * sample_rate + clip.sample_rate) // (2 * clip.sample_rate)
    samples = np.zeros((clip.channels, frames), dtype=np.float32)
    if clip.frames and clip.channels:
        converted = soxr.resample(
            np.ascontiguousarray(clip.samples.T), clip.sample_rate, sample_rate, quality="VHQ"
        ).T[:, :frames]
        samples[:, : converted.shape[1]] = converted
    return AudioClip(samples=samples, sample_rate=sample_rate)


class StreamResampler:
    """One channel at another rate, piece by piece, in bounded memory.

    All pieces joined are within a frame of the length that `resample` gives.
    """

    def __init__(self, from_rate: int, to_rate: int) -> None:
        """Both rates in Hz.

        Raises:
            ValueError: A rate that is not positive.
        """
        if min(from_rate, to_rate) <= 0:
            raise ValueError(f"rates must be positive, not {from_rate} and {to_rate}")
        self._stream = None
        if from_rate != to_rate:
            self._stream = soxr.ResampleStream(
                from_rate, to_rate, 1, dtype="float32", quality="VHQ"
            )

    def push(self, samples: NDArray[np.float32], *, last: bool = False) -> NDArray[np.float32]:
        """Take float32 [n]; give what has become final, float32 [m]."""
        if self._stream is None:
            return samples
        made: NDArray[np.float32] = self._stream.resample_chunk(
            np.ascontiguousarray(samples), last=last
        )
        return made
