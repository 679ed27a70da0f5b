from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from studio.core.errors import InputError, ModelError
from studio.models.backend import CodecStream
from studio.models.torch_backend import codec as codec_module
from studio.models.torch_backend.codec import EncodecConfig, EncodecModel
from studio.models.torch_backend.codec_channels import ChannelCodec
from studio.models.torch_backend.codec_stream import NetworkStream
from tests.models.codec_reference import (
    assert_same_codes,
    build_codec,
    configs,
    noise,
    published_shape,
)

SEEDS = st.integers(0, 2**16)
PIECES = st.lists(st.integers(0, 9), min_size=1, max_size=7)


def _codes(model: EncodecModel, channels: int, frames: int, seed: int) -> NDArray[np.int64]:
    config = model.config
    shape = (channels * config.codebooks, frames)
    return np.random.default_rng(seed).integers(0, config.codebook_size, shape)


def _in_pieces(
    stream: CodecStream, codes: NDArray[np.int64], pieces: list[int]
) -> NDArray[np.float32]:
    ends = np.cumsum(pieces)[:-1]
    heard = [stream.push(part) for part in np.split(codes, ends, axis=1)]
    return np.concatenate([*heard, stream.finish()], axis=1)


def _stereo(model: EncodecModel) -> ChannelCodec:
    return ChannelCodec(model, channels=2, codebooks=2 * model.config.codebooks)


@pytest.fixture(scope="module")
def published() -> EncodecModel:
    return build_codec(published_shape(), seed=1)


@settings(deadline=None, max_examples=60)
@given(config=configs(), pieces=PIECES, channels=st.sampled_from([1, 2]), seed=SEEDS)
def test_audio_in_pieces_equals_the_whole_for_any_shape(
    config: EncodecConfig, pieces: list[int], channels: int, seed: int
) -> None:
    model = build_codec(config, seed)
    codec = ChannelCodec(model, channels=channels, codebooks=channels * config.codebooks)
    codes = _codes(model, channels, sum(pieces), seed)
    joined = _in_pieces(codec.stream(), codes, pieces)
    assert joined.shape == (channels, sum(pieces) * config.hop)
    np.testing.assert_allclose(joined, codec.decode(codes[None])[0], atol=1e-5, rtol=0.0)


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("residual_layers", [0, 1, 3])
def test_a_clip_shorter_than_the_surroundings_is_whole(frames: int, residual_layers: int) -> None:
    model = build_codec(published_shape(num_residual_layers=residual_layers), seed=3)
    codec = _stereo(model)
    codes = _codes(model, 2, frames, seed=4)
    whole = codec.decode(codes[None])[0]
    for pieces in ([frames], [1] * frames):
        joined = _in_pieces(codec.stream(), codes, pieces)
        np.testing.assert_allclose(joined, whole, atol=1e-5, rtol=0.0)


def test_a_frame_sounds_four_frames_later(published: EncodecModel) -> None:
    codec = ChannelCodec(published, channels=1, codebooks=4)
    codes = _codes(published, 1, 12, seed=5)
    stream = codec.stream()
    lengths = [stream.push(codes[:, [t]]).shape[1] // published.config.hop for t in range(12)]
    assert lengths == [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]
    assert stream.finish().shape[1] == 4 * published.config.hop
    assert codec.held_frames == 4


def test_holding_back_fewer_frames_would_change_what_was_heard(published: EncodecModel) -> None:
    codec = ChannelCodec(published, channels=1, codebooks=4)
    codes = _codes(published, 1, 24, seed=6)
    other = codes.copy()
    other[:, 15] = (codes[:, 15] + 7) % published.config.codebook_size
    difference = (codec.decode(codes[None]) - codec.decode(other[None]))[0, 0]
    first = int(np.flatnonzero(difference)[0])
    assert first // published.config.hop == 15 - codec.held_frames


def test_many_streams_do_not_disturb_each_other(published: EncodecModel) -> None:
    codec = _stereo(published)
    takes = [_codes(published, 2, 20 + take, seed=take) for take in range(5)]
    streams = [codec.stream() for _ in takes]
    heard: list[list[NDArray[np.float32]]] = [[] for _ in takes]
    for begin in range(0, 25, 3):
        for take, stream, pieces in zip(takes, streams, heard, strict=True):
            pieces.append(stream.push(take[:, begin : begin + 3]))
    for take, stream, pieces in zip(takes, streams, heard, strict=True):
        joined = np.concatenate([*pieces, stream.finish()], axis=1)
        np.testing.assert_allclose(joined, codec.decode(take[None])[0], atol=1e-5, rtol=0.0)


def test_a_stream_without_codes_is_silent_and_stays_finished(published: EncodecModel) -> None:
    stream = _stereo(published).stream()
    assert stream.push(np.zeros((8, 0), dtype=np.int64)).shape == (2, 0)
    assert stream.finish().shape == (2, 0)
    stream.push(_codes(published, 2, 2, seed=1))
    assert stream.finish().shape == (2, 2 * published.config.hop)
    assert stream.finish().shape == (2, 0)


@settings(deadline=None, max_examples=60)
@given(config=configs(), blocks=st.lists(st.integers(1, 9), max_size=6), rest=SEEDS, seed=SEEDS)
def test_latents_in_pieces_equal_the_whole_for_any_shape(
    config: EncodecConfig, blocks: list[int], rest: int, seed: int
) -> None:
    model = build_codec(config, seed)
    sizes = [block * config.hop for block in blocks] + [1 + rest % (3 * config.hop)]
    audio = torch.from_numpy(noise(seed, 2, 1, sum(sizes)))
    stream = NetworkStream(model.encoder)
    with torch.inference_mode():
        whole = model.latents(audio)
        pieces = [stream.push(part.unsqueeze(2)) for part in audio.split(sizes, dim=2)]
        joined = torch.cat([p for p in [*pieces, stream.finish()] if p is not None], dim=3)
    torch.testing.assert_close(joined[:, :, 0], whole, atol=1e-5, rtol=0.0)


@settings(deadline=None, max_examples=40)
@given(config=configs(), frames=st.integers(1, 60), cut=SEEDS, seed=SEEDS)
def test_long_sounds_are_coded_block_by_block_without_a_trace(
    config: EncodecConfig, frames: int, cut: int, seed: int
) -> None:
    model = build_codec(config, seed)
    length = frames * config.hop - cut % config.hop
    audio = torch.from_numpy(noise(seed, 2, 1, length))
    codes, whole = model.encode(audio), model.decode(model.encode(audio))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec_module, "_BLOCK_NUMBERS", 0)
        patch.setattr(codec_module, "_SHORTEST_BLOCK_FRAMES", 1 + cut % 7)
        assert_same_codes(model.encode(audio), codes, model, audio)
        torch.testing.assert_close(model.decode(codes), whole, atol=1e-5, rtol=0.0)


def test_the_widest_layer_never_sees_more_than_a_block(
    published: EncodecModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = 100
    widest = published.config.num_filters * published.config.hop
    monkeypatch.setattr(codec_module, "_BLOCK_NUMBERS", block * widest)
    lengths: list[int] = []

    def note(_layer: torch.nn.Module, inputs: tuple[torch.Tensor, ...], _out: object) -> None:
        lengths.append(inputs[0].shape[-1])

    frames = 3 * block + 50
    hooks = [
        network.layers[place].register_forward_hook(note)
        for network, place in ((published.encoder, 0), (published.decoder, -1))
    ]
    try:
        codes = published.encode(torch.from_numpy(noise(1, 1, 1, frames * published.config.hop)))
        published.decode(codes)
    finally:
        for hook in hooks:
            hook.remove()
    assert codes.shape == (1, 4, frames)
    assert max(lengths) <= (block + 8) * published.config.hop
    assert len(lengths) == 2 * 5


@pytest.mark.parametrize(
    ("channels", "codebooks", "cause"),
    [
        (3, 3, "audio_channels must be 1 or 2, not 3"),
        (2, 5, "5 codebooks cannot be shared by 2 channels"),
        (1, 0, "0 codebooks"),
        (1, 5, "speaks 5 codebooks a channel, the codec has 4"),
        (2, 10, "speaks 5 codebooks a channel, the codec has 4"),
    ],
)
def test_channels_that_do_not_fit_the_codec_are_refused(
    published: EncodecModel, channels: int, codebooks: int, cause: str
) -> None:
    with pytest.raises(ModelError, match=cause) as caught:
        ChannelCodec(published, channels=channels, codebooks=codebooks)
    assert "\n" not in caught.value.user_message


@pytest.mark.parametrize(
    "audio",
    [
        np.zeros((1, 1, 100), np.float32),
        np.zeros((1, 2, 0), np.float32),
        np.zeros((2, 100), np.float32),
        np.full((1, 2, 100), np.nan, np.float32),
        np.full((1, 2, 100), -np.inf, np.float32),
    ],
)
def test_audio_that_cannot_be_coded_is_refused(
    published: EncodecModel, audio: NDArray[np.float32]
) -> None:
    with pytest.raises(InputError, match=r"^The audio"):
        _stereo(published).encode(audio)


@pytest.mark.parametrize(
    "codes",
    [
        np.zeros((1, 4, 9), np.int64),
        np.zeros((8, 9), np.int64),
        np.zeros((1, 8, 9), np.float32),
        np.full((1, 8, 9), 32),
        np.full((1, 8, 9), -1),
    ],
)
def test_codes_that_do_not_exist_are_refused(
    published: EncodecModel, codes: NDArray[np.int64]
) -> None:
    codec = _stereo(published)
    with pytest.raises(InputError, match=r"code"):
        codec.decode(codes)
    with pytest.raises(InputError, match=r"code"):
        codec.stream().push(codes[0])


def test_no_codes_make_no_audio(published: EncodecModel) -> None:
    assert _stereo(published).decode(np.zeros((3, 8, 0), np.int64)).shape == (3, 2, 0)
