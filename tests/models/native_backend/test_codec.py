"""EnCodec on the processor, held against the one of transformers with the same weights."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from studio.core.errors import ModelError
from studio.models.codec_channels import ChannelCodec
from studio.models.codec_config import EncodecConfig
from studio.models.native_backend import codec_layers, codec_weights
from studio.models.native_backend import codec_stream as codec_stream_module
from studio.models.native_backend.codec import NativeCodec
from studio.models.torch_backend.codec import EncodecModel
from tests.models.codec_reference import (
    as_transformers,
    assert_same_codes,
    build_codec,
    configs,
    noise,
    published_shape,
)

SEEDS = st.integers(0, 2**16)
PIECES = st.lists(st.integers(0, 9), min_size=1, max_size=7)

CONV = "decoder.layers.0.conv"
GAIN = CONV + ".parametrizations.weight.original0"
DIRECTION = CONV + ".parametrizations.weight.original1"
BOOK = "quantizer.layers.2.codebook.embed"
LSTM = "decoder.layers.1.lstm.weight_hh_l1"

Tensors = dict[str, NDArray[np.float32]]


def tensors_of(model: EncodecModel) -> Tensors:
    return {name: value.numpy() for name, value in model.to_hf().items()}


def native(model: EncodecModel, threads: int = 1) -> NativeCodec:
    return NativeCodec.load(tensors_of(model), model.config, threads=threads)


def random_codes(config: EncodecConfig, batch: int, frames: int, seed: int) -> NDArray[np.int64]:
    shape = (batch, config.codebooks, frames)
    return np.random.default_rng(seed).integers(0, config.codebook_size, shape)


@pytest.fixture(scope="module")
def published() -> NativeCodec:
    return native(build_codec(published_shape(), seed=1))


@settings(deadline=None, max_examples=40)
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
    codec = native(model)
    audio = noise(seed, batch, 1, frames * config.hop + 1 + more % config.hop)
    with torch.inference_mode():
        expected = oracle.encode(torch.from_numpy(audio)).audio_codes[0]
        sound = oracle.decode(expected[None], [None]).audio_values[:, 0]
    codes = torch.from_numpy(codec.encode(audio[:, 0]))
    assert_same_codes(codes, expected, model, torch.from_numpy(audio))
    np.testing.assert_allclose(codec.decode(expected.numpy()), sound.numpy(), atol=1e-5, rtol=0.0)


@settings(deadline=None, max_examples=20)
@given(
    config=configs(),
    pieces=PIECES,
    batch=st.integers(1, 3),
    threads=st.sampled_from([1, 2]),
    seed=SEEDS,
)
def test_sound_in_pieces_has_the_bits_of_the_whole_for_any_shape(
    config: EncodecConfig, pieces: list[int], batch: int, threads: int, seed: int
) -> None:
    codec = native(build_codec(config, seed), threads)
    codes = random_codes(config, batch, sum(pieces), seed)
    stream = codec.stream(batch)
    heard = [stream.push(part) for part in np.split(codes, np.cumsum(pieces)[:-1], axis=2)]
    joined = np.concatenate([*heard, stream.finish()], axis=1)
    np.testing.assert_array_equal(joined, codec.decode(codes))


@settings(deadline=None, max_examples=20)
@given(config=configs(), frames=st.integers(1, 40), cut=SEEDS, seed=SEEDS)
def test_long_sounds_are_coded_block_by_block_without_a_trace(
    config: EncodecConfig, frames: int, cut: int, seed: int
) -> None:
    model = build_codec(config, seed)
    audio = noise(seed, 2, frames * config.hop - cut % config.hop)
    codec = native(model)
    codes = codec.encode(audio)
    whole = codec.decode(codes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec_stream_module, "BLOCK_FRAMES", 1 + cut % 7)
        patch.setattr(codec_layers, "FEWEST_SLOTS", 1)
        patch.setattr(codec_layers, "_TILE_BYTES", 0)
        in_blocks = native(model, 2)
        np.testing.assert_array_equal(in_blocks.encode(audio), codes)
        np.testing.assert_array_equal(in_blocks.decode(codes), whole)


def test_a_sound_has_the_same_bits_in_any_company(published: NativeCodec) -> None:
    codes = random_codes(published.config, 11, 23, seed=5)
    together = published.decode(codes)
    alone = np.concatenate([published.decode(each[None]) for each in codes])
    np.testing.assert_array_equal(together, alone)
    audio = noise(3, 10, 640 * 9 + 5)
    latents = published.latents(audio)
    np.testing.assert_array_equal(latents[7], published.latents(audio[7:8])[0])


def test_two_threads_give_the_bits_of_one() -> None:
    model = build_codec(published_shape(num_filters=16, use_conv_shortcut=True), seed=2)
    one, two = native(model, 1), native(model, 2)
    codes = random_codes(model.config, 3, 70, seed=5)
    np.testing.assert_array_equal(two.decode(codes), one.decode(codes))
    audio = noise(4, 2, 640 * 40 + 77)
    np.testing.assert_array_equal(two.latents(audio), one.latents(audio))


def test_long_sums_have_the_same_bits_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build_codec(published_shape(), seed=2)
    whole, codes = native(model), random_codes(model.config, 1, 30, seed=5)
    audio = noise(4, 1, 640 * 20)
    monkeypatch.setattr(codec_weights, "_LONGEST_STRETCH", 16)
    parts = native(model)
    np.testing.assert_array_equal(parts.decode(codes), whole.decode(codes))
    np.testing.assert_array_equal(parts.latents(audio), whole.latents(audio))


def test_rounded_recurrent_weights_are_not_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build_codec(published_shape(num_filters=8), seed=6)
    codes = random_codes(model.config, 2, 60, seed=7)
    exact = native(model).decode(codes)
    monkeypatch.setattr(codec_weights, "LEVELS_BYTES", 0)
    rounded = native(model).decode(codes)
    assert not np.array_equal(rounded, exact)
    np.testing.assert_allclose(rounded, exact, atol=1e-5, rtol=0.0)
    stream = native(model, 2).stream(2)
    heard = [stream.push(codes[:, :, t : t + 1]) for t in range(60)]
    np.testing.assert_array_equal(np.concatenate([*heard, stream.finish()], axis=1), rounded)


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("residual_layers", [0, 1, 3])
def test_a_sound_shorter_than_the_surroundings_is_as_in_torch(
    frames: int, residual_layers: int
) -> None:
    model = build_codec(published_shape(num_residual_layers=residual_layers), seed=3)
    codes = random_codes(model.config, 2, frames, seed=4)
    expected = model.decode(torch.from_numpy(codes))[:, 0].numpy()
    np.testing.assert_allclose(native(model).decode(codes), expected, atol=1e-5, rtol=0.0)


def test_nothing_is_computed_twice(published: NativeCodec) -> None:
    stream = published.stream(1)
    codes = random_codes(published.config, 1, 40, seed=4)
    for t in range(40):
        stream.push(codes[:, :, t : t + 1])
    stream.finish()
    network = stream.network
    slots = [1]
    for layer in network.layers[:-1]:
        slots.append(slots[-1] * int(layer["spread"]))
    more = [int(layer["shift"] > 0) for layer in network.layers[:-1]]
    expected = [40 * count + one for count, one in zip(slots, more, strict=False)]
    assert network.computed.tolist() == expected


def test_memory_does_not_grow_with_the_sound(published: NativeCodec) -> None:
    def most(frames: int) -> int:
        stream = published.stream(1)
        codes = random_codes(published.config, 1, 50, seed=4)
        tracemalloc.start()
        for _ in range(frames // 50):
            stream.push(codes)
        stream.finish()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert most(1500) < 1.1 * most(300)


def test_a_frame_sounds_four_frames_later(published: NativeCodec) -> None:
    stream = published.stream(1)
    codes = random_codes(published.config, 1, 12, seed=5)
    heard = np.cumsum([stream.push(codes[:, :, t : t + 1]).shape[1] for t in range(12)])
    whole = (np.arange(12) - 3) * published.config.hop
    assert (heard >= whole).all()
    assert (heard < np.maximum(whole, 0) + published.config.hop).all()


def test_what_was_heard_never_depends_on_what_follows(published: NativeCodec) -> None:
    codes = random_codes(published.config, 1, 24, seed=6)
    other = codes.copy()
    other[:, :, 15:] = (codes[:, :, 15:] + 7) % published.config.codebook_size
    heard = published.stream(1).push(codes[:, :, :15])
    np.testing.assert_array_equal(published.decode(other)[:, : heard.shape[1]], heard)


def test_fewer_codebooks_are_the_first_ones(published: NativeCodec) -> None:
    model = build_codec(published_shape(), seed=1)
    codes = random_codes(model.config, 1, 9, seed=1)[:, :2]
    expected = model.decode(torch.from_numpy(codes))[:, 0].numpy()
    np.testing.assert_allclose(published.decode(codes), expected, atol=1e-5, rtol=0.0)


def test_of_equal_codes_the_first_is_taken(published: NativeCodec) -> None:
    tensors = tensors_of(build_codec(published_shape(), seed=1))
    for k in range(4):
        book = tensors[f"quantizer.layers.{k}.codebook.embed"]
        book[16:] = book[:16]
    codec = NativeCodec.load(tensors, published_shape())
    assert codec.encode(noise(2, 3, 640 * 20)).max() < 16


def test_a_stereo_sound_is_two_mono_ones(published: NativeCodec) -> None:
    stereo = ChannelCodec(published, channels=2, codebooks=8)
    audio = noise(7, 3, 2, 640 * 6 + 11)
    codes = stereo.encode(audio)
    np.testing.assert_array_equal(codes[:, ::2], published.encode(audio[:, 0]))
    np.testing.assert_array_equal(codes[:, 1::2], published.encode(audio[:, 1]))
    sound = stereo.decode(codes)
    np.testing.assert_array_equal(sound[:, 1], published.decode(codes[:, 1::2]))
    stream = stereo.stream()
    joined = np.concatenate([stream.push(codes[1]), stream.finish()], axis=1)
    np.testing.assert_array_equal(joined, sound[1])


def test_the_encoder_is_read_when_it_is_needed() -> None:
    tensors = tensors_of(build_codec(published_shape(), seed=1))
    asked: list[str] = []

    class Noted(dict[str, NDArray[np.float32]]):
        def __getitem__(self, name: str) -> NDArray[np.float32]:
            asked.append(name)
            return super().__getitem__(name)

    codec = NativeCodec.load(Noted(tensors), published_shape())
    assert not any(name.startswith("encoder.") for name in asked)
    codec.encode(noise(1, 1, 640))
    assert any(name.startswith("encoder.") for name in asked)


def _older_names(tensors: Tensors) -> Tensors:
    return {
        name.replace(".parametrizations.weight.original0", ".weight_g").replace(
            ".parametrizations.weight.original1", ".weight_v"
        ): value
        for name, value in tensors.items()
    }


def _plain(tensors: Tensors) -> Tensors:
    return {
        name.replace(".parametrizations.weight.original1", ".weight"): value
        for name, value in tensors.items()
        if ".original0" not in name
    }


def _longer(tensors: Tensors) -> Tensors:
    return {n: v * np.float32(3.0 if n.endswith("original1") else 1.0) for n, v in tensors.items()}


@pytest.mark.parametrize("spelling", [_older_names, _plain, _longer])
def test_every_way_of_writing_the_weights_sounds_the_same(
    published: NativeCodec, spelling: Any
) -> None:
    tensors = spelling(tensors_of(build_codec(published_shape(), seed=1)))
    codes = random_codes(published.config, 1, 9, seed=1)
    sound = NativeCodec.load(tensors, published_shape()).decode(codes)
    np.testing.assert_allclose(sound, published.decode(codes), atol=1e-5, rtol=0.0)


@pytest.mark.parametrize(
    ("spoil", "cause"),
    [
        (lambda t: t.pop(BOOK), f"the tensor {BOOK} is missing"),
        (lambda t: t.pop(GAIN), f"the tensor {GAIN} is missing"),
        (lambda t: t.pop(DIRECTION), f"the tensor {CONV}.weight is missing"),
        (lambda t: t.pop(LSTM), f"the tensor {LSTM} is missing"),
        (lambda t: t.update({BOOK: np.zeros((32, 9))}), "[32, 9], expected [32, 8]"),
        (lambda t: t.update({GAIN: np.ones((1, 1, 1))}), "[1, 1, 1], expected [64, 1, 1]"),
        (lambda t: t.update({LSTM: np.zeros(0)}), "[0], expected [256, 64]"),
        (lambda t: t[BOOK].fill(np.nan), f"{BOOK} holds NaN or infinity"),
        (lambda t: t[GAIN].fill(np.inf), f"{GAIN} holds NaN or infinity"),
        (
            lambda t: (t[DIRECTION].__imul__(np.float32(1e-30)), t[GAIN].fill(1e38)),
            f"{DIRECTION} is too small for its gain",
        ),
    ],
)
def test_a_tensor_that_does_not_fit_is_named_in_one_line(spoil: Any, cause: str) -> None:
    tensors = tensors_of(build_codec(published_shape(), seed=8))
    spoil(tensors)
    with pytest.raises(ModelError) as caught:
        NativeCodec.load(tensors, published_shape())
    assert cause in caught.value.user_message
    assert "\n" not in caught.value.user_message
