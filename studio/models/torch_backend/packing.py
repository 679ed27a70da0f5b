"""Linear layers in the form that this machine multiplies fastest.

Owns the precisions of the decoder's weights and the replacement of plain layers by packed or
quantised ones, for inference only. It knows no network.

A step of decoding multiplies each weight matrix with a handful of rows. oneDNN, given the
matrix in blocks of its own choosing, is two to five times faster at that than BLAS with the
matrix as it lies, and from two rows on gives a row the same bits whatever rows stand beside it.
BLAS does so from four rows on. A step costs what its weights cost to read, so fewer bits are
faster still.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from studio.core.errors import ModelError

PRECISIONS = ("float32", "bfloat16", "int8")

# WORKAROUND: torch packs layers for its own compiler only, under names that it does not promise.
# https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/mkldnn/Linear.cpp
# https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/quantized/cpu/qlinear.cpp
_PACK = "_reorder_linear_weight"
_MULTIPLY = "_linear_pointwise"
_PACK_BYTES = "qlinear_prepack"
_MULTIPLY_BYTES = "qlinear_pointwise"


def _has(library: Any, *names: str) -> bool:
    return torch.backends.mkldnn.is_available() and all(hasattr(library, name) for name in names)


_PACKS = _has(torch.ops.mkldnn, _PACK, _MULTIPLY)
_QUANTISES = _has(torch.ops.onednn, _PACK_BYTES, _MULTIPLY_BYTES)

LEAST_ROWS = 2 if _PACKS else 4
"""From this many rows on, a row's product does not depend on the rows beside it."""

_LEVELS = 127
_MIDDLE = 128
# A row of zeros is divided by this instead of by its largest value.
_TINY = 1e-30


class PackedLinear(nn.Module):
    """A layer without bias whose weights oneDNN has laid out; it cannot learn or be saved."""

    def __init__(self, weight: Tensor, dtype: torch.dtype = torch.float32) -> None:
        """Lay out `weight` [out, in] as `dtype`; it can be let go of afterwards."""
        super().__init__()
        self._dtype = dtype
        self._packed: Tensor = getattr(torch.ops.mkldnn, _PACK)(weight.detach().to(dtype))
        self._multiply: Any = getattr(torch.ops.mkldnn, _MULTIPLY)

    def forward(self, x: Tensor) -> Tensor:
        """Multiply rows `x` float32 [..., in]: float32 [..., out]."""
        product: Tensor
        if self._dtype is torch.float32:
            product = self._multiply(x, self._packed, None, "none", [], "")
            return product
        product = self._multiply(x.to(self._dtype), self._packed, None, "none", [], "")
        return product.float()

    def with_gelu(self, x: Tensor) -> Tensor:
        """The exact GELU of the product, in one pass."""
        product: Tensor = self._multiply(x.to(self._dtype), self._packed, None, "gelu", [], "none")
        return product if self._dtype is torch.float32 else product.float()

    def plus(self, x: Tensor, residual: Tensor) -> Tensor:
        """The product and `residual` [..., out], added up in one pass where that is exact."""
        total: Tensor
        if self._dtype is torch.float32:
            total = self._multiply.binary(x, residual, self._packed, None, "add")
        else:
            total = residual + self(x)
        return total


class QuantisedLinear(nn.Module):
    """A layer without bias whose weights are eight-bit integers.

    Each output has a scale of its own, and so has each row that is multiplied: both sides are
    integers, their products are summed up as integers, and no row has a part in the rounding of
    another. A product is therefore the same to the last bit in any company.
    """

    def __init__(self, weight: Tensor) -> None:
        """Round `weight` [out, in]; it can be let go of afterwards."""
        super().__init__()
        weight = weight.detach()
        self._scales = weight.abs().amax(dim=1).clamp_min_(_TINY).div_(_LEVELS)
        levels = (weight / self._scales[:, None]).round_().to(torch.int8)
        self._packed: Tensor = getattr(torch.ops.onednn, _PACK_BYTES)(levels, None)
        self._offsets = torch.zeros(len(weight), dtype=torch.int32)
        self._multiply: Callable[..., Tensor] = getattr(torch.ops.onednn, _MULTIPLY_BYTES)

    def forward(self, x: Tensor) -> Tensor:
        """Multiply rows `x` float32 [..., in]: float32 [..., out]."""
        rows = x.reshape(-1, x.shape[-1])
        largest = rows.abs().amax(dim=1, keepdim=True).clamp_min_(_TINY)
        # Cut off after adding a half, which is to round.
        levels = (rows * (_LEVELS / largest)).add_(_MIDDLE + 0.5).to(torch.uint8)
        product = self.multiply_levels(levels).mul_(largest.div_(_LEVELS))
        return product.view(*x.shape[:-1], -1)

    def multiply_levels(self, levels: Tensor) -> Tensor:
        """Multiply rows uint8 [n, in], 128 being zero: float32 [n, out]."""
        return self._multiply(
            levels, 1.0, _MIDDLE, self._packed, self._scales, self._offsets,
            None, 1.0, 0, torch.float32, "none", [], "",
        )  # fmt: skip


def with_gelu(layer: nn.Module, x: Tensor) -> Tensor:
    """The exact GELU of what `layer` makes of `x`."""
    if isinstance(layer, PackedLinear):
        return layer.with_gelu(x)
    return functional.gelu(layer(x))


def plus(layer: nn.Module, x: Tensor, residual: Tensor) -> Tensor:
    """What `layer` makes of `x`, added to `residual`."""
    if isinstance(layer, PackedLinear):
        return layer.plus(x, residual)
    total: Tensor = residual + layer(x)
    return total


def computed_precisions() -> tuple[str, ...]:
    """Those of `PRECISIONS` that this machine computes, and rightly."""
    return tuple(precision for precision in PRECISIONS if _computes(precision))


def require_precision(precision: str) -> None:
    """Refuse a precision that is unknown, or that this machine computes wrongly or not at all.

    Raises:
        ModelError: Naming those that it computes.
    """
    able = computed_precisions()
    if precision not in able:
        raise ModelError(
            f"This machine does not compute with {precision!r:.40}; choose {', '.join(able)}."
        )


def pack_layers(module: nn.Module, precision: str = "float32") -> None:
    """Replace every linear layer without bias below `module`, one at a time, where torch can."""
    if not _PACKS:
        return
    for name, child in module.named_children():
        if isinstance(child, nn.Linear) and len(list(child.parameters())) == 1:
            setattr(module, name, _packed(child.weight, precision))
        else:
            pack_layers(child, precision)


def _packed(weight: Tensor, precision: str) -> nn.Module:
    if precision == "int8":
        return QuantisedLinear(weight)
    return PackedLinear(weight, getattr(torch, precision))


@cache
def _computes(precision: str) -> bool:
    if precision == "float32":
        return True
    if precision == "bfloat16":
        return _PACKS and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return _PACKS and _QUANTISES and _sums_exactly()


def _sums_exactly() -> bool:
    """Whether integer products are summed up without a limit, which old processors have at 2^15."""
    width = 64
    layer = QuantisedLinear(torch.ones(2, width))
    sums = layer.multiply_levels(torch.full((2, width), 255, dtype=torch.uint8))
    return bool(torch.allclose(sums, torch.full((2, 2), float(width * _LEVELS))))
