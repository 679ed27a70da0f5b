"""WAV bytes from samples.

Owns the layout of the WAV files that this product writes: `fmt ` and `data` first, nothing in
them that depends on the clock, so equal clips are equal bytes on every machine. It opens no file
and does not read WAV: `studio.audio.files` does both.
"""

from __future__ import annotations

import struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

from studio.core.errors import AudioFileError

SUBTYPES: Final = ("PCM_16", "PCM_24", "FLOAT")

_FORMAT_PCM: Final = 1
_FORMAT_FLOAT: Final = 3
_BITS: Final = {"PCM_16": 16, "PCM_24": 24, "FLOAT": 32}
_LARGEST_DATA_BYTES: Final = 2**32 - 1024


def encode_wav(samples: NDArray[np.float32], sample_rate: int, subtype: str = "PCM_24") -> bytes:
    """Samples as a complete WAV file.

    Integer formats map full scale (-1) to the most negative value, round to nearest and clip
    what is louder; nothing wraps around. What was read from a file of the same depth comes out
    unchanged.

    Args:
        samples: float32 [channels, frames], at least one channel.
        sample_rate: Frames a second, in Hz.
        subtype: One of `SUBTYPES`, named as libsndfile names them.

    Raises:
        AudioFileError: Samples that are not numbers, or a sound too long for WAV (4 GB).
        ValueError: An unknown subtype, or no channels.
    """
    channels, frames = samples.shape
    if subtype not in SUBTYPES:
        raise ValueError(f"subtype must be one of {', '.join(SUBTYPES)}, not {subtype!r}")
    if channels == 0:
        raise ValueError("a WAV file needs at least one channel")
    if not np.isfinite(samples).all():
        raise AudioFileError(
            "The sound holds samples that are not numbers and was not saved: make it again."
        )
    bits = _BITS[subtype]
    frame_bytes = channels * bits // 8
    require_wav_size(frames=frames, frame_bytes=frame_bytes, sample_rate=sample_rate)
    data_bytes = frames * frame_bytes
    extra = b""
    if subtype == "FLOAT":
        extra = struct.pack("<4sII", b"fact", 4, frames & 0xFFFFFFFF)
    fmt = struct.pack(
        "<4sIHHIIHH",
        b"fmt ",
        16,
        _FORMAT_FLOAT if subtype == "FLOAT" else _FORMAT_PCM,
        channels,
        sample_rate,
        sample_rate * frame_bytes,
        frame_bytes,
        bits,
    )
    padding = b"\0" * (data_bytes % 2)
    riff_bytes = 4 + len(fmt) + len(extra) + 8 + data_bytes + len(padding)
    head = struct.pack("<4sI4s", b"RIFF", riff_bytes, b"WAVE")
    data = struct.pack("<4sI", b"data", data_bytes)
    return b"".join((head, fmt, extra, data, _encoded(samples, subtype), padding))


def require_wav_size(*, frames: int, frame_bytes: int, sample_rate: int) -> None:
    """Refuse what the 32-bit sizes of a WAV file cannot express.

    Raises:
        AudioFileError: More than 4 GB.
    """
    if frames * frame_bytes > _LARGEST_DATA_BYTES:
        raise AudioFileError(
            f"{frames / sample_rate:.0f} s of sound exceed the 4 GB of a WAV file: "
            "save it in shorter parts."
        )


def _encoded(samples: NDArray[np.float32], subtype: str) -> bytes:
    """Samples [channels, frames] as interleaved little-endian bytes."""
    interleaved = samples.T
    if subtype == "FLOAT":
        return np.ascontiguousarray(interleaved, dtype="<f4").tobytes()
    full_scale = float(2 ** (_BITS[subtype] - 1))
    scaled = np.rint(interleaved.astype(np.float64) * full_scale)
    integers = np.clip(scaled, -full_scale, full_scale - 1).astype("<i4")
    if subtype == "PCM_16":
        return np.ascontiguousarray(integers, dtype="<i2").tobytes()
    octets = np.ascontiguousarray(integers).view(np.uint8).reshape(-1, 4)
    return np.ascontiguousarray(octets[:, :3]).tobytes()
