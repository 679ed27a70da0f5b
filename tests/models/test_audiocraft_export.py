"""Exports in audiocraft's form, read back by our reader of it, and held against its naming."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from studio.core.errors import ModelError, StorageError
from studio.models.adapters import adapted, open_adapter
from studio.models.audiocraft import export as form
from studio.models.backend import Condition, Sampling
from studio.models.bundle import Bundle, open_bundle
from studio.models.model_card import ModelCard
from studio.models.selection import load_backend
from studio.models.torch_backend.audiocraft.convert import convert_audiocraft
from studio.models.torch_backend.audiocraft.export import export_audiocraft
from tests.models.adapter_writer import random_factors, write_adapter
from tests.models.audiocraft_writer import (
    TEXT_WIDTH,
    codec_state,
    language_state,
    tiny_model,
    write_audiocraft,
    write_published,
)

Find = Callable[[str], Path]
KINDS: dict[str, dict[str, Any]] = {
    "text": {"kind": "text"},
    "stereo": {"kind": "text", "channels": 2},
    "melody": {"kind": "melody"},
    "unconditional": {"kind": "unconditional"},
    "odd sizes": {
        "kind": "unconditional",
        "ffn": 48,
        "codec": {
            "num_residual_layers": 2,
            "use_conv_shortcut": True,
            "upsampling_ratios": [4, 2],
            "target_bandwidths": [4 * 4_000 * 4 / 1000],
            "pad_mode": "constant",
            "num_lstm_layers": 1,
        },
    },
}


@pytest.fixture(autouse=True)
def _published_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny text encoder counts as the published t5-base."""
    monkeypatch.setattr(form, "_PUBLISHED_TEXT", {(TEXT_WIDTH, 2, 3, 8, 24, 16): "t5-base"})


@pytest.fixture(scope="module", params=KINDS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A kind of model: as transformers has it, as a bundle, and what finds its published parts."""
    folder = tmp_path_factory.mktemp(request.param.replace(" ", "-"))
    wanted = KINDS[request.param]
    model = tiny_model(**wanted)
    find = write_published(folder / "published", model)
    theirs = write_audiocraft(folder / "theirs", model, wanted["kind"])
    convert_audiocraft(theirs, folder / "bundle", find=find)
    return model, wanted["kind"], open_bundle(folder / "bundle"), find


def _back(folder: Path, target: Path, find: Find) -> Bundle:
    convert_audiocraft(folder, target, find=find)
    return open_bundle(target)


def _states(folder: Path) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    language, codec = (
        torch.load(folder / name, weights_only=True)["best_state"]
        for name in ("state_dict.bin", "compression_state_dict.bin")
    )
    return language, codec


def test_the_export_reads_back_to_the_same_tensors_and_configuration(
    made: Any, tmp_path: Path
) -> None:
    _, _, bundle, find = made
    export_audiocraft(bundle, tmp_path / "export")
    back = _back(tmp_path / "export", tmp_path / "back", find)
    before, after = (load_file(each.folder / "model.safetensors") for each in (bundle, back))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert {**bundle.config} == {**back.config}
    assert {**bundle.generation} == {**back.generation}


def test_tensors_carry_the_names_and_shapes_of_audiocraft(made: Any, tmp_path: Path) -> None:
    model, kind, bundle, _ = made
    export_audiocraft(bundle, tmp_path / "export")
    language, codec = _states(tmp_path / "export")
    expected = language_state(model, kind)
    window = expected.pop(form.CHROMA_WINDOW, None)
    if window is not None:
        assert torch.equal(language.pop(form.CHROMA_WINDOW), torch.hann_window(2**14))
    assert language.keys() == expected.keys()
    assert all(torch.equal(language[name], expected[name]) for name in expected)
    wanted = codec_state(model)
    assert codec.keys() == wanted.keys()
    assert all(torch.equal(codec[name], wanted[name]) for name in wanted)


def test_the_package_says_what_audiocrafts_own_export_says(made: Any, tmp_path: Path) -> None:
    model, kind, bundle, _ = made
    export_audiocraft(bundle, tmp_path / "export", card=ModelCard(about="A test.").text("it"))
    for name in ("state_dict.bin", "compression_state_dict.bin"):
        package = torch.load(tmp_path / "export" / name, weights_only=True)
        assert sorted(package) == ["best_state", "exported", "version", "xp.cfg"]
        assert package["exported"] is True
    language = torch.load(tmp_path / "export" / "state_dict.bin", weights_only=True)
    settings = yaml.safe_load(language["xp.cfg"])
    decoder = model.config.decoder
    lm = settings["transformer_lm"]
    assert (lm["dim"], lm["num_layers"]) == (decoder.hidden_size, decoder.num_hidden_layers)
    assert (lm["n_q"], lm["card"]) == (decoder.num_codebooks, decoder.vocab_size)
    assert lm["hidden_scale"] * lm["dim"] == decoder.ffn_dim
    assert lm["cross_attention"] is (kind == "text")
    assert (settings["conditioners"] == {}) is (kind == "unconditional")
    assert (tmp_path / "export" / "README.md").read_text().count("A test.") == 1


def test_the_same_codes_are_made_from_the_export(made: Any, tmp_path: Path) -> None:
    _, kind, bundle, find = made
    export_audiocraft(bundle, tmp_path / "export")
    back = _back(tmp_path / "export", tmp_path / "back", find)
    text = "" if kind == "unconditional" else "dark jungle"
    made_codes = []
    for each in (bundle, back):
        model = load_backend(each.folder, backend="torch", precision="float32")
        sampling = Sampling(top_k=8, guidance=2.0)
        steps = model.steps([Condition(text=text)], frames=10, seeds=[1], sampling=sampling)
        made_codes.append(np.stack(list(steps), axis=2))
    assert np.array_equal(*made_codes)


def test_an_adapter_is_exported_with_the_model(made: Any, tmp_path: Path) -> None:
    _, _, bundle, find = made
    adapter = open_adapter(write_adapter(tmp_path / "dusty", random_factors(bundle)))
    changed = adapted(bundle, [(adapter, 0.5)])
    export_audiocraft(changed, tmp_path / "export")
    back = _back(tmp_path / "export", tmp_path / "back", find).tensors()
    assert all(torch.equal(back[name], value) for name, value in changed.tensors().items())


def test_without_words_it_is_the_model_under_the_null_condition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_model("text")
    find = write_published(tmp_path / "published", model)
    convert_audiocraft(
        write_audiocraft(tmp_path / "theirs", model, "text"), tmp_path / "bundle", find=find
    )
    bundle = open_bundle(tmp_path / "bundle")
    monkeypatch.setattr(form, "_PUBLISHED_TEXT", {})
    with pytest.raises(ModelError, match=r"no place for a text encoder .*--without-words"):
        export_audiocraft(bundle, tmp_path / "export")
    assert not (tmp_path / "export").exists()
    export_audiocraft(bundle, tmp_path / "export", words=False)
    back = _back(tmp_path / "export", tmp_path / "back", find)
    assert not back.has_text
    tokens = np.random.default_rng(0).integers(0, 16, (1, 4, 12))
    before, after = (
        load_backend(each.folder, backend="torch", precision="float32").logits(tokens, None)
        for each in (bundle, back)
    )
    assert np.abs(before - after).max() < 1e-5
    assert np.abs(before).max() > 0.1


def test_a_codec_in_the_older_form_of_weight_norm_is_exported_as_it_is(tmp_path: Path) -> None:
    model = tiny_model("unconditional")
    theirs = write_audiocraft(tmp_path / "theirs", model, "unconditional")
    find = write_published(tmp_path / "published", model)
    convert_audiocraft(theirs, tmp_path / "bundle", find=find)
    file = tmp_path / "bundle" / "model.safetensors"
    older = {
        name.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): value
        for name, value in load_file(file).items()
    }
    save_file(older, file)
    export_audiocraft(open_bundle(tmp_path / "bundle"), tmp_path / "export")
    expected = codec_state(model)
    _, codec = _states(tmp_path / "export")
    assert all(torch.equal(codec[name], expected[name]) for name in expected)


def test_sizes_that_audiocraft_cannot_say_are_refused(tmp_path: Path) -> None:
    model = tiny_model("text", dim=TEXT_WIDTH, heads=2)
    model.save_pretrained(tmp_path / "bundle")
    with pytest.raises(ModelError, match="no projection"):
        export_audiocraft(open_bundle(tmp_path / "bundle"), tmp_path / "export")


def test_an_export_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_model("unconditional")
    theirs = write_audiocraft(tmp_path / "theirs", model, "unconditional")
    find = write_published(tmp_path / "published", model)
    convert_audiocraft(theirs, tmp_path / "bundle", find=find)
    bundle = open_bundle(tmp_path / "bundle")
    export_audiocraft(bundle, tmp_path / "export")
    before = (tmp_path / "export" / "state_dict.bin").read_bytes()

    def full(*_: object, **__: object) -> None:
        raise RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed")

    monkeypatch.setattr("studio.models.torch_backend.audiocraft.export.torch.save", full)
    with pytest.raises(StorageError, match=r"could not be written to the end") as raised:
        export_audiocraft(bundle, tmp_path / "export")
    assert "\n" not in raised.value.user_message
    assert (tmp_path / "export" / "state_dict.bin").read_bytes() == before
    with pytest.raises(StorageError, match="take the place"):
        export_audiocraft(bundle, tmp_path / "published")
