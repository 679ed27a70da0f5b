"""From logits to codes on a device.

Owns the way of `studio.models.sampling` in operators that keep to the device: what differs from
take to take is in tensors, and no shape depends on a number in them.

Letters in shapes: R streams, B takes, K codebooks, V codes in a codebook.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from studio.models.backend import Sampling


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What decides which operators draw a code.

    Attributes:
        guided: Whether a take has two streams.
        greedy: The likeliest code is taken.
        nucleus: The likeliest codes that hold some probability come into question.
        top_k: So many come into question; 0 is all.
    """

    guided: bool
    greedy: bool
    nucleus: bool
    top_k: int

    @classmethod
    def of(cls, sampling: Sampling, *, guided: bool, vocabulary: int) -> Self:
        """That of `sampling`, from so many codes."""
        nucleus = sampling.top_p > 0.0
        filters = not sampling.greedy and not nucleus and sampling.top_k < vocabulary
        return cls(
            guided=guided,
            greedy=sampling.greedy,
            nucleus=nucleus,
            top_k=sampling.top_k if filters else 0,
        )


class DeviceSampler:
    """Draws codes by one rule."""

    def __init__(self, rule: Rule, takes: int, device: torch.device) -> None:
        """Draw for so many takes."""
        self._rule = rule
        # A number that torch knows would be multiplied by its inverse on a device, rounded twice.
        self._temperature = torch.ones((), device=device)
        self._guidance = torch.ones((), device=device)
        self._wide = torch.float32 if device.type == "mps" else torch.float64
        self._mass = torch.ones((), dtype=self._wide, device=device)
        self._decisive = torch.zeros(takes, dtype=torch.int64, device=device)
        self._avoided = torch.zeros(takes, dtype=torch.int64, device=device)

    def begin(self, sampling: Sampling, decisive: Tensor, avoided: Tensor) -> None:
        """Draw by these numbers from now on.

        Args:
            sampling: Of the sampler's rule.
            decisive: int64 [B], the stream that decides for each take.
            avoided: int64 [B], the one it is led away from; where there is none, the same.
        """
        self._temperature.fill_(sampling.temperature)
        self._guidance.fill_(sampling.guidance)
        self._mass.fill_(sampling.top_p)
        self._decisive.copy_(decisive)
        self._avoided.copy_(avoided)

    def pick(self, logits: Tensor, noise: Tensor | None) -> Tensor:
        """Choose one code for each take and codebook.

        Args:
            logits: float32 [R, K, V].
            noise: Gumbel, float32 [B, K, V]; None where the rule is greedy.

        Returns:
            int64 [B, K], the first where several are likeliest.
        """
        scores = logits.index_select(0, self._decisive)
        if self._rule.guided:
            null = logits.index_select(0, self._avoided)
            scores = null + (scores - null) * self._guidance
        if noise is None:
            return scores.argmax(dim=-1)
        scores = scores / self._temperature
        if self._rule.nucleus:
            scores = scores.masked_fill(self._unlikely(scores), -torch.inf)
        elif self._rule.top_k:
            ranked = scores.sort(dim=-1, descending=True).values
            threshold = ranked[..., self._rule.top_k - 1, None]
            scores = scores.masked_fill(scores < threshold, -torch.inf)
        return (scores + noise).argmax(dim=-1)

    def _unlikely(self, scores: Tensor) -> Tensor:
        """What is outside the nucleus of `studio.models.sampling`: bool [B, K, V]."""
        ranked, order = scores.sort(dim=-1, descending=True, stable=True)
        ranked = ranked.to(self._wide)
        weights = torch.exp(ranked - ranked[..., :1])
        probabilities = weights / weights.sum(dim=-1, keepdim=True)
        likelier = probabilities.cumsum(dim=-1) - probabilities
        unlikely = torch.zeros_like(scores, dtype=torch.bool)
        return unlikely.scatter(-1, order, likelier > self._mass)
