"""The oracle's models, each made once for all tests, and our backend on top of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from studio.models.bundle import open_bundle
from studio.models.torch_backend.backend import TorchBackend
from tests.models.reference import CODEBOOKS, VOCABULARY, Reference, build_model, save_model


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """A mono model with text, text encoder and decoder of different widths."""
    return save_model(build_model(text_width=24), tmp_path_factory.mktemp("projected"))


@pytest.fixture(scope="session")
def equal_widths(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """A model that needs no projection between text encoder and decoder."""
    return save_model(build_model(text_width=32), tmp_path_factory.mktemp("equal"))


@pytest.fixture(scope="session")
def backend(reference: Reference) -> TorchBackend:
    return TorchBackend(open_bundle(reference.folder))


@pytest.fixture
def folder(reference: Reference, tmp_path: Path) -> Path:
    """A copy of the reference's folder, free to be spoilt."""
    copy = tmp_path / "bundle"
    shutil.copytree(reference.folder, copy)
    return copy


@pytest.fixture
def tokens() -> NDArray[np.int64]:
    """A random grid [2, K, 40], fillers among the codes."""
    return np.random.default_rng(1).integers(0, VOCABULARY + 1, (2, CODEBOOKS, 40))
