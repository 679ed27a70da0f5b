"""The reader of conditions: the encoder half of T5 version 1.0, and the ways to the decoder.

Owns these networks and their names in a Hugging Face checkpoint. It does not tokenise. Ungated
ReLU, RMSNorm, no biases, attention without scaling, and one table of relative position biases that
every layer shares (Raffel et al. 2020, "Exploring the Limits of Transfer Learning with a Unified
Text-to-Text Transformer"). Layers are packed before the next one is read.

Beside a decoder that is not in float32, a large encoder is rounded to float16, of half the bytes.
That changes conditions by 5e-4 of their length with random weights of T5-base's size. On the
embedded model, given weights that float16 does not hold, it is 3e-4, and 6e-8 nats between the
distributions of the next code; bfloat16 would make it 2e-3 and 2e-6.

Letters in shapes: L text tokens, D model width, H heads, E width of one head, F inner width,
P places of the prefix.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.models.language_config import PITCH_CLASSES, DecoderConfig, TextConfig
from studio.models.native_backend.gang import SMALL_PARAMETERS
from studio.models.native_backend.kernels.text import BLOCK_ROWS, normalise, project, read_layer
from studio.models.native_backend.panels import pack, rounded_up
from studio.models.native_backend.weights import take
from studio.models.relative_positions import offset_buckets

Floats = NDArray[np.float32]
Tensors = Mapping[str, Floats]
Matrix = NDArray[np.generic]
_ENCODER = "text_encoder"
_LARGEST_HALF = float(np.finfo(np.float16).max)


@dataclass(frozen=True, kw_only=True, eq=False)
class TextLayer:
    """One layer's weights.

    Attributes:
        norms: float32 [2, D], before attention and before the feed-forward layers.
        matrices: Panels of query-key-value, out, feed-forward in and out, all of one type.
    """

    norms: Floats
    matrices: tuple[Matrix, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class TextEncoder:
    """Token ids to one vector a token.

    Attributes:
        config: The sizes.
        embedding: float32 or float16 [tokens, D].
        position_bias: float32 [buckets, H].
        norm: The last one, float32 [D].
        layers: One after another.
    """

    config: TextConfig
    embedding: NDArray[np.float32] | NDArray[np.float16]
    position_bias: Floats
    norm: Floats
    layers: tuple[TextLayer, ...]

    @classmethod
    def read(cls, tensors: Tensors, config: TextConfig, *, narrow: bool) -> TextEncoder:
        """Read and pack the tensors of a checkpoint, by their full names.

        Args:
            tensors: The checkpoint.
            config: The sizes.
            narrow: Whether matrices and the embedding may be rounded to float16.

        Raises:
            ModelError: A tensor is missing, of the wrong shape, or not finite.
        """
        dim = config.dim
        first = f"{_ENCODER}.encoder.block.0.layer.0.SelfAttention"
        table, other = f"{_ENCODER}.shared.weight", f"{_ENCODER}.encoder.embed_tokens.weight"
        if table not in tensors and other in tensors:
            table = other
        return cls(
            config=config,
            embedding=_halved(take(tensors, (config.vocabulary, dim), table), narrow=narrow),
            position_bias=take(
                tensors,
                (config.position_buckets, config.heads),
                f"{first}.relative_attention_bias.weight",
            ),
            norm=_norm(tensors, dim, f"{_ENCODER}.encoder.final_layer_norm.weight"),
            layers=tuple(
                _layer(tensors, config, f"{_ENCODER}.encoder.block.{layer}.layer", narrow=narrow)
                for layer in range(config.layers)
            ),
        )

    def encode(self, ids: NDArray[np.int64], places: NDArray[np.int64]) -> Floats:
        """Encode one text.

        Args:
            ids: int64 [L].
            places: int64 [L], where in the text each stands, rising.

        Returns:
            float32 [L, D], D rounded up to a multiple of 64, zeros there.
        """
        config = self.config
        x = np.zeros((len(ids), rounded_up(config.dim)), dtype=np.float32)
        x[:, : config.dim] = self.embedding[ids]
        if len(ids):
            biases = self._biases(int(places[-1] - places[0]))
            memory, buffers = self._room(len(ids))
            epsilon = np.float32(config.norm_epsilon)
            for layer in self.layers:
                read_layer(
                    x, layer.norms, layer.matrices, biases, places, config.dim, epsilon, memory,
                    buffers,
                )  # fmt: skip
            normalise(x, self.norm, x, len(x), config.dim, epsilon)
        return x

    def _biases(self, farthest: int) -> Floats:
        """What is added to scores: float32 [H, 2 * farthest + 1], by the offset."""
        config = self.config
        offsets = np.arange(-farthest, farthest + 1)
        found = offset_buckets(offsets, config.position_buckets, config.position_max_distance)
        return np.ascontiguousarray(self.position_bias[found].T)

    def _room(self, length: int) -> tuple[tuple[Floats, Floats], tuple[Floats, ...]]:
        config = self.config
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


@dataclass(frozen=True, kw_only=True, eq=False)
class Projection:
    """A way to the decoder's width.

    Attributes:
        matrix: Panels.
        bias: float32 [D].
    """

    matrix: Matrix
    bias: Floats

    @classmethod
    def read(
        cls, tensors: Tensors, name: str, sizes: tuple[int, int], *, narrow: bool
    ) -> Projection:
        """Read the projection called `name`; `sizes` are its width out and in.

        Raises:
            ModelError: A tensor is missing, of the wrong shape, or not finite.
        """
        bias = take(tensors, sizes[:1], f"{name}.bias")
        (matrix,) = _panels([take(tensors, sizes, f"{name}.weight")], narrow=narrow)
        return cls(matrix=matrix, bias=bias)

    def of(self, x: Floats) -> Floats:
        """Project `x` [L, in], in rounded up to a multiple of 64: float32 [L, out]."""
        out = np.zeros((len(x), rounded_up(len(self.bias))), dtype=np.float32)
        project(self.matrix, x, out, len(x), False)
        projected: Floats = out[:, : len(self.bias)] + self.bias
        return projected


@dataclass(frozen=True, kw_only=True, eq=False)
class NativeLanguage:
    """The text encoder and the projections to the decoder's width; see `ConditionReader`.

    Attributes:
        encoder: Of texts.
        width: The decoder's.
        projection: Of texts; None where both networks are equally wide.
        chroma_projection: Of melodies; None where there is none, or where it needs none.
    """

    encoder: TextEncoder
    width: int
    projection: Projection | None
    chroma_projection: Projection | None

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
        """Read and pack the tensors of a checkpoint, by their full names.

        Args:
            tensors: The checkpoint.
            text: Sizes of the text encoder.
            decoder: Sizes of the decoder.
            precision: Of the decoder. In float32 nothing is rounded.
            chroma_bins: Width of a melody's frames; 0 is a model that hears none.

        Raises:
            ModelError: A tensor is missing, of the wrong shape, or not finite.
        """
        narrow = text.parameters >= SMALL_PARAMETERS and precision != "float32"

        def way(name: str, width: int) -> Projection | None:
            if width in (0, decoder.dim):
                return None
            return Projection.read(tensors, name, (decoder.dim, width), narrow=narrow)

        return cls(
            encoder=TextEncoder.read(tensors, text, narrow=narrow),
            width=decoder.dim,
            projection=way("enc_to_dec_proj", text.dim),
            chroma_projection=way("audio_enc_to_dec_proj", chroma_bins),
        )

    def read_text(self, ids: NDArray[np.int64], mask: NDArray[np.bool_]) -> Floats:
        """See `ConditionReader.read_text`; zeros at padding."""
        shown = np.flatnonzero(mask[0])
        encoded = self.encoder.encode(ids[0, shown], shown)
        text = np.zeros((ids.shape[1], self.width), dtype=np.float32)
        if self.projection is None:
            text[shown] = encoded[:, : self.width]
        else:
            text[shown] = self.projection.of(encoded)
        return text

    def read_prefix(self, classes: NDArray[np.int64], text: Floats | None, places: int) -> Floats:
        """See `ConditionReader.read_prefix`."""
        prefix = np.zeros((len(classes) + places, self.width), dtype=np.float32)
        if self.chroma_projection is None:
            prefix[np.arange(len(classes)), classes] = 1.0
        else:
            each = np.eye(PITCH_CLASSES, rounded_up(PITCH_CLASSES), dtype=np.float32)
            prefix[: len(classes)] = self.chroma_projection.of(each)[classes]
        if text is not None:
            prefix[len(classes) : len(classes) + len(text)] = text
        return prefix


def _layer(tensors: Tensors, config: TextConfig, name: str, *, narrow: bool) -> TextLayer:
    dim, inner = config.dim, config.heads * config.head_dim
    attention, ffn = f"{name}.0.SelfAttention", f"{name}.1.DenseReluDense"
    matrices = [
        take(tensors, (3 * inner, dim), *(f"{attention}.{part}.weight" for part in "qkv")),
        take(tensors, (dim, inner), f"{attention}.o.weight"),
        take(tensors, (config.ffn_dim, dim), f"{ffn}.wi.weight"),
        take(tensors, (dim, config.ffn_dim), f"{ffn}.wo.weight"),
    ]
    norms = [_norm(tensors, dim, f"{name}.{part}.layer_norm.weight") for part in range(2)]
    return TextLayer(norms=np.stack(norms), matrices=_panels(matrices, narrow=narrow))


def _norm(tensors: Tensors, dim: int, name: str) -> Floats:
    weight = np.zeros(rounded_up(dim), dtype=np.float32)
    weight[:dim] = take(tensors, (dim,), name)
    return weight


def _panels(matrices: list[Floats], *, narrow: bool) -> tuple[Matrix, ...]:
    """Panels, all in float16 if all can be."""
    packed = [pack(matrix, "float32").weights.view(np.float32) for matrix in matrices]
    halves = [_halved(panels, narrow=narrow) for panels in packed]
    if all(half.dtype == np.float16 for half in halves):
        return tuple(half.view(np.int16) for half in halves)
    return tuple(packed)


def _halved(matrix: Floats, *, narrow: bool) -> NDArray[np.float32] | NDArray[np.float16]:
    """In float16 where that loses nothing; if `narrow`, also where it loses only digits."""
    if max(matrix.max(initial=0.0), -matrix.min(initial=0.0)) > _LARGEST_HALF:
        return matrix
    half = matrix.astype(np.float16)
    return half if narrow or np.array_equal(half, matrix) else matrix
