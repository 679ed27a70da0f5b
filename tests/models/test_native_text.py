from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from studio.core.errors import ModelError
from studio.models.backend import Condition
from studio.models.bundle import open_bundle
from studio.models.conditioning import Conditioner
from studio.models.language_config import PITCH_CLASSES, DecoderConfig, TextConfig
from studio.models.native_backend import text_weights as module
from studio.models.native_backend.store import PackedStore
from studio.models.native_backend.text import NativeLanguage
from studio.models.native_backend.weights import FloatTensors
from studio.models.shapes import Shapes
from studio.models.tokenizer import TextTokenizer
from studio.models.torch_backend.transformer import MusicLanguageModel
from tests.models.reference import (
    CHROMA_FRAMES,
    PROMPT,
    SHORT_PROMPT,
    Reference,
    Shape,
    build_model,
    save_model,
)

Tensors = dict[str, NDArray[np.float32]]
MATRICES = ("qkv", "out", "inner", "outer")


def language_of(folder: Path, precision: str = "float32") -> NativeLanguage:
    bundle = open_bundle(folder)
    shapes = Shapes.of(bundle)
    assert shapes.text is not None
    bins = 0 if shapes.melody is None else PITCH_CLASSES
    tensors = FloatTensors(bundle)
    return NativeLanguage.read(tensors, shapes.text, shapes.decoder, precision, chroma_bins=bins)


def by_torch(folder: Path) -> MusicLanguageModel:
    bundle = open_bundle(folder)
    shapes = Shapes.of(bundle)
    assert shapes.text is not None
    bins = 0 if shapes.melody is None else PITCH_CLASSES
    model = MusicLanguageModel(shapes.text, shapes.decoder, chroma_bins=bins)
    model.load_hf(bundle.tensors())
    return model


def random_oracle(**sizes: int) -> Any:
    from transformers import T5Config, T5EncoderModel

    torch.manual_seed(sum(sizes.values()))
    wanted = {"vocab_size": 20, "d_model": 48, "d_kv": 8, "num_heads": 3, "d_ff": 60} | sizes
    return T5EncoderModel(T5Config(**wanted)).eval()


def tensors_of(oracle: Any) -> Tensors:
    return {f"text_encoder.{name}": value.numpy() for name, value in oracle.state_dict().items()}


def encoder_of(
    oracle: Any, tensors: Tensors | None = None, precision: str = "float32"
) -> NativeLanguage:
    """The oracle's encoder before a decoder of the same width."""
    text = TextConfig.from_hf(oracle.config.to_dict())
    decoder = DecoderConfig(codebooks=4, vocabulary=32, dim=text.dim, layers=1, heads=1, ffn_dim=64)
    return NativeLanguage.read(tensors or tensors_of(oracle), text, decoder, precision)


def types_of(language: NativeLanguage, *parts: str) -> set[str]:
    """Types of the arrays whose names end so."""
    return {array.dtype.name for name, array in language.arrays.items() if name.endswith(parts)}


@torch.inference_mode()
def expected_from(oracle: Any, ids: NDArray[np.int64]) -> NDArray[np.float32]:
    encoded: NDArray[np.float32] = oracle(torch.from_numpy(ids)[None]).last_hidden_state[0].numpy()
    return encoded


def whole(ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    return ids[None], np.ones((1, len(ids)), dtype=np.bool_)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    # With fewer, a norm may divide by next to nothing: then float32 itself is 3e-5 from float64.
    dim=st.sampled_from([12, 16, 50, 130]),
    head_dim=st.sampled_from([1, 8, 24, 64, 70]),
    heads=st.integers(1, 4),
    layers=st.integers(1, 4),
    ffn_dim=st.integers(1, 90),
    buckets=st.sampled_from([8, 20, 32]),
    distance=st.sampled_from([20, 128]),
    length=st.integers(1, 200),
)
def test_encoders_of_any_shape(
    dim: int,
    head_dim: int,
    heads: int,
    layers: int,
    ffn_dim: int,
    buckets: int,
    distance: int,
    length: int,
) -> None:
    oracle = random_oracle(
        d_model=dim,
        d_kv=head_dim,
        num_heads=heads,
        num_layers=layers,
        d_ff=ffn_dim,
        relative_attention_num_buckets=buckets,
        relative_attention_max_distance=distance,
    )
    ids = np.random.default_rng(length).integers(0, 20, length)
    found = encoder_of(oracle).read_text(*whole(ids))
    np.testing.assert_allclose(found, expected_from(oracle, ids), atol=1e-5, rtol=0.0)


def test_padded_texts_are_read_as_in_transformers(reference: Reference) -> None:
    language = language_of(reference.folder)
    ids = np.random.default_rng(0).integers(0, 40, (2, 150))
    mask = np.ones((2, 150), dtype=np.bool_)
    mask[1, 9:] = False
    with torch.inference_mode():
        encoded = reference.model.text_encoder(
            input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask).long()
        ).last_hidden_state
        if language.text.dim != language.width:
            encoded = reference.model.enc_to_dec_proj(encoded)
    expected = encoded.numpy() * mask[..., None]
    for row in range(2):
        found = language.read_text(ids[row : row + 1], mask[row : row + 1])
        np.testing.assert_allclose(found, expected[row], atol=1e-5, rtol=0.0)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(length=st.integers(1, 150), before=st.integers(0, 70), after=st.integers(0, 70))
def test_padding_on_either_side_changes_no_bit(
    tiny: NativeLanguage, length: int, before: int, after: int
) -> None:
    ids = np.random.default_rng(length).integers(0, 20, length)
    alone = tiny.read_text(*whole(ids))
    padded = np.pad(ids, (before, after), constant_values=7)[None]
    mask = np.pad(np.ones((1, length), dtype=np.bool_), ((0, 0), (before, after)))
    found = tiny.read_text(padded, mask)
    np.testing.assert_array_equal(found[before : before + length], alone)
    assert not found[:before].any()
    assert not found[before + length :].any()


def test_a_hole_in_a_text_keeps_the_distance_of_its_sides(reference: Reference) -> None:
    language, peer = language_of(reference.folder), by_torch(reference.folder)
    ids = np.arange(3, 33)[None]
    mask = np.ones((1, 30), dtype=np.bool_)
    mask[0, 4:21] = False
    expected = peer.read_text(ids, mask).numpy()
    np.testing.assert_allclose(language.read_text(ids, mask), expected, atol=1e-5, rtol=0.0)


def test_a_text_of_padding_alone_is_zeros(tiny: NativeLanguage) -> None:
    found = tiny.read_text(np.zeros((1, 5), dtype=np.int64), np.zeros((1, 5), dtype=np.bool_))
    np.testing.assert_array_equal(found, np.zeros((5, tiny.width)))


def test_a_text_is_read_the_same_whatever_was_read_before(tiny: NativeLanguage) -> None:
    random = np.random.default_rng(1)
    texts = [random.integers(0, 20, length) for length in (70, 3, 130, 1)]
    first = [tiny.read_text(*whole(ids)) for ids in texts]
    for ids, expected in zip(reversed(texts), reversed(first), strict=True):
        np.testing.assert_array_equal(tiny.read_text(*whole(ids)), expected)


@pytest.mark.parametrize("kind", ["mono", "equal widths", "melody"])
def test_conditions_reach_the_decoder_as_torch_reads_them(kind: str, tmp_path: Path) -> None:
    shapes = {
        "mono": Shape(),
        "equal widths": Shape(text_width=32),
        "melody": Shape(kind="melody"),
    }
    folder = save_model(build_model(shapes[kind]), tmp_path).folder
    bundle = open_bundle(folder)
    sizes = Shapes.of(bundle)
    assert bundle.tokenizer_file is not None
    tokenizer = TextTokenizer(bundle.tokenizer_file, vocabulary=40)
    melody = np.array([3, 0, 11, 5], dtype=np.int8) if kind == "melody" else None
    conditions = [Condition(text=PROMPT, negative=SHORT_PROMPT, melody=melody), Condition()]

    def streams(language: Any) -> Any:
        reader = Conditioner("tiny", language, tokenizer=tokenizer, melody=sizes.melody)
        return reader.streams(conditions, guidance=3.0)

    ours, theirs = streams(language_of(folder)), streams(by_torch(folder))
    assert [len(take) for take in ours] == [len(take) for take in theirs]
    for mine, other in zip(sum(ours, ()), sum(theirs, ()), strict=True):
        for name in ("text", "prefix"):
            found, expected = getattr(mine, name), getattr(other, name)
            assert (found is None) == (expected is None)
            if found is not None:
                assert found.dtype == np.float32
                np.testing.assert_allclose(found, expected.numpy(), atol=1e-5, rtol=0.0)


def test_a_melody_as_wide_as_the_decoder_is_shown_as_it_is(tmp_path: Path) -> None:
    model = build_model(Shape(kind="melody", dim=12, heads=2))
    language = language_of(save_model(model, tmp_path).folder)
    prefix = language.read_prefix(np.array([2, 2, 7]), None, 4)
    np.testing.assert_array_equal(prefix[:3], np.eye(12)[[2, 2, 7]])
    assert prefix.shape == (7, 12)
    assert not prefix[3:].any()


def test_melody_then_text_then_zeros(tmp_path: Path) -> None:
    folder = save_model(build_model(Shape(kind="melody")), tmp_path).folder
    language, peer = language_of(folder), by_torch(folder)
    classes = np.resize(np.array([4, 9, 0]), CHROMA_FRAMES)
    ids = np.array([5, 6, 1])
    text = language.read_text(*whole(ids))
    found = language.read_prefix(classes, text, 6)
    expected = peer.read_prefix(classes, peer.read_text(*whole(ids)), 6).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0.0)
    np.testing.assert_array_equal(found[CHROMA_FRAMES : CHROMA_FRAMES + 3], text)
    assert not found[CHROMA_FRAMES + 3 :].any()


def test_a_checkpoint_in_float16_is_kept_so_and_loses_nothing() -> None:
    oracle = random_oracle(num_layers=2)
    halves = {name: value.astype(np.float16) for name, value in tensors_of(oracle).items()}
    stored = {name: value.astype(np.float32) for name, value in halves.items()}
    language = encoder_of(oracle, stored)
    assert types_of(language, "embedding") == {"float16"}
    assert types_of(language, *MATRICES) == {"int16"}
    oracle.load_state_dict(
        {n: torch.from_numpy(stored[f"text_encoder.{n}"]) for n in oracle.state_dict()}
    )
    ids = np.arange(20)
    found = language.read_text(*whole(ids))
    np.testing.assert_allclose(found, expected_from(oracle, ids), atol=1e-5, rtol=0.0)


def test_large_encoders_are_narrowed_where_the_decoder_is_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    oracle = random_oracle(num_layers=2)

    def kinds(precision: str) -> set[str]:
        return types_of(encoder_of(oracle, precision=precision), "embedding", *MATRICES)

    assert kinds("int8") == {"float32"}
    monkeypatch.setattr(module, "SMALL_PARAMETERS", 1000)
    assert kinds("int8") == kinds("int4") == kinds("bfloat16") == {"float16", "int16"}
    assert kinds("float32") == {"float32"}


def test_narrowed_weights_change_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SMALL_PARAMETERS", 1000)
    oracle = random_oracle(num_layers=3)
    ids = np.arange(20)
    found = encoder_of(oracle, precision="int8").read_text(*whole(ids))
    expected = expected_from(oracle, ids)
    error = np.linalg.norm(found - expected) / np.linalg.norm(expected)
    assert 0 < error < 1e-3


def test_a_weight_beyond_float16_keeps_its_layer_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SMALL_PARAMETERS", 1000)
    oracle = random_oracle(num_layers=2)
    with torch.no_grad():
        oracle.encoder.block[1].layer[1].DenseReluDense.wi.weight[3, 2] = -7e4
    language = encoder_of(oracle, precision="int8")
    assert types_of(language, *(f"0.{part}" for part in MATRICES)) == {"int16"}
    assert types_of(language, *(f"1.{part}" for part in MATRICES)) == {"float32"}
    ids = np.arange(20)
    expected = expected_from(oracle, ids)
    error = np.linalg.norm(language.read_text(*whole(ids)) - expected)
    assert error < 1e-2 * np.linalg.norm(expected)


def test_packed_weights_read_back_from_disk_read_the_same(
    tiny: NativeLanguage, tmp_path: Path
) -> None:
    store = PackedStore(tmp_path / "packed")
    store.save("tiny", tiny.arrays, source=tmp_path)
    arrays = store.load("tiny")
    assert arrays is not None
    again = NativeLanguage(text=tiny.text, width=tiny.width, arrays=arrays)
    ids = np.arange(3, 12)
    np.testing.assert_array_equal(again.read_text(*whole(ids)), tiny.read_text(*whole(ids)))


def test_the_tied_name_of_the_embedding_is_read_too() -> None:
    oracle = random_oracle(num_layers=1)
    tensors = tensors_of(oracle)
    table = tensors.pop("text_encoder.shared.weight")
    tensors["text_encoder.encoder.embed_tokens.weight"] = table
    np.testing.assert_array_equal(encoder_of(oracle, tensors).arrays["embedding"], table)


def _drop(tensors: Tensors, name: str) -> None:
    del tensors[name]


def _misshape(tensors: Tensors, name: str) -> None:
    tensors[name] = np.zeros((3, 3), dtype=np.float32)


def _spoil(tensors: Tensors, name: str) -> None:
    tensors[name] = tensors[name].copy()
    tensors[name].flat[-1] = np.nan


@pytest.mark.parametrize(
    ("fault", "cause"),
    [(_drop, "is missing"), (_misshape, "has the shape"), (_spoil, "holds NaN")],
)
def test_every_tensor_is_checked(fault: Callable[[Tensors, str], None], cause: str) -> None:
    oracle = random_oracle(num_layers=2)
    complete = tensors_of(oracle)
    del complete["text_encoder.encoder.embed_tokens.weight"]
    for name in complete:
        tensors = dict(complete)
        fault(tensors, name)
        with pytest.raises(ModelError, match=cause) as caught:
            encoder_of(oracle, tensors)
        assert "\n" not in caught.value.user_message


@pytest.mark.parametrize("name", ["enc_to_dec_proj.bias", "audio_enc_to_dec_proj.weight"])
def test_projections_are_checked(name: str, tmp_path: Path) -> None:
    folder = save_model(build_model(Shape(kind="melody")), tmp_path).folder
    bundle = open_bundle(folder)
    shapes = Shapes.of(bundle)
    assert shapes.text is not None
    tensors = dict(FloatTensors(bundle))
    tensors[name] = tensors[name] + np.float32(np.inf)
    with pytest.raises(ModelError, match=f"{name} holds NaN or infinity"):
        NativeLanguage.read(tensors, shapes.text, shapes.decoder, "float32", chroma_bins=12)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> NativeLanguage:
    return language_of(save_model(build_model(), tmp_path_factory.mktemp("tiny")).folder)
