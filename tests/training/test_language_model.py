from __future__ import annotations

import numpy as np
import pytest
import torch

from studio.models.patterns import delay
from studio.models.prompting import PromptTemplate
from studio.models.torch_backend.transformer import DecoderBlock, MusicLanguageModel, sinusoids
from studio.training.captions import build_tokenizer
from studio.training.code_losses import code_losses, delayed_pair
from studio.training.language_model import LanguageModelRecipe, build_language_model


@pytest.fixture(scope="module")
def template() -> PromptTemplate:
    return PromptTemplate(
        words=("jungle", "reese"),
        genres=("jungle",),
        aliases={},
        grids=(4, 9),
        context_frames=144,
        frame_rate=50.0,
    )


@pytest.fixture(scope="module")
def model(template: PromptTemplate) -> MusicLanguageModel:
    return build_language_model(LanguageModelRecipe(layers=2), template, codebooks=4, codes=16)


def test_inputs_are_the_delayed_grid_and_targets_one_step_ahead() -> None:
    codes = torch.randint(16, (2, 4, 10))
    inputs, targets = delayed_pair(codes, filler=16)
    grid = torch.from_numpy(delay(codes.numpy().astype(np.int64), 16))
    assert torch.equal(inputs, grid[:, :, : inputs.shape[2]])
    ahead = grid[:, :, 1 : 1 + targets.shape[2]]
    known = targets >= 0
    assert torch.equal(targets[known], ahead[:, :, : targets.shape[2]][known])
    assert known.sum() == codes.numel()


def test_loss_of_an_untrained_model_is_near_the_uniform_one(
    model: MusicLanguageModel, template: PromptTemplate
) -> None:
    tokenizer = build_tokenizer(template)
    ids = torch.tensor([tokenizer.encode(template.text(["jungle"], grid=4, period_bars=1)).ids])
    torch.manual_seed(0)
    by_codebook, aligned = code_losses(
        model, torch.randint(16, (1, 4, 144)), ids, torch.ones_like(ids, dtype=torch.bool)
    )
    assert aligned.shape == (1, 4, 144)
    assert (by_codebook - np.log(16)).abs().max() < 0.5


@pytest.mark.parametrize("grid", [4, 9])
def test_ruler_heads_start_by_looking_at_the_nearest_ruler_token(
    model: MusicLanguageModel, template: PromptTemplate, grid: int
) -> None:
    tokenizer = build_tokenizer(template)
    text = template.text(["jungle"], grid=grid, period_bars=1)
    ids = torch.tensor([tokenizer.encode(text).ids])
    with torch.no_grad():
        conditioning = model.conditioning(ids, torch.ones_like(ids, dtype=torch.bool))
        fine = ruler_distance(model, conditioning, template.context_frames, grid, head=0)
        coarse = ruler_distance(model, conditioning, template.context_frames, grid, head=1)
    assert fine[::grid].max() == 0
    assert (coarse <= (grid + 1) // 2).float().mean() > 0.95


def ruler_distance(
    model: MusicLanguageModel, conditioning: torch.Tensor, frames: int, grid: int, head: int
) -> torch.Tensor:
    """Frames between each frame and the ruler token that one head looks at most."""
    block = model.decoder.blocks[0]
    assert isinstance(block, DecoderBlock)
    attention = block.cross_attention
    x = block.cross_norm(sinusoids(frames, model.decoder.config.dim)[None])
    width = model.decoder.config.dim // attention.heads
    query = attention.query(x)[0, :, head * width : (head + 1) * width]
    key, _ = attention.keys_values(conditioning)
    tokens_before_ruler = 3
    looked_at = (query @ key[0, head].t()).argmax(dim=1) - tokens_before_ruler
    return (looked_at * grid - torch.arange(frames)).abs()
