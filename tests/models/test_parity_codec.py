from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from studio.models.torch_backend.backend import TorchBackend
from tests.models.reference import CODEBOOKS, VOCABULARY, Reference

HOP = 640


def _audio(frames: int) -> NDArray[np.float32]:
    noise = np.random.default_rng(5).normal(0.0, 0.3, (2, 1, frames))
    return noise.astype(np.float32)


@torch.inference_mode()
def test_codes_equal_those_of_transformers(reference: Reference, backend: TorchBackend) -> None:
    for frames in (HOP * 30, HOP * 17 + 123):
        audio = _audio(frames)
        encoded = reference.model.audio_encoder.encode(torch.from_numpy(audio)).audio_codes
        codes = backend.encode(audio)
        assert len(np.unique(codes)) > VOCABULARY // 2
        np.testing.assert_array_equal(codes, encoded[0].numpy())


@torch.inference_mode()
def test_audio_equals_that_of_transformers(reference: Reference, backend: TorchBackend) -> None:
    codes = np.random.default_rng(2).integers(0, VOCABULARY, (2, CODEBOOKS, 37))
    expected = reference.model.audio_encoder.decode(torch.from_numpy(codes)[None], [None])
    audio = backend.decode(codes)
    assert audio.shape == (2, 1, 37 * HOP)
    np.testing.assert_allclose(audio, expected.audio_values.numpy(), atol=1e-5, rtol=0.0)


@settings(deadline=None, max_examples=12)
@given(pieces=st.lists(st.integers(0, 23), min_size=1, max_size=7))
def test_audio_in_pieces_equals_the_whole(backend: TorchBackend, pieces: list[int]) -> None:
    codes = np.random.default_rng(3).integers(0, VOCABULARY, (1, CODEBOOKS, sum(pieces)))
    stream = backend.decoder_stream()
    ends = np.cumsum(pieces)
    heard = [stream.push(part) for part in np.split(codes[0], ends[:-1], axis=1)]
    joined = np.concatenate([*heard, stream.finish()], axis=1)
    np.testing.assert_allclose(joined, backend.decode(codes)[0], atol=1e-5, rtol=0.0)
