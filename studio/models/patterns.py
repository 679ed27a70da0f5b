"""The delay pattern: how K parallel codebooks become one sequence.

Owns the arithmetic between codes and the grid that the language model sees. Step 0 holds
fillers only; codebook q, delayed by d, carries at step s the code of codec frame s - 1 - d, and
a filler where there is no such frame (Copet et al. 2023, "Simple and Controllable Music
Generation", section 2.3).

Letters in shapes: B takes, K codebooks, T codec frames, D the largest delay.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def codebook_delays(codebooks: int, channels: int) -> tuple[int, ...]:
    """By how many steps each of the K codebooks trails the first.

    The codebooks of several channels stand in turn, [1L, 1R, 2L, 2R, ...]; those of one rank
    share a delay.
    """
    return tuple(codebook // channels for codebook in range(codebooks))


def delay(
    codes: NDArray[np.int64], filler: int, delays: Sequence[int] | None = None
) -> NDArray[np.int64]:
    """Shift each codebook of `codes` [B, K, T] by its delay.

    Args:
        codes: What stands in the frames.
        filler: What stands where there is no frame.
        delays: One a codebook; None is 0 to K - 1, as in mono models.

    Returns:
        The grid, int64 [B, K, T + D + 1].
    """
    batch, codebooks, frames = codes.shape
    delays = range(codebooks) if delays is None else delays
    grid = np.full((batch, codebooks, frames + max(delays) + 1), filler, dtype=np.int64)
    for codebook, late in enumerate(delays):
        grid[:, codebook, late + 1 : late + 1 + frames] = codes[:, codebook]
    return grid


def undelay(grid: NDArray[np.int64], delays: Sequence[int] | None = None) -> NDArray[np.int64]:
    """The codes [B, K, T] in a grid [B, K, T + D + 1]; the inverse of `delay`."""
    delays = range(grid.shape[1]) if delays is None else delays
    frames = grid.shape[2] - max(delays) - 1
    rows = [grid[:, q, late + 1 : late + 1 + frames] for q, late in enumerate(delays)]
    return np.stack(rows, axis=1)
