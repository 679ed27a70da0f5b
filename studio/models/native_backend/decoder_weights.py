"""The decoder's weights, packed.

Owns their names in a Hugging Face checkpoint and the arrays that the kernels read. Every layer is
packed before the next one is read.

Letters in shapes: D model width, F inner width, L layers, K codebooks, V codes in a codebook.
Widths in memory are rounded up to multiples of 64.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.models.language_config import DecoderConfig
from studio.models.native_backend.panels import pack, rounded_up
from studio.models.native_backend.weights import take

Arrays = dict[str, NDArray[Any]]
Tensors = Mapping[str, NDArray[np.float32]]
_OUTER = "decoder.model.decoder"
# The last product decides between codes; with four bits it would lose most.
_OUTPUT_PRECISION = {"int4": "int8"}
NORMS = "norms"


@dataclass(frozen=True, kw_only=True, eq=False)
class DecoderWeights:
    """What a pass reads.

    Attributes:
        arrays: `embedding` float32 [K * (V + 1), D], `output_norm` [2, D], `norms` [L, 3, 2, D]
            (before self-attention, cross-attention, feed-forward), and for each matrix `NAME` and
            `NAME_scales`: `output`, and with an axis of layers before them `qkv`, `out`,
            `cross_query`, `cross_out`, `cross_keys_values`, `inner`, `outer`; those of
            cross-attention only where there is one.
        precision: Of the layers.
    """

    arrays: Arrays
    precision: str

    @property
    def integers(self) -> bool:
        """Whether rows are rounded before they are multiplied."""
        return self.precision in ("int8", "int4")

    @property
    def layers(self) -> int:
        """L."""
        return len(self.arrays[NORMS])

    def matrix(self, name: str) -> tuple[NDArray[Any], NDArray[Any]]:
        """Weights and scales of a matrix; of no layer where there is no such matrix."""
        if name in self.arrays:
            return self.arrays[name], self.arrays[f"{name}_scales"]
        blank = pack(np.zeros((1, 1), dtype=np.float32), self.precision)
        weights, scales = blank.weights, blank.scales
        return (
            np.empty((0, *weights.shape), dtype=weights.dtype),
            np.empty((0, *scales.shape), dtype=scales.dtype),
        )

    def with_layer(self, packed: Arrays) -> DecoderWeights:
        """The same with one layer, of `pack_layer`."""
        layer = {name: array[None] for name, array in packed.items()}
        return DecoderWeights(arrays={**self.arrays, **layer}, precision=self.precision)

    @classmethod
    def read(cls, tensors: Tensors, config: DecoderConfig, precision: str) -> DecoderWeights:
        """Read and pack the tensors of a checkpoint, by their full names.

        Raises:
            ModelError: A tensor is missing, of the wrong shape, or not finite.
        """
        arrays = read_outside(tensors, config, precision).arrays
        for layer in range(config.layers):
            packed = pack_layer(read_layer(tensors, config, layer), precision)
            for name, array in packed.items():
                if not layer:
                    arrays[name] = np.empty((config.layers, *array.shape), dtype=array.dtype)
                arrays[name][layer] = array
        return cls(arrays=arrays, precision=precision)


def read_outside(tensors: Tensors, config: DecoderConfig, precision: str) -> DecoderWeights:
    """A decoder without layers.

    Raises:
        ModelError: A tensor is missing, of the wrong shape, or not finite.
    """
    books = range(config.codebooks)
    tables = [f"{_OUTER}.embed_tokens.{book}.weight" for book in books]
    rows, dim = config.codebooks * (config.vocabulary + 1), config.dim
    packed = pack(read_output(tensors, config), _OUTPUT_PRECISION.get(precision, precision))
    arrays: Arrays = {
        "embedding": take(tensors, (rows, dim), *tables),
        "output_norm": _norm(tensors, f"{_OUTER}.layer_norm", dim),
        "output": packed.weights,
        "output_scales": packed.scales,
        NORMS: np.zeros((0, 3, 2, rounded_up(dim)), dtype=np.float32),
    }
    return DecoderWeights(arrays=arrays, precision=precision)


def read_output(tensors: Tensors, config: DecoderConfig) -> NDArray[np.float32]:
    """The last matrix, float32 [K * V, D].

    Raises:
        ModelError: A tensor is missing, of the wrong shape, or not finite.
    """
    heads = [f"decoder.lm_heads.{book}.weight" for book in range(config.codebooks)]
    return take(tensors, (config.codebooks * config.vocabulary, config.dim), *heads)


def read_layer(tensors: Tensors, config: DecoderConfig, layer: int) -> Arrays:
    """One layer as it is stored: `norms` and the matrices, float32.

    Raises:
        ModelError: A tensor is missing, of the wrong shape, or not finite.
    """
    prefix = f"{_OUTER}.layers.{layer}"
    arrays = {
        name: take(tensors, shape, *parts) for name, shape, parts in _matrices(prefix, config)
    }
    arrays[NORMS] = np.zeros((3, 2, rounded_up(config.dim)), dtype=np.float32)
    for place, name in _norms(prefix, config):
        arrays[NORMS][place] = _norm(tensors, name, config.dim)
    return arrays


def pack_layer(layer: Arrays, precision: str) -> Arrays:
    """A layer of `read_layer` in the form that the kernels read."""
    arrays = {NORMS: layer[NORMS]}
    for name, matrix in layer.items():
        if name != NORMS:
            packed = pack(matrix, precision)
            arrays[name], arrays[f"{name}_scales"] = packed.weights, packed.scales
    return arrays


def _norm(tensors: Tensors, name: str, dim: int) -> NDArray[np.float32]:
    both = np.zeros((2, rounded_up(dim)), dtype=np.float32)
    both[0, :dim] = take(tensors, (dim,), f"{name}.weight")
    both[1, :dim] = take(tensors, (dim,), f"{name}.bias")
    return both


def _norms(prefix: str, config: DecoderConfig) -> Iterator[tuple[int, str]]:
    yield 0, f"{prefix}.self_attn_layer_norm"
    if config.cross_attention:
        yield 1, f"{prefix}.encoder_attn_layer_norm"
    yield 2, f"{prefix}.final_layer_norm"


def _matrices(
    prefix: str, config: DecoderConfig
) -> Iterator[tuple[str, tuple[int, int], list[str]]]:
    """Each matrix of a layer: our name, its shape, its parts in the checkpoint."""
    dim, inner = config.dim, config.ffn_dim
    own, cross = f"{prefix}.self_attn", f"{prefix}.encoder_attn"
    yield "qkv", (3 * dim, dim), [f"{own}.{part}_proj.weight" for part in "qkv"]
    yield "out", (dim, dim), [f"{own}.out_proj.weight"]
    if config.cross_attention:
        yield "cross_query", (dim, dim), [f"{cross}.q_proj.weight"]
        yield "cross_keys_values", (2 * dim, dim), [f"{cross}.{part}_proj.weight" for part in "kv"]
        yield "cross_out", (dim, dim), [f"{cross}.out_proj.weight"]
    yield "inner", (inner, dim), [f"{prefix}.fc1.weight"]
    yield "outer", (dim, inner), [f"{prefix}.fc2.weight"]
