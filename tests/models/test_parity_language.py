from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from studio.models.backend import Condition, Sampling
from studio.models.bundle import open_bundle
from studio.models.language_config import PITCH_CLASSES, DecoderConfig, TextConfig
from studio.models.native_backend.backend import NativeBackend
from studio.models.torch_backend.transformer import MusicLanguageModel
from tests.models.reference import (
    CHROMA_FRAMES,
    CODEBOOKS,
    PROMPT,
    SHORT_PROMPT,
    VOCABULARY,
    Reference,
    Shape,
    build_model,
    save_model,
    under,
)

Oracle = Callable[[str], Reference]
Ours = Callable[[str], NativeBackend]


def _language_model(reference: Reference) -> MusicLanguageModel:
    bundle = open_bundle(reference.folder)
    melody = bundle.has_melody
    model = MusicLanguageModel(
        TextConfig.from_hf(bundle.config["text_encoder"]),
        DecoderConfig.from_hf(bundle.config["decoder"], cross_attention=not melody),
        chroma_bins=PITCH_CLASSES if melody else 0,
    )
    model.load_hf(bundle.tensors())
    return model


@st.composite
def _shapes(draw: st.DrawFn) -> Shape:
    heads = draw(st.sampled_from([1, 2, 3]))
    return Shape(
        kind=draw(st.sampled_from(["text", "melody", "unconditional"])),
        channels=draw(st.sampled_from([1, 2])),
        codebooks=draw(st.integers(1, 5)),
        vocabulary=draw(st.sampled_from([4, 8, 64])),
        dim=heads * draw(st.sampled_from([4, 12, 20, 64])),
        heads=heads,
        layers=draw(st.integers(1, 4)),
        ffn_dim=draw(st.integers(1, 90)),
        text_width=draw(st.sampled_from([6, 12, 40])),
        text_layers=draw(st.integers(1, 3)),
        text_heads=draw(st.integers(1, 4)),
    )


@settings(max_examples=20, deadline=None, derandomize=True)
@given(shape=_shapes(), steps=st.integers(1, 40), melody_frames=st.integers(1, 2 * CHROMA_FRAMES))
def test_logits_of_models_of_any_shape(shape: Shape, steps: int, melody_frames: int) -> None:
    random = np.random.default_rng(steps)
    codebooks = shape.codebooks * shape.channels
    tokens = random.integers(0, shape.vocabulary + 1, (2, codebooks, steps))
    conditions = [Condition(), Condition()]
    if shape.kind == "text":
        conditions = under(PROMPT, SHORT_PROMPT)
    if shape.kind == "melody":
        melodies = random.integers(0, PITCH_CLASSES, (2, melody_frames), dtype=np.int8)
        conditions = [Condition(text="dub hat", melody=melody) for melody in melodies]
    with TemporaryDirectory() as folder:
        reference = save_model(build_model(shape), Path(folder))
        expected = reference.logits(tokens, conditions)
        codes, _ = reference.greedy(conditions, frames=9, guidance=2.0)
        backend = NativeBackend(open_bundle(reference.folder), "float32")
    assert (backend.info.codebooks, backend.info.channels) == (codebooks, shape.channels)
    actual = backend.logits(tokens, conditions)
    np.testing.assert_allclose(actual, expected, atol=1e-4, rtol=0.0)
    greedy = Sampling(top_k=1, guidance=2.0)
    made = backend.steps(conditions, frames=9, seeds=[0, 0], sampling=greedy, closed=True)
    np.testing.assert_array_equal(np.stack(list(made), axis=-1), codes)


@pytest.mark.parametrize("name", ["mono", "equal widths"])
def test_logits_of_texts_of_unequal_length(
    name: str, oracle: Oracle, ours: Ours, tokens: NDArray[np.int64]
) -> None:
    conditions = under(PROMPT, SHORT_PROMPT)
    expected = oracle(name).logits(tokens, conditions)
    assert np.abs(expected).max() > 1.0
    actual = ours(name).logits(tokens, conditions)
    np.testing.assert_allclose(actual, expected, atol=1e-4, rtol=0.0)


@torch.inference_mode()
def test_no_text_is_the_null_condition(
    reference: Reference, backend: NativeBackend, tokens: NDArray[np.int64]
) -> None:
    zeros = torch.zeros(2, 3, 32)
    expected = reference.model.decoder(
        torch.from_numpy(tokens).reshape(2 * CODEBOOKS, -1), encoder_hidden_states=zeros
    ).logits.view(2, CODEBOOKS, 40, VOCABULARY)
    np.testing.assert_allclose(backend.logits(tokens, None), expected, atol=1e-4, rtol=0.0)


@pytest.mark.parametrize("frames", [1, CHROMA_FRAMES - 3, CHROMA_FRAMES, 3 * CHROMA_FRAMES])
def test_a_melody_is_repeated_or_cut_as_in_transformers(
    oracle: Oracle, ours: Ours, tokens: NDArray[np.int64], frames: int
) -> None:
    melody = np.random.default_rng(2).integers(0, PITCH_CLASSES, frames, dtype=np.int8)
    conditions = [Condition(text=PROMPT, melody=melody)]
    expected = oracle("melody").logits(tokens[:1], conditions)
    actual = ours("melody").logits(tokens[:1], conditions)
    np.testing.assert_allclose(actual, expected, atol=1e-4, rtol=0.0)
    without = ours("melody").logits(tokens[:1], under(PROMPT))
    assert np.abs(without - expected).max() > 0.01


@pytest.mark.parametrize("text", [PROMPT, ""])
def test_no_melody_is_the_first_pitch_class_all_along(
    oracle: Oracle, ours: Ours, tokens: NDArray[np.int64], text: str
) -> None:
    actual = ours("melody").logits(tokens[:1], under(text))
    expected = oracle("melody").logits(tokens[:1], under(text))
    np.testing.assert_allclose(actual, expected, atol=1e-4, rtol=0.0)
    spelt_out = Condition(text=text, melody=np.zeros(CHROMA_FRAMES, np.int8))
    np.testing.assert_array_equal(ours("melody").logits(tokens[:1], [spelt_out]), actual)


def test_a_row_does_not_change_its_neighbour(
    backend: NativeBackend, tokens: NDArray[np.int64]
) -> None:
    mixed = backend.logits(tokens, under("", PROMPT))
    np.testing.assert_array_equal(mixed[:1], backend.logits(tokens[:1], None))
    np.testing.assert_array_equal(mixed[1:], backend.logits(tokens[1:], under(PROMPT)))


@pytest.mark.parametrize("name", ["mono", "stereo", "stereo melody"])
def test_weights_written_back_are_those_that_were_read(oracle: Oracle, name: str) -> None:
    stored = load_file(oracle(name).folder / "model.safetensors")
    written = _language_model(oracle(name)).to_hf()
    assert written.keys() == {name for name in stored if not name.startswith("audio_encoder.")}
    assert all(torch.equal(written[name], stored[name]) for name in written)


def test_training_reaches_every_weight_under_autocast(reference: Reference) -> None:
    model = _language_model(reference)
    texts = reference.texts(PROMPT, SHORT_PROMPT)
    mask = texts["attention_mask"].bool()
    grid = torch.arange(CODEBOOKS * 20).view(1, CODEBOOKS, 20).expand(2, -1, -1) % VOCABULARY
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(grid, texts["input_ids"], mask)
    logits.float().logsumexp(-1).mean().backward()
    unreached = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert logits.shape == (2, 20, CODEBOOKS, VOCABULARY)
    assert unreached == []


def test_padding_does_not_change_what_a_text_says_in_training(reference: Reference) -> None:
    model = _language_model(reference)
    grid = torch.arange(CODEBOOKS * 9).view(1, CODEBOOKS, 9) % VOCABULARY
    texts = reference.texts(SHORT_PROMPT, PROMPT)
    ids, mask = texts["input_ids"], texts["attention_mask"].bool()
    shown = int(mask[0].sum())
    with torch.inference_mode():
        padded = model(grid, ids[:1], mask[:1])
        alone = model(grid, ids[:1, :shown], mask[:1, :shown])
    torch.testing.assert_close(padded, alone, atol=1e-5, rtol=0.0)


def test_a_masked_out_text_is_the_null_condition(reference: Reference) -> None:
    model = _language_model(reference)
    grid = torch.arange(CODEBOOKS * 9).view(1, CODEBOOKS, 9) % VOCABULARY
    blank = torch.zeros(1, 5, dtype=torch.bool)
    with torch.inference_mode():
        under_blank = model(grid, torch.ones(1, 5, dtype=torch.long), blank)
        torch.testing.assert_close(under_blank, model.decoder(grid), atol=1e-6, rtol=0.0)


def test_layers_that_attend_to_a_text_are_left_out_where_there_is_none(
    oracle: Oracle, ours: Ours, tokens: NDArray[np.int64], tmp_path: Path
) -> None:
    shutil.copytree(oracle("unconditional").folder, tmp_path, dirs_exist_ok=True)
    tensors = load_file(tmp_path / "model.safetensors")
    whole = oracle("unconditional").model.state_dict()
    tensors |= {f"decoder.{name}": value.contiguous() for name, value in whole.items()}
    assert any("encoder_attn" in name for name in tensors)
    save_file(tensors, tmp_path / "model.safetensors")
    loaded = NativeBackend(open_bundle(tmp_path), "float32")
    backend = ours("unconditional")
    assert loaded.info.parameters == backend.info.parameters
    np.testing.assert_array_equal(loaded.logits(tokens, None), backend.logits(tokens, None))


def test_shards_and_half_precision_load(
    reference: Reference, backend: NativeBackend, tokens: NDArray[np.int64], tmp_path: Path
) -> None:
    sharded = tmp_path / "sharded"
    reference.model.save_pretrained(sharded, max_shard_size="200KB")
    shutil.copy(reference.folder / "tokenizer.json", sharded)
    assert len(list(sharded.glob("*.safetensors"))) > 1
    whole = backend.logits(tokens, under(PROMPT, ""))
    loaded = NativeBackend(open_bundle(sharded), "float32").logits(tokens, under(PROMPT, ""))
    np.testing.assert_array_equal(loaded, whole)

    for dtype, tolerance in ((torch.float16, 0.05), (torch.bfloat16, 0.4)):
        halved = tmp_path / str(dtype)
        shutil.copytree(reference.folder, halved)
        tensors = load_file(halved / "model.safetensors")
        save_file(
            {name: tensor.to(dtype) for name, tensor in tensors.items()},
            halved / "model.safetensors",
        )
        loaded = NativeBackend(open_bundle(halved), "float32").logits(tokens, under(PROMPT, ""))
        assert loaded.dtype == np.float32
        np.testing.assert_allclose(loaded, whole, atol=tolerance)
