"""EnCodec's weights under Hugging Face's names.

Owns the folding of the weight norm (both ways of writing it), the LSTM's names and the stacking
of the codebooks. It opens no files.
"""

from __future__ import annotations

import mlx.core as mx

from studio.core.errors import ModelError
from studio.models.mlx_backend.weights import Tensors, take_tensor

# Gain and direction, as torch writes them now and as it wrote them before.
_NORMED = (
    (".parametrizations.weight.original0", ".parametrizations.weight.original1"),
    (".weight_g", ".weight_v"),
)


def take_normed(tensors: Tensors, name: str, shape: tuple[int, int, int]) -> mx.array:
    """The weight of the convolution called `name`, its norm folded in.

    Raises:
        ModelError: A tensor is missing, has another shape, or holds NaN or infinity.
    """
    for gain, direction in _NORMED:
        if name + direction in tensors:
            v = take_tensor(tensors, name + direction, shape)
            g = take_tensor(tensors, name + gain, (shape[0], 1, 1))
            length = mx.sqrt(mx.square(v).sum(axis=(1, 2), keepdims=True))
            weight = v * (g / mx.maximum(length, 1e-12))
            if not bool(mx.isfinite(weight).all()):
                raise ModelError(f"the tensor {name}{direction} is too small for its gain")
            return weight
    return take_tensor(tensors, f"{name}.weight", shape)


def take_lstm(
    tensors: Tensors, name: str, layer: int, channels: int
) -> tuple[mx.array, mx.array, mx.array]:
    """What multiplies a layer's input, what multiplies its output, and the sum of its biases.

    Raises:
        ModelError: A tensor is missing, has another shape, or holds NaN or infinity.
    """
    weights = [
        mx.contiguous(
            take_tensor(tensors, f"{name}.weight_{kind}_l{layer}", (4 * channels, channels)).T
        )
        for kind in ("ih", "hh")
    ]
    biases = [
        take_tensor(tensors, f"{name}.bias_{kind}_l{layer}", (4 * channels,))
        for kind in ("ih", "hh")
    ]
    return weights[0], weights[1], biases[0] + biases[1]


def take_codebooks(tensors: Tensors, shape: tuple[int, int, int]) -> mx.array:
    """The codebooks, float32 [K, V, D].

    Raises:
        ModelError: A tensor is missing, has another shape, or holds NaN or infinity.
    """
    names = [f"quantizer.layers.{k}.codebook.embed" for k in range(shape[0])]
    return mx.stack([take_tensor(tensors, name, shape[1:]) for name in names])
