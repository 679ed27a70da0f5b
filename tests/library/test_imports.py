from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from studio.audio.clip import AudioClip
from studio.audio.files import write_wav
from studio.core.errors import LibraryError
from studio.library.library import Library
from studio.library.records import ImportFacts, SampleRecord

Noise = Callable[..., AudioClip]
Add = Callable[..., SampleRecord]


@pytest.fixture
def kit(tmp_path: Path, noise: Noise) -> Path:
    """A folder with sounds in it and below it, and with other things."""
    folder = tmp_path / "kit"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    for seed, name in enumerate(
        ["Amen_174bpm_Am_2bar.wav", "deep/hat 120.WAV", "deep/er/kick.wav", ".hidden/no.wav"]
    ):
        write_wav(folder / name, noise(seed, frames=800 + seed))
    (folder / "readme.txt").write_text("no sound")
    (folder / "deep" / "broken.wav").write_bytes(b"RIFF but not really")
    return folder


def test_a_folder_is_taken_in_where_it_lies(library: Library, kit: Path) -> None:
    before = {path: path.read_bytes() for path in kit.rglob("*.wav")}
    report = library.import_files([kit]).result()
    assert len(report.ids) == 3
    assert report.duplicates == {}
    (skipped,) = report.skipped
    assert skipped.path == kit / "deep" / "broken.wav"
    assert "broken.wav" in skipped.reason
    assert "\n" not in skipped.reason
    (amen,) = library.search("amen")
    assert (amen.origin, amen.relative_path) == ("imported", str(kit / "Amen_174bpm_Am_2bar.wav"))
    assert (amen.tempo_bpm, amen.key, amen.bars) == (174.0, "Am", 2)
    assert (amen.frames, amen.sample_rate, amen.channels) == (800, 8_000, 1)
    assert amen.name == "Amen_174bpm_Am_2bar"
    assert library.path(amen) == kit / "Amen_174bpm_Am_2bar.wav"
    assert library.search("hat")[0].tempo_bpm == 120.0
    assert library.count("deep is:imported") == 2
    assert {path: path.read_bytes() for path in kit.rglob("*.wav")} == before
    assert library.check(deep=True).ok


def test_what_is_already_there_is_reported_and_not_doubled(
    library: Library, kit: Path, tmp_path: Path, add: Add
) -> None:
    library.import_files([kit]).result()
    again = library.import_files([kit, kit / "deep"]).result()
    assert not again
    assert len(again.duplicates) == 3
    copy = tmp_path / "copy.wav"
    shutil.copy(kit / "deep" / "er" / "kick.wav", copy)
    (kick,) = library.search("kick")
    assert library.import_files([copy]).result().duplicates == {copy: kick.id}
    take = add(77)
    shutil.copy(library.path(take), tmp_path / "exported.wav")
    report = library.import_files([tmp_path / "exported.wav"]).result()
    assert report.duplicates == {tmp_path / "exported.wav": take.id}
    assert library.count() == 4


def test_two_equal_files_of_one_import_are_one_sound(library: Library, tmp_path: Path) -> None:
    clip = AudioClip(samples=[[0.1] * 50], sample_rate=8_000)
    write_wav(tmp_path / "a.wav", clip)
    write_wav(tmp_path / "b.wav", clip)
    report = library.import_files([tmp_path / "a.wav", tmp_path / "b.wav"]).result()
    assert report.ids == (1,)
    assert report.duplicates == {tmp_path / "b.wav": 1}


def test_a_moved_file_keeps_its_tags(library: Library, kit: Path, tmp_path: Path) -> None:
    library.import_files([kit]).result()
    (kick,) = library.search("kick")
    library.add_tags([kick.id], ["loved"]).result()
    place = tmp_path / "relocated.wav"
    (kit / "deep" / "er" / "kick.wav").rename(place)
    assert library.refresh_missing().result().ids == (kick.id,)
    assert [record.id for record in library.search("is:missing")] == [kick.id]
    assert library.import_files([place]).result().ids == (kick.id,)
    found = library.get(kick.id)
    assert (found.relative_path, found.tags) == (str(place), ("loved",))
    assert not found.missing
    assert library.search_ids("relocated") == [kick.id]
    assert library.search_ids("deep/er") == []


def test_a_file_that_was_changed_is_taken_up_again(
    library: Library, kit: Path, noise: Noise
) -> None:
    path = kit / "deep" / "er" / "kick.wav"
    (sample_id,) = library.import_files([path]).result().ids
    write_wav(path, noise(99, frames=1_234))
    assert library.import_files([path]).result().ids == (sample_id,)
    assert library.get(sample_id).frames == 1_234
    assert library.check(deep=True).ok


def test_what_lies_in_the_bin_comes_back(library: Library, kit: Path) -> None:
    ids = library.import_files([kit]).result().ids
    library.delete(ids).result()
    assert sorted(library.import_files([kit]).result().ids) == sorted(ids)
    assert library.count() == 3


def test_bad_files_are_listed_and_the_good_ones_go_in(
    library: Library, tmp_path: Path, noise: Noise
) -> None:
    write_wav(tmp_path / "whole.wav", noise(5, frames=4_000))
    whole = (tmp_path / "whole.wav").read_bytes()
    (tmp_path / "empty.wav").touch()
    (tmp_path / "short.wav").write_bytes(whole[:2_000])
    (tmp_path / "text.wav").write_text("hello " * 100)
    (tmp_path / "zeros.flac").write_bytes(bytes(5_000))
    named = [tmp_path, tmp_path / "nowhere.wav", tmp_path / "whole.wav"]
    (tmp_path / "notes.txt").write_text("named itself, so it is tried")
    report = library.import_files([*named, tmp_path / "notes.txt"]).result()
    assert len(report.ids) == 1
    assert sorted(skip.path.name for skip in report.skipped) == [
        "empty.wav",
        "notes.txt",
        "nowhere.wav",
        "short.wav",
        "text.wav",
        "zeros.flac",
    ]
    for skip in report.skipped:
        assert skip.path.name in skip.reason
        assert "\n" not in skip.reason


@pytest.mark.skipif(os.name == "nt", reason="names there are always text")
def test_a_name_that_is_not_text_is_skipped(library: Library, tmp_path: Path, noise: Noise) -> None:
    write_wav(tmp_path / "good.wav", noise())
    (tmp_path / "good.wav").rename(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff.wav"))
    report = library.import_files([tmp_path]).result()
    assert not report.ids
    assert "rename the file" in report.skipped[0].reason


def test_the_librarys_own_files_are_left_out(library: Library, add: Add, tmp_path: Path) -> None:
    add(1)
    report = library.import_files([tmp_path]).result()
    assert not report
    assert (report.duplicates, report.skipped) == ({}, ())


def test_facts_fill_in_what_the_name_does_not_say(library: Library, kit: Path) -> None:
    facts = ImportFacts(tempo_bpm=90.0, bars=1, key="C")
    library.import_files([kit], find_facts=lambda _: facts).result()
    (amen,) = library.search("amen")
    (kick,) = library.search("kick")
    assert (amen.tempo_bpm, amen.bars, amen.key) == (174.0, 2, "Am")
    assert (kick.tempo_bpm, kick.bars, kick.key) == (90.0, 1, "C")


def test_progress_is_told_and_cancelling_keeps_what_is_in(library: Library, kit: Path) -> None:
    told: list[tuple[int, int]] = []
    report = library.import_files(
        [kit],
        progress=lambda done, total, path: told.append((done, total)),
        cancelled=lambda: len(told) == 2,
    ).result()
    assert told == [(1, 4), (2, 4)]
    assert len(report.ids) + len(report.skipped) == 2
    assert library.count() == len(report.ids)


def test_closing_stops_an_import(tmp_path: Path, kit: Path) -> None:
    library = Library.open(tmp_path / "other")
    future = library.import_files([kit], progress=lambda *_: library._closing.wait(60) and None)
    library.close()
    assert len(future.result().ids) + len(future.result().skipped) <= 1


def test_a_read_only_library_takes_nothing_in(library: Library, kit: Path) -> None:
    with (
        Library.open(library.folder, read_only=True) as reading,
        pytest.raises(LibraryError, match="reading only"),
    ):
        reading.import_files([kit]).result()


def test_a_folder_that_cannot_be_listed_is_reported(
    library: Library, kit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.scandir

    def scandir(path: str) -> object:
        if Path(path).name == "deep":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    report = library.import_files([kit]).result()
    assert [skip.path for skip in report.skipped] == [kit / "deep"]
    assert len(report.ids) == 1
