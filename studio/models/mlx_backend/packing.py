"""Linear layers, and the forms that inference keeps them in.

Owns the precisions and the replacement of plain layers by packed or quantised ones. It knows no
network.

Quantised weights are kept in groups of `GROUP` along a row, each with a scale and an offset
(`mx.quantize`); what they are multiplied with stays float32.
"""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import mlx.nn as nn

GROUP = 64
_SMALLER_GROUP = 32
_BITS = {"int8": 8, "int4": 4}
_DTYPES = {"float16": mx.float16, "bfloat16": mx.bfloat16}

PRECISIONS = ("float32", *_DTYPES, *_BITS)


class Linear(nn.Module):
    """A layer whose weight is [out, in], as checkpoints have it."""

    def __init__(self, width: int, out_width: int, *, bias: bool = False) -> None:
        super().__init__()
        self.weight = mx.zeros((out_width, width))
        if bias:
            self.bias = mx.zeros(out_width)

    def __call__(self, x: mx.array) -> mx.array:
        """Multiply rows `x` [..., in]: [..., out]."""
        product = x @ self.weight.T
        return product + self.bias if "bias" in self else product


class PackedLinear(nn.Module):
    """A layer without bias whose weight is [in, out].

    On Linux it also lies so in memory: the BLAS in mlx's wheels is up to twice as fast with that.
    On Apple silicon it lies as [out, in], as in mlx's own layers.
    """

    def __init__(self, weight: mx.array) -> None:
        """Lay out `weight` [out, in]."""
        super().__init__()
        self.width = weight.shape[1]
        self.weight = weight.T if mx.metal.is_available() else mx.contiguous(weight.T)

    def __call__(self, x: mx.array) -> mx.array:
        """Multiply rows `x` [..., in]: [..., out]."""
        return x @ self.weight


class QuantisedLinear(nn.Module):
    """A layer without bias whose weight has few bits."""

    def __init__(self, weight: mx.array, *, bits: int, group: int) -> None:
        """Round `weight` [out, in]; `group` divides the width."""
        super().__init__()
        self.width = weight.shape[1]
        self.bits = bits
        self.group = group
        self.weight, self.scales, self.offsets = mx.quantize(weight, group_size=group, bits=bits)

    def __call__(self, x: mx.array) -> mx.array:
        """Multiply rows `x` [..., in]: [..., out]."""
        return mx.quantized_matmul(
            x,
            self.weight,
            self.scales,
            self.offsets,
            transpose=True,
            group_size=self.group,
            bits=self.bits,
        )


def dtype_of(precision: str) -> mx.Dtype:
    """What activations are kept in."""
    return _DTYPES.get(precision, mx.float32)


def packed(layer: Linear, precision: str) -> PackedLinear | QuantisedLinear:
    """`layer`, which has no bias, in `precision`; in float32 if no group divides its width."""
    width = layer.weight.shape[1]
    group = next((size for size in (GROUP, _SMALLER_GROUP) if width % size == 0), None)
    form: PackedLinear | QuantisedLinear
    if precision in _BITS and group is not None:
        form = QuantisedLinear(layer.weight, bits=_BITS[precision], group=group)
    else:
        form = PackedLinear(layer.weight.astype(dtype_of(precision)))
    mx.eval(form.parameters())
    return form


def pack_layers(module: nn.Module, precision: str) -> None:
    """Bring all parameters below `module` into `precision`, one layer at a time.

    Layers that are packed already stay as they are.
    """
    for name, part in list(module.items()):
        module[name] = _in_precision(part, precision)


def rows_stand_alone(layer: nn.Module, rows: int, dtype: mx.Dtype) -> bool:
    """Whether a row's product with a packed layer has the same bits among `rows` as among few.

    Tried out on this machine: which kernel multiplies, and in which order it sums up, depends on
    the number of rows and is nowhere promised.
    """
    x = mx.sin(mx.arange(rows * layer.width) * 1.7).reshape(rows, layer.width).astype(dtype)
    together = layer(x)
    for few in (1, 2):
        parts = [layer(x[start : start + few]) for start in range(0, rows, few)]
        if not bool(mx.array_equal(mx.concatenate(parts), together)):
            return False
    return True


def _in_precision(part: Any, precision: str) -> Any:
    if isinstance(part, list):
        return [_in_precision(item, precision) for item in part]
    if isinstance(part, PackedLinear | QuantisedLinear):
        return part
    if isinstance(part, mx.array):
        part = part.astype(dtype_of(precision))
        mx.eval(part)
    elif isinstance(part, Linear) and "bias" not in part:
        return packed(part, precision)
    elif isinstance(part, nn.Module):
        pack_layers(part, precision)
    return part
