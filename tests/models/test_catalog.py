from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub import constants

from studio.core.errors import ModelError
from studio.models.bundle import Bundle
from studio.models.catalog import known_models, resolve_model


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Hugging Face cache."""
    folder = tmp_path / "hub"
    folder.mkdir()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    return folder


def _store(cache: Path, repository: str) -> Path:
    model = cache / f"models--{repository.replace('/', '--')}"
    snapshot = model / "snapshots" / "abc123"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text("abc123")
    return snapshot


def test_the_embedded_model_comes_first() -> None:
    first = known_models()[0]
    assert (first.name, first.embedded, first.channels) == ("house", True, 1)
    assert resolve_model("house").parts[-2:] == ("models", "house")


def test_a_folder_is_a_model(tmp_path: Path) -> None:
    assert resolve_model(tmp_path) == tmp_path
    assert resolve_model(str(tmp_path)) == tmp_path


@pytest.mark.parametrize("name", ["facebook/musicgen-small", "someone/their-own.model"])
def test_models_are_found_in_the_local_cache(name: str, cache: Path) -> None:
    snapshot = _store(cache, name)
    assert resolve_model(name) == snapshot
    bundle = Bundle(folder=snapshot, config={}, generation={}, prompting=None, entries={})
    assert bundle.name == name


def test_a_known_model_that_is_not_here_says_how_to_get_it() -> None:
    with pytest.raises(ModelError, match="huggingface-cli download facebook/musicgen-large"):
        resolve_model("facebook/musicgen-large")


@pytest.mark.parametrize("name", ["hous", "", "nobody/nothing", "../nowhere", "a/b/c", "--/.."])
def test_an_unknown_model_lists_those_there_are(name: str) -> None:
    with pytest.raises(ModelError) as caught:
        resolve_model(name)
    assert all(model.name in caught.value.user_message for model in known_models())
    assert "\n" not in caught.value.user_message
