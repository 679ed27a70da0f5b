"""Another sample rate for a clip.

Owns the use of soxr. It does not change length in time, level or pitch.
"""

from __future__ import annotations

import numpy as np
import soxr  # type: ignore[import-untyped] # ships no type information

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
