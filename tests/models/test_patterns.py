from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from studio.models.patterns import delay, undelay


def test_each_codebook_trails_the_one_before_it() -> None:
    codes = np.array([[[1, 2, 3], [4, 5, 6]]])
    expected = [[[9, 1, 2, 3, 9], [9, 9, 4, 5, 6]]]
    assert delay(codes, filler=9).tolist() == expected


@given(
    batch=st.integers(1, 3), codebooks=st.integers(1, 8), frames=st.integers(0, 20), seed=st.just(4)
)
def test_undelay_takes_the_delay_back(batch: int, codebooks: int, frames: int, seed: int) -> None:
    codes = np.random.default_rng(seed).integers(0, 50, (batch, codebooks, frames))
    grid = delay(codes, filler=50)
    assert grid.shape == (batch, codebooks, frames + codebooks)
    assert (grid == 50).sum() == batch * codebooks * codebooks
    assert (grid[:, :, 0] == 50).all()
    np.testing.assert_array_equal(undelay(grid), codes)
