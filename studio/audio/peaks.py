"""A waveform at every zoom.

Owns the peak pyramid: minimum, maximum and RMS over 64, 256, 1024 ... frames, for a sound that
may still be growing, and the columns of a view on it. It draws nothing and keeps no thread: one
thread uses a pyramid at a time.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

import numpy as np
from numpy.typing import NDArray

BASE_FRAMES: Final = 64
STEP: Final = 4


class _Level:
    """Minimum, maximum and summed squares of consecutive equal stretches, over all channels."""

    def __init__(self) -> None:
        self.bins = 0
        self._store = np.zeros((3, 64))

    @property
    def values(self) -> NDArray[np.float64]:
        """[3, bins]: minimum, maximum, sum of squares."""
        return self._store[:, : self.bins]

    def replace_from(self, first: int, values: NDArray[np.float64]) -> None:
        """Forget the bins from `first` on and put `values` [3, n] there."""
        bins = first + values.shape[1]
        if bins > self._store.shape[1]:
            store = np.zeros((3, max(bins, 2 * self._store.shape[1])))
            store[:, :first] = self._store[:, :first]
            self._store = store
        self._store[:, first:bins] = values
        self.bins = bins


class PeakPyramid:
    """Peaks of a sound at every zoom, all channels drawn as one.

    Level n has one bin for each 64 * 4**n frames. A view reads at most six bins a column,
    whatever the length of the sound; closer than 64 frames a column it reads the samples.
    """

    def __init__(self, channels: int) -> None:
        if channels < 1:
            raise ValueError(f"a pyramid needs at least one channel, not {channels}")
        self._channels = channels
        self._frames = 0
        self._parts: list[NDArray[np.float32]] = []
        self._part_starts: list[int] = []
        self._levels = [_Level()]

    @classmethod
    def from_samples(cls, samples: NDArray[np.float32]) -> PeakPyramid:
        """A pyramid of samples [channels, frames]."""
        pyramid = cls(samples.shape[0])
        pyramid.append(samples)
        return pyramid

    @property
    def frames(self) -> int:
        """Number of sample frames so far."""
        return self._frames

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self._channels

    @property
    def level_count(self) -> int:
        """Number of levels so far."""
        return len(self._levels)

    def append(self, samples: NDArray[np.float32]) -> None:
        """Add what follows: samples [channels, frames]. Read-only arrays are kept uncopied.

        Raises:
            ValueError: Another number of channels.
        """
        if samples.ndim != 2 or samples.shape[0] != self._channels:
            raise ValueError(f"expected [{self._channels}, frames], not {samples.shape}")
        if samples.shape[1] == 0:
            return
        before = self._frames
        if samples.flags.writeable or samples.dtype != np.float32:
            samples = samples.astype(np.float32, copy=True)
        self._part_starts.append(before)
        self._parts.append(samples)
        self._frames += samples.shape[1]

        first = before // BASE_FRAMES
        self._levels[0].replace_from(first, self._base_bins(first * BASE_FRAMES))
        level = 0
        while self._levels[level].bins > STEP:
            if level + 1 == len(self._levels):
                self._levels.append(_Level())
                first = 0
            else:
                first = before // frames_per_bin(level + 1)
            below = self._levels[level].values[:, first * STEP :]
            self._levels[level + 1].replace_from(first, _merged(below, STEP))
            level += 1

    def span(self, start_frame: int, end_frame: int, columns: int) -> tuple[int, int, int]:
        """What a view reads: (level, first bin, bin after the last); level -1 is the samples."""
        frames_per_column = max(end_frame - start_frame, 0) / max(columns, 1)
        level = -1
        while level + 1 < len(self._levels) and frames_per_bin(level + 1) <= frames_per_column:
            level += 1
        size = frames_per_bin(level)
        first = min(max(start_frame, 0), self._frames) // size
        last = -(-min(max(end_frame, 0), self._frames) // size)
        return level, first, max(last, first)

    def view(
        self, start_frame: int, end_frame: int, columns: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """The stretch from `start_frame` to `end_frame`, cut into equal columns.

        Columns that lie outside the sound are zero. A column takes in the whole of each bin it
        touches, so no peak is lost between columns.

        Returns:
            Minimum, maximum and RMS over all channels, float32 [columns] each.

        Raises:
            ValueError: No columns, or an end before the start.
        """
        if columns < 1 or end_frame < start_frame:
            raise ValueError(f"cannot show {start_frame} to {end_frame} in {columns} columns")
        level, first, last = self.span(start_frame, end_frame, columns)
        lowest, highest, rms = (np.zeros(columns, dtype=np.float32) for _ in range(3))
        if last == first:
            return lowest, highest, rms
        size = frames_per_bin(level)
        edges = start_frame + np.arange(columns + 1) * (end_frame - start_frame) / columns
        low = np.floor(edges[:-1] / size).astype(np.int64)
        high = np.maximum(np.ceil(edges[1:] / size).astype(np.int64), low + 1)
        shown = (high > first) & (low < last) & (edges[:-1] < self._frames)
        low = np.clip(low[shown], first, last - 1) - first
        high = np.clip(high[shown], first + 1, last) - first
        if level < 0:
            stretch = self._samples(first, last)
            bins = np.stack(
                (
                    stretch.min(axis=0).astype(np.float64),
                    stretch.max(axis=0).astype(np.float64),
                    np.square(stretch, dtype=np.float64).sum(axis=0),
                )
            )
        else:
            bins = self._levels[level].values[:, first:last]
        pairs = np.stack((low, high), axis=1).ravel()
        # reduceat needs indices inside the array: one bin past the end that no column includes.
        bins = np.concatenate((bins, bins[:, -1:]), axis=1)
        lowest[shown] = np.minimum.reduceat(bins[0], pairs)[::2]
        highest[shown] = np.maximum.reduceat(bins[1], pairs)[::2]
        squares = np.add.reduceat(bins[2], pairs)[::2]
        covered = np.minimum((high + first) * size, self._frames) - (low + first) * size
        rms[shown] = np.sqrt(squares / (covered * self._channels))
        return lowest, highest, rms

    def _samples(self, start_frame: int, end_frame: int) -> NDArray[np.float32]:
        """The samples [channels, frames] of a stretch inside the sound."""
        pieces = []
        part = bisect_right(self._part_starts, start_frame) - 1
        position = start_frame
        while position < end_frame:
            start = self._part_starts[part]
            piece = self._parts[part][:, position - start : end_frame - start]
            pieces.append(piece)
            position += piece.shape[1]
            part += 1
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=1)

    def _base_bins(self, start_frame: int) -> NDArray[np.float64]:
        """Level 0 from a bin's edge to the end of the sound, [3, bins]."""
        samples = self._samples(start_frame, self._frames)
        edges = np.arange(0, samples.shape[1], BASE_FRAMES)
        squares = np.square(samples, dtype=np.float64).sum(axis=0)
        return np.stack(
            (
                np.minimum.reduceat(samples.min(axis=0), edges).astype(np.float64),
                np.maximum.reduceat(samples.max(axis=0), edges).astype(np.float64),
                np.add.reduceat(squares, edges),
            )
        )


def frames_per_bin(level: int) -> int:
    """Frames of one bin of a level; level -1 is the samples themselves."""
    return 1 if level < 0 else BASE_FRAMES * STEP**level


def _merged(values: NDArray[np.float64], step: int) -> NDArray[np.float64]:
    """Every `step` bins [3, n] as one."""
    edges = np.arange(0, values.shape[1], step)
    return np.stack(
        (
            np.minimum.reduceat(values[0], edges),
            np.maximum.reduceat(values[1], edges),
            np.add.reduceat(values[2], edges),
        )
    )
