"""The noise that a device computes is the noise of a seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.models.noise import gumbel_noise
from studio.models.torch_backend.device_noise import DeviceNoise, HostNoise, Noise, philox_bits

WORDS = st.integers(0, 2**63 - 1)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(key=WORDS, step=WORDS, codebook=st.integers(0, 63), count=st.integers(1, 40))
def test_bits_are_those_of_the_host(key: int, step: int, codebook: int, count: int) -> None:
    expected = np.random.Philox(key=key, counter=[0, 0, codebook, step]).random_raw(4 * count)
    bits = philox_bits(
        torch.tensor(key), torch.arange(1, count + 1), torch.tensor(codebook), torch.tensor(step)
    )
    np.testing.assert_array_equal(bits.numpy().view(np.uint64), expected)


@pytest.mark.parametrize("kind", ["device", "host"])
@pytest.mark.parametrize("vocabulary", [1, 30, 64])
def test_blocks_follow_each_other_through_the_steps(kind: str, vocabulary: int) -> None:
    block = torch.zeros(5, 3, 4, vocabulary)
    noise: Noise = HostNoise(block) if kind == "host" else DeviceNoise(block, lambda work: work)
    for seeds, begin in (([0, 7, 2**63 - 1], 29_998), ([5, 5, 6], 0)):
        noise.begin(seeds, begin)
        for first in (begin, begin + 5):
            noise.refill()
            expected = [
                [gumbel_noise(seed, first + step, 4, vocabulary) for seed in seeds]
                for step in range(5)
            ]
            # Logarithms may differ in their last bit, of 53.
            np.testing.assert_allclose(noise.block, np.array(expected), rtol=2e-7, atol=1e-9)
            assert noise.block is block
