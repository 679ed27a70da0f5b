"""Weight matrices in the forms that the kernels read.

Owns the rounding of weights to each precision. `kernels.products` says how the forms lie in
memory; this module fills them.

Letters in shapes: O outputs, I inputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from studio.models.native_backend.kernels.packing import pack_int4, pack_int8
from studio.models.native_backend.kernels.products import GROUP, PANEL

PRECISIONS = ("float32", "bfloat16", "int8", "int4")


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
    outputs, inputs = matrix.shape
    weights = np.empty((outputs // PANEL, inputs // 4, PANEL, 4), dtype=np.uint8)
    scales = np.empty((outputs // PANEL, PANEL), dtype=np.float32)
    pack_int8(matrix, weights, scales)
    return Panels(weights=weights, scales=scales)


def _int4(matrix: NDArray[np.float32]) -> Panels:
    """A scale for each group of inputs of each output: the one that loses least."""
    panels, groups = matrix.shape[0] // PANEL, matrix.shape[1] // GROUP
    weights = np.empty((panels, groups, GROUP // 8, PANEL, 4), dtype=np.int8)
    scales = np.empty((panels, groups, PANEL), dtype=np.int16)
    pack_int4(matrix, _halves(), weights, scales)
    return Panels(weights=weights, scales=scales)


@cache
def _halves() -> NDArray[np.float32]:
    """Every float16 in order of its bits; the positive ones rise."""
    return np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float32)
