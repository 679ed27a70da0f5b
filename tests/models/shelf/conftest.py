from __future__ import annotations

import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from studio.models.shelf.shelf import ModelShelf
from tests.generation.tiny_bundle import write_tiny_bundle


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Hugging Face cache."""
    folder = tmp_path / "hub"
    folder.mkdir()
    monkeypatch.setenv("HF_HUB_CACHE", str(folder))
    return folder


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture
def shelf(tmp_path: Path) -> ModelShelf:
    return ModelShelf(tmp_path / "models")


@pytest.fixture
def audiocraft(tmp_path: Path) -> Path:
    folder = tmp_path / "exported"
    folder.mkdir()
    (folder / "state_dict.bin").write_bytes(b"weights")
    (folder / "compression_state_dict.bin").write_bytes(b"codec")
    return folder


@pytest.fixture
def conversions(monkeypatch: pytest.MonkeyPatch, bundle: Path) -> list[Path]:
    """Stands for the conversion of weights; gives the list of what was converted."""
    done: list[Path] = []

    def convert_audiocraft(folder: Path, target: Path, *, find: Callable[[str], Path]) -> None:
        if (folder / "state_dict.bin").read_bytes() == b"needs t5":
            find("t5-base")
        target.mkdir()
        for file in bundle.iterdir():
            (target / file.name).write_bytes(file.read_bytes())
        done.append(folder)

    module = types.ModuleType("audiocraft")
    module.convert_audiocraft = convert_audiocraft
    monkeypatch.setitem(sys.modules, "studio.models.torch_backend.audiocraft.convert", module)
    return done
