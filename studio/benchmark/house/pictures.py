"""Spectrograms as PNG files, for eyes.

Owns the colours and the file format; draws no axes and judges nothing.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from studio.core.storage import write_atomically

_WIDTH, _HEIGHT = 520, 140
_GAP: Final = 4
_WINDOW: Final = 2048
_LOW_HZ, _HIGH_HZ = 35.0, 15_000.0
_RANGE_DB: Final = 70.0
_COLOURS: Final = np.array(
    [(0, 0, 0), (40, 11, 84), (120, 28, 109), (200, 63, 75), (247, 130, 18), (252, 255, 164)]
)


def spectrogram(sound: NDArray[np.float32], sample_rate: int) -> NDArray[np.uint8]:
    """Logarithmic frequency upwards, time to the right, 70 dB of colour: [height, width, 3]."""
    padded = np.pad(sound, (_WINDOW // 2, _WINDOW))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)
    places = np.linspace(0, max(len(sound) - 1, 0), _WIDTH).astype(np.int64)
    level = np.abs(np.fft.rfft(frames[places] * np.hanning(_WINDOW), axis=1))
    hertz = np.fft.rfftfreq(_WINDOW, 1 / sample_rate)
    wanted = np.geomspace(_LOW_HZ, min(_HIGH_HZ, sample_rate / 2), _HEIGHT)
    drawn = np.stack([np.interp(wanted, hertz, row) for row in level], axis=1)
    decibels = 20 * np.log10(drawn + 1e-6)
    shade = np.clip(1 + (decibels - decibels.max()) / _RANGE_DB, 0, 1)[::-1]
    steps = np.linspace(0, 1, len(_COLOURS))
    channels = [np.interp(shade, steps, _COLOURS[:, c]) for c in range(3)]
    return np.stack(channels, axis=-1).astype(np.uint8)


def draw_rows(file: Path, rows: Sequence[Sequence[NDArray[np.float32]]], sample_rate: int) -> None:
    """Write spectrograms in rows of equal length to a PNG.

    Raises:
        StorageError: The file cannot be written.
    """
    gap_column = np.full((_HEIGHT, _GAP, 3), 255, dtype=np.uint8)
    lines: list[NDArray[np.uint8]] = []
    for row in rows:
        cells: list[NDArray[np.uint8]] = []
        for sound in row:
            cells += [spectrogram(sound, sample_rate), gap_column]
        line = np.concatenate(cells[:-1], axis=1)
        lines += [line, np.full((_GAP, line.shape[1], 3), 255, dtype=np.uint8)]
    write_atomically(file, png_bytes(np.concatenate(lines[:-1], axis=0)))


def png_bytes(image: NDArray[np.uint8]) -> bytes:
    """An image [height, width, 3] as PNG (ISO/IEC 15948), eight bits a channel."""
    height, width, _ = image.shape
    rows = b"".join(b"\0" + row.tobytes() for row in image)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in parts)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
