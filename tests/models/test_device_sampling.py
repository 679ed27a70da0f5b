"""A device draws the codes that the host would draw from the same logits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.models.backend import Sampling
from studio.models.noise import gumbel_noise
from studio.models.sampling import guide, pick_codes
from studio.models.torch_backend.device_sampling import DeviceSampler, Rule

CODEBOOKS = 3
SAMPLINGS = st.one_of(
    st.builds(Sampling, top_k=st.sampled_from([0, 1, 2, 17, 63, 64, 250])),
    st.builds(
        Sampling,
        top_k=st.sampled_from([0, 1, 9]),
        top_p=st.floats(0.01, 1.0),
        temperature=st.floats(0.2, 3.0),
        guidance=st.floats(0.0, 9.0),
    ),
)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(sampling=SAMPLINGS, takes=st.integers(1, 4), random=st.integers(0, 999), ties=st.booleans())
def test_codes_are_those_of_the_host(
    sampling: Sampling, takes: int, random: int, ties: bool
) -> None:
    """The second of three takes has nothing to be led away from."""
    numbers = np.random.default_rng(random)
    logits = numbers.normal(size=(2 * takes, CODEBOOKS, 64)).astype(np.float32) * 3
    if ties:
        logits = logits.round()
    decisive = numbers.permutation(2 * takes)[:takes]
    avoided = np.where(np.arange(takes) % 3 == 1, decisive, (decisive + 1) % (2 * takes))
    seeds = [int(seed) for seed in numbers.integers(0, 2**62, takes)]
    expected = pick_codes(
        guide(logits[decisive], logits[avoided], sampling.guidance),
        sampling,
        seeds=seeds,
        step=random,
    )
    rule = Rule.of(sampling, guided=True, vocabulary=64)
    sampler = DeviceSampler(rule, takes, torch.device("cpu"))
    sampler.begin(sampling, torch.from_numpy(decisive), torch.from_numpy(avoided))
    noise = np.stack([gumbel_noise(seed, random, CODEBOOKS, 64) for seed in seeds])
    drawn = None if rule.greedy else torch.from_numpy(noise)
    picked = sampler.pick(torch.from_numpy(logits), drawn)
    np.testing.assert_array_equal(picked, expected)


def test_takes_of_one_rule_differ_in_numbers_only() -> None:
    def rule(**values: float) -> Rule:
        return Rule.of(Sampling(**values), guided=True, vocabulary=64)

    assert rule(temperature=0.5, guidance=2.0, top_k=9) == rule(top_k=9)
    assert rule(top_p=0.5) == rule(top_p=0.7, top_k=9)
    assert rule(top_k=0) == rule(top_k=64) == rule(top_k=500)
    assert len({rule(top_k=9), rule(top_k=8), rule(top_k=0), rule(top_k=1), rule(top_p=0.5)}) == 5


@pytest.mark.parametrize("guided", [True, False])
def test_without_a_second_stream_the_first_decides(guided: bool) -> None:
    sampling = Sampling(top_k=1, guidance=7.0)
    sampler = DeviceSampler(Rule.of(sampling, guided=guided, vocabulary=8), 2, torch.device("cpu"))
    rows = torch.tensor([1, 0])
    sampler.begin(sampling, rows, rows)
    logits = torch.randn(2, 1, 8, generator=torch.Generator().manual_seed(0))
    np.testing.assert_array_equal(sampler.pick(logits, None), logits.argmax(-1).flip(0))
