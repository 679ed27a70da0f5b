from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from studio.benchmark import random_bundle as module
from studio.benchmark.published import PUBLISHED
from studio.benchmark.random_bundle import random_bundle, write_random_bundle
from studio.core.errors import StorageError
from studio.models.backend import Condition, Sampling
from studio.models.bundle import open_bundle
from studio.models.language_config import DecoderConfig
from studio.models.selection import load_backend
from studio.models.shapes import Shapes
from tests.benchmark.conftest import tiny_shapes

GREEDY = Sampling(top_k=1, guidance=3.0)


class Usage(NamedTuple):
    """What `shutil.disk_usage` says."""

    total: int
    used: int
    free: int


@pytest.mark.parametrize(
    "shapes",
    [
        tiny_shapes(),
        tiny_shapes(channels=2),
        tiny_shapes("melody"),
        tiny_shapes("nothing"),
    ],
    ids=["text", "stereo", "melody", "unconditional"],
)
def test_every_kind_opens_by_the_ordinary_door(shapes: Shapes, tmp_path: Path) -> None:
    write_random_bundle(shapes, tmp_path / "made")
    assert Shapes.of(open_bundle(tmp_path / "made")) == shapes
    backend = load_backend(tmp_path / "made", precision="float32")
    condition = Condition(text="warm piano" if shapes.text is not None else "")
    frames = list(backend.steps([condition], frames=3, seeds=[1], sampling=GREEDY))
    assert np.stack(frames, axis=2).shape == (1, shapes.decoder.codebooks, 3)
    audio = backend.decode(np.stack(frames, axis=2))
    assert audio.shape == (1, shapes.decoder.channels, 3 * 640)
    assert np.isfinite(audio).all()


def test_the_same_weights_every_time(tiny_folder: Path, tmp_path: Path) -> None:
    write_random_bundle(tiny_shapes(), tmp_path / "again")
    assert open_bundle(tmp_path / "again").fingerprint == open_bundle(tiny_folder).fingerprint


def test_the_folder_is_told_of_and_goes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    said: list[str] = []
    names: list[str] = []

    def interrupted() -> None:
        with random_bundle("tiny", tiny_shapes(), said.append) as folder:
            names.append(open_bundle(folder).name)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert names == ["random-tiny"]
    assert list(tmp_path.iterdir()) == []
    (line,) = said
    assert "random weights of tiny" in line
    assert "GB free" in line


def test_too_little_room_is_said_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda folder: Usage(1, 1, 0))
        with (
            pytest.raises(StorageError, match="GB are free; free some space or set TMPDIR"),
            random_bundle("tiny", tiny_shapes(), lambda line: None),
        ):
            pass
    monkeypatch.setattr(module, "available_memory_bytes", lambda: 1_000)
    with (
        pytest.raises(StorageError, match="of memory"),
        random_bundle("tiny", tiny_shapes(), lambda line: None),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("small", 420),
        ("medium", 1_840),
        ("large", 3_260),
        ("micro", 134),
        ("stereo-small", 437),
        ("melody", 1_390),
    ],
)
def test_the_published_sizes_have_the_published_numbers(name: str, millions: int) -> None:
    config: DecoderConfig = PUBLISHED[name].decoder
    square = config.dim * config.dim
    attention = 8 if config.cross_attention else 4
    layer = attention * square + 2 * config.dim * config.ffn_dim
    tables = config.codebooks * (2 * config.vocabulary + 1) * config.dim
    assert config.layers * layer + tables == pytest.approx(millions * 1e6, rel=0.02)


def test_the_house_shape_is_that_of_the_embedded_model(repository: Path) -> None:
    house = open_bundle(repository / "resources" / "models" / "house")
    assert Shapes.of(house) == PUBLISHED["house"]
