from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.models.asked import MAX_SEED
from studio.models.backend import Sampling
from studio.models.native_backend.kernels.picking import gumbel, philox_block, pick
from studio.models.noise import gumbel_noise
from studio.models.sampling import guide, pick_codes


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    vocabulary=st.integers(2, 300),
    takes=st.integers(1, 3),
    top_k=st.integers(0, 320),
    temperature=st.sampled_from([0.01, 0.8, 1.0, 40.0]),
    guidance=st.sampled_from([1.0, 3.0]),
    seed=st.integers(0, MAX_SEED - 2),
    step=st.integers(0, 10_000),
    coarse=st.booleans(),
)
def test_it_picks_what_the_reference_picks(
    vocabulary: int, takes: int, top_k: int, temperature: float, guidance: float,
    seed: int, step: int, coarse: bool,
) -> None:  # fmt: skip
    random = np.random.default_rng(vocabulary)
    logits = 3 * random.standard_normal((2 * takes, 4, vocabulary), dtype=np.float32)
    if coarse:  # many equal ones, and both zeros
        logits = np.round(logits)
    sampling = Sampling(top_k=top_k, temperature=temperature, guidance=guidance)
    seeds = [seed + take for take in range(takes)]
    wanted, avoided = logits[:takes], logits[takes:]
    rows = np.stack([np.arange(takes), np.arange(takes) + takes], axis=1)
    if guidance == 1.0:
        rows[:, 1] = -1
        guided = wanted
    else:
        guided = guide(wanted, avoided, guidance)
    codes = np.empty((takes, 4), dtype=np.int64)
    pick(
        logits, rows, np.float32(guidance), np.float32(temperature), top_k,
        np.array(seeds, dtype=np.uint64), step, codes,
    )  # fmt: skip
    np.testing.assert_array_equal(codes, pick_codes(guided, sampling, seeds=seeds, step=step))


@pytest.mark.parametrize("seed", [0, 1, 2**63 - 1])
def test_its_noise_is_the_noise(seed: int) -> None:
    expected = gumbel_noise(seed, 700, 3, 10)
    for book in range(3):
        for code in range(10):
            block = philox_block(
                np.uint64(seed), np.uint64(code // 4 + 1), np.uint64(book), np.uint64(700)
            )
            noise = gumbel(np.uint64(block[code % 4]))
            np.testing.assert_allclose(noise, expected[book, code], rtol=1e-6)
