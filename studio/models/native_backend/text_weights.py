"""The weights of the networks that read conditions, packed.

Owns their names in a Hugging Face checkpoint and the arrays that the kernels read. Every layer is
packed before the next one is read.

Beside a decoder that is not in float32, a large encoder is rounded to float16, of half the bytes.
That changes conditions by 5e-4 of their length with random weights of T5-base's size. On the
embedded model, given weights that float16 does not hold, it is 3e-4, and 6e-8 nats between the
distributions of the next code; bfloat16 would make it 2e-3 and 2e-6.

Letters in shapes: D model width, H heads. Widths in memory are rounded up to multiples of 64.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.models.language_config import DecoderConfig, TextConfig
from studio.models.native_backend.gang import SMALL_PARAMETERS
from studio.models.native_backend.panels import pack, rounded_up
from studio.models.native_backend.weights import take

Arrays = dict[str, NDArray[Any]]
Floats = NDArray[np.float32]
Tensors = Mapping[str, Floats]

EMBEDDING = "embedding"
POSITION_BIAS = "position_bias"
NORM = "norm"
PROJECTION = "enc_to_dec_proj"
CHROMA_PROJECTION = "audio_enc_to_dec_proj"
BIAS = "_bias"
_ENCODER = "text_encoder"
_LARGEST_HALF = float(np.finfo(np.float16).max)


def read_text_weights(
    tensors: Tensors,
    text: TextConfig,
    decoder: DecoderConfig,
    precision: str,
    *,
    chroma_bins: int,
) -> Arrays:
    """Read and pack the tensors of a checkpoint, by their full names.

    Args:
        tensors: The checkpoint.
        text: Sizes of the text encoder.
        decoder: Sizes of the decoder.
        precision: Of the decoder. Beside float32 nothing is rounded.
        chroma_bins: Width of a melody's frames; 0 is a model that hears none.

    Returns:
        `embedding` [tokens, D], float16 where that holds it; `position_bias` float32 [buckets, H];
        `norm`, the last one, float32 [D]; what `layer_names` says of each layer; and for each
        projection that there is, its panels by its name and its bias by that and `_bias`.

    Raises:
        ModelError: A tensor is missing, of the wrong shape, or not finite.
    """
    narrow = text.parameters >= SMALL_PARAMETERS and precision != "float32"
    arrays = _outside(tensors, text, narrow=narrow)
    for layer in range(text.layers):
        arrays |= _layer(tensors, text, layer, narrow=narrow)
    for name, width in ((PROJECTION, text.dim), (CHROMA_PROJECTION, chroma_bins)):
        if width not in (0, decoder.dim):
            matrix = take(tensors, (decoder.dim, width), f"{name}.weight")
            arrays[name] = _panels([matrix], narrow=narrow)[0]
            arrays[name + BIAS] = take(tensors, (decoder.dim,), f"{name}.bias")
    return arrays


def layer_names(layer: int) -> tuple[str, ...]:
    """What the arrays of a layer are called.

    The norms before attention and before the feed-forward layers, float32 [2, D]; then panels of
    query-key-value, out, feed-forward in and out, all four of one type.
    """
    return tuple(f"{layer}.{part}" for part in ("norms", "qkv", "out", "inner", "outer"))


def _outside(tensors: Tensors, text: TextConfig, *, narrow: bool) -> Arrays:
    table, other = f"{_ENCODER}.shared.weight", f"{_ENCODER}.encoder.embed_tokens.weight"
    if table not in tensors and other in tensors:
        table = other
    first = f"{_ENCODER}.encoder.block.0.layer.0.SelfAttention"
    biases = f"{first}.relative_attention_bias.weight"
    embedding = take(tensors, (text.vocabulary, text.dim), table)
    return {
        EMBEDDING: _halved(embedding, narrow=narrow),
        POSITION_BIAS: take(tensors, (text.position_buckets, text.heads), biases),
        NORM: _norm(tensors, text.dim, f"{_ENCODER}.encoder.final_layer_norm.weight"),
    }


def _layer(tensors: Tensors, text: TextConfig, layer: int, *, narrow: bool) -> Arrays:
    dim, inner = text.dim, text.heads * text.head_dim
    name = f"{_ENCODER}.encoder.block.{layer}.layer"
    attention, ffn = f"{name}.0.SelfAttention", f"{name}.1.DenseReluDense"
    matrices = (
        ((3 * inner, dim), [f"{attention}.{part}.weight" for part in "qkv"]),
        ((dim, inner), [f"{attention}.o.weight"]),
        ((text.ffn_dim, dim), [f"{ffn}.wi.weight"]),
        ((dim, text.ffn_dim), [f"{ffn}.wo.weight"]),
    )
    norms = [_norm(tensors, dim, f"{name}.{part}.layer_norm.weight") for part in range(2)]
    packed = _panels((take(tensors, shape, *parts) for shape, parts in matrices), narrow=narrow)
    return dict(zip(layer_names(layer), (np.stack(norms), *packed), strict=True))


def _norm(tensors: Tensors, dim: int, name: str) -> Floats:
    weight = np.zeros(rounded_up(dim), dtype=np.float32)
    weight[:dim] = take(tensors, (dim,), name)
    return weight


def _panels(matrices: Iterable[Floats], *, narrow: bool) -> tuple[NDArray[Any], ...]:
    """Panels, all in float16 if all can be; the matrices are read one by one."""
    packed = [
        _halved(pack(matrix, "float32").weights.view(np.float32), narrow=narrow)
        for matrix in matrices
    ]
    if all(panels.dtype == np.float16 for panels in packed):
        return tuple(panels.view(np.int16) for panels in packed)
    return tuple(panels.astype(np.float32, copy=False) for panels in packed)


def _halved(matrix: Floats, *, narrow: bool) -> NDArray[np.float32] | NDArray[np.float16]:
    """In float16 where that loses nothing; if `narrow`, also where it loses only digits."""
    if max(matrix.max(initial=0.0), -matrix.min(initial=0.0)) > _LARGEST_HALF:
        return matrix
    half = matrix.astype(np.float16)
    return half if narrow or np.array_equal(half, matrix) else matrix
