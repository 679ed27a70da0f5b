"""Training the delay-pattern decoder on coded loops and their captions.

Owns the house model's sizes, the loss and the training loop. Building its text is the template's
business, measuring its takes is `takes`'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from studio.models.language_config import DecoderConfig, TextConfig
from studio.models.prompting import PromptTemplate
from studio.models.torch_backend.transformer import MusicLanguageModel
from studio.training.batches import step_batches
from studio.training.captions import CaptionBook, build_tokenizer
from studio.training.initial_weights import draw_weights, set_ruler
from studio.training.journal import Journal
from studio.training.loopsynth import LoopLabels
from studio.training.schedule import ClockSchedule
from studio.training.tokens import CodedLoops

_IGNORED = -100
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
    """

    minutes: float = 30.0
    batch: int = 8
    learning_rate: float = 1.5e-3
    text_left_out: float = 0.1
    codebook_weights: tuple[float, ...] = (0.42, 0.27, 0.17, 0.14)
    dim: int = 256
    layers: int = 6
    heads: int = 4
    text_dim: int = 192
    text_layers: int = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Corpus:
    """Coded loops of one split with their captions."""

    coded: CodedLoops
    labels: Sequence[LoopLabels]
    captions: CaptionBook


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


def delayed_pair(codes: Tensor, filler: int) -> tuple[Tensor, Tensor]:
    """Inputs and targets of codes [B, K, T]: both int64 [B, K, T + K - 1].

    Codebook q of input step s carries timestep s - 1 - q; targets are one step ahead, with
    `-100` where the pattern has nothing to predict.
    """
    batch, books, frames = codes.shape
    grid = torch.full((batch, books, frames + books), filler, dtype=torch.int64)
    targets = torch.full_like(grid, _IGNORED)
    for q in range(books):
        grid[:, q, 1 + q : 1 + q + frames] = codes[:, q]
        targets[:, q, 1 + q : 1 + q + frames] = codes[:, q]
    return grid[:, :, :-1], targets[:, :, 1:]


def code_losses(
    model: MusicLanguageModel, codes: Tensor, ids: Tensor, mask: Tensor
) -> tuple[Tensor, Tensor]:
    """Cross-entropy in nats of codes [B, K, T] under texts: means [K], and each [B, K, T]."""
    config = model.decoder.config
    inputs, targets = delayed_pair(codes, config.vocabulary)
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(inputs, ids, mask)
    flat = F.cross_entropy(
        logits.float().reshape(-1, config.vocabulary),
        targets.permute(0, 2, 1).reshape(-1),
        ignore_index=_IGNORED,
        reduction="none",
    )
    steps = flat.view(len(codes), -1, config.codebooks)
    frames = codes.shape[2]
    aligned = torch.stack([steps[:, q : q + frames, q] for q in range(config.codebooks)], dim=1)
    return aligned.mean(dim=(0, 2)), aligned


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
    batches = step_batches(periods, recipe.batch, context_frames, rng)
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
                epochs=round(heard / len(train.labels), 2),
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


@torch.inference_mode()
def measure_language_model(
    model: MusicLanguageModel, corpus: Corpus, context_frames: int, loops: int = 128
) -> dict[str, object]:
    """Held-out nats: each codebook, codebook 1 by bar, and under wrong texts."""
    was_training = model.training
    model.eval()
    chosen = list(range(min(loops, len(corpus.labels))))
    losses, ids, mask, codes = _held_out_losses(model, corpus, chosen, context_frames)
    first = losses[:, 0]
    frame = torch.arange(context_frames)[None]
    bar = torch.tensor([16 * corpus.labels[i].grid for i in chosen])[:, None]
    period = torch.tensor([corpus.labels[i].period_frames for i in chosen])[:, None]
    second = (frame >= bar) & (frame < period)
    figures: dict[str, object] = {
        "nats": [round(x, 3) for x in losses.mean(dim=(0, 2)).tolist()],
        "first_codebook_bar_one": round(first[frame < bar].mean().item(), 3),
        "first_codebook_repeats": round(first[frame >= period].mean().item(), 3),
    }
    if bool(second.any()):
        figures["first_codebook_bar_two"] = round(first[second].mean().item(), 3)
    right = losses.mean().item()
    shifted = torch.arange(len(chosen)).roll(1)
    figures["wrong_text_costs"] = round(
        _mean_loss(model, codes, ids[shifted], mask[shifted]) - right, 3
    )
    same_grid = _other_of_same_grid([corpus.labels[i].grid for i in chosen])
    figures["wrong_style_costs"] = round(
        _mean_loss(model, codes, ids[same_grid], mask[same_grid]) - right, 3
    )
    model.train(was_training)
    return figures


def _held_out_losses(
    model: MusicLanguageModel, corpus: Corpus, chosen: list[int], frames: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    codes = torch.from_numpy(corpus.coded.window(chosen, frames))
    ids, mask = corpus.captions.first(chosen)
    parts = zip(codes.split(16), ids.split(16), mask.split(16), strict=True)
    losses = torch.cat([code_losses(model, *part)[1] for part in parts])
    return losses, ids, mask, codes


def _mean_loss(model: MusicLanguageModel, codes: Tensor, ids: Tensor, mask: Tensor) -> float:
    parts = zip(codes.split(16), ids.split(16), mask.split(16), strict=True)
    return torch.cat([code_losses(model, *part)[1] for part in parts]).mean().item()


def _other_of_same_grid(grids: Sequence[int]) -> Tensor:
    order = np.arange(len(grids))
    for grid in set(grids):
        places = np.flatnonzero(np.asarray(grids) == grid)
        order[places] = np.roll(places, 1)
    return torch.from_numpy(order)
