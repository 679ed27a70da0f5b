from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from studio.audio.clip import AudioClip
from studio.audio.files import write_wav
from studio.library import upkeep
from studio.library.library import Library
from studio.library.records import Change, NewSample, SampleRecord

Noise = Callable[..., AudioClip]
Add = Callable[..., SampleRecord]


def test_a_whole_library_has_no_problems(library: Library, add: Add) -> None:
    add(0, tags=("a",))
    library.delete([add(1).id]).result()
    report = library.check(deep=True)
    assert (report.ok, report.problems, report.samples) == (True, (), 2)


def test_a_check_finds_each_kind_of_damage(library: Library, add: Add) -> None:
    gone, changed = add(0, name="gone"), add(1, name="changed")
    library.path(gone).unlink()
    content = bytearray(library.path(changed).read_bytes())
    content[-1] ^= 1
    library.path(changed).write_bytes(bytes(content))
    orphan = library.folder / "samples" / "zz" / "stray.wav"
    orphan.parent.mkdir()
    orphan.write_bytes(b"stray")
    dead = library.folder / "samples" / ".incoming" / "1-dead"
    dead.mkdir(parents=True)
    (dead / "half.wav").write_bytes(b"half")
    report = library.check(deep=True)
    assert not report.ok
    assert report.missing_files == (f"Sound 1 (gone): its file {library.path(gone)} is missing.",)
    assert report.hash_mismatches == (
        f"Sound 2 (changed): its file {library.path(changed)} has changed.",
    )
    assert len(report.orphans) == 1
    assert str(orphan) in report.orphans[0]
    assert len(report.leftovers) == 1
    assert "half.wav" in report.leftovers[0]
    assert len(report.problems) == 4
    assert not any("\n" in problem for problem in report.problems)
    assert library.check().hash_mismatches == ()
    assert orphan.exists()


def test_a_broken_search_index_is_found(library: Library, add: Add) -> None:
    add(0, name="jungle")

    def break_it() -> None:
        with library._database.atomic() as connection:
            connection.execute("DROP TRIGGER samples_text_update")
            connection.execute("UPDATE samples SET search_text = 'something else'")

    library._database.submit(break_it).result()
    (fault,) = library.check().database_faults
    assert "search index" in fault


def test_missing_files_are_marked_and_unmarked(library: Library, add: Add) -> None:
    record = add(0)
    place = library.path(record)
    assert library.refresh_missing().result() == Change()
    place.rename(place.with_suffix(".away"))
    assert library.refresh_missing().result() == Change(ids=(record.id,))
    assert library.get(record.id).missing
    assert library.search_ids("is:missing") == [record.id]
    place.with_suffix(".away").rename(place)
    assert library.refresh_missing().result() == Change(ids=(record.id,))
    assert not library.get(record.id).missing


def test_the_bin_is_emptied_after_thirty_days_only(
    library: Library, add: Add, tmp_path: Path, noise: Noise
) -> None:
    kept, recent, old = add(0), add(1), add(2, recipe_json="{}", tags=("x",))
    write_wav(tmp_path / "mine.wav", noise(3))
    (imported,) = library.import_files([tmp_path / "mine.wav"]).result().ids
    library.delete([recent.id, old.id, imported]).result()

    def age() -> None:
        with library._database.atomic() as connection:
            connection.execute(
                "UPDATE samples SET deleted_at = '2020-01-01T00:00:00.000Z' WHERE id IN (?, ?)",
                (old.id, imported),
            )

    library._database.submit(age).result()
    folder = library.folder
    library.close()
    with Library.open(folder) as again:
        for thread in again._threads:
            thread.join()
        assert again.get_many([kept.id, recent.id, old.id, imported]) == [
            again.get(kept.id),
            again.get(recent.id),
        ]
        assert again.path(recent).is_file()
        assert not again.path(old).exists()
        assert (tmp_path / "mine.wav").is_file()
        with again._database.reading() as connection:
            for table in ("recipes", "sample_tags"):
                assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
        assert again.check(deep=True).ok


def test_emptying_the_bin_says_what_left(library: Library, add: Add) -> None:
    record = add(0)
    library.delete([record.id]).result()
    assert library.empty_bin().result() == Change()
    assert library.empty_bin(older_than_days=-1).result() == Change(removed=(record.id,))
    assert not library.path(record).exists()


def test_a_copy_is_kept_once_a_day_and_five_in_all(
    tmp_path: Path, noise: Noise, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_on(day: str) -> list[str]:
        monkeypatch.setattr("studio.library.library._today", lambda: day)
        with Library.open(tmp_path) as library:
            for thread in library._threads:
                thread.join()
            library.add_take(NewSample(clip=noise())).result()
        folder = tmp_path / "snapshots"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    assert open_on("2026-01-01") == []  # there was nothing to copy yet
    assert open_on("2026-01-01") == ["library-2026-01-01.sqlite3"]
    assert open_on("2026-01-01") == ["library-2026-01-01.sqlite3"]
    for day in range(2, 7):
        open_on(f"2026-01-0{day}")
    names = open_on("2026-01-07")
    assert names == [f"library-2026-01-0{day}.sqlite3" for day in range(3, 8)]
    copy = sqlite3.connect(tmp_path / "snapshots" / names[-1])
    assert copy.execute("SELECT count(*) FROM samples").fetchone() == (8,)
    assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    copy.close()


def test_a_copy_can_take_the_place_of_the_database(tmp_path: Path, noise: Noise) -> None:
    with Library.open(tmp_path) as library:
        library.add_take(NewSample(clip=noise(), prompt="jungle")).result()
    with Library.open(tmp_path) as library:
        for thread in library._threads:
            thread.join()
    (copy,) = (tmp_path / "snapshots").iterdir()
    copy.replace(tmp_path / "library.sqlite3")
    with Library.open(tmp_path) as library:
        assert library.count("jungle") == 1
        assert library.check(deep=True).ok


def test_a_copy_that_fails_costs_nothing(
    library: Library, add: Add, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for thread in library._threads:
        thread.join()
    add(0)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(upkeep, "_copy_database", full)
    library._daily_upkeep()
    assert "daily upkeep" in caplog.text
    assert list((library.folder / "snapshots").iterdir()) == []
    assert library.count() == 1
    assert library.check().ok
