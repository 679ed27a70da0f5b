"""Attacks in a stream, found with no more than a few milliseconds of looking ahead.

Owns the quick detector that keeps attacks whole while a sound is stretched. For finding onsets
in a finished sound `studio.editing.onsets` is finer.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_CELL_SECONDS: Final = 0.002
_STEP_CELLS: Final = 8
_POWER_CELLS: Final = 4
_POWER_HISTORY_CELLS: Final = 20
_STEP_GROWTH: Final = 2.5
_POWER_GROWTH: Final = 4.0
_LEAST_STEP: Final = 1e-4
_LEAST_POWER: Final = 1e-6
_REST_SECONDS: Final = 0.03


class AttackFinder:
    """Frames at which a stream swells suddenly, whatever pieces it arrives in.

    In cells of 2 ms: the mean sample step grows 2.5 times over that of the 16 ms before (a hat, a
    snare), or the power of 8 ms four times over that of the 32 ms before them (a kick under a
    hat). Two attacks lie at least 30 ms apart.

    Attributes:
        frames: The attacks so far, rising; each at or up to some 4 ms before the swell.
        heard_frames: How far the stream has been judged.
    """

    def __init__(self, channels: int, sample_rate: int) -> None:
        self.frames: list[int] = []
        self.heard_frames = 0
        self._cell = max(1, round(_CELL_SECONDS * sample_rate))
        self._rest = round(_REST_SECONDS * sample_rate)
        self._waiting = np.zeros((channels, 0), dtype=np.float32)
        self._last = np.zeros((channels, 1), dtype=np.float32)
        self._steps = np.zeros(_POWER_HISTORY_CELLS)
        self._powers = np.zeros(_POWER_HISTORY_CELLS)

    def push(self, samples: NDArray[np.float32]) -> None:
        """Hear what follows: samples [channels, frames]."""
        waiting = np.concatenate((self._waiting, samples), axis=1)
        cells = waiting.shape[1] // self._cell
        whole = waiting[:, : cells * self._cell].astype(np.float64)
        self._waiting = waiting[:, cells * self._cell :]
        if not cells:
            return
        change = np.abs(np.diff(whole, axis=1, prepend=self._last)).mean(axis=0)
        self._last = waiting[:, cells * self._cell - 1 : cells * self._cell]
        steps = np.concatenate((self._steps, change.reshape(cells, -1).mean(axis=1)))
        power = (whole**2).mean(axis=0).reshape(cells, -1).mean(axis=1)
        powers = np.concatenate((self._powers, power))
        history = _POWER_HISTORY_CELLS
        for cell in range(history, history + cells):
            if self._swells(steps[: cell + 1], powers[: cell + 1]):
                frame = max(0, self.heard_frames - self._cell)
                if not self.frames or frame - self.frames[-1] >= self._rest:
                    self.frames.append(frame)
            self.heard_frames += self._cell
        self._steps, self._powers = steps[-history:], powers[-history:]

    @staticmethod
    def _swells(steps: NDArray[np.float64], powers: NDArray[np.float64]) -> bool:
        before = float(steps[-1 - _STEP_CELLS : -1].mean())
        if float(steps[-1]) > _STEP_GROWTH * before + _LEAST_STEP:
            return True
        now = float(powers[-_POWER_CELLS:].mean())
        then = float(powers[-_POWER_HISTORY_CELLS:-_POWER_CELLS].mean())
        return now > _POWER_GROWTH * then + _LEAST_POWER
