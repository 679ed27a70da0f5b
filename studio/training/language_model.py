"""Training the delay-pattern decoder on coded loops and their captions.

Owns the house model's sizes and the training loop. Building its text is the template's business,
measuring what it knows is `language_measures`'.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from studio.models.language_config import DecoderConfig, TextConfig
from studio.models.prompting import PromptTemplate
from studio.models.torch_backend.transformer import MusicLanguageModel
from studio.training.batches import step_batches
from studio.training.captions import Corpus, build_tokenizer
from studio.training.code_losses import code_losses
from studio.training.initial_weights import draw_weights, set_ruler
from studio.training.journal import Journal
from studio.training.language_measures import measure_language_model
from studio.training.schedule import ClockSchedule

_MEASURE_EVERY_SECONDS = 240
_TEXT_RATE_SCALE = 0.1


@dataclass(frozen=True, kw_only=True)
class LanguageModelRecipe:
    """Sizes and schedule of the house language model.

    Attributes:
        minutes: Wall time.
        batch: Loops a step of those that hear the whole context.
        learning_rate: Peak of the schedule.
        text_left_out: Share of loops trained under the null condition.
        codebook_weights: Share of each codebook in the loss.
        tonal_rounds: How often a loop that has a key is heard for each one that has none.
    """

    minutes: float = 30.0
    batch: int = 8
    learning_rate: float = 1.5e-3
    text_left_out: float = 0.1
    codebook_weights: tuple[float, ...] = (0.40, 0.25, 0.15, 0.10, 0.06, 0.04)
    tonal_rounds: int = 2
    dim: int = 256
    layers: int = 6
    heads: int = 4
    text_dim: int = 192
    text_layers: int = 2


def build_language_model(
    recipe: LanguageModelRecipe, template: PromptTemplate, *, codebooks: int, codes: int
) -> MusicLanguageModel:
    """An untrained model with its ruler in place."""
    torch.manual_seed(0)
    token_ids = build_tokenizer(template).get_vocab()
    text = TextConfig(
        vocabulary=len(token_ids),
        dim=recipe.text_dim,
        head_dim=48,
        heads=4,
        ffn_dim=4 * recipe.text_dim,
        layers=recipe.text_layers,
    )
    decoder = DecoderConfig(
        codebooks=codebooks,
        vocabulary=codes,
        dim=recipe.dim,
        layers=recipe.layers,
        heads=recipe.heads,
        ffn_dim=4 * recipe.dim,
    )
    model = MusicLanguageModel(text, decoder)
    draw_weights(model)
    set_ruler(model, template, token_ids)
    return model


def train_language_model(
    model: MusicLanguageModel,
    train: Corpus,
    held_out: Corpus,
    recipe: LanguageModelRecipe,
    context_frames: int,
    journal: Journal,
) -> MusicLanguageModel:
    """Train on loops played round to fill the context."""
    rng = np.random.default_rng(0)
    groups = _parameter_groups(model)
    optimiser = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.95), fused=True)
    peak = recipe.learning_rate
    schedule = ClockSchedule(
        minutes=recipe.minutes, peak=peak, floor=0.02 * peak, warm_up_steps=150
    )
    weights = torch.tensor(recipe.codebook_weights)
    periods = [one.period_frames for one in train.labels]
    rounds = [recipe.tonal_rounds if one.tonal else 1 for one in train.labels]
    batches = step_batches(periods, recipe.batch, context_frames, rng, rounds)
    recent: list[float] = []
    heard = 0
    measured, step = 0.0, 0
    model.train()
    while not schedule.over:
        for group in optimiser.param_groups:
            group["lr"] = group["rate_scale"] * schedule.rate(step)
        chosen, frames = next(batches)
        codes = torch.from_numpy(train.coded.window(chosen, frames))
        ids, mask = train.captions.random(chosen, rng)
        left_out = torch.from_numpy(rng.random(len(chosen)) < recipe.text_left_out)
        mask = mask & ~left_out[:, None]
        by_codebook, _ = code_losses(model, codes, ids, mask)
        loss = (by_codebook * weights).sum()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        step += 1
        heard += len(chosen)
        recent.append(by_codebook.mean().item())
        if step % 100 == 0:
            journal.write(
                "language model",
                step=step,
                epochs=round(heard / sum(rounds), 2),
                nats=round(sum(recent) / len(recent), 3),
            )
            recent.clear()
        if schedule.elapsed_seconds - measured > _MEASURE_EVERY_SECONDS:
            measured = schedule.elapsed_seconds
            figures = measure_language_model(model, held_out, context_frames)
            journal.write("language model measured", step=step, **figures)
    figures = measure_language_model(model, held_out, context_frames)
    journal.write("language model done", step=step, **figures)
    return model.eval()


def _parameter_groups(model: MusicLanguageModel) -> list[dict[str, Any]]:
    """Matrices of the decoder decay; the text encoder learns slowly.

    At the decoder's rate the text encoder's rectified layers drift together, and within a hundred
    steps their common shift has drowned the ruler.
    """
    decoder = list(model.decoder.named_parameters())
    if model.projection is not None:
        decoder += list(model.projection.named_parameters())
    matrices = [p for n, p in decoder if p.ndim > 1 and "embedding" not in n]
    rest = [p for n, p in decoder if p.ndim == 1 or "embedding" in n]
    text = list(model.text_encoder.parameters())
    return [
        {"params": matrices, "weight_decay": 0.05, "rate_scale": 1.0},
        {"params": rest, "weight_decay": 0.0, "rate_scale": 1.0},
        {"params": text, "weight_decay": 0.0, "rate_scale": _TEXT_RATE_SCALE},
    ]
