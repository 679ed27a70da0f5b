"""The text encoder: the encoder half of T5 version 1.0.

Owns the network and its names in a Hugging Face checkpoint. It does not tokenise and does not
project to the decoder's width. Ungated ReLU, RMSNorm, no biases, attention without scaling, and
one table of relative position biases that every layer shares (Raffel et al. 2020, "Exploring
the Limits of Transfer Learning with a Unified Text-to-Text Transformer").

Letters in shapes: B texts, L text tokens, D model width, H heads, E width of one head.
"""

from __future__ import annotations

import mlx.core as mx
import mlx.nn as nn

from studio.models.language_config import TextConfig
from studio.models.mlx_backend.packing import Linear
from studio.models.mlx_backend.weights import Tensors, fill
from studio.models.relative_positions import relative_position_buckets

# Far below any score, yet finite: a text of padding alone must not become NaN.
MASKED_SCORE = -1e9


class RootMeanSquareNorm(nn.Module):
    """Scales by the root mean square of the last axis; no mean is taken off, no bias added."""

    def __init__(self, dim: int, epsilon: float) -> None:
        super().__init__()
        self.weight = mx.ones(dim)
        self.epsilon = epsilon

    def __call__(self, x: mx.array) -> mx.array:
        """Normalise `x` [..., D]."""
        return mx.fast.rms_norm(x, self.weight, self.epsilon)


class TextBlock(nn.Module):
    """Self-attention and feed-forward, each behind a norm and added to its input."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        inner = config.heads * config.head_dim
        self.heads = config.heads
        self.attention_norm = RootMeanSquareNorm(config.dim, config.norm_epsilon)
        self.qkv = Linear(config.dim, 3 * inner)
        self.attention_out = Linear(inner, config.dim)
        self.ffn_norm = RootMeanSquareNorm(config.dim, config.norm_epsilon)
        self.ffn_in = Linear(config.dim, config.ffn_dim)
        self.ffn_out = Linear(config.ffn_dim, config.dim)

    def __call__(self, x: mx.array, bias: mx.array) -> mx.array:
        """Transform `x` [B, L, D]; `bias` [B, H, L, L] is added to the attention scores."""
        batch, length, _ = x.shape
        qkv = self.qkv(self.attention_norm(x)).reshape(batch, length, 3, self.heads, -1)
        query, key, value = qkv.transpose(2, 0, 3, 1, 4)
        weights = mx.softmax(query @ key.swapaxes(2, 3) + bias, axis=-1)
        attended = (weights @ value).swapaxes(1, 2).reshape(batch, length, -1)
        x = x + self.attention_out(attended)
        inner = mx.maximum(self.ffn_in(self.ffn_norm(x)), 0.0)
        return x + self.ffn_out(inner)


class TextEncoder(nn.Module):
    """Token ids to one vector a token."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = mx.zeros((config.vocabulary, config.dim))
        self.position_bias = mx.zeros((config.position_buckets, config.heads))
        self.blocks = [TextBlock(config) for _ in range(config.layers)]
        self.norm = RootMeanSquareNorm(config.dim, config.norm_epsilon)

    def __call__(self, ids: mx.array, mask: mx.array) -> mx.array:
        """Encode padded texts.

        Args:
            ids: int [B, L].
            mask: bool [B, L], False where a text is padded.

        Returns:
            float [B, L, D]; the vectors of padding mean nothing.
        """
        buckets = relative_position_buckets(
            ids.shape[1],
            buckets=self.config.position_buckets,
            max_distance=self.config.position_max_distance,
        )
        bias = self.position_bias[mx.array(buckets)].transpose(2, 0, 1)[None]
        bias = mx.where(mask[:, None, None, :], bias, MASKED_SCORE)
        x = self.embedding[ids]
        for block in self.blocks:
            x = block(x, bias)
        return self.norm(x)

    def load_hf(self, tensors: Tensors) -> None:
        """Take weights by their Hugging Face names, without the `text_encoder.` prefix.

        Raises:
            ModelError: A tensor is missing, of the wrong shape, or not finite.
        """
        tied = "shared.weight" not in tensors and "encoder.embed_tokens.weight" in tensors
        embedding = "encoder.embed_tokens.weight" if tied else "shared.weight"
        fill(self, "embedding", tensors, embedding)
        first = "encoder.block.0.layer.0.SelfAttention"
        fill(self, "position_bias", tensors, f"{first}.relative_attention_bias.weight")
        fill(self.norm, "weight", tensors, "encoder.final_layer_norm.weight")
        for index, block in enumerate(self.blocks):
            attention = f"encoder.block.{index}.layer.0"
            ffn = f"encoder.block.{index}.layer.1"
            qkv = (f"{attention}.SelfAttention.{part}.weight" for part in "qkv")
            fill(block.qkv, "weight", tensors, *qkv)
            fill(block.attention_out, "weight", tensors, f"{attention}.SelfAttention.o.weight")
            fill(block.attention_norm, "weight", tensors, f"{attention}.layer_norm.weight")
            fill(block.ffn_in, "weight", tensors, f"{ffn}.DenseReluDense.wi.weight")
            fill(block.ffn_out, "weight", tensors, f"{ffn}.DenseReluDense.wo.weight")
            fill(block.ffn_norm, "weight", tensors, f"{ffn}.layer_norm.weight")
