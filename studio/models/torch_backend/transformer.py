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
from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from studio.models.language_config import PITCH_CLASSES, DecoderConfig, TextConfig
from studio.models.torch_backend.text import TextEncoder
from studio.models.torch_backend.weights import Section, fill, new_embedding, parts

# A step's scores of one layer, kept for the way back: 32 MB in bfloat16.
_MOST_KEPT_SCORES = 2**24


def attend(
    query: Tensor, key: Tensor, value: Tensor, *, mask: Tensor | None = None, causal: bool = False
) -> Tensor:
    """Attention of heads [B, H, S, E] to [B, H, L, E]: [B, H, S, E].

    While a processor trains in bfloat16, the scores are whole matrices: torch's fused attention
    takes three times as long there, most of it on the way back.

    Args:
        query: What looks.
        key: What is looked at.
        value: What is seen.
        mask: bool, False where not to look; None looks everywhere.
        causal: Whether each step sees only itself and those before it; S is L then.
    """
    scores = query.shape[0] * query.shape[1] * query.shape[2] * key.shape[2]
    trains = torch.is_grad_enabled() and query.dtype == torch.bfloat16
    if not trains or query.device.type != "cpu" or scores > _MOST_KEPT_SCORES:
        return functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, is_causal=causal
        )
    weights = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    if causal:
        steps = query.shape[2]
        later = torch.full((steps, steps), -math.inf, dtype=weights.dtype).triu(1)
        weights = weights + later
    if mask is not None:
        weights = weights.float().masked_fill(~mask, -math.inf)
    attended: Tensor = weights.softmax(-1).to(value.dtype) @ value
    return attended


class SelfAttention(nn.Module):
    """Causal attention of the sequence to itself.

    Attributes:
        qkv: Rows in the order query, key, value, each head after head.
    """

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.qkv = nn.Linear(config.dim, 3 * config.dim, bias=False)
        self.out = nn.Linear(config.dim, config.dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Attend from each step of `x` [B, S, D] to itself and the steps before it."""
        batch, length, dim = x.shape
        qkv = self.qkv(x).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = qkv
        attended = attend(query, key, value, causal=True)
        mixed: Tensor = self.out(attended.transpose(1, 2).reshape(batch, length, dim))
        return mixed


class CrossAttention(nn.Module):
    """Attention of the sequence to the conditioning.

    Attributes:
        key_value: Rows in the order key, value.
    """

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.query = nn.Linear(config.dim, config.dim, bias=False)
        self.key_value = nn.Linear(config.dim, 2 * config.dim, bias=False)
        self.out = nn.Linear(config.dim, config.dim, bias=False)

    def keys_values(self, conditioning: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values [B, H, L, E] of `conditioning` [B, L, D]; equal at every step."""
        batch, length, _ = conditioning.shape
        both = self.key_value(conditioning).view(batch, length, 2, self.heads, -1)
        key, value = both.permute(2, 0, 3, 1, 4)
        return key, value

    def forward(self, x: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        """Attend from `x` [B, S, D]; `mask` bool [B, 1, 1, L] is False where not to look."""
        batch, length, dim = x.shape
        query = self.query(x).view(batch, length, self.heads, -1).transpose(1, 2)
        attended = attend(query, key, value, mask=mask)
        mixed: Tensor = self.out(attended.transpose(1, 2).reshape(batch, length, dim))
        return mixed


class DecoderBlock(nn.Module):
    """Self-attention, cross-attention, feed-forward; each behind a norm, added to its input.

    Attributes:
        cross_norm: Only where the configuration has cross-attention.
        cross_attention: Only there.
    """

    cross_norm: nn.LayerNorm
    cross_attention: CrossAttention

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.self_norm = nn.LayerNorm(config.dim)
        self.self_attention = SelfAttention(config)
        if config.cross_attention:
            self.cross_norm = nn.LayerNorm(config.dim)
            self.cross_attention = CrossAttention(config)
        self.ffn_norm = nn.LayerNorm(config.dim)
        self.ffn_in = nn.Linear(config.dim, config.ffn_dim, bias=False)
        self.ffn_out = nn.Linear(config.ffn_dim, config.dim, bias=False)

    def forward(self, x: Tensor, conditioning: Tensor | None, mask: Tensor | None) -> Tensor:
        """Transform `x` [B, S, D] under `conditioning` [B, L, D], or under none."""
        x = x + self.self_attention(self.self_norm(x))
        if conditioning is not None:
            key, value = self.cross_attention.keys_values(conditioning)
            x = x + self.cross_attention(self.cross_norm(x), key, value, mask)
        return x + self.ffn(x)

    def ffn(self, x: Tensor) -> Tensor:
        """The feed-forward branch of `x` [B, S, D]."""
        branch: Tensor = self.ffn_out(functional.gelu(self.ffn_in(self.ffn_norm(x))))
        return branch


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
        rows = config.codebooks * (config.vocabulary + 1)
        self.embedding = new_embedding(rows, config.dim, std=0.02)
        self.blocks = nn.ModuleList(DecoderBlock(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.dim)
        self.heads = nn.Linear(config.dim, config.codebooks * config.vocabulary, bias=False)

    def forward(
        self,
        tokens: Tensor,
        conditioning: Tensor | None = None,
        conditioning_mask: Tensor | None = None,
        prefix: Tensor | None = None,
    ) -> Tensor:
        """Logits for whole sequences.

        Args:
            tokens: The delayed grid, int64 [B, K, S], fillers included.
            conditioning: Projected text, float [B, L, D]; None is the null condition.
            conditioning_mask: bool [B, L], False at padding. A row that is all False is under
                the null condition, as if its `conditioning` were None.
            prefix: What stands before the tokens, float [B, P, D].

        Returns:
            float [B, S, K, V]; the logits at step s are those of the tokens at step s + 1.
        """
        x = self.embed(tokens)
        if prefix is not None:
            x = torch.cat([prefix, x], dim=1)
        x = x + sinusoids(x.shape[1], self.config.dim, tokens.device)
        mask = None
        if conditioning is not None and conditioning_mask is not None:
            conditioning = conditioning * conditioning_mask[..., None]
            looks_nowhere = ~conditioning_mask.any(dim=1, keepdim=True)
            mask = (conditioning_mask | looks_nowhere)[:, None, None, :]
        for block in self.blocks:
            x = block(x, conditioning, mask)
        return self.predict(x[:, -tokens.shape[2] :])

    def embed(self, tokens: Tensor) -> Tensor:
        """The sum of the K embeddings of `tokens` [B, K, S], float [B, S, D], no positions."""
        books = torch.arange(self.config.codebooks, device=tokens.device)
        rows = tokens + books[:, None] * (self.config.vocabulary + 1)
        embedded: Tensor = self.embedding(rows).sum(dim=1)
        return embedded

    def predict(self, x: Tensor) -> Tensor:
        """Logits [B, S, K, V] of the last block's output `x` [B, S, D]."""
        logits = self.heads(self.norm(x))
        by_codebook: Tensor = logits.view(
            *x.shape[:2], self.config.codebooks, self.config.vocabulary
        )
        return by_codebook

    def load_hf(
        self,
        tensors: Mapping[str, Tensor],
        *,
        before: Callable[[nn.Module], None] | None = None,
        after: Callable[[nn.Module], None] | None = None,
    ) -> None:
        """Copy weights by their Hugging Face names, `decoder.` prefix included.

        Args:
            tensors: The weights.
            before: Called with each block before its weights are copied.
            after: Called with each block afterwards: what it makes smaller is small before the
                next one is read.

        Raises:
            ModelError: A tensor is missing, of the wrong shape, or not finite.
        """
        for group, parameter in self._own_names().items():
            fill(parameter, tensors, *group)
        for index, block in enumerate(self.blocks):
            if before is not None:
                before(block)
            for group, parameter in self._block_names(index).items():
                fill(parameter, tensors, *group)
            if after is not None:
                after(block)

    def to_hf(self) -> dict[str, Tensor]:
        """Copies of all weights by their Hugging Face names, `decoder.` prefix included."""
        named: dict[str, Tensor] = {}
        for group, parameter in self._hf_names().items():
            named |= parts(parameter, *group)
        return named

    def _hf_names(self) -> dict[tuple[str, ...], Tensor]:
        named = self._own_names()
        for index in range(len(self.blocks)):
            named |= self._block_names(index)
        return named

    def _own_names(self) -> dict[tuple[str, ...], Tensor]:
        """The weights outside the blocks."""
        codebooks = range(self.config.codebooks)
        tables = tuple(f"decoder.model.decoder.embed_tokens.{k}.weight" for k in codebooks)
        heads = tuple(f"decoder.lm_heads.{k}.weight" for k in codebooks)
        return {
            tables: self.embedding.weight,
            heads: self.heads.weight,
            **_norm_names("decoder.model.decoder.layer_norm", self.norm),
        }

    def _block_names(self, index: int) -> dict[tuple[str, ...], Tensor]:
        block = self.blocks[index]
        assert isinstance(block, DecoderBlock)
        layer = f"decoder.model.decoder.layers.{index}"
        looking_back = f"{layer}.self_attn"
        named: dict[tuple[str, ...], Tensor] = {
            tuple(
                f"{looking_back}.{part}_proj.weight" for part in "qkv"
            ): block.self_attention.qkv.weight,
            (f"{looking_back}.out_proj.weight",): block.self_attention.out.weight,
            (f"{layer}.fc1.weight",): block.ffn_in.weight,
            (f"{layer}.fc2.weight",): block.ffn_out.weight,
            **_norm_names(f"{layer}.self_attn_layer_norm", block.self_norm),
            **_norm_names(f"{layer}.final_layer_norm", block.ffn_norm),
        }
        if self.config.cross_attention:
            named |= _cross_attention_names(f"{layer}.encoder_attn", block)
        return named


class MusicLanguageModel(nn.Module):
    """The text encoder, the projections to the decoder's width, and the decoder.

    Attributes:
        projection: None where both networks are equally wide, as in the checkpoints.
        chroma_projection: None where there is no melody, or where it needs none.
    """

    def __init__(self, text: TextConfig, decoder: DecoderConfig, *, chroma_bins: int = 0) -> None:
        """Make an untrained model.

        Args:
            text: Sizes of the text encoder.
            decoder: Sizes of the decoder.
            chroma_bins: Width of a melody's frames; 0 is a model that hears none.
        """
        super().__init__()
        self.text_encoder = TextEncoder(text)
        self.projection = nn.Linear(text.dim, decoder.dim) if text.dim != decoder.dim else None
        self.decoder = MusicDecoder(decoder)
        projects = chroma_bins not in (0, decoder.dim)
        self.chroma_projection = nn.Linear(chroma_bins, decoder.dim) if projects else None

    def conditioning(self, ids: Tensor, mask: Tensor) -> Tensor:
        """What the decoder reads of a text.

        Args:
            ids: Text tokens, int64 [B, L].
            mask: bool [B, L], False at padding.

        Returns:
            float [B, L, D], zero at padding.
        """
        encoded = self.text_encoder(ids, mask)
        if self.projection is not None:
            encoded = self.projection(encoded)
        shown: Tensor = encoded * mask[..., None]
        return shown

    def melody(self, chroma: Tensor) -> Tensor:
        """What the decoder reads of a melody `chroma` [B, P, bins]: [B, P, D]."""
        if self.chroma_projection is None:
            return chroma
        projected: Tensor = self.chroma_projection(chroma)
        return projected

    @torch.inference_mode()
    def read_text(self, ids: NDArray[np.int64], mask: NDArray[np.bool_]) -> Tensor:
        """See `ConditionReader.read_text`."""
        device = self.text_encoder.embedding.weight.device
        return self.conditioning(
            torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device)
        )[0]

    @torch.inference_mode()
    def read_prefix(self, classes: NDArray[np.int64], text: Tensor | None, places: int) -> Tensor:
        """See `ConditionReader.read_prefix`."""
        bins = torch.from_numpy(classes).to(self.text_encoder.embedding.weight.device)
        heard = self.melody(functional.one_hot(bins, PITCH_CLASSES).float())
        said = heard.new_zeros(places, heard.shape[1])
        if text is not None:
            said[: len(text)] = text
        return torch.cat([heard, said])

    def forward(self, tokens: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
        """Logits [B, S, K, V] of the delayed grid `tokens` [B, K, S] under the texts `ids`."""
        logits: Tensor = self.decoder(tokens, self.conditioning(ids, mask), mask)
        return logits

    def load_hf(
        self,
        tensors: Mapping[str, Tensor],
        *,
        before: Callable[[nn.Module], None] | None = None,
        after: Callable[[nn.Module], None] | None = None,
    ) -> None:
        """Copy the weights of all parts by their full Hugging Face names.

        Args:
            tensors: The weights.
            before: See `MusicDecoder.load_hf`.
            after: Likewise.

        Raises:
            ModelError: A tensor is missing, of the wrong shape, or not finite.
        """
        self.text_encoder.load_hf(Section(tensors, "text_encoder."))
        for group, parameter in self._projection_names().items():
            fill(parameter, tensors, *group)
        self.decoder.load_hf(tensors, before=before, after=after)

    def to_hf(self) -> dict[str, Tensor]:
        """Copies of all weights by their full Hugging Face names."""
        named = {f"text_encoder.{k}": v for k, v in self.text_encoder.to_hf().items()}
        for group, parameter in self._projection_names().items():
            named |= parts(parameter, *group)
        return named | self.decoder.to_hf()

    def _projection_names(self) -> dict[tuple[str, ...], Tensor]:
        named: dict[tuple[str, ...], Tensor] = {}
        for name, layer in (
            ("enc_to_dec_proj", self.projection),
            ("audio_enc_to_dec_proj", self.chroma_projection),
        ):
            if layer is not None:
                named |= {(f"{name}.weight",): layer.weight, (f"{name}.bias",): layer.bias}
        return named


def sinusoids(length: int, dim: int, device: torch.device | None = None) -> Tensor:
    """The position vectors of steps 0 to `length` - 1, float32 [S, D]: cosines, then sines."""
    half = dim // 2
    rates = torch.exp(torch.arange(half, device=device).float() * (-math.log(1e4) / (half - 1)))
    phases = torch.arange(length, device=device).float()[:, None] * rates[None]
    return torch.cat([phases.cos(), phases.sin()], dim=1)


def _cross_attention_names(name: str, block: DecoderBlock) -> dict[tuple[str, ...], Tensor]:
    attention = block.cross_attention
    return {
        (f"{name}.q_proj.weight",): attention.query.weight,
        tuple(f"{name}.{part}_proj.weight" for part in "kv"): attention.key_value.weight,
        (f"{name}.out_proj.weight",): attention.out.weight,
        **_norm_names(f"{name}_layer_norm", block.cross_norm),
    }


def _norm_names(name: str, norm: nn.LayerNorm) -> dict[tuple[str, ...], Tensor]:
    return {(f"{name}.weight",): norm.weight, (f"{name}.bias",): norm.bias}
