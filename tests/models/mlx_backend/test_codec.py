"""EnCodec by mlx, held against EnCodec by torch with the same weights."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from studio.core.errors import InputError, ModelError
from studio.models.codec_config import EncodecConfig
from studio.models.mlx_backend import codec as codec_module
from studio.models.mlx_backend.codec import EncodecModel
from studio.models.mlx_backend.codec_channels import ChannelCodec
from studio.models.torch_backend.codec import EncodecModel as TorchModel
from tests.models.codec_reference import (
    assert_same_codes,
    build_codec,
    configs,
    noise,
    published_shape,
)

SEEDS = st.integers(0, 2**16)
PIECES = st.lists(st.integers(0, 9), min_size=1, max_size=6)


def _mirror(model: TorchModel) -> EncodecModel:
    mirror = EncodecModel(model.config)
    mirror.load_hf({name: mx.array(value.numpy()) for name, value in model.to_hf().items()})
    return mirror


def _codes(config: EncodecConfig, channels: int, frames: int, seed: int) -> NDArray[np.int64]:
    shape = (1, channels * config.codebooks, frames)
    return np.random.default_rng(seed).integers(0, config.codebook_size, shape)


@settings(deadline=None, max_examples=25)
@given(config=configs(), batch=st.integers(1, 3), frames=st.integers(0, 12), more=SEEDS, seed=SEEDS)
def test_a_codec_of_any_shape_codes_and_sounds_as_in_torch(
    config: EncodecConfig, batch: int, frames: int, more: int, seed: int
) -> None:
    model = build_codec(config, seed)
    mirror = ChannelCodec(_mirror(model), channels=1, codebooks=config.codebooks)
    audio = torch.from_numpy(noise(seed, batch, 1, frames * config.hop + 1 + more % config.hop))
    expected = model.encode(audio)
    assert_same_codes(torch.from_numpy(mirror.encode(audio.numpy())), expected, model, audio)
    sound = mirror.decode(expected.numpy())
    np.testing.assert_allclose(sound, model.decode(expected).numpy(), atol=1e-5, rtol=0.0)


@settings(deadline=None, max_examples=20)
@given(config=configs(), pieces=PIECES, channels=st.sampled_from([1, 2]), seed=SEEDS)
def test_audio_in_pieces_equals_the_whole_for_any_shape(
    config: EncodecConfig, pieces: list[int], channels: int, seed: int
) -> None:
    codec = ChannelCodec(
        _mirror(build_codec(config, seed)), channels=channels, codebooks=channels * config.codebooks
    )
    codes = _codes(config, channels, sum(pieces), seed)
    stream = codec.stream()
    ends = np.cumsum(pieces)[:-1]
    heard = [stream.push(part) for part in np.split(codes[0], ends, axis=1)]
    joined = np.concatenate([*heard, stream.finish()], axis=1)
    assert joined.shape == (channels, sum(pieces) * config.hop)
    np.testing.assert_allclose(joined, codec.decode(codes)[0], atol=1e-5, rtol=0.0)


def test_a_frame_sounds_four_frames_later() -> None:
    codec = ChannelCodec(_mirror(build_codec(published_shape(), 1)), channels=1, codebooks=4)
    assert codec.held_frames == 4
    stream = codec.stream()
    codes = _codes(published_shape(), 1, 7, seed=5)[0]
    lengths = [stream.push(codes[:, [t]]).shape[1] // 640 for t in range(7)]
    assert lengths == [0, 0, 0, 0, 1, 1, 1]


@settings(deadline=None, max_examples=12)
@given(config=configs(), frames=st.integers(1, 40), cut=SEEDS, seed=SEEDS)
def test_long_sounds_are_coded_block_by_block_without_a_trace(
    config: EncodecConfig, frames: int, cut: int, seed: int
) -> None:
    model = build_codec(config, seed)
    mirror = _mirror(model)
    audio = noise(seed, 2, frames * config.hop - cut % config.hop, 1)
    codes = mirror.encode(mx.array(audio))
    sound = mirror.decode(codes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec_module, "_BLOCK_NUMBERS", 0)
        patch.setattr(codec_module, "_SHORTEST_BLOCK_FRAMES", 1 + cut % 7)
        in_blocks = torch.from_numpy(np.array(mirror.encode(mx.array(audio))).astype(np.int64))
        sound_in_blocks = mirror.decode(codes)
    whole = torch.from_numpy(np.array(codes).astype(np.int64))
    assert_same_codes(in_blocks, whole, model, torch.from_numpy(audio[:, None, :, 0].copy()))
    np.testing.assert_allclose(np.array(sound_in_blocks), np.array(sound), atol=1e-5, rtol=0.0)


@pytest.mark.parametrize(
    ("channels", "codebooks", "cause"),
    [
        (3, 3, "audio_channels must be 1 or 2, not 3"),
        (2, 5, "5 codebooks cannot be shared by 2 channels"),
        (2, 10, "speaks 5 codebooks a channel, the codec has 4"),
    ],
)
def test_channels_that_do_not_fit_the_codec_are_refused(
    channels: int, codebooks: int, cause: str
) -> None:
    model = EncodecModel(published_shape())
    with pytest.raises(ModelError, match=cause):
        ChannelCodec(model, channels=channels, codebooks=codebooks)


def test_sound_and_codes_that_do_not_fit_are_refused() -> None:
    codec = ChannelCodec(_mirror(build_codec(published_shape(), 1)), channels=2, codebooks=8)
    for audio in (np.zeros((1, 1, 9)), np.zeros((1, 2, 0)), np.full((1, 2, 9), np.nan)):
        with pytest.raises(InputError, match=r"^The audio"):
            codec.encode(audio.astype(np.float32))
    for codes in (np.zeros((1, 4, 9), np.int64), np.full((1, 8, 9), 32), np.zeros((1, 8, 9))):
        with pytest.raises(InputError, match="code"):
            codec.decode(codes)
    assert codec.decode(np.zeros((3, 8, 0), np.int64)).shape == (3, 2, 0)
    assert codec.stream().finish().shape == (2, 0)


@pytest.mark.parametrize("old_names", [False, True])
def test_weight_norm_is_folded_in_either_spelling(old_names: bool) -> None:
    model = build_codec(published_shape(), 2)
    tensors = {name: mx.array(value.numpy()) for name, value in model.to_hf().items()}
    for name in list(tensors):
        if name.endswith("original1"):
            tensors[name] = tensors[name] * 3.0
        if old_names and "parametrizations.weight" in name:
            kind = "weight_g" if name.endswith("original0") else "weight_v"
            tensors[name.replace(name[name.index("parametrizations") :], kind)] = tensors.pop(name)
    mirror = EncodecModel(model.config)
    mirror.load_hf(tensors)
    codes = torch.randint(32, (1, 4, 9))
    sound = np.array(mirror.decode(mx.array(codes.numpy().astype(np.int32))))[..., 0]
    np.testing.assert_allclose(sound, model.decode(codes)[:, 0].numpy(), atol=1e-5, rtol=0.0)
