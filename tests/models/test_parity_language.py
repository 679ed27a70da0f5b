from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from studio.models.bundle import open_bundle
from studio.models.torch_backend.backend import TorchBackend
from studio.models.torch_backend.text import TextConfig
from studio.models.torch_backend.transformer import DecoderConfig, MusicLanguageModel
from tests.models.reference import CODEBOOKS, PROMPT, SHORT_PROMPT, VOCABULARY, Reference, under


@torch.inference_mode()
def _expected(reference: Reference, tokens: NDArray[np.int64], *texts: str) -> NDArray[np.float32]:
    batch, codebooks, steps = tokens.shape
    logits = reference.model(
        **reference.texts(*texts),
        decoder_input_ids=torch.from_numpy(tokens).reshape(batch * codebooks, steps),
    ).logits
    expected: NDArray[np.float32] = logits.view(batch, codebooks, steps, -1).numpy()
    return expected


def _language_model(reference: Reference) -> MusicLanguageModel:
    bundle = open_bundle(reference.folder)
    model = MusicLanguageModel(
        TextConfig.from_hf(bundle.config["text_encoder"]),
        DecoderConfig.from_hf(bundle.config["decoder"]),
    )
    model.load_hf(bundle.tensors())
    return model


@pytest.mark.parametrize("widths", ["reference", "equal_widths"])
def test_logits_of_texts_of_unequal_length(
    widths: str, tokens: NDArray[np.int64], request: pytest.FixtureRequest
) -> None:
    reference: Reference = request.getfixturevalue(widths)
    backend = TorchBackend(open_bundle(reference.folder))
    actual = backend.logits(tokens, under(PROMPT, SHORT_PROMPT))
    expected = _expected(reference, tokens, PROMPT, SHORT_PROMPT)
    assert np.abs(expected).max() > 1.0
    np.testing.assert_allclose(actual, expected, atol=1e-4, rtol=0.0)


@torch.inference_mode()
def test_no_text_is_the_null_condition(
    reference: Reference, backend: TorchBackend, tokens: NDArray[np.int64]
) -> None:
    zeros = torch.zeros(2, 3, 32)
    expected = reference.model.decoder(
        torch.from_numpy(tokens).reshape(2 * CODEBOOKS, -1), encoder_hidden_states=zeros
    ).logits.view(2, CODEBOOKS, 40, VOCABULARY)
    np.testing.assert_allclose(backend.logits(tokens, None), expected, atol=1e-4, rtol=0.0)


def test_a_row_without_text_does_not_change_its_neighbour(
    backend: TorchBackend, tokens: NDArray[np.int64]
) -> None:
    mixed = backend.logits(tokens, under("", PROMPT))
    np.testing.assert_allclose(mixed[:1], backend.logits(tokens[:1], None), atol=1e-5)
    np.testing.assert_allclose(mixed[1:], backend.logits(tokens[1:], under(PROMPT)), atol=1e-5)


def test_weights_written_back_are_those_that_were_read(reference: Reference) -> None:
    stored = load_file(reference.folder / "model.safetensors")
    written = _language_model(reference).to_hf()
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


def test_a_masked_out_text_is_the_null_condition(reference: Reference) -> None:
    model = _language_model(reference)
    grid = torch.arange(CODEBOOKS * 9).view(1, CODEBOOKS, 9) % VOCABULARY
    blank = torch.zeros(1, 5, dtype=torch.bool)
    with torch.inference_mode():
        under_blank = model(grid, torch.ones(1, 5, dtype=torch.long), blank)
        torch.testing.assert_close(under_blank, model.decoder(grid), atol=1e-6, rtol=0.0)


def test_shards_and_half_precision_load(
    reference: Reference, backend: TorchBackend, tokens: NDArray[np.int64], tmp_path: Path
) -> None:
    sharded = tmp_path / "sharded"
    reference.model.save_pretrained(sharded, max_shard_size="200KB")
    shutil.copy(reference.folder / "tokenizer.json", sharded)
    assert len(list(sharded.glob("*.safetensors"))) > 1
    whole = backend.logits(tokens, under(PROMPT, ""))
    loaded = TorchBackend(open_bundle(sharded)).logits(tokens, under(PROMPT, ""))
    np.testing.assert_array_equal(loaded, whole)

    for dtype, tolerance in ((torch.float16, 0.05), (torch.bfloat16, 0.4)):
        halved = tmp_path / str(dtype)
        shutil.copytree(reference.folder, halved)
        tensors = load_file(halved / "model.safetensors")
        save_file(
            {name: tensor.to(dtype) for name, tensor in tensors.items()},
            halved / "model.safetensors",
        )
        loaded = TorchBackend(open_bundle(halved)).logits(tokens, under(PROMPT, ""))
        assert loaded.dtype == np.float32
        np.testing.assert_allclose(loaded, whole, atol=tolerance)
