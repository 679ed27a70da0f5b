from __future__ import annotations

from pathlib import Path

import pytest

from studio.core.errors import StorageError
from studio.library.incoming import (
    IncomingFolder,
    final_path,
    incoming_names,
    leftovers,
    recover,
)


def files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def abandoned(folder: Path, *names: str) -> list[Path]:
    """Files in the incoming folder of an owner whose lock nobody holds any more."""
    owner = folder / "samples" / ".incoming" / "1-dead"
    owner.mkdir(parents=True)
    owner.with_name("1-dead.lock").touch()
    for name in names:
        (owner / name).write_bytes(name.encode())
    return [owner / name for name in names]


def test_a_dead_owners_files_are_finished_or_removed(tmp_path: Path) -> None:
    abandoned(tmp_path, "aa11.wav", "bb22.wav", ".x.part")
    assert len(leftovers(tmp_path)) == 3
    assert recover(tmp_path, lambda place: place == final_path("aa11.wav")) == (1, 2)
    assert files(tmp_path) == ["samples/aa/aa11.wav"]
    assert (tmp_path / "samples/aa/aa11.wav").read_bytes() == b"aa11.wav"
    assert list((tmp_path / "samples" / ".incoming").iterdir()) == []
    assert leftovers(tmp_path) == []


def test_a_dead_folder_without_its_lock_file_is_recovered_too(tmp_path: Path) -> None:
    (path,) = abandoned(tmp_path, "aa11.wav")
    path.parent.with_name("1-dead.lock").unlink()
    assert recover(tmp_path, lambda _: True) == (1, 0)
    assert files(tmp_path) == ["samples/aa/aa11.wav"]


def test_a_living_owners_files_are_left_alone(tmp_path: Path) -> None:
    owner = IncomingFolder(tmp_path)
    file = owner.new_file(".wav")
    file.write_bytes(b"on its way")
    assert recover(tmp_path, lambda _: False) == (0, 0)
    assert leftovers(tmp_path) == []
    assert incoming_names(tmp_path) == {file.name}
    assert file.read_bytes() == b"on its way"
    owner.close()
    assert leftovers(tmp_path) == [file]
    assert recover(tmp_path, lambda _: False) == (0, 1)


def test_two_owners_have_two_folders_and_tidy_up(tmp_path: Path) -> None:
    first, second = IncomingFolder(tmp_path), IncomingFolder(tmp_path)
    assert first.new_file(".wav").parent != second.new_file(".wav").parent
    first.close()
    second.close()
    second.close()
    assert list((tmp_path / "samples" / ".incoming").iterdir()) == []


def test_nothing_is_made_before_it_is_needed(tmp_path: Path) -> None:
    IncomingFolder(tmp_path).close()
    assert recover(tmp_path, lambda _: False) == (0, 0)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "samples").write_bytes(b"in the way")
    with pytest.raises(StorageError, match="samples"):
        IncomingFolder(tmp_path).new_file(".wav")
