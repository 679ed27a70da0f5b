"""From codec frames to the sound of a take while it is being made.

Owns grouping frames for the codec, playing speed, the limiter and the loop's seam. It knows no
model beyond its codec's stream, and no request.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from studio.audio.loudness import limit_peak
from studio.core.errors import ModelError
from studio.editing.loops import close_loop
from studio.editing.stretch import TimeStretcher
from studio.models.backend import CodecStream

PEAK_CEILING = 0.98
_GROUP_SIZES = (12, 16, 20)
_STEADY_GROUP = 25


class TakeStream:
    """Collects codec frames, gives sound as early as it is final.

    `collect` belongs to one thread, `decode` and `finish` to one that may be another. What `decode`
    returns, limited, is the take up to the last sample, except for the first `seam_frames`:
    `finish` blends those with what followed the end, so that the loop closes.

    Args:
        codec: A fresh stream of the model's codec.
        channels: Number of channels.
        sample_rate: Frames a second, in Hz.
        speed: Playing speed; pitch is kept.
        sample_frames: Length of the take.
        seam_frames: Length of the loop's crossfade; 0 for a take that is no loop.
    """

    def __init__(
        self,
        codec: CodecStream,
        *,
        channels: int,
        sample_rate: int,
        speed: float,
        sample_frames: int,
        seam_frames: int,
    ) -> None:
        self._codec = codec
        self._stretcher = None if speed == 1.0 else TimeStretcher(channels, sample_rate, speed)
        self._sample_frames = sample_frames
        self._seam_frames = seam_frames
        self._waiting: list[NDArray[np.int64]] = []
        self._groups = 0
        self._parts: list[NDArray[np.float32]] = []
        self._told_frames = 0

    @property
    def told_frames(self) -> int:
        """Sample frames that `decode` has returned so far."""
        return self._told_frames

    def collect(self, frame: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """Add one codec frame [K].

        Returns:
            A group of frames [K, n] that `decode` is to be given next, when it is full, else None.
        """
        self._waiting.append(frame)
        size = _GROUP_SIZES[self._groups] if self._groups < len(_GROUP_SIZES) else _STEADY_GROUP
        if len(self._waiting) < size:
            return None
        group = np.stack(self._waiting, axis=1)
        self._waiting = []
        self._groups += 1
        return group

    def decode(self, group: NDArray[np.int64]) -> NDArray[np.float32]:
        """The new sound [channels, frames] of the next group."""
        return self._tell(self._decoded(group))

    def finish(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """End of the take.

        Returns:
            The sound that `decode` had not given yet, and the whole take; both
            [channels, frames], the take exactly `sample_frames` long.
        """
        rest = [self._decoded(np.stack(self._waiting, axis=1))] if self._waiting else []
        last = self._codec.finish()
        if self._stretcher is None:
            rest.append(last)
        else:
            rest += [self._stretcher.push(last), self._stretcher.finish()]
        new = self._tell(np.concatenate(rest, axis=1))
        whole = np.concatenate(self._parts, axis=1)
        if self._seam_frames:
            whole = close_loop(whole, self._sample_frames, self._seam_frames)
        whole = whole[:, : self._sample_frames]
        return new, limit_peak(np.ascontiguousarray(whole), PEAK_CEILING)

    def _decoded(self, codes: NDArray[np.int64]) -> NDArray[np.float32]:
        samples = self._codec.push(codes)
        if not np.isfinite(samples).all():
            raise ModelError("The model's sound is not made of numbers; its files may be damaged.")
        return samples if self._stretcher is None else self._stretcher.push(samples)

    def _tell(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Keep new sound; return, limited, what lies within the take."""
        self._parts.append(samples)
        samples = samples[:, : self._sample_frames - self._told_frames]
        self._told_frames += samples.shape[1]
        return limit_peak(samples, PEAK_CEILING)
