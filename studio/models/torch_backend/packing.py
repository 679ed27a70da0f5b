"""Linear layers in the layout that this machine multiplies fastest.

Owns the replacement of plain layers by packed ones, for inference only. It knows no network.

A step of decoding multiplies each weight matrix with a handful of rows. oneDNN, given the
matrix in blocks of its own choosing, is two to five times faster at that than BLAS with the
matrix as it lies, and from two rows on gives a row the same bits whatever rows stand beside it.
BLAS does so from four rows on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

# WORKAROUND: torch packs layers for its own compiler only, under names that it does not promise.
# https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/mkldnn/Linear.cpp
_PACK = "_reorder_linear_weight"
_MULTIPLY = "_linear_pointwise"
_PACKS = torch.backends.mkldnn.is_available() and all(
    hasattr(torch.ops.mkldnn, name) for name in (_PACK, _MULTIPLY)
)

LEAST_ROWS = 2 if _PACKS else 4
"""From this many rows on, a row's product does not depend on the rows beside it."""

_Multiply = Callable[[Tensor, Tensor, None, str, list[Any], str], Tensor]


class PackedLinear(nn.Module):
    """A layer without bias whose weights oneDNN has laid out; it cannot learn or be saved."""

    def __init__(self, weight: Tensor) -> None:
        """Lay out `weight` [out, in], which can be let go of afterwards."""
        super().__init__()
        self._packed: Tensor = getattr(torch.ops.mkldnn, _PACK)(weight.detach())
        self._multiply: _Multiply = getattr(torch.ops.mkldnn, _MULTIPLY)

    def forward(self, x: Tensor) -> Tensor:
        """Multiply rows `x` [..., in]: [..., out]."""
        return self._multiply(x, self._packed, None, "none", [], "")


def pack_layers(module: nn.Module) -> None:
    """Replace every linear layer without bias below `module`, one at a time, where torch can."""
    if not _PACKS:
        return
    for name, child in module.named_children():
        if isinstance(child, nn.Linear) and len(list(child.parameters())) == 1:
            setattr(module, name, PackedLinear(child.weight))
        else:
            pack_layers(child)
