from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from studio.core.errors import InputError
from studio.models.backend import Sampling
from studio.models.sampling import guide, pick_codes

DRAWS = 3000
# Of one codebook of six codes.
PROBABILITIES = np.array([0.05, 0.4, 0.1, 0.25, 0.15, 0.05])


def _shares(sampling: Sampling) -> NDArray[np.float64]:
    """How often each code is drawn."""
    logits = np.log(PROBABILITIES).astype(np.float32)[None, None]
    codes = [int(pick_codes(logits, sampling, seeds=[5], step=n)[0, 0]) for n in range(DRAWS)]
    return np.bincount(codes, minlength=6) / DRAWS


def test_greedy_takes_the_likeliest_code_whatever_the_seed() -> None:
    logits = np.random.default_rng(0).normal(size=(2, 4, 9)).astype(np.float32)
    picked = pick_codes(logits, Sampling(top_k=1), seeds=[1, 2], step=0)
    np.testing.assert_array_equal(picked, logits.argmax(-1))


def test_without_filters_codes_are_drawn_by_their_probability() -> None:
    np.testing.assert_allclose(_shares(Sampling(top_k=0)), PROBABILITIES, atol=0.03)


def test_top_k_leaves_the_likeliest() -> None:
    expected = np.array([0.0, 0.4, 0.0, 0.25, 0.15, 0.0]) / 0.8
    np.testing.assert_allclose(_shares(Sampling(top_k=3)), expected, atol=0.03)


def test_top_p_overrides_top_k() -> None:
    expected = np.array([0.0, 0.4, 0.0, 0.25, 0.0, 0.0]) / 0.65
    np.testing.assert_allclose(_shares(Sampling(top_k=1, top_p=0.6)), expected, atol=0.03)


def test_temperature_flattens_or_sharpens() -> None:
    squared = PROBABILITIES**2 / (PROBABILITIES**2).sum()
    sharp = Sampling(top_k=0, temperature=0.5)
    np.testing.assert_allclose(_shares(sharp), squared, atol=0.03)


def test_a_take_draws_the_same_alone_and_among_others() -> None:
    logits = np.random.default_rng(0).normal(size=(3, 4, 60)).astype(np.float32)
    together = pick_codes(logits, Sampling(), seeds=[4, 5, 6], step=8)
    alone = pick_codes(logits[1:2], Sampling(), seeds=[5], step=8)
    np.testing.assert_array_equal(together[1:2], alone)


def test_guidance_moves_beyond_the_prompt() -> None:
    prompt, null = np.array([1.0, 0.0], np.float32), np.array([0.5, 0.5], np.float32)
    np.testing.assert_allclose(guide(prompt, null, 1.0), prompt)
    np.testing.assert_allclose(guide(prompt, null, 3.0), [2.0, -1.0])


@pytest.mark.parametrize(
    "values",
    [
        {"top_k": -1},
        {"top_p": 1.5},
        {"top_p": float("nan")},
        {"temperature": 0.0},
        {"temperature": float("nan")},
        {"guidance": -1.0},
        {"guidance": float("inf")},
    ],
)
def test_senseless_settings_are_refused_by_name(values: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(values))):
        Sampling(**values)
