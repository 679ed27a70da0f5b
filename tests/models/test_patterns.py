from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from studio.models.patterns import codebook_delays, delay, undelay


def test_each_codebook_trails_the_one_before_it() -> None:
    codes = np.array([[[1, 2, 3], [4, 5, 6]]])
    expected = [[[9, 1, 2, 3, 9], [9, 9, 4, 5, 6]]]
    assert delay(codes, filler=9).tolist() == expected


def test_both_channels_of_a_codebook_stand_side_by_side() -> None:
    assert codebook_delays(8, 2) == (0, 0, 1, 1, 2, 2, 3, 3)
    assert codebook_delays(4, 1) == (0, 1, 2, 3)
    codes = np.array([[[1, 2], [3, 4], [5, 6], [7, 8]]])
    grid = delay(codes, 9, codebook_delays(4, 2))
    assert grid.tolist() == [[[9, 1, 2, 9], [9, 3, 4, 9], [9, 9, 5, 6], [9, 9, 7, 8]]]


@pytest.mark.parametrize(("codebooks", "channels"), [(4, 1), (8, 2), (2, 2), (6, 2), (1, 1)])
def test_the_grid_is_that_of_transformers(codebooks: int, channels: int) -> None:
    from transformers import MusicgenDecoderConfig, MusicgenForCausalLM

    sizes = {"hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1, "ffn_dim": 4}
    config = MusicgenDecoderConfig(
        vocab_size=50, num_codebooks=codebooks, audio_channels=channels, **sizes
    )
    model = MusicgenForCausalLM(config)
    codes = np.random.default_rng(codebooks).integers(0, 50, (2, codebooks, 12))
    delays = codebook_delays(codebooks, channels)
    start = np.full((2, codebooks, 1), 50)
    _, expected = model.build_delay_pattern_mask(
        torch.from_numpy(np.concatenate([start, codes], axis=2)).flatten(0, 1),
        pad_token_id=50,
        max_length=12 + max(delays) + 1,
    )
    actual = delay(codes, 50, delays)
    np.testing.assert_array_equal(actual.reshape(2 * codebooks, -1), expected)


@given(
    batch=st.integers(1, 3),
    ranks=st.integers(1, 5),
    channels=st.integers(1, 2),
    frames=st.integers(0, 20),
)
def test_undelay_takes_the_delay_back(batch: int, ranks: int, channels: int, frames: int) -> None:
    codebooks = ranks * channels
    codes = np.random.default_rng(4).integers(0, 50, (batch, codebooks, frames))
    delays = codebook_delays(codebooks, channels)
    grid = delay(codes, 50, delays)
    assert grid.shape == (batch, codebooks, frames + ranks)
    assert (grid == 50).sum() == batch * codebooks * ranks
    assert (grid[:, :, 0] == 50).all()
    np.testing.assert_array_equal(undelay(grid, delays), codes)
