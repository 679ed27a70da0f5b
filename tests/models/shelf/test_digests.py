from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from studio.models.bundle import open_bundle, sha256_of
from studio.models.shelf import digests
from studio.models.shelf.shelf import ModelShelf


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file large enough to be remembered."""
    monkeypatch.setattr(digests, "SMALL_BYTES", 2**20)
    file = tmp_path / "weights"
    file.write_bytes(b"a" * 2**20)
    os.utime(file, ns=(10**18, 10**18))
    return file


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every file that was read for its sum."""
    read: list[Path] = []

    def counted(file: Path) -> str:
        read.append(file)
        return sha256_of(file)

    monkeypatch.setattr(digests, "sha256_of", counted)
    return read


def test_large_weights_are_read_once(weights: Path, readings: list[Path], tmp_path: Path) -> None:
    expected = sha256_of(weights)
    assert [ModelShelf(tmp_path / "models").digest(weights) for _ in range(3)] == [expected] * 3
    assert readings == [weights]


def test_changed_weights_are_read_again(
    weights: Path, shelf: ModelShelf, readings: list[Path]
) -> None:
    shelf.digest(weights)
    weights.write_bytes(b"b" * 2**20)
    os.utime(weights, ns=(10**18 + 1, 10**18 + 1))
    assert shelf.digest(weights) == sha256_of(weights)
    assert len(readings) == 2


def test_weights_changed_a_moment_ago_are_not_remembered(
    weights: Path, shelf: ModelShelf, readings: list[Path]
) -> None:
    weights.write_bytes(b"b" * 2**20)
    shelf.digest(weights)
    shelf.digest(weights)
    assert len(readings) == 2


@pytest.mark.parametrize("text", ["", "[1]", '{"x": [1, 2, "zz"]}', "[" * 100_000, "\x00"])
def test_damaged_sums_are_begun_anew(
    text: str, weights: Path, shelf: ModelShelf, tmp_path: Path
) -> None:
    file = tmp_path / "models" / "digests.json"
    file.parent.mkdir()
    file.write_text(text)
    assert shelf.digest(weights) == sha256_of(weights)
    assert list(json.loads(file.read_text())) == [str(weights)]


def test_sums_are_bounded(
    tmp_path: Path, shelf: ModelShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "MAX_ENTRIES", 3)
    monkeypatch.setattr(digests, "SMALL_BYTES", 2**20)
    for number in range(5):
        file = tmp_path / f"{number}"
        file.write_bytes(bytes(2**20))
        os.utime(file, ns=(10**18, 10**18))
        shelf.digest(file)
    kept = json.loads((tmp_path / "models" / "digests.json").read_text())
    assert [Path(name).name for name in kept] == ["2", "3", "4"]


def test_small_weights_leave_nothing_behind(shelf: ModelShelf, tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(bytes(2**20))
    os.utime(file, ns=(10**18, 10**18))
    assert shelf.digest(file) == sha256_of(file)
    assert not (tmp_path / "models").exists()


def test_a_folder_that_cannot_be_written_costs_only_time(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file")
    assert ModelShelf(tmp_path / "models").digest(weights) == sha256_of(weights)


def test_a_bundle_s_fingerprint_does_not_depend_on_who_digests(
    bundle: Path, shelf: ModelShelf
) -> None:
    asked: list[Path] = []

    def digest(file: Path) -> str:
        asked.append(file)
        return shelf.digest(file)

    assert open_bundle(bundle, digest=digest).fingerprint == open_bundle(bundle).fingerprint
    assert bundle / "model.safetensors" in asked
