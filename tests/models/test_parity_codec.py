from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from studio.models.native_backend.backend import NativeBackend
from studio.models.torch_backend.codec import EncodecConfig, nearest_code
from studio.models.torch_backend.codec_channels import ChannelCodec
from tests.models.codec_reference import (
    as_transformers,
    assert_same_codes,
    build_codec,
    configs,
    noise,
    published_shape,
)
from tests.models.reference import CODEBOOKS, VOCABULARY, Reference

HOP = 640
SEEDS = st.integers(0, 2**16)


def _audio(frames: int) -> NDArray[np.float32]:
    return noise(5, 2, 1, frames)


@torch.inference_mode()
def test_codes_equal_those_of_transformers(reference: Reference, backend: NativeBackend) -> None:
    for frames in (HOP * 30, HOP * 17 + 123):
        audio = _audio(frames)
        encoded = reference.model.audio_encoder.encode(torch.from_numpy(audio)).audio_codes
        codes = backend.encode(audio)
        assert len(np.unique(codes)) > VOCABULARY // 2
        np.testing.assert_array_equal(codes, encoded[0].numpy())


@torch.inference_mode()
def test_audio_equals_that_of_transformers(reference: Reference, backend: NativeBackend) -> None:
    codes = np.random.default_rng(2).integers(0, VOCABULARY, (2, CODEBOOKS, 37))
    expected = reference.model.audio_encoder.decode(torch.from_numpy(codes)[None], [None])
    audio = backend.decode(codes)
    assert audio.shape == (2, 1, 37 * HOP)
    np.testing.assert_allclose(audio, expected.audio_values.numpy(), atol=1e-5, rtol=0.0)


@settings(deadline=None, max_examples=12)
@given(pieces=st.lists(st.integers(0, 23), min_size=1, max_size=7))
def test_audio_in_pieces_equals_the_whole(backend: NativeBackend, pieces: list[int]) -> None:
    codes = np.random.default_rng(3).integers(0, VOCABULARY, (1, CODEBOOKS, sum(pieces)))
    stream = backend.decoder_stream()
    ends = np.cumsum(pieces)
    heard = [stream.push(part) for part in np.split(codes[0], ends[:-1], axis=1)]
    joined = np.concatenate([*heard, stream.finish()], axis=1)
    np.testing.assert_allclose(joined, backend.decode(codes)[0], atol=1e-5, rtol=0.0)


@settings(deadline=None, max_examples=60)
@given(
    config=configs(),
    batch=st.sampled_from([1, 2, 5]),
    frames=st.integers(0, 20),
    more=SEEDS,
    seed=SEEDS,
)
def test_a_codec_of_any_shape_codes_and_sounds_as_in_transformers(
    config: EncodecConfig, batch: int, frames: int, more: int, seed: int
) -> None:
    model = build_codec(config, seed)
    oracle = as_transformers(model)
    codec = ChannelCodec(model, channels=1, codebooks=config.codebooks)
    samples = frames * config.hop + 1 + more % config.hop
    audio = torch.from_numpy(noise(seed, batch, 1, samples))
    with torch.inference_mode():
        expected = oracle.encode(audio).audio_codes[0]
        sound = oracle.decode(expected[None], [None]).audio_values
    assert_same_codes(torch.from_numpy(codec.encode(audio.numpy())), expected, model, audio)
    np.testing.assert_allclose(codec.decode(expected.numpy()), sound.numpy(), atol=1e-5, rtol=0.0)


@settings(deadline=None, max_examples=50)
@given(
    vectors=st.integers(1, 30),
    codes=st.integers(1, 40),
    dimension=st.integers(1, 6),
    seed=SEEDS,
)
def test_of_equally_near_codes_the_one_of_transformers_is_taken(
    vectors: int, codes: int, dimension: int, seed: int
) -> None:
    from transformers.models.encodec.modeling_encodec import EncodecEuclideanCodebook

    torch.manual_seed(seed)
    # On a coarse grid many codes lie equally near, and some are the same.
    book = torch.randint(-2, 3, (codes, dimension)) / 10
    points = torch.randint(-4, 5, (vectors, dimension)) / 20
    oracle = EncodecEuclideanCodebook(_Sizes(codes, dimension))
    oracle.embed.copy_(book)
    assert nearest_code(points, book).tolist() == oracle.quantize(points).tolist()


class _Sizes:
    def __init__(self, codes: int, dimension: int) -> None:
        self.codebook_size = codes
        self.codebook_dim = dimension


@pytest.fixture(scope="module")
def stereo() -> tuple[Any, ChannelCodec]:
    """The stereo model of transformers, and our codec with its weights."""
    from transformers import (
        MusicgenConfig,
        MusicgenDecoderConfig,
        MusicgenForConditionalGeneration,
        T5Config,
    )

    mono = build_codec(published_shape(), seed=2)
    codes = mono.config.codebook_size
    config = MusicgenConfig(
        text_encoder=T5Config(
            vocab_size=20, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2
        ).to_dict(),
        audio_encoder=mono.config.to_hf(),
        decoder=MusicgenDecoderConfig(
            vocab_size=codes,
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            ffn_dim=16,
            num_codebooks=8,
            audio_channels=2,
            pad_token_id=codes,
            bos_token_id=codes,
        ).to_dict(),
    )
    torch.manual_seed(3)
    model = MusicgenForConditionalGeneration(config).eval()
    model.audio_encoder.load_state_dict(as_transformers(mono).state_dict())
    for settings_of in (model.generation_config, model.decoder.generation_config):
        settings_of.pad_token_id = codes
        settings_of.decoder_start_token_id = codes
    return model, ChannelCodec(mono, channels=2, codebooks=8)


@torch.inference_mode()
def test_stereo_codes_lie_as_in_transformers(stereo: tuple[Any, ChannelCodec]) -> None:
    model, codec = stereo
    for samples in (HOP * 12, HOP * 9 + 77):
        audio = noise(samples, 3, 2, samples)
        prompt = model._prepare_audio_encoder_kwargs_for_generation(torch.from_numpy(audio), {})
        expected = prompt["decoder_input_ids"].reshape(3, 8, -1).numpy()
        codes = codec.encode(audio)
        assert not np.array_equal(codes[:, ::2], codes[:, 1::2])
        np.testing.assert_array_equal(codes, expected)


@torch.inference_mode()
def test_stereo_codes_sound_as_in_transformers(
    stereo: tuple[Any, ChannelCodec], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, codec = stereo
    grids: list[torch.Tensor] = []
    apply = model.decoder.apply_delay_pattern_mask

    def note(*given: Any) -> torch.Tensor:
        grids.append(apply(*given))
        return grids[-1]

    monkeypatch.setattr(model.decoder, "apply_delay_pattern_mask", note)
    sound = model.generate(
        input_ids=torch.tensor([[3, 4, 5], [7, 8, 9]]),
        attention_mask=torch.ones(2, 3, dtype=torch.long),
        max_new_tokens=15,
        do_sample=True,
        guidance_scale=1.0,
    )
    grid = grids[-1]
    codes = grid[grid != model.generation_config.pad_token_id].reshape(2, 8, -1).numpy()
    assert sound.shape == (2, 2, codes.shape[2] * HOP)
    assert not torch.equal(sound[:, 0], sound[:, 1])
    np.testing.assert_allclose(codec.decode(codes), sound.numpy(), atol=1e-5, rtol=0.0)


def test_a_model_of_fewer_codebooks_uses_the_first_ones() -> None:
    model = build_codec(published_shape(), seed=4)
    audio = noise(1, 2, 1, HOP * 9)
    fewer = ChannelCodec(model, channels=1, codebooks=2)
    every = ChannelCodec(model, channels=1, codebooks=4).encode(audio)
    np.testing.assert_array_equal(fewer.encode(audio), every[:, :2])
    assert fewer.decode(every[:, :2]).shape == audio.shape
