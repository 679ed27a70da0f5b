"""The text encoder: the encoder half of T5 version 1.0.

Owns the network and its names in a Hugging Face checkpoint. It does not tokenise and does not
project to the decoder's width. Ungated ReLU, RMSNorm, no biases, attention without scaling, and
one table of relative position biases that every layer shares (Raffel et al. 2020, "Exploring
the Limits of Transfer Learning with a Unified Text-to-Text Transformer").

Letters in shapes: B texts, L text tokens, D model width, H heads, E width of one head.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from studio.models.language_config import TextConfig
from studio.models.torch_backend.weights import fill, new_embedding, parts

# Far below any score, yet finite in bfloat16: a text of padding alone must not become NaN.
MASKED_SCORE = -1e9


class RootMeanSquareNorm(nn.Module):
    """Scales by the root mean square of the last axis; no mean is taken off, no bias added."""

    def __init__(self, dim: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        """Normalise `x` [..., D]."""
        mean_square = x.float().square().mean(-1, keepdim=True)
        return self.weight * (x * torch.rsqrt(mean_square + self.epsilon))


class TextBlock(nn.Module):
    """Self-attention and feed-forward, each behind a norm and added to its input."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        inner = config.heads * config.head_dim
        self.heads = config.heads
        self.attention_norm = RootMeanSquareNorm(config.dim, config.norm_epsilon)
        self.qkv = nn.Linear(config.dim, 3 * inner, bias=False)
        self.attention_out = nn.Linear(inner, config.dim, bias=False)
        self.ffn_norm = RootMeanSquareNorm(config.dim, config.norm_epsilon)
        self.ffn_in = nn.Linear(config.dim, config.ffn_dim, bias=False)
        self.ffn_out = nn.Linear(config.ffn_dim, config.dim, bias=False)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """Transform `x` [B, L, D]; `bias` [B, H, L, L] is added to the attention scores."""
        batch, length, _ = x.shape
        qkv = self.qkv(self.attention_norm(x)).view(batch, length, 3, self.heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        weights = functional.softmax(query @ key.transpose(2, 3) + bias, dim=-1)
        attended = (weights.to(value.dtype) @ value).transpose(1, 2).reshape(batch, length, -1)
        x = x + self.attention_out(attended)
        inner = functional.relu(self.ffn_in(self.ffn_norm(x)))
        both: Tensor = x + self.ffn_out(inner)
        return both


class TextEncoder(nn.Module):
    """Token ids to one vector a token."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = new_embedding(config.vocabulary, config.dim)
        self.position_bias = new_embedding(config.position_buckets, config.heads)
        self.blocks = nn.ModuleList(TextBlock(config) for _ in range(config.layers))
        self.norm = RootMeanSquareNorm(config.dim, config.norm_epsilon)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Encode padded texts.

        Args:
            ids: int64 [B, L].
            mask: bool [B, L], False where a text is padded.

        Returns:
            float [B, L, D]; the vectors of padding mean nothing.
        """
        buckets = relative_position_buckets(
            ids.shape[1],
            buckets=self.config.position_buckets,
            max_distance=self.config.position_max_distance,
            device=ids.device,
        )
        bias = self.position_bias(buckets).permute(2, 0, 1)[None]
        bias = bias.masked_fill(~mask[:, None, None, :], MASKED_SCORE)
        x = self.embedding(ids)
        for block in self.blocks:
            x = block(x, bias)
        encoded: Tensor = self.norm(x)
        return encoded

    def load_hf(self, tensors: Mapping[str, Tensor]) -> None:
        """Copy weights by their Hugging Face names, without the `text_encoder.` prefix.

        Raises:
            ModelError: A tensor is missing, of the wrong shape, or not finite.
        """
        tied = "shared.weight" not in tensors and "encoder.embed_tokens.weight" in tensors
        names = self._hf_names()
        if tied:
            names["encoder.embed_tokens.weight",] = names.pop(("shared.weight",))
        for group, parameter in names.items():
            fill(parameter, tensors, *group)

    def to_hf(self) -> dict[str, Tensor]:
        """Copies of all weights by their Hugging Face names, without `text_encoder.`."""
        named: dict[str, Tensor] = {}
        for group, parameter in self._hf_names().items():
            named |= parts(parameter, *group)
        return named

    def _hf_names(self) -> dict[tuple[str, ...], Tensor]:
        named: dict[tuple[str, ...], Tensor] = {
            ("shared.weight",): self.embedding.weight,
            (
                "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
            ): self.position_bias.weight,
            ("encoder.final_layer_norm.weight",): self.norm.weight,
        }
        for index, block in enumerate(self.blocks):
            assert isinstance(block, TextBlock)
            attention = f"encoder.block.{index}.layer.0"
            ffn = f"encoder.block.{index}.layer.1"
            qkv = tuple(f"{attention}.SelfAttention.{part}.weight" for part in "qkv")
            named[qkv] = block.qkv.weight
            named[f"{attention}.SelfAttention.o.weight",] = block.attention_out.weight
            named[f"{attention}.layer_norm.weight",] = block.attention_norm.weight
            named[f"{ffn}.DenseReluDense.wi.weight",] = block.ffn_in.weight
            named[f"{ffn}.DenseReluDense.wo.weight",] = block.ffn_out.weight
            named[f"{ffn}.layer_norm.weight",] = block.ffn_norm.weight
        return named


def relative_position_buckets(
    length: int, *, buckets: int, max_distance: int, device: torch.device
) -> Tensor:
    """T5's bucket of the distance from each token to each other token.

    Half of the buckets serve each direction. Of these, half hold one near distance each, the
    rest widen logarithmically up to `max_distance`; everything farther shares the last.

    Returns:
        int64 [L, L], row = the attending token.
    """
    position = torch.arange(length, device=device)
    offset = position[None, :] - position[:, None]
    side = buckets // 2
    near = side // 2
    distance = offset.abs()
    growth = torch.log(distance.clamp(min=1).float() / near) / math.log(max_distance / near)
    far = (near + (growth * (side - near)).long()).clamp(max=side - 1)
    return torch.where(distance < near, distance, far) + (offset > 0).long() * side
