"""The oracle's models, each made once for all tests, and our backend on top of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from studio.models.bundle import open_bundle
from studio.models.native_backend.backend import NativeBackend
from tests.models.reference import (
    CODEBOOKS,
    VOCABULARY,
    Reference,
    Shape,
    build_model,
    save_model,
)

# Text width 32 needs no projection to the decoder's width.
SHAPES = {
    "mono": Shape(),
    "equal widths": Shape(text_width=32),
    "stereo": Shape(channels=2, layers=2),
    "melody": Shape(kind="melody", layers=2),
    "stereo melody": Shape(kind="melody", channels=2, layers=2, codebooks=2),
    "unconditional": Shape(kind="unconditional", layers=2, heads=2),
}


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Reference]:
    """Gives the model of a name in `SHAPES`."""

    @cache
    def made(name: str) -> Reference:
        folder = tmp_path_factory.mktemp("oracle") / name.replace(" ", "-")
        return save_model(build_model(SHAPES[name]), folder)

    return made


@pytest.fixture(scope="session")
def ours(oracle: Callable[[str], Reference]) -> Callable[[str], NativeBackend]:
    """Gives our backend on the model of a name in `SHAPES`."""

    @cache
    def loaded(name: str) -> NativeBackend:
        return NativeBackend(open_bundle(oracle(name).folder), "float32")

    return loaded


@pytest.fixture(scope="session")
def reference(oracle: Callable[[str], Reference]) -> Reference:
    """A mono model with text, text encoder and decoder of different widths."""
    return oracle("mono")


@pytest.fixture(scope="session")
def backend(ours: Callable[[str], NativeBackend]) -> NativeBackend:
    return ours("mono")


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
