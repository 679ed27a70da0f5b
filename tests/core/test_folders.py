from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from studio.core.errors import StorageError
from studio.core.folders import replacing_folder

NAMES = frozenset({"mark", "other"})


def _make(folder: Path, text: str | Callable[[], str] = "new") -> None:
    with replacing_folder(folder, mark="mark", allowed=NAMES, what="The thing") as fresh:
        (fresh / "other").write_text("half")
        (fresh / "mark").write_text(text if isinstance(text, str) else text())
        (fresh / "other").unlink()


def test_a_folder_is_made_with_those_above_it(tmp_path: Path) -> None:
    _make(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b" / "mark").read_text() == "new"
    assert [file.name for file in (tmp_path / "a").iterdir()] == ["b"]


def test_an_earlier_one_and_an_empty_one_are_replaced(tmp_path: Path) -> None:
    _make(tmp_path / "thing", "old")
    (tmp_path / "thing" / "other").write_text("gone")
    _make(tmp_path / "thing")
    (tmp_path / "empty").mkdir()
    _make(tmp_path / "empty")
    assert [file.name for file in (tmp_path / "thing").iterdir()] == ["mark"]
    assert (tmp_path / "thing" / "mark").read_text() == "new"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["empty", "thing"]


@pytest.mark.parametrize("names", [["other"], ["mark", "thesis.doc"], ["thesis.doc"]])
def test_somebody_elses_folder_stays(tmp_path: Path, names: list[str]) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    for name in names:
        (mine / name).write_text(name)
    with pytest.raises(StorageError, match=r"take the place of .*mine, but .* is in it") as raised:
        _make(mine)
    assert "\n" not in raised.value.user_message
    assert sorted(file.name for file in mine.iterdir()) == sorted(names)


def test_a_file_stays(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StorageError, match="it is a file"):
        _make(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_fails_half_way_leaves_the_old_one(tmp_path: Path, fault: BaseException) -> None:
    _make(tmp_path / "thing", "old")
    expected = StorageError if isinstance(fault, OSError) else type(fault)

    def stopped() -> str:
        raise fault

    with pytest.raises(expected):
        _make(tmp_path / "thing", stopped)
    assert (tmp_path / "thing" / "mark").read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["thing"]


def test_the_old_one_comes_back_when_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _make(tmp_path / "thing", "old")
    rename = Path.rename

    def failing(source: Path, target: Path) -> Path:
        if source.suffix == ".part":
            raise OSError(5, "Input/output error")
        return rename(source, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(StorageError, match="Input/output error"):
        _make(tmp_path / "thing")
    assert (tmp_path / "thing" / "mark").read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["thing"]
