"""The delay pattern: how K parallel codebooks become one sequence.

Owns the arithmetic between codes and the grid that the language model sees. Step 0 holds
fillers only; codebook q at step s carries the code of codec frame s - 1 - q, and a filler where
there is no such frame (Copet et al. 2023, section 2.3).

Letters in shapes: B takes, K codebooks, T codec frames.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def delay(codes: NDArray[np.int64], filler: int) -> NDArray[np.int64]:
    """Shift each codebook of `codes` [B, K, T] behind the one before it.

    Returns:
        The grid, int64 [B, K, T + K].
    """
    batch, codebooks, frames = codes.shape
    grid = np.full((batch, codebooks, frames + codebooks), filler, dtype=np.int64)
    for codebook in range(codebooks):
        grid[:, codebook, codebook + 1 : codebook + 1 + frames] = codes[:, codebook]
    return grid


def undelay(grid: NDArray[np.int64]) -> NDArray[np.int64]:
    """The codes [B, K, T] in a grid [B, K, T + K]; the inverse of `delay`."""
    codebooks = grid.shape[1]
    frames = grid.shape[2] - codebooks
    rows = [grid[:, q, q + 1 : q + 1 + frames] for q in range(codebooks)]
    return np.stack(rows, axis=1)
