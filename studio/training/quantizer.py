"""Learning the codebooks of a residual vector quantiser.

Owns k-means initial codebooks, their exponential moving averages, the revival of dead codes and
quantiser dropout. The codec that uses the finished codebooks lives in the torch backend.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from studio.models.torch_backend.codec import nearest_code

_ALL_CODEBOOKS_SHARE = 0.65
_DEAD_BELOW = 0.03
_REVIVED_AT = 0.3


class CodebookLearner(nn.Module):
    """A residual vector quantiser in training.

    Exponential moving averages after van den Oord et al. 2017, appendix A; dead codes are put on
    random vectors of the batch (Dhariwal et al. 2020).

    Attributes:
        codebooks: float32 [K, V, D].
        started: False until `start` has run; before that the latents pass unquantised.
        kept: How many of the first codebooks stay as they are, so that their codes keep their
            meaning for a language model that knows them.
    """

    codebooks: Tensor
    counts: Tensor
    sums: Tensor

    def __init__(
        self, codebooks: int, codes: int, dimension: int, decay: float = 0.99, kept: int = 0
    ) -> None:
        super().__init__()
        self.decay = decay
        self.kept = kept
        self.started = False
        self.revived = 0
        self.register_buffer("codebooks", torch.zeros(codebooks, codes, dimension))
        self.register_buffer("counts", torch.ones(codebooks, codes))
        self.register_buffer("sums", torch.zeros(codebooks, codes, dimension))

    @torch.no_grad()
    def start(self, vectors: Tensor, iterations: int = 12) -> None:
        """Set every codebook by k-means over latents [n, D] and what earlier ones left over."""
        codes = self.codebooks.shape[1]
        rest = vectors.clone()
        for k in range(len(self.codebooks)):
            centres = rest[torch.randperm(len(rest))[:codes]].clone()
            count = torch.ones(codes)
            for _ in range(iterations):
                index = nearest_code(rest, centres)
                count = torch.bincount(index, minlength=codes).float()
                total = torch.zeros_like(centres).index_add_(0, index, rest)
                strays = rest[torch.randint(len(rest), (codes,))]
                means = total / count.clamp(min=1)[:, None]
                centres = torch.where(count[:, None] > 0, means, strays)
            self.codebooks[k] = centres
            self.counts[k] = count.clamp(min=1)
            self.sums[k] = centres * self.counts[k][:, None]
            rest = rest - centres[nearest_code(rest, centres)]
        self.started = True

    @torch.no_grad()
    def go_on_from(self, codebooks: Tensor) -> None:
        """Take learnt codebooks [K, V, D] and follow them on, all codes equally used so far."""
        self.codebooks.copy_(codebooks)
        self.counts.fill_(1.0)
        self.sums.copy_(codebooks)
        self.started = True

    def forward(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Latents [B, D, T] to (quantised with a straight-through gradient, commitment loss)."""
        if not self.started:
            return latents, torch.zeros(())
        batch, dimension, frames = latents.shape
        flat = latents.permute(0, 2, 1).reshape(-1, dimension)
        depth = self._random_depths(batch)
        rest, quantised, commitment = flat, torch.zeros_like(flat), torch.zeros(())
        for k in range(len(self.codebooks)):
            index = nearest_code(rest.detach(), self.codebooks[k])
            chosen = self.codebooks[k][index].clone()
            used = (depth > k).float().repeat_interleave(frames)[:, None]
            commitment = commitment + ((rest - chosen).pow(2) * used).mean()
            if self.training and k >= self.kept:
                self._follow(k, rest.detach(), index)
            quantised = quantised + chosen * used
            rest = rest - chosen
        straight = flat + (quantised - flat).detach()
        return straight.view(batch, frames, dimension).permute(0, 2, 1), commitment

    def _random_depths(self, batch: int) -> Tensor:
        full = torch.full((batch,), len(self.codebooks))
        if not self.training:
            return full
        some = torch.randint(1, len(self.codebooks) + 1, (batch,))
        return torch.where(torch.rand(batch) < _ALL_CODEBOOKS_SHARE, full, some)

    @torch.no_grad()
    def _follow(self, k: int, vectors: Tensor, index: Tensor) -> None:
        count = torch.bincount(index, minlength=self.codebooks.shape[1]).float()
        total = torch.zeros_like(self.codebooks[k]).index_add_(0, index, vectors)
        self.counts[k].mul_(self.decay).add_(count, alpha=1 - self.decay)
        self.sums[k].mul_(self.decay).add_(total, alpha=1 - self.decay)
        self.codebooks[k] = self.sums[k] / self.counts[k].clamp(min=1e-3)[:, None]
        dead = (self.counts[k] < _DEAD_BELOW).nonzero()[:, 0]
        if len(dead):
            fresh = vectors[torch.randint(len(vectors), (len(dead),))]
            self.codebooks[k, dead] = fresh
            self.counts[k, dead] = _REVIVED_AT
            self.sums[k, dead] = fresh * _REVIVED_AT
            self.revived += len(dead)
