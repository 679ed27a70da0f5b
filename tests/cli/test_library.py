from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from studio.core.paths import default_paths
from studio.core.settings import Settings
from studio.generation.request import GenerationRequest
from studio.workstation.workstation import Workstation
from tests.cli.conftest import tone_take


def rows(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture
def two_takes(data_dir: Path) -> list[int]:
    """Ids of a dub and a break in the library."""
    with Workstation(default_paths(data_dir), Settings()) as workstation:
        requests = [
            GenerationRequest(prompt="deep dub", seed=1, tempo_bpm=140.0, bars=4),
            GenerationRequest(prompt="jungle break", seed=2, tempo_bpm=174.0, bars=2, key="Am"),
        ]
        return [workstation.save_take(tone_take(each)).result(60).id for each in requests]


def test_search_finds_by_words_and_terms(
    studio: Any, two_takes: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert studio("library", "search", "--json") == 0
    assert [row["id"] for row in rows(capsys)] == two_takes[::-1]
    assert studio("library", "search", "bpm:170-180", "break", "--json") == 0
    (row,) = rows(capsys)
    assert (row["id"], row["bpm"], row["key"], row["seed"]) == (two_takes[1], 174.0, "Am", 2)
    assert Path(row["path"]).is_file()
    assert studio("library", "search", "nothing like it") == 0
    assert capsys.readouterr().out == ""


def test_search_prints_a_readable_line(
    studio: Any, two_takes: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert studio("library", "search", "jungle") == 0
    fields = capsys.readouterr().out.strip().split("\t")
    assert fields[0] == str(two_takes[1])
    assert fields[2] == "174 bpm Am 2 bars"


def test_tags_are_added_and_removed(
    studio: Any, two_takes: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert studio("library", "tag", *two_takes, "--add", "dark", "--add", "wet", "--json") == 0
    assert [row["tags"] for row in rows(capsys)] == [["dark", "wet"]] * 2
    assert studio("library", "tag", two_takes[0], "--remove", "wet", "--json") == 0
    assert [row["tags"] for row in rows(capsys)] == [["dark"]]
    assert studio("library", "search", "tag:wet", "--json") == 0
    assert [row["id"] for row in rows(capsys)] == two_takes[1:]


def test_export_gives_the_librarys_bytes_under_a_telling_name(
    studio: Any, two_takes: list[int], data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert studio("library", "export", two_takes[1], "--json") == 0
    (row,) = rows(capsys)
    exported = Path(row["path"])
    assert data_dir / "exports" in exported.parents
    assert "174bpm_Am_2bar" in exported.name
    studio("library", "search", "jungle", "--json")
    (sample,) = rows(capsys)
    assert exported.read_bytes() == Path(sample["path"]).read_bytes()


def test_import_takes_folders_and_names_what_it_left(
    studio: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "sounds"
    folder.mkdir()
    tone_take(GenerationRequest(prompt="", seed=5)).clip.save(folder / "dub_140bpm.wav")
    (folder / "broken.wav").write_bytes(b"RIFF....WAVE")
    assert studio("library", "import", folder, "--json") == 1
    said = capsys.readouterr()
    (row,) = [json.loads(line) for line in said.out.splitlines()]
    assert (row["bpm"], row["origin"]) == (140.0, "imported")
    assert said.err.count("\n") == 1
    assert "broken.wav" in said.err
    assert studio("library", "import", folder / "dub_140bpm.wav") == 0
    assert "in the library already" in capsys.readouterr().err


def test_check_finds_nothing_in_a_sound_library_and_a_missing_file(
    studio: Any, two_takes: list[int], data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert studio("library", "check", "--deep") == 0
    assert capsys.readouterr().out == "2 samples, 0 problems\n"
    next((data_dir / "samples").rglob("*.wav")).unlink()
    assert studio("library", "check", "--json") == 1
    (report,) = rows(capsys)
    assert report["ok"] is False
    assert len(report["missing_files"]) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("search", "rating:high"), "rating"),
        (("search", "--limit", "0"), "--limit"),
        (("search", "--order", "colour"), "colour"),
        (("tag", "99", "--add", "x"), "99"),
        (("tag", "1"), "--add"),
        (("export", "99"), "99"),
        (("import", "/no/such/file.wav"), "/no/such/file.wav does not exist"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    studio: Any, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    assert studio("library", *arguments) == 1
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""


def test_a_damaged_database_is_one_line(
    studio: Any, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data_dir.mkdir()
    (data_dir / "library.sqlite3").write_bytes(b"this is no database at all" * 100)
    assert studio("library", "search") == 1
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert "library.sqlite3" in said.err
