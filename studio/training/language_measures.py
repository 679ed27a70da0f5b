"""What a language model knows of loops that it has not heard.

Owns held-out losses by codebook and by bar, and what another text, style or key costs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from studio.models.torch_backend.transformer import MusicLanguageModel
from studio.training.captions import Corpus
from studio.training.code_losses import code_losses


@torch.inference_mode()
def measure_language_model(
    model: MusicLanguageModel, corpus: Corpus, context_frames: int, loops: int = 128
) -> dict[str, object]:
    """Held-out nats: each codebook, codebook 1 by bar, and under wrong texts and keys."""
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
    other_key = corpus.captions.in_another_key(ids)
    keyed = (other_key != ids).any(dim=1)
    if bool(keyed.any()):
        wrong = _mean_loss(model, codes[keyed], other_key[keyed], mask[keyed])
        figures["wrong_key_costs"] = round(wrong - losses[keyed].mean().item(), 3)
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
