"""One sound file heard from beginning to end, in bounded memory.

Owns the facts that the workshop wants of a sound: its content's hash, its level, its silence, its
clipping, whether it dies away, and a fingerprint that hears near-duplicates. It keeps no sound.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from studio.audio.files import stream_audio
from studio.core.errors import AudioFileError
from studio.core.storage import shown_path

SILENT_PEAK = 1e-3
_SILENT_WINDOW_RMS = 1e-3
_FULL_SCALE = 0.999
_CLIPPED_RUN = 3
_WINDOWS_A_SECOND = 50
_DECAYED_BELOW = 0.05
_ENDING_SHARE = 0.1
_HEARD_SECONDS = 60
_FINGERPRINT_BANDS = 8
_FINGERPRINT_SLOTS = 32


@dataclass(frozen=True, kw_only=True)
class SoundFacts:
    """What one file holds.

    Attributes:
        content_hash: Hex SHA-256 of the decoded sound in 16 bits: equal sounds in different
            formats are equal.
        duration_seconds: Length.
        sample_rate: In Hz.
        channels: How many.
        peak: Largest absolute sample.
        silent_share: Share of its time that is all but silent.
        clipped_share: Share of samples in flat tops at full scale.
        decays: Whether its end is far quieter than its loudest part: a one-shot rather than a
            loop.
        fingerprint: Shape of the first minute in time and pitch, as text.
        tags: Words in the file itself.
    """

    content_hash: str
    duration_seconds: float
    sample_rate: int
    channels: int
    peak: float
    silent_share: float
    clipped_share: float
    decays: bool
    fingerprint: str
    tags: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """What `to_dict` gave.

        Raises:
            TypeError: Something else.
        """
        return cls(**values)

    @property
    def shape(self) -> NDArray[np.float32]:
        """The fingerprint as a vector of unit length, float32 [256]."""
        stored = np.frombuffer(base64.b64decode(self.fingerprint), dtype=np.int8)
        vector = stored.astype(np.float32)
        return vector / max(1e-9, float(np.linalg.norm(vector)))


def listen(path: Path) -> SoundFacts:
    """Hear a file once, block by block.

    Raises:
        AudioFileError: It is not sound, or damaged.
    """
    with stream_audio(path) as stream:
        info = stream.info
        ear = _Ear(info.sample_rate)
        digest = hashlib.sha256(f"{info.sample_rate} {info.channels}\n".encode())
        frames = 0
        for block in stream.blocks:
            frames += block.shape[1]
            rounded = np.clip(np.rint(block.T * 32768), -32768, 32767).astype("<i2")
            digest.update(rounded.tobytes())
            ear.hear(block)
        if frames == 0 or frames < info.frames * 0.999:
            raise AudioFileError(
                f"{shown_path(path)} ends after {frames} of its {info.frames} frames: "
                "it is cut short, copy or export it again."
            )
    levels = ear.levels()
    return SoundFacts(
        content_hash=digest.hexdigest(),
        duration_seconds=frames / info.sample_rate,
        sample_rate=info.sample_rate,
        channels=info.channels,
        peak=ear.peak,
        silent_share=float(np.mean(levels < _SILENT_WINDOW_RMS)),
        clipped_share=ear.clipped / (frames * info.channels),
        decays=_decays(levels),
        fingerprint=ear.fingerprint(),
        tags=dict(stream.tags),
    )


class _Ear:
    """Measures that grow with each block, none with the sound's length but a level each 20 ms."""

    def __init__(self, sample_rate: int) -> None:
        self.peak = 0.0
        self.clipped = 0
        self._window = max(1, sample_rate // _WINDOWS_A_SECOND)
        self._rest = np.zeros(0, dtype=np.float32)
        self._levels: list[NDArray[np.float32]] = []
        self._bands: list[NDArray[np.float32]] = []
        self._banded = 0

    def hear(self, block: NDArray[np.float32]) -> None:
        self.peak = max(self.peak, float(np.abs(block).max()))
        self.clipped += sum(_flat_top_samples(channel) for channel in block)
        mono = np.concatenate([self._rest, block.mean(axis=0, dtype=np.float32)])
        count = len(mono) // self._window
        windows = mono[: count * self._window].reshape(count, self._window)
        self._rest = mono[count * self._window :]
        self._levels.append(_rms(windows))
        room = _HEARD_SECONDS * _WINDOWS_A_SECOND - self._banded
        if count and room > 0:
            self._bands.append(_band_levels(windows[:room]))
            self._banded += len(windows[:room])

    def levels(self) -> NDArray[np.float32]:
        """RMS of each 20 ms; of the little there is where a sound is shorter."""
        levels = np.concatenate(self._levels)
        return levels if len(levels) else _rms(self._rest[None])

    def fingerprint(self) -> str:
        bands = [*self._bands]
        if not bands:
            bands = [_band_levels(np.resize(self._rest, (1, self._window)))]
        picture = np.log(np.concatenate(bands) + 1e-4)
        edges = np.linspace(0, len(picture), _FINGERPRINT_SLOTS + 1)
        starts = np.minimum(edges[:-1].astype(int), len(picture) - 1)
        stops = np.maximum(starts + 1, np.ceil(edges[1:]).astype(int))
        pairs = zip(starts, stops, strict=True)
        slots = np.stack([picture[a:b].mean(axis=0) for a, b in pairs])
        slots = slots - slots.mean()
        scaled = np.rint(127 * slots / max(1e-9, float(np.abs(slots).max())))
        return base64.b64encode(scaled.astype(np.int8).tobytes()).decode("ascii")


def _rms(windows: NDArray[np.float32]) -> NDArray[np.float32]:
    level: NDArray[np.float32] = np.sqrt(np.mean(np.square(windows), axis=1, dtype=np.float64))
    return level.astype(np.float32)


def _band_levels(windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Magnitude in bands an octave or so wide, [windows, bands]."""
    magnitudes = np.abs(np.fft.rfft(windows, axis=1)) / windows.shape[1]
    top = magnitudes.shape[1]
    edges = np.unique(np.geomspace(1, top, _FINGERPRINT_BANDS + 1).astype(int))
    banded = np.stack(
        [magnitudes[:, a:b].sum(axis=1) for a, b in itertools.pairwise(edges)],
        axis=1,
    )
    missing = _FINGERPRINT_BANDS - banded.shape[1]
    return np.pad(banded, ((0, 0), (0, missing))).astype(np.float32)


def _flat_top_samples(channel: NDArray[np.float32]) -> int:
    """Samples in runs of three or more at full scale."""
    full = np.abs(channel) >= _FULL_SCALE
    if int(full.sum()) < _CLIPPED_RUN:
        return 0
    edges = np.diff(np.concatenate([[0], full.astype(np.int8), [0]]))
    lengths = np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)
    return int(lengths[lengths >= _CLIPPED_RUN].sum())


def _decays(levels: NDArray[np.float32]) -> bool:
    ending = levels[-max(1, round(_ENDING_SHARE * len(levels))) :]
    return bool(float(np.sqrt(np.mean(ending**2))) < _DECAYED_BELOW * float(levels.max()))
