"""The rounding of weights to levels, into the form that `products` reads.

Letters: O outputs, I inputs; both multiples of sixty-four.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from studio.models.native_backend.kernels.products import COMPILED, GROUP, PANEL

_TINY = np.float32(1e-30)
_HALF_LEAST = np.float32(6.2e-5)
_INT8_LEVELS = np.float32(127)
_INT4_LEVELS = np.float32(7)
_REACHES = 13
_LEAST_REACH = np.float32(0.7)


@njit(**COMPILED)
def pack_int8(matrix, weights, scales):
    """Round each output's weights to 127 levels on either side of zero.

    Args:
        matrix: float32 [O, I].
        weights: Becomes uint8 [O / 64, I / 4, 64, 4].
        scales: Becomes float32 [O / 64, 64].
    """
    for output in range(matrix.shape[0]):
        panel, lane = output // PANEL, output % PANEL
        largest = _TINY
        for place in range(matrix.shape[1]):
            largest = max(largest, abs(matrix[output, place]))
        scale = largest / _INT8_LEVELS
        scales[panel, lane] = scale
        for four in range(matrix.shape[1] // 4):
            for part in range(4):
                level = np.rint(matrix[output, 4 * four + part] / scale)
                weights[panel, four, lane, part] = np.uint8(np.int32(level) + 128)


@njit(**COMPILED)
def _levels(group, scale, levels):
    """The levels of a group's weights, and the square of what is lost."""
    lost = np.float32(0.0)
    for place in range(GROUP):
        level = min(max(np.rint(group[place] / scale), np.float32(-8)), np.float32(7))
        levels[place] = level
        off = level * scale - group[place]
        lost += off * off
    return lost


@njit(**COMPILED)
def pack_int4(matrix, halves, weights, scales):
    """Round each group of sixty-four weights to sixteen levels, with the scale that loses least.

    Args:
        matrix: float32 [O, I].
        halves: float32 [65536], the value of every float16 by its bits.
        weights: Becomes int8 [O / 64, I / 64, 8, 64, 4].
        scales: Becomes int16 [O / 64, I / 64, 64], the bits of float16.
    """
    levels = np.empty(GROUP, dtype=np.float32)
    kept = np.empty(GROUP, dtype=np.float32)
    half = GROUP // 8
    for output in range(matrix.shape[0]):
        panel, lane = output // PANEL, output % PANEL
        for number in range(matrix.shape[1] // GROUP):
            group = matrix[output, number * GROUP : (number + 1) * GROUP]
            largest = _HALF_LEAST
            for place in range(GROUP):
                largest = max(largest, abs(group[place]) / _INT4_LEVELS)
            least, chosen = np.float32(np.inf), 0
            for trial in range(_REACHES):
                reach = (
                    np.float32(1) - (np.float32(1) - _LEAST_REACH) * np.float32(trial) / _REACHES
                )
                bits = np.searchsorted(halves[:0x7C00], np.float32(largest * reach))
                lost = _levels(group, halves[bits], levels)
                if lost < least:
                    least, chosen = lost, bits
                    kept[:] = levels
            scales[panel, number, lane] = np.int16(chosen)
            for four in range(half):
                for part in range(4):
                    low = np.int32(kept[4 * four + part]) + 8
                    high = np.int32(kept[4 * (four + half) + part]) + 8
                    weights[panel, number, four, lane, part] = np.int8(low | (high << 4))
