from __future__ import annotations

import json
from pathlib import Path

import pytest

from studio.core.errors import ModelError
from studio.models.bundle import open_bundle
from studio.models.shelf.shelf import ModelShelf
from tests.models.adapter_writer import random_factors, write_adapter


@pytest.fixture
def adapter(bundle: Path, tmp_path: Path) -> Path:
    factors = random_factors(open_bundle(bundle))
    return write_adapter(tmp_path / "dusty", factors, base_model_name_or_path="house")


def test_an_adapter_is_added_and_listed_beside_the_models(shelf: ModelShelf, adapter: Path) -> None:
    entry = shelf.add(adapter)
    assert (entry.name, entry.kind, entry.base) == ("dusty", "adapter", "house")
    assert (entry.path, entry.registered, entry.plays) == (adapter, True, False)
    assert entry.size_megabytes == 1
    assert shelf.models()[-1] == entry
    assert shelf.resolve_adapter("dusty") == adapter
    assert shelf.resolve_adapter(str(adapter)) == adapter
    shelf.remove("dusty")
    assert adapter.is_dir()
    assert "dusty" not in {each.name for each in shelf.models()}


def test_a_broken_adapter_is_not_added(shelf: ModelShelf, adapter: Path) -> None:
    (adapter / "adapter_model.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match="damaged"):
        shelf.add(adapter)
    assert "dusty" not in {each.name for each in shelf.models()}


def test_an_adapter_is_no_model_and_a_model_no_adapter(
    shelf: ModelShelf, adapter: Path, bundle: Path
) -> None:
    shelf.add(adapter)
    shelf.add(bundle, "tiny")
    for name in ("dusty", str(adapter)):
        with pytest.raises(ModelError, match=r"is an adapter, not a model; .* with --adapter"):
            shelf.resolve(name)
    with pytest.raises(ModelError, match="choose it as the model instead"):
        shelf.resolve_adapter("tiny")
    with pytest.raises(ModelError, match=r"no adapter 'nothing'; choose dusty, or a folder"):
        shelf.resolve_adapter("nothing")
    with pytest.raises(ModelError) as raised:
        shelf.resolve("nothing")
    assert "tiny" in raised.value.user_message
    assert "dusty" not in raised.value.user_message


def test_an_adapter_whose_folder_is_gone_says_so(shelf: ModelShelf, adapter: Path) -> None:
    shelf.add(adapter)
    adapter.rename(adapter.with_name("elsewhere"))
    assert shelf.models()[-1].path is None
    with pytest.raises(ModelError, match=r"folder .*dusty of the model dusty is gone"):
        shelf.resolve_adapter("dusty")


def test_a_list_from_before_there_were_adapters_is_read(
    shelf: ModelShelf, bundle: Path, tmp_path: Path
) -> None:
    shelf.add(bundle, "tiny")
    file = tmp_path / "models" / "models.json"
    stored = json.loads(file.read_text())
    del stored["models"]["tiny"]["base"]
    file.write_text(json.dumps(stored))
    assert shelf.models()[-1].name == "tiny"
