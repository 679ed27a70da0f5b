from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub.utils import close_session

from studio import MusicGen, add_model, get_model, list_models
from studio.core.errors import ModelError
from tests.generation.tiny_bundle import write_tiny_bundle
from tests.models.hub_server import HubServer, running_hub


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_tiny_bundle(tmp_path / "tiny")


@pytest.fixture(autouse=True)
def hub(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A Hub with one model, an empty cache and an empty library."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
    with running_hub() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        server.publish("someone/tiny", bundle, licence="mit")
        yield server
    close_session()


def test_a_script_gets_a_model_and_plays_it(hub: HubServer) -> None:
    with pytest.raises(ModelError, match="accept_licence='mit'"):
        get_model("someone/tiny")
    assert hub.files_asked() == []
    folder = get_model("someone/tiny", accept_licence="mit")
    hub.asked.clear()
    assert (folder / "model.safetensors").is_file()
    model = MusicGen.from_pretrained("someone/tiny")
    assert model.generate("dub", max_steps=4, seed=1).shape == (1, 4 * 640)
    assert hub.asked == []


def test_an_added_model_is_listed_and_plays(bundle: Path) -> None:
    entry = add_model(str(bundle), "mine")
    assert entry in list_models()
    assert MusicGen.from_pretrained("mine").codebooks == 4
