"""Weight matrices in the forms that the kernels read.

Owns the rounding of weights to each precision. `kernels.products` says how the forms lie in
memory; this module fills them.

Letters in shapes: O outputs, I inputs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.models.native_backend.kernels.products import GROUP, PANEL

PRECISIONS = ("float32", "bfloat16", "int8", "int4")
_INT8_LEVELS = 127
_INT4_LEVELS = 7
_TINY = 1e-30
# Fractions of a group's largest weight that come into question as its outermost level.
_INT4_REACHES = tuple(np.linspace(0.7, 1.0, 13).astype(np.float32))


@dataclass(frozen=True, kw_only=True, eq=False)
class Panels:
    """One matrix.

    Attributes:
        weights: In one of the forms of `kernels.products`.
        scales: What a level stands for, see there; of length 1 where there are no levels.
    """

    weights: NDArray[np.generic]
    scales: NDArray[np.generic]


def rounded_up(count: int) -> int:
    """The next multiple of 64."""
    return -(-count // PANEL) * PANEL


def pack(matrix: NDArray[np.float32], precision: str) -> Panels:
    """Bring `matrix` [O, I] into the form of one of `PRECISIONS`; both sides are filled up."""
    outputs, inputs = matrix.shape
    filled = np.zeros((rounded_up(outputs), rounded_up(inputs)), dtype=np.float32)
    filled[:outputs, :inputs] = matrix
    if precision == "int8":
        return _int8(filled)
    if precision == "int4":
        return _int4(filled)
    columns = filled.reshape(-1, PANEL, filled.shape[1]).transpose(0, 2, 1)
    weights: NDArray[np.generic] = np.ascontiguousarray(columns)
    if precision == "bfloat16":
        weights = _upper_halves(weights.view(np.uint32))
    return Panels(weights=weights, scales=np.zeros((len(weights), 1), dtype=np.float32))


def _upper_halves(bits: NDArray[np.uint32]) -> NDArray[np.uint16]:
    """float32 rounded to bfloat16, half to even."""
    rounding = np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    halves: NDArray[np.uint16] = ((bits + rounding) >> np.uint32(16)).astype(np.uint16)
    return halves


def _int8(matrix: NDArray[np.float32]) -> Panels:
    """A scale for each output."""
    scales = np.maximum(np.abs(matrix).max(axis=1), _TINY) / np.float32(_INT8_LEVELS)
    levels = np.rint(matrix / scales[:, None]) + np.float32(128)
    by_fours = levels.astype(np.uint8).reshape(-1, PANEL, matrix.shape[1] // 4, 4)
    return Panels(
        weights=np.ascontiguousarray(by_fours.transpose(0, 2, 1, 3)),
        scales=scales.astype(np.float32).reshape(-1, PANEL),
    )


def _int4(matrix: NDArray[np.float32]) -> Panels:
    """A scale for each group of inputs of each output: the one that loses least."""
    groups = matrix.reshape(-1, GROUP)
    largest = np.maximum(np.abs(groups).max(axis=1), _TINY) / np.float32(_INT4_LEVELS)
    least = np.full(len(groups), np.inf, dtype=np.float32)
    scales = largest.astype(np.float16)
    for reach in _INT4_REACHES:
        tried = np.maximum((largest * reach).astype(np.float16), np.finfo(np.float16).tiny)
        step = tried.astype(np.float32)[:, None]
        lost = np.square(_int4_levels(groups, step) * step - groups).sum(axis=1)
        better = lost < least
        scales[better], least[better] = tried[better], lost[better]
    levels = _int4_levels(groups, scales.astype(np.float32)[:, None]) + np.float32(8)
    inputs = matrix.shape[1]
    # Output panel, output, group, half, four of the half, one of the four.
    shape = (-1, PANEL, inputs // GROUP, 2, GROUP // 8, 4)
    nibbles = levels.astype(np.uint8).reshape(shape)
    pairs = nibbles[:, :, :, 0] | (nibbles[:, :, :, 1] << 4)
    by_group = scales.reshape(-1, PANEL, inputs // GROUP).transpose(0, 2, 1)
    return Panels(
        weights=np.ascontiguousarray(pairs.transpose(0, 2, 3, 1, 4)).view(np.int8),
        scales=np.ascontiguousarray(by_group).view(np.int16),
    )


def _int4_levels(groups: NDArray[np.float32], step: NDArray[np.float32]) -> NDArray[np.float32]:
    levels: NDArray[np.float32] = np.clip(np.rint(groups / step), -8, 7)
    return levels
