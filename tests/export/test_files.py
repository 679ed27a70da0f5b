from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.audio.clip import AudioClip
from studio.core.errors import LibraryError, StorageError
from studio.export.files import export_stem, export_wav, safe_name
from studio.library.library import Library
from studio.library.records import NewSample, SampleRecord

DAY = date(2026, 11, 20)
RECORD = SampleRecord(
    id=1,
    name="Jungle break",
    relative_path="samples/aa/1.wav",
    origin="generated",
    content_hash="",
    frames=1,
    sample_rate=1,
    channels=1,
    tempo_bpm=174.0,
    bars=2,
    key="Am",
)


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with Library.open(tmp_path / "data") as opened:
        yield opened


def take(library: Library, seed: int = 0, name: str = "Jungle break") -> SampleRecord:
    samples = np.random.default_rng(seed).uniform(-0.5, 0.5, (1, 500)).astype(np.float32)
    clip = AudioClip(samples=samples, sample_rate=8_000)
    sample = NewSample(clip=clip, name=name, tempo_bpm=174.0, bars=2, key="Am")
    return library.get(library.add_take(sample).result().ids[0])


def everything(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_the_copy_is_the_librarys_file_byte_for_byte(library: Library, tmp_path: Path) -> None:
    record = take(library)
    path = export_wav(library, record, tmp_path / "exports", today=DAY)
    assert path == tmp_path / "exports" / "2026-11" / "Jungle-break_174bpm_Am_2bar.wav"
    assert path.read_bytes() == library.path(record).read_bytes()
    assert not path.samefile(library.path(record))
    assert everything(tmp_path / "exports") == ["2026-11/Jungle-break_174bpm_Am_2bar.wav"]


def test_the_same_bytes_are_exported_once(library: Library, tmp_path: Path) -> None:
    record = take(library)
    first = export_wav(library, record, tmp_path, today=DAY)
    written = first.stat().st_mtime_ns
    assert export_wav(library, record, tmp_path, today=DAY) == first
    assert export_wav(library, take(library), tmp_path, today=DAY) == first
    assert export_wav(library, record, tmp_path, today=date(2027, 1, 1)) == first
    assert first.stat().st_mtime_ns == written


def test_another_sound_of_that_name_gets_a_number(library: Library, tmp_path: Path) -> None:
    paths = [export_wav(library, take(library, seed), tmp_path, today=DAY) for seed in range(3)]
    assert [path.stem for path in paths] == [
        "Jungle-break_174bpm_Am_2bar",
        "Jungle-break_174bpm_Am_2bar-2",
        "Jungle-break_174bpm_Am_2bar-3",
    ]
    again = [export_wav(library, take(library, seed), tmp_path, today=DAY) for seed in range(3)]
    assert again == paths


def test_a_file_that_is_in_the_way_is_never_touched(library: Library, tmp_path: Path) -> None:
    month = tmp_path / "2026-11"
    month.mkdir()
    theirs = month / "Jungle-break_174bpm_Am_2bar.wav"
    theirs.write_bytes(b"edited in a DAW")
    (month / "Jungle-break_174bpm_Am_2bar-2.wav").mkdir()
    (month / "Jungle-break_174bpm_Am_2bar-3.wav").symlink_to("nowhere")
    path = export_wav(library, take(library), tmp_path, today=DAY)
    assert path.stem.endswith("-4")
    assert theirs.read_bytes() == b"edited in a DAW"


def test_many_exports_at_once_never_overwrite_each_other(library: Library, tmp_path: Path) -> None:
    records = [take(library, seed) for seed in range(6)]
    with ThreadPoolExecutor(6) as threads:
        paths = list(
            threads.map(lambda record: export_wav(library, record, tmp_path, today=DAY), records)
        )
    assert len(set(paths)) == 6
    for record, path in zip(records, paths, strict=True):
        assert path.read_bytes() == library.path(record).read_bytes()


def test_without_hard_links_it_works_as_well(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(Path, "hardlink_to", refused)
    exports = tmp_path / "exports"
    paths = [export_wav(library, take(library, seed), exports, today=DAY) for seed in (1, 2, 1)]
    assert paths[0] == paths[2] != paths[1]
    assert len(everything(exports)) == 2


@pytest.mark.parametrize("broken", ["fsync", "link"])
def test_a_full_disk_leaves_nothing(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    record = take(library)
    exports = tmp_path / "exports"
    if broken == "fsync":
        monkeypatch.setattr("studio.export.files.os.fsync", full)
    else:
        monkeypatch.setattr(Path, "hardlink_to", full)
    with pytest.raises(StorageError, match="disk is full") as caught:
        export_wav(library, record, exports, today=DAY)
    assert str(exports) in caught.value.user_message
    assert everything(exports) == []


def test_an_exports_folder_that_cannot_be_one_is_named(library: Library, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="choose another exports folder") as caught:
        export_wav(library, take(library), tmp_path / "file", today=DAY)
    assert "\n" not in caught.value.user_message


def test_a_missing_sound_is_named(library: Library, tmp_path: Path) -> None:
    record = take(library)
    library.path(record).unlink()
    with pytest.raises(LibraryError, match="Jungle break") as caught:
        export_wav(library, record, tmp_path / "exports", today=DAY)
    assert str(library.path(record)) in caught.value.user_message
    assert not (tmp_path / "exports").exists()


@pytest.mark.parametrize(
    ("changes", "stem"),
    [
        ({}, "Jungle-break_174bpm_Am_2bar"),
        ({"tempo_bpm": 92.5}, "Jungle-break_92.5bpm_Am_2bar"),
        ({"tempo_bpm": 100.0}, "Jungle-break_100bpm_Am_2bar"),
        ({"tempo_bpm": None, "key": None, "bars": None}, "Jungle-break"),
        ({"key": "F#m"}, "Jungle-break_174bpm_F#m_2bar"),
        ({"key": "../x"}, "Jungle-break_174bpm_x_2bar"),
        ({"name": "Jungle break 174bpm Am 2bar"}, "Jungle-break_174bpm_Am_2bar"),
        ({"name": "Amen_174bpm_Am_2bar"}, "Amen_174bpm_Am_2bar"),
        ({"name": "../../etc/passwd"}, "etc-passwd_174bpm_Am_2bar"),
        ({"name": 'a<b>c:d"e/f\\g|h?i*j'}, "a-b-c-d-e-f-g-h-i-j_174bpm_Am_2bar"),
        ({"name": "...", "tempo_bpm": None}, "Sample_Am_2bar"),
        ({"name": "CON", "tempo_bpm": None, "key": None, "bars": None}, "_CON"),
        ({"name": "lpt1", "tempo_bpm": None, "key": None, "bars": None}, "_lpt1"),
        ({"name": "鼓 ループ"}, "鼓-ループ_174bpm_Am_2bar"),
        ({"name": "Été"}, "Été_174bpm_Am_2bar"),
    ],
)
def test_names_say_what_is_known_and_suit_every_system(changes: dict[str, Any], stem: str) -> None:
    assert export_stem(replace(RECORD, **changes)) == stem


@settings(max_examples=100, deadline=None)
@given(name=st.text(alphabet=st.characters(), max_size=300))
def test_any_name_becomes_a_file_name(name: str) -> None:
    stem = export_stem(replace(RECORD, name=name))
    assert len((stem + "-999.wav").encode("utf-8")) <= 255
    assert not set(stem) & set('<>:"/\\|?*')
    assert stem == stem.strip(" .")
    assert all(character.isprintable() for character in safe_name(name))
