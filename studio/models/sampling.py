"""From logits to codes, the same for every backend.

Owns guidance, filtering and drawing, in numpy. It does not run a network.

Letters in shapes: B takes, K codebooks, V codes in a codebook.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from studio.models.backend import Sampling
from studio.models.noise import gumbel_noise


def pick_codes(
    logits: NDArray[np.float32], sampling: Sampling, *, seeds: Sequence[int], step: int
) -> NDArray[np.int64]:
    """Choose one code for each take and codebook.

    Args:
        logits: float32 [B, K, V], guidance applied.
        sampling: Filters and temperature.
        seeds: One a take.
        step: Steps since the beginning of the take.

    Returns:
        int64 [B, K].
    """
    if sampling.greedy:
        return _largest(logits)
    scores = logits / np.float32(sampling.temperature)
    vocabulary = scores.shape[-1]
    if sampling.top_p > 0.0:
        scores = np.where(_nucleus(scores, sampling.top_p), scores, -np.inf)
    elif 0 < sampling.top_k < vocabulary:
        cut = vocabulary - sampling.top_k
        threshold = np.partition(scores, cut, axis=-1)[..., cut, None]
        scores = np.where(scores >= threshold, scores, -np.inf)
    noise = [gumbel_noise(seed, step, scores.shape[1], vocabulary) for seed in seeds]
    return _largest(scores + np.stack(noise))


def guide(
    conditional: NDArray[np.float32], null: NDArray[np.float32], guidance: float
) -> NDArray[np.float32]:
    """Move logits from the null condition towards the prompt's, and beyond it above 1.

    Classifier-free guidance (Ho and Salimans 2022).
    """
    guided: NDArray[np.float32] = null + (conditional - null) * np.float32(guidance)
    return guided


def _largest(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """The first of the likeliest codes, [B, K]."""
    codes: NDArray[np.int64] = scores.argmax(axis=-1)
    return codes


def _nucleus(scores: NDArray[np.float32], mass: float) -> NDArray[np.bool_]:
    """The likeliest codes, up to and with the one that brings their probability to `mass`."""
    order = np.argsort(-scores, axis=-1, kind="stable")
    ranked = np.take_along_axis(scores, order, axis=-1).astype(np.float64)
    weights = np.exp(ranked - ranked[..., :1])
    probabilities = weights / weights.sum(axis=-1, keepdims=True)
    likelier = probabilities.cumsum(axis=-1) - probabilities
    keep = np.empty(scores.shape, dtype=np.bool_)
    np.put_along_axis(keep, order, likelier <= mass, axis=-1)
    return keep
