"""The reader of conditions: the encoder half of T5 version 1.0, and the ways to the decoder.

Owns the order of these networks and the memory that they work in. What they multiply with is in
`text_weights`, how in `kernels`. It does not tokenise. Ungated ReLU, RMSNorm, no biases, attention
without scaling, and one table of relative position biases that every layer shares (Raffel et al.
2020, "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer").

Letters in shapes: L text tokens, D model width of the text encoder, H heads.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.models.language_config import PITCH_CLASSES, DecoderConfig, TextConfig
from studio.models.native_backend.kernels.products import products_code
from studio.models.native_backend.kernels.text import BLOCK_ROWS, normalise, project, read_layer
from studio.models.native_backend.panels import rounded_up
from studio.models.native_backend.text_weights import (
    BIAS,
    CHROMA_PROJECTION,
    EMBEDDING,
    NORM,
    POSITION_BIAS,
    PROJECTION,
    Arrays,
    Floats,
    Tensors,
    layer_names,
    read_text_weights,
)
from studio.models.relative_positions import offset_buckets


@dataclass(frozen=True, kw_only=True, eq=False)
class NativeLanguage:
    """The text encoder and the projections to the decoder's width; see `ConditionReader`.

    Attributes:
        text: Sizes of the text encoder.
        width: The decoder's.
        arrays: The weights, see `text_weights`.
    """

    text: TextConfig
    width: int
    arrays: Arrays

    @classmethod
    def read(
        cls,
        tensors: Tensors,
        text: TextConfig,
        decoder: DecoderConfig,
        precision: str,
        *,
        chroma_bins: int = 0,
    ) -> NativeLanguage:
        """Read a checkpoint; see `read_text_weights`.

        Raises:
            ModelError: A tensor is missing, of the wrong shape, or not finite.
        """
        arrays = read_text_weights(tensors, text, decoder, precision, chroma_bins=chroma_bins)
        return cls(text=text, width=decoder.dim, arrays=arrays)

    def read_text(self, ids: NDArray[np.int64], mask: NDArray[np.bool_]) -> Floats:
        """See `ConditionReader.read_text`; zeros at padding."""
        shown = np.flatnonzero(mask[0])
        text = np.zeros((ids.shape[1], self.width), dtype=np.float32)
        text[shown] = self._projected(PROJECTION, self.encode(ids[0, shown], shown))
        return text

    def read_prefix(self, classes: NDArray[np.int64], text: Floats | None, places: int) -> Floats:
        """See `ConditionReader.read_prefix`."""
        prefix = np.zeros((len(classes) + places, self.width), dtype=np.float32)
        each = np.eye(PITCH_CLASSES, rounded_up(PITCH_CLASSES), dtype=np.float32)
        prefix[: len(classes)] = self._projected(CHROMA_PROJECTION, each)[classes]
        if text is not None:
            prefix[len(classes) : len(classes) + len(text)] = text
        return prefix

    def encode(self, ids: NDArray[np.int64], places: NDArray[np.int64]) -> Floats:
        """Encode one text, without projecting it.

        Args:
            ids: int64 [L].
            places: int64 [L], where in the text each stands, rising.

        Returns:
            float32 [L, D], D rounded up to a multiple of 64, zeros there.
        """
        config = self.text
        x = np.zeros((len(ids), rounded_up(config.dim)), dtype=np.float32)
        x[:, : config.dim] = self.arrays[EMBEDDING][ids]
        if len(ids):
            biases = self._biases(int(places[-1] - places[0]))
            memory, buffers = self._room(len(ids))
            epsilon = np.float32(config.norm_epsilon)
            for layer in range(config.layers):
                norms, *matrices = (self.arrays[name] for name in layer_names(layer))
                read_layer(
                    products_code(),
                    x,
                    norms,
                    tuple(matrices),
                    biases,
                    places,
                    config.dim,
                    epsilon,
                    memory,
                    buffers,
                )
            normalise(x, self.arrays[NORM], x, len(x), config.dim, epsilon)
        return x

    def _projected(self, name: str, x: Floats) -> Floats:
        """Rows in the decoder's width; the same rows where there is no such projection."""
        if name not in self.arrays:
            return x[:, : self.width]
        out = np.zeros((len(x), rounded_up(self.width)), dtype=np.float32)
        project(products_code(), self.arrays[name], x, out, len(x), False)
        projected: Floats = out[:, : self.width] + self.arrays[name + BIAS]
        return projected

    def _biases(self, farthest: int) -> Floats:
        """What is added to scores: float32 [H, 2 * farthest + 1], by the offset."""
        config = self.text
        offsets = np.arange(-farthest, farthest + 1)
        found = offset_buckets(offsets, config.position_buckets, config.position_max_distance)
        return np.ascontiguousarray(self.arrays[POSITION_BIAS][found].T)

    def _room(self, length: int) -> tuple[tuple[Floats, Floats], tuple[Floats, ...]]:
        """Memory of keys and values, and buffers, as `read_layer` wants them."""
        config = self.text
        heads, width, places = config.heads, config.head_dim, rounded_up(length)
        panel = rounded_up(1)
        keys = np.zeros((heads, places // panel, width, panel), dtype=np.float32)
        values = np.zeros((heads, rounded_up(width) // panel, places, panel), dtype=np.float32)
        shapes = (
            (length, rounded_up(3 * heads * width)),
            (BLOCK_ROWS, rounded_up(config.dim)),
            (BLOCK_ROWS, places),
            (BLOCK_ROWS, rounded_up(heads * width) + panel),
            (BLOCK_ROWS, rounded_up(config.ffn_dim)),
        )
        return (keys, values), tuple(np.zeros(shape, dtype=np.float32) for shape in shapes)
