"""Initial weights that let a small decoder read the ruler from the first step.

Owns the draw of all weights of a template-trained language model. Each ruler token starts as the
decoder's own position vector at its frame, and two cross-attention heads of the first two layers
start by looking at the nearest ruler token. Without it a model of this size finds no tempo in
minutes. Layers that are added to a trained model start by looking at the words, of which there are
few among many ruler tokens. The architecture stays the stock one; only numbers are chosen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from studio.models.prompting import PromptTemplate
from studio.models.torch_backend.text import TextBlock, TextEncoder
from studio.models.torch_backend.transformer import (
    DecoderBlock,
    MusicDecoder,
    MusicLanguageModel,
    sinusoids,
)

_FINE = tuple(range(40))
_COARSE = tuple(range(44, 124, 10))
_BAR_PHASE_HARMONICS = 16
_GRID_CODE_WIDTH = 16
_SIXTEENTHS_IN_TWO_BARS = 32
_SHARPNESS = 1.5
_RULER_LAYERS = 2
_COARSE_HEAD_FIRST = 14
_WORD_SCORE = 4.0
_WORDS_IN_TEXT = 6
_TEXTS_TO_LEARN_FROM = 64
_RIDGE = 1e-3


def draw_weights(model: MusicLanguageModel) -> None:
    """Draw every weight at random, with the scales that suit a small model."""
    draw_decoder(model.decoder)
    draw_text_encoder(model.text_encoder)


@torch.no_grad()
def draw_decoder(decoder: MusicDecoder) -> None:
    """Draw a decoder's weights, with those of cross-attention where it has it."""
    nn.init.normal_(decoder.embedding.weight, 0, 0.25)
    nn.init.normal_(decoder.heads.weight, 0, 0.02)
    branch_scale = 0.02 / math.sqrt(len(decoder.blocks))
    has_text = decoder.config.cross_attention
    for block in decoder.blocks:
        assert isinstance(block, DecoderBlock)
        branches = [block.self_attention.out, block.ffn_out]
        entries = [block.self_attention.qkv, block.ffn_in]
        if has_text:
            branches.insert(1, block.cross_attention.out)
            entries[1:1] = [block.cross_attention.query, block.cross_attention.key_value]
        for branch in branches:
            nn.init.normal_(branch.weight, 0, branch_scale)
        for entry in entries:
            nn.init.normal_(entry.weight, 0, 0.04)


@torch.no_grad()
def draw_text_encoder(text: TextEncoder) -> None:
    """Draw a text encoder's weights."""
    config = text.config
    inner = config.heads * config.head_dim
    nn.init.normal_(text.embedding.weight, 0, 0.5)
    nn.init.normal_(text.position_bias.weight, 0, config.dim**-0.5)
    for part in text.blocks:
        assert isinstance(part, TextBlock)
        nn.init.normal_(part.qkv.weight, 0, config.dim**-0.5)
        part.qkv.weight[:inner].mul_(config.head_dim**-0.5)
        nn.init.normal_(part.attention_out.weight, 0, 0.2 * inner**-0.5)
        nn.init.normal_(part.ffn_in.weight, 0, config.dim**-0.5)
        nn.init.normal_(part.ffn_out.weight, 0, 0.2 * config.ffn_dim**-0.5)


@torch.no_grad()
def set_ruler(
    model: MusicLanguageModel, template: PromptTemplate, token_ids: dict[str, int]
) -> None:
    """Teach text embeddings, projection and four heads where the sixteenths are."""
    dim = model.decoder.config.dim
    half = dim // 2
    chosen = [f for f in (*_FINE, *_COARSE) if f < half]
    count = len(chosen)
    positions = sinusoids(template.context_frames + max(template.grids), dim)
    table = model.text_encoder.embedding.weight
    harmonics = torch.arange(1, _BAR_PHASE_HARMONICS + 1)
    for grid in template.grids:
        grid_code = torch.randn(_GRID_CODE_WIDTH) * 0.7
        for j, token in enumerate(template.ruler(grid)):
            here = positions[j * grid]
            phase = 2 * math.pi * j / _SIXTEENTHS_IN_TWO_BARS * harmonics
            start = torch.cat(
                [
                    here[chosen],
                    here[[half + f for f in chosen]],
                    0.7 * phase.cos(),
                    0.7 * phase.sin(),
                    grid_code,
                ]
            )
            table[token_ids[token], : len(start)] = start
    assert model.projection is not None
    model.projection.weight[: 2 * count] = 0
    model.projection.weight[: 2 * count, : 2 * count] = torch.eye(2 * count)
    head_dim = dim // model.decoder.config.heads
    for block in list(model.decoder.blocks)[:_RULER_LAYERS]:
        assert isinstance(block, DecoderBlock)
        query = block.cross_attention.query.weight
        key = block.cross_attention.key_value.weight[:dim]
        _look_at_nearest(query, key, chosen, head=0, head_dim=head_dim, first=0)
        _look_at_nearest(query, key, chosen, head=1, head_dim=head_dim, first=_COARSE_HEAD_FIRST)


@torch.no_grad()
def look_at_words(
    model: MusicLanguageModel,
    blocks: Sequence[DecoderBlock],
    template: PromptTemplate,
    token_ids: dict[str, int],
) -> None:
    """Let every head of some blocks look at a text's words rather than at its ruler.

    One place of the norm before them is made constant, and meets the direction in which words
    differ from ruler tokens after the text encoder.
    """
    towards_words = _direction_of_words(model, template, token_ids)
    dim = len(towards_words)
    for block in blocks:
        block.cross_norm.weight[0], block.cross_norm.bias[0] = 0.0, 1.0
        attention = block.cross_attention
        width = dim // attention.heads
        strength = math.sqrt(_WORD_SCORE * math.sqrt(width))
        attention.query.weight[:, 0] = 0
        for top in range(0, dim, width):
            attention.query.weight[top] = 0
            attention.query.weight[top, 0] = strength
            attention.key_value.weight[top] = strength * towards_words


def _direction_of_words(
    model: MusicLanguageModel, template: PromptTemplate, token_ids: dict[str, int]
) -> Tensor:
    """The [D] whose product with what the decoder reads is near 1 at words, near 0 elsewhere."""
    generator = torch.Generator().manual_seed(0)
    words = sorted(set(template.words))
    seen, is_word = [], []
    for number in range(_TEXTS_TO_LEARN_FROM):
        places = torch.randperm(len(words), generator=generator)[:_WORDS_IN_TEXT].tolist()
        chosen = [words[place] for place in places]
        grid = template.grids[number % len(template.grids)]
        tokens = template.text(chosen, grid=grid, period_bars=1).split()
        ids = torch.tensor([[token_ids[token] for token in tokens]])
        seen.append(model.conditioning(ids, torch.ones_like(ids, dtype=torch.bool))[0])
        is_word += [float(token in chosen) for token in tokens]
    inputs, wanted = torch.cat(seen), torch.tensor(is_word)
    ridge = _RIDGE * len(inputs) * inputs.square().mean() * torch.eye(inputs.shape[1])
    direction: Tensor = torch.linalg.solve(inputs.T @ inputs + ridge, inputs.T @ wanted)
    return direction


def _look_at_nearest(
    query: Tensor, key: Tensor, chosen: list[int], *, head: int, head_dim: int, first: int
) -> None:
    """Make one head score the sum of cos(rate x distance) over the rates from `first` on.

    The position vector holds cosines, then sines, so that the product of two of them at the
    same rates depends on their distance alone and is greatest at none.
    """
    half = query.shape[1] // 2
    top = head * head_dim
    query[top : top + head_dim] = 0
    key[top : top + head_dim] = 0
    pairs = min(head_dim // 2, len(chosen) - first)
    for i in range(pairs):
        place = first + i
        rate = chosen[place]
        query[top + i, rate] = _SHARPNESS
        query[top + pairs + i, half + rate] = _SHARPNESS
        key[top + i, place] = _SHARPNESS
        key[top + pairs + i, len(chosen) + place] = _SHARPNESS
