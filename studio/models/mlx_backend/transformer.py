"""The MusicGen language model: delayed codec tokens in, logits of the next ones out.

Owns the decoder network, its union with the text encoder, and their names in a Hugging Face
checkpoint. It does not sample (Copet et al. 2023, "Simple and Controllable Music Generation").

A condition reaches the decoder in one of two ways: models with text alone attend to it from
every layer; melody models have no such layers and read it before the tokens, as a prefix.

Letters in shapes: B sequences, S steps, K codebooks, V codes in a codebook, D model width,
H heads, E width of one head, L text tokens, P places of the prefix.
"""

from __future__ import annotations

import math

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from numpy.typing import NDArray

from studio.models.language_config import PITCH_CLASSES, DecoderConfig, TextConfig
from studio.models.mlx_backend.packing import Linear, pack_layers, packed
from studio.models.mlx_backend.text import TextEncoder
from studio.models.mlx_backend.weights import Tensors, fill, take_section

# A fiftieth of the small model's weights; in four bits they cost the embedded model twice the
# divergence from float32 (0.0094 nats a code instead of 0.0054).
HEAD_PRECISIONS = {"int4": "int8"}
_NORM_EPSILON = 1e-5


class LayerNorm(nn.Module):
    """Takes off the mean of the last axis, divides by its deviation, scales and shifts."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = mx.ones(dim)
        self.bias = mx.zeros(dim)

    def __call__(self, x: mx.array) -> mx.array:
        """Normalise `x` [..., D]."""
        return mx.fast.layer_norm(x, self.weight, self.bias, _NORM_EPSILON)


class SelfAttention(nn.Module):
    """Causal attention of the sequence to itself.

    Attributes:
        qkv: Rows in the order query, key, value, each head after head.
    """

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.qkv = Linear(config.dim, 3 * config.dim)
        self.out = Linear(config.dim, config.dim)

    def __call__(self, x: mx.array) -> mx.array:
        """Attend from each step of `x` [B, S, D] to itself and the steps before it."""
        batch, length, dim = x.shape
        qkv = self.qkv(x).reshape(batch, length, 3, self.heads, -1).transpose(2, 0, 3, 1, 4)
        attended = attend(qkv[0], qkv[1], qkv[2], "causal")
        return self.out(attended.swapaxes(1, 2).reshape(batch, length, dim))


class CrossAttention(nn.Module):
    """Attention of the sequence to the conditioning.

    Attributes:
        key_value: Rows in the order key, value.
    """

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.query = Linear(config.dim, config.dim)
        self.key_value = Linear(config.dim, 2 * config.dim)
        self.out = Linear(config.dim, config.dim)

    def keys_values(self, conditioning: mx.array) -> mx.array:
        """Keys and values [2, B, H, L, E] of `conditioning` [B, L, D]; equal at every step."""
        batch, length, _ = conditioning.shape
        both = self.key_value(conditioning).reshape(batch, length, 2, self.heads, -1)
        return both.transpose(2, 0, 3, 1, 4)

    def __call__(self, x: mx.array, conditioning: mx.array) -> mx.array:
        """Attend from `x` [B, S, D] to `conditioning` [B, L, D]."""
        batch, length, dim = x.shape
        key, value = self.keys_values(conditioning)
        query = self.query(x).reshape(batch, length, self.heads, -1).swapaxes(1, 2)
        attended = attend(query, key, value)
        return self.out(attended.swapaxes(1, 2).reshape(batch, length, dim))


class DecoderBlock(nn.Module):
    """Self-attention, cross-attention, feed-forward; each behind a norm, added to its input.

    Attributes:
        cross_norm: Only where the configuration has cross-attention.
        cross_attention: Only there.
    """

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.self_norm = LayerNorm(config.dim)
        self.self_attention = SelfAttention(config)
        if config.cross_attention:
            self.cross_norm = LayerNorm(config.dim)
            self.cross_attention = CrossAttention(config)
        self.ffn_norm = LayerNorm(config.dim)
        self.ffn_in = Linear(config.dim, config.ffn_dim)
        self.ffn_out = Linear(config.ffn_dim, config.dim)

    def __call__(self, x: mx.array, conditioning: mx.array | None) -> mx.array:
        """Transform `x` [B, S, D] under `conditioning` [B, L, D], or under none."""
        x = x + self.self_attention(self.self_norm(x))
        if conditioning is not None:
            x = x + self.cross_attention(self.cross_norm(x), conditioning)
        return x + self.ffn(x)

    def ffn(self, x: mx.array) -> mx.array:
        """The feed-forward branch of `x` [..., D]."""
        return self.ffn_out(_activate(self.ffn_in(self.ffn_norm(x))))


class MusicDecoder(nn.Module):
    """The transformer over delayed codec tokens.

    Attributes:
        embedding: The K tables one after another: row k * (V + 1) + token.
        blocks: The layers.
        norm: The last norm.
        heads: The K output layers one after another: row k * V + code.
    """

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = mx.zeros((config.codebooks * (config.vocabulary + 1), config.dim))
        self.blocks = [DecoderBlock(config) for _ in range(config.layers)]
        self.norm = LayerNorm(config.dim)
        self.heads = Linear(config.dim, config.codebooks * config.vocabulary)

    def __call__(
        self,
        tokens: mx.array,
        conditioning: mx.array | None = None,
        prefix: mx.array | None = None,
    ) -> mx.array:
        """Logits for whole sequences.

        Args:
            tokens: The delayed grid, int [B, K, S], fillers included.
            conditioning: Projected text, float [B, L, D]; None is the null condition.
            prefix: What stands before the tokens, float [B, P, D].

        Returns:
            float [B, S, K, V]; the logits at step s are those of the tokens at step s + 1.
        """
        x = self.embed(tokens)
        if prefix is not None:
            x = mx.concatenate([prefix.astype(x.dtype), x], axis=1)
        x = x + sinusoids(x.shape[1], self.config.dim).astype(x.dtype)
        if conditioning is not None:
            conditioning = conditioning.astype(x.dtype)
        for block in self.blocks:
            x = block(x, conditioning)
        return self.predict(x[:, -tokens.shape[2] :])

    def embed(self, tokens: mx.array) -> mx.array:
        """The sum of the K embeddings of `tokens` [B, K, S], float [B, S, D], no positions."""
        books = mx.arange(self.config.codebooks)
        rows = tokens + books[:, None] * (self.config.vocabulary + 1)
        return self.embedding[rows].sum(axis=1)

    def predict(self, x: mx.array) -> mx.array:
        """Logits [..., K, V] of the last block's output `x` [..., D]."""
        logits = self.heads(self.norm(x))
        return logits.reshape(*x.shape[:-1], self.config.codebooks, self.config.vocabulary)

    def layers_of_each_shape(self) -> list[nn.Module]:
        """The linear layers of one block, and the heads."""
        block = self.blocks[0]
        layers = [block.self_attention.qkv, block.self_attention.out, block.ffn_in, block.ffn_out]
        return [*layers, self.heads]

    def load_hf(self, tensors: Tensors, precision: str) -> None:
        """Take weights by their Hugging Face names, `decoder.` prefix included.

        Each part is brought into `precision`, one of `packing.PRECISIONS`, before the next is
        read; the heads into that of `HEAD_PRECISIONS`.

        Raises:
            ModelError: A tensor is missing, of the wrong shape, or not finite.
        """
        codebooks = range(self.config.codebooks)
        tables = (f"decoder.model.decoder.embed_tokens.{k}.weight" for k in codebooks)
        fill(self, "embedding", tensors, *tables)
        fill(self.heads, "weight", tensors, *(f"decoder.lm_heads.{k}.weight" for k in codebooks))
        self["heads"] = packed(self.heads, HEAD_PRECISIONS.get(precision, precision))
        _load_norm(self.norm, tensors, "decoder.model.decoder.layer_norm")
        for index, block in enumerate(self.blocks):
            _load_block(block, tensors, f"decoder.model.decoder.layers.{index}")
            pack_layers(block, precision)
        pack_layers(self, precision)


class MusicLanguageModel(nn.Module):
    """The text encoder, the projections to the decoder's width, and the decoder.

    Attributes:
        projection: None where both networks are equally wide, as in the checkpoints.
        chroma_projection: None where there is no melody, or where it needs none.
    """

    def __init__(self, text: TextConfig, decoder: DecoderConfig, *, chroma_bins: int = 0) -> None:
        """Make a model without weights.

        Args:
            text: Sizes of the text encoder.
            decoder: Sizes of the decoder.
            chroma_bins: Width of a melody's frames; 0 is a model that hears none.
        """
        super().__init__()
        self.text_encoder = TextEncoder(text)
        projects = text.dim != decoder.dim
        self.projection = Linear(text.dim, decoder.dim, bias=True) if projects else None
        self.decoder = MusicDecoder(decoder)
        projects = chroma_bins not in (0, decoder.dim)
        self.chroma_projection = Linear(chroma_bins, decoder.dim, bias=True) if projects else None

    def read_text(self, ids: NDArray[np.int64], mask: NDArray[np.bool_]) -> mx.array:
        """See `ConditionReader.read_text`."""
        encoded = self.text_encoder(mx.array(ids.astype(np.int32)), mx.array(mask))
        if self.projection is not None:
            encoded = self.projection(encoded)
        shown = (encoded * mx.array(mask)[..., None])[0]
        mx.eval(shown)
        return shown

    def read_prefix(
        self, classes: NDArray[np.int64], text: mx.array | None, places: int
    ) -> mx.array:
        """See `ConditionReader.read_prefix`."""
        heard = mx.array(np.eye(PITCH_CLASSES, dtype=np.float32)[classes])
        if self.chroma_projection is not None:
            heard = self.chroma_projection(heard)
        said = [] if text is None else [text]
        rest = mx.zeros((places - sum(len(part) for part in said), heard.shape[1]))
        prefix = mx.concatenate([heard, *said, rest])
        mx.eval(prefix)
        return prefix

    def load_hf(self, tensors: Tensors, precision: str) -> None:
        """Take the weights of all parts by their full Hugging Face names.

        The decoder's are brought into `precision`, the others stay in float32.

        Raises:
            ModelError: A tensor is missing, of the wrong shape, or not finite.
        """
        self.text_encoder.load_hf(take_section(tensors, "text_encoder."))
        for name, layer in (
            ("enc_to_dec_proj", self.projection),
            ("audio_enc_to_dec_proj", self.chroma_projection),
        ):
            if layer is not None:
                fill(layer, "weight", tensors, f"{name}.weight")
                fill(layer, "bias", tensors, f"{name}.bias")
        self.decoder.load_hf(tensors, precision)


def attend(
    query: mx.array, key: mx.array, value: mx.array, mask: mx.array | str | None = None
) -> mx.array:
    """Scaled attention of `query` [B, H, S, E] to `key` and `value` [B, H, L, E]."""
    return mx.fast.scaled_dot_product_attention(
        query, key, value, scale=1.0 / math.sqrt(query.shape[-1]), mask=mask
    )


def sinusoids(length: int, dim: int) -> mx.array:
    """The position vectors of steps 0 to `length` - 1, float32 [S, D]: cosines, then sines."""
    half = dim // 2
    exponents = np.arange(half, dtype=np.float32) * np.float32(-math.log(1e4) / (half - 1))
    # Rounded once: an error in a rate grows with the step.
    rates = np.exp(exponents.astype(np.float64)).astype(np.float32)
    phases = np.arange(length, dtype=np.float32)[:, None] * rates[None]
    return mx.array(np.concatenate([np.cos(phases), np.sin(phases)], axis=1))


def _gelu(x: mx.array) -> mx.array:
    return x * (0.5 * (1.0 + mx.erf(x * math.sqrt(0.5))))


# Fused it takes a twentieth off a step of the embedded model. Metal fuses by itself; a CPU would
# need a C++ compiler on the user's machine, for seconds at the first use.
_activate = mx.compile(_gelu, shapeless=True) if mx.metal.is_available() else _gelu


def _load_block(block: DecoderBlock, tensors: Tensors, name: str) -> None:
    back, text = f"{name}.self_attn", f"{name}.encoder_attn"
    looking = block.self_attention
    fill(looking.qkv, "weight", tensors, *(f"{back}.{part}_proj.weight" for part in "qkv"))
    fill(looking.out, "weight", tensors, f"{back}.out_proj.weight")
    _load_norm(block.self_norm, tensors, f"{name}.self_attn_layer_norm")
    if "cross_attention" in block:
        listening = block.cross_attention
        fill(listening.query, "weight", tensors, f"{text}.q_proj.weight")
        both = (f"{text}.{part}_proj.weight" for part in "kv")
        fill(listening.key_value, "weight", tensors, *both)
        fill(listening.out, "weight", tensors, f"{text}.out_proj.weight")
        _load_norm(block.cross_norm, tensors, f"{text}_layer_norm")
    fill(block.ffn_in, "weight", tensors, f"{name}.fc1.weight")
    fill(block.ffn_out, "weight", tensors, f"{name}.fc2.weight")
    _load_norm(block.ffn_norm, tensors, f"{name}.final_layer_norm")


def _load_norm(norm: LayerNorm, tensors: Tensors, name: str) -> None:
    fill(norm, "weight", tensors, f"{name}.weight")
    fill(norm, "bias", tensors, f"{name}.bias")
