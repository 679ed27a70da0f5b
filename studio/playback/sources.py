"""What a voice reads from: a finished clip, or a sound that is still growing.

Owns frames in the device's rate and channel count. It does no mixing and knows no device.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from studio.audio.clip import AudioClip
from studio.audio.resample import resample

_CONTEXT_SECONDS = 0.05


class Source(ABC):
    """Sound to read, at the device's rate.

    Attributes:
        sample_rate: The device's rate, in Hz.
        clip_rate: The rate of the sound it was made from, in Hz.
        complete: No more frames will come.
        sound: Equal for sources that are the same sound, growing and finished.
    """

    sample_rate: int
    clip_rate: int
    complete: bool
    sound: object

    @property
    @abstractmethod
    def frames(self) -> int:
        """Frames that can be read now, at the device's rate."""

    @abstractmethod
    def read(self, start_frame: int, frames: int, channels: int) -> NDArray[np.float32]:
        """Frames as float32 [frames, channels], all of them available."""

    def to_clip_frame(self, frame: int) -> int:
        """A position here as a position in the sound it was made from."""
        return frame * self.clip_rate // self.sample_rate

    def from_clip_frame(self, frame: int) -> int:
        """A position in the sound it was made from as a position here."""
        return frame * self.sample_rate // self.clip_rate


class ClipSource(Source):
    """A finished clip, resampled once when the device does not take its rate."""

    complete = True

    def __init__(self, clip: AudioClip, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.clip_rate = clip.sample_rate
        self.sound = object()
        played = clip if clip.sample_rate == sample_rate else resample(clip, sample_rate)
        self._samples = played.samples

    @property
    def frames(self) -> int:
        """Frames of the whole clip."""
        return int(self._samples.shape[1])

    def read(self, start_frame: int, frames: int, channels: int) -> NDArray[np.float32]:
        """Frames as float32 [frames, channels]."""
        return fit_channels(self._samples[:, start_frame : start_frame + frames], channels)


class GrowingSource(Source):
    """A sound that is heard while it is still being made.

    `append` and `end` are called by one thread under the player's lock, like every read.
    """

    def __init__(self, sample_rate: int, clip_rate: int, channels: int) -> None:
        self.sample_rate = sample_rate
        self.clip_rate = clip_rate
        self.channels = channels
        self.sound = object()
        self.complete = False
        self._buffer = np.zeros((channels, sample_rate * 4), np.float32)
        self._frames = 0
        self._converter = (
            None if sample_rate == clip_rate else _Converter(clip_rate, sample_rate, channels)
        )

    @property
    def frames(self) -> int:
        """Frames that have arrived so far."""
        return self._frames

    def append(self, samples: NDArray[np.float32]) -> None:
        """Add float32 [channels, frames] at the clip's rate."""
        self._store(samples if self._converter is None else self._converter.push(samples))

    def end(self) -> None:
        """Say that nothing follows."""
        if self._converter is not None and not self.complete:
            self._store(self._converter.finish())
        self.complete = True

    def read(self, start_frame: int, frames: int, channels: int) -> NDArray[np.float32]:
        """Frames as float32 [frames, channels]."""
        return fit_channels(self._buffer[:, start_frame : start_frame + frames], channels)

    def _store(self, samples: NDArray[np.float32]) -> None:
        needed = self._frames + samples.shape[1]
        if needed > self._buffer.shape[1]:
            larger = np.zeros((self.channels, max(needed, 2 * self._buffer.shape[1])), np.float32)
            larger[:, : self._frames] = self._buffer[:, : self._frames]
            self._buffer = larger
        self._buffer[:, self._frames : needed] = samples
        self._frames = needed


class _Converter:
    """Resamples a growing sound with enough context that no chunk edge is heard."""

    def __init__(self, rate_in: int, rate_out: int, channels: int) -> None:
        ratio = Fraction(rate_out, rate_in)
        self._rate_in, self._rate_out = rate_in, rate_out
        self._step_in, self._step_out = ratio.denominator, ratio.numerator
        self._context = -(-int(rate_in * _CONTEXT_SECONDS) // self._step_in)
        self._pending = np.zeros((channels, 0), np.float32)
        self._held_before = 0

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Every frame that later input can no longer change."""
        self._pending = np.concatenate([self._pending, samples], axis=1)
        ready = self._pending.shape[1] // self._step_in - self._context
        if ready <= self._held_before:
            return np.zeros((self._pending.shape[0], 0), np.float32)
        converted = self._convert()
        out = converted[:, self._held_before * self._step_out : ready * self._step_out]
        dropped = max(0, ready - self._context)
        self._pending = self._pending[:, dropped * self._step_in :]
        self._held_before = ready - dropped
        return out

    def finish(self) -> NDArray[np.float32]:
        """The rest."""
        return self._convert()[:, self._held_before * self._step_out :]

    def _convert(self) -> NDArray[np.float32]:
        if self._pending.shape[1] == 0:
            return self._pending
        clip = AudioClip(samples=self._pending, sample_rate=self._rate_in)
        return resample(clip, self._rate_out).samples


def fit_channels(samples: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
    """Turn [have, frames] into [frames, channels]: mono is doubled, stereo is averaged to mono.

    Channels beyond those of the device are dropped.
    """
    have = samples.shape[0]
    if have == channels:
        return samples.T
    if have == 1:
        return np.repeat(samples.T, channels, axis=1)
    if channels == 1:
        mean: NDArray[np.float32] = samples.mean(axis=0, dtype=np.float32)
        return mean[:, None]
    fitted = np.zeros((samples.shape[1], channels), np.float32)
    shared = min(have, channels)
    fitted[:, :shared] = samples[:shared].T
    return fitted
