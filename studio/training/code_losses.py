"""What a language model is taught: each code of the delayed grid, from those before it.

Owns the inputs and targets of a step and their cross-entropy. It neither trains nor measures.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from studio.models.torch_backend.transformer import MusicLanguageModel

_IGNORED = -100


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
