"""A sound in memory.

Owns `AudioClip`, the value every layer passes around. It reads no file.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.audio.wav import encode_wav
from studio.core.storage import write_atomically


@dataclass(frozen=True, kw_only=True, eq=False)
class AudioClip:
    """A stretch of sound.

    Attributes:
        samples: float32 [channels, frames], full scale at +-1.
        sample_rate: Frames a second, in Hz.
    """

    samples: NDArray[np.float32]
    sample_rate: int

    def __post_init__(self) -> None:
        samples = np.ascontiguousarray(self.samples, dtype=np.float32)
        if samples.ndim == 1:
            samples = samples[None]
        if samples.ndim != 2:
            raise ValueError(f"samples must be [channels, frames], not {samples.shape}")
        if self.sample_rate <= 0:
            raise ValueError(f"sample_rate must be positive, not {self.sample_rate}")
        samples.flags.writeable = False
        object.__setattr__(self, "samples", samples)

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.samples.shape[0])

    @property
    def frames(self) -> int:
        """Number of sample frames."""
        return int(self.samples.shape[1])

    @property
    def duration_seconds(self) -> float:
        """Length in seconds."""
        return self.frames / self.sample_rate

    def mono(self) -> NDArray[np.float32]:
        """The mean of the channels, float32 [frames]."""
        mixed: NDArray[np.float32] = self.samples.mean(axis=0, dtype=np.float32)
        return mixed

    def save(self, path: str | os.PathLike[str], *, subtype: str = "PCM_24") -> None:
        """Write the clip as WAV, whole or not at all; equal clips give equal bytes.

        Args:
            path: Where to; its folder must exist. An older file of that name is replaced.
            subtype: `PCM_24`, `PCM_16` or `FLOAT`. The first two clip what exceeds full scale.

        Raises:
            AudioFileError: The sound cannot be expressed as WAV.
            StorageError: The file cannot be written there.
        """
        write_atomically(path, encode_wav(self.samples, self.sample_rate, subtype))
