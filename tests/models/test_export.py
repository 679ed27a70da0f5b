"""Exports in Hugging Face's layout, opened by transformers and by us."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from studio.core.errors import StorageError
from studio.models.adapters import AdapterUse, adapted, open_adapter
from studio.models.bundle import open_bundle
from studio.models.model_card import ModelCard
from studio.models.selection import load_backend
from studio.models.torch_backend.export import export_huggingface
from tests.models.adapter_writer import random_factors, write_adapter
from tests.models.reference import Reference

CARD = ModelCard(about="A test.", licence="MIT").text("it")


def test_a_model_without_words_is_exported_so_that_transformers_opens_it(
    oracle: Callable[[str], Reference], tmp_path: Path
) -> None:
    from transformers import MusicgenForConditionalGeneration

    reference = oracle("unconditional")
    export_huggingface(open_bundle(reference.folder), tmp_path / "export", card=CARD)
    model, loading = MusicgenForConditionalGeneration.from_pretrained(
        tmp_path / "export", output_loading_info=True, dtype=torch.float32
    )
    assert not loading["missing_keys"]
    assert not loading["unexpected_keys"]
    tokens = np.random.default_rng(0).integers(0, 16, (1, 4, 12))
    nothing = model.get_unconditional_inputs(1)
    with torch.inference_mode():
        theirs = model.eval()(
            encoder_outputs=nothing.encoder_outputs,
            attention_mask=nothing.attention_mask,
            decoder_input_ids=torch.from_numpy(tokens[0]),
        ).logits
    ours = load_backend(tmp_path / "export", backend="torch").logits(tokens, None)
    assert np.array_equal(
        ours, load_backend(reference.folder, backend="torch").logits(tokens, None)
    )
    assert np.abs(ours[0] - theirs.numpy()).max() < 1e-4
    assert "Of the weights: MIT." in (tmp_path / "export" / "README.md").read_text()


@pytest.mark.parametrize("kind", ["mono", "stereo", "melody"])
def test_a_model_is_exported_as_it_is_stored(
    kind: str, oracle: Callable[[str], Reference], tmp_path: Path
) -> None:
    bundle = open_bundle(oracle(kind).folder)
    export_huggingface(bundle, tmp_path / "export")
    before, after = (
        load_file(folder / "model.safetensors") for folder in (bundle.folder, tmp_path / "export")
    )
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    back = open_bundle(tmp_path / "export")
    assert back.config == bundle.config
    assert back.generation == bundle.generation
    assert (back.tokenizer_file is None) is (bundle.tokenizer_file is None)


def test_an_adapter_is_exported_with_the_model(
    oracle: Callable[[str], Reference], tmp_path: Path
) -> None:
    bundle = open_bundle(oracle("mono").folder)
    folder = write_adapter(tmp_path / "dusty", random_factors(bundle))
    export_huggingface(adapted(bundle, [(open_adapter(folder), 0.5)]), tmp_path / "export")
    tokens = np.random.default_rng(0).integers(0, 16, (1, 4, 12))
    use = AdapterUse(folder=folder, strength=0.5)
    changed = load_backend(bundle.folder, backend="torch", adapters=[use]).logits(tokens, None)
    exported = load_backend(tmp_path / "export", backend="torch").logits(tokens, None)
    assert np.array_equal(changed, exported)


def test_a_folder_of_another_kind_stays(oracle: Callable[[str], Reference], tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text(json.dumps({"my": "settings"}))
    (tmp_path / "mine" / "song.wav").write_bytes(b"RIFF")
    with pytest.raises(StorageError, match=r"song\.wav is in it"):
        export_huggingface(open_bundle(oracle("mono").folder), tmp_path / "mine")
    assert (tmp_path / "mine" / "song.wav").exists()
