from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from studio.audio.clip import AudioClip
from studio.audio.files import read_audio, wav_bytes
from studio.core.errors import AudioFileError, InputError, LibraryError, StorageError, StudioError
from studio.library.library import Library
from studio.library.records import Change, NewSample, SampleRecord

Noise = Callable[..., AudioClip]
Add = Callable[..., SampleRecord]
Python = Callable[..., "subprocess.Popen[str]"]


def sounds(library: Library) -> list[Path]:
    """Every file below `samples` but locks and the daily copy of the database on its way."""
    files = [path for path in (library.folder / "samples").rglob("*") if path.is_file()]
    return [path for path in files if path.suffix != ".lock" and ".sqlite3" not in path.name]


def test_a_take_comes_back_with_everything_that_went_in(library: Library, noise: Noise) -> None:
    clip = noise(3, frames=1_000, channels=2)
    codes = np.array([[0, 1, 2047], [5, 6, 32767]], dtype=np.int64)
    recipe = json.dumps({"prompt": "174 bpm jungle", "seed": 2**63 - 1})
    sample = NewSample(
        clip=clip,
        codes=codes,
        tempo_bpm=174.0,
        bars=2,
        key="F#m",
        prompt="174 bpm jungle break, dark reese bass",
        model="house",
        model_hash="ab" * 32,
        seed=2**63 - 1,
        recipe_json=recipe,
        tags=("Dark", "#break", "dark"),
    )
    change = library.add_take(sample).result()
    assert change == Change(ids=(1,))
    record = library.get(1)
    path = library.path(record)
    assert path.read_bytes() == wav_bytes(clip, "PCM_24")
    assert record == SampleRecord(
        id=1,
        name="Jungle break dark reese bass",
        relative_path=f"samples/{path.name[:2]}/{path.name}",
        origin="generated",
        content_hash=hashlib.sha256(path.read_bytes()).hexdigest(),
        frames=1_000,
        sample_rate=clip.sample_rate,
        channels=2,
        tempo_bpm=174.0,
        bars=2,
        key="F#m",
        prompt="174 bpm jungle break, dark reese bass",
        model="house",
        model_hash="ab" * 32,
        seed=2**63 - 1,
        recipe_json=recipe,
        tags=("break", "dark"),
        created_at=record.created_at,
    )
    assert library.search("jungle") == [record]
    stored = library.codes(1)
    assert stored is not None
    assert stored.dtype == np.int64
    np.testing.assert_array_equal(stored, codes)


def test_a_take_without_codes_has_none(library: Library, add: Add) -> None:
    assert library.codes(add(name="plain").id) is None


def test_an_unknown_id_is_a_library_error(library: Library) -> None:
    for ask in (library.get, library.codes):
        with pytest.raises(LibraryError, match="no sound 7"):
            ask(7)


def test_equal_takes_are_two_sounds_with_two_files(library: Library, add: Add) -> None:
    first, second = add(1), add(1)
    assert first.content_hash == second.content_hash
    assert library.path(first) != library.path(second)


@pytest.mark.parametrize(
    "codes", [np.zeros(4, np.int64), np.full((1, 2), -1), np.full((1, 2), 40_000), np.zeros((1, 2))]
)
def test_codes_that_are_none_are_refused_whole(
    library: Library, noise: Noise, codes: np.ndarray
) -> None:
    with pytest.raises(InputError, match="Codes"):
        library.add_take(NewSample(clip=noise(), codes=codes)).result()
    assert library.count() == 0
    assert sounds(library) == []


def test_a_sound_that_is_none_is_refused_whole(library: Library) -> None:
    clip = AudioClip(samples=np.full((1, 10), np.nan, np.float32), sample_rate=8_000)
    with pytest.raises(AudioFileError):
        library.add_take(NewSample(clip=clip)).result()
    assert library.count() == 0
    assert sounds(library) == []


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_keeps_nothing_of_the_take_and_the_next_one_works(
    library: Library, add: Add, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    kept = add(0)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        if step == "fsync":
            patch.setattr("studio.core.storage.os.fsync", full)
        else:
            patch.setattr("studio.library.takes.move_into_place", full)
        with pytest.raises(StorageError) as caught:
            add(1)
    assert "\n" not in caught.value.user_message
    assert library.search() == [kept]
    assert sounds(library) == [library.path(kept)]
    assert library.check(deep=True).ok
    assert add(2).id > kept.id


def test_a_database_that_is_full_keeps_no_file(library: Library, add: Add) -> None:
    def shrink() -> None:
        with library._database.atomic() as connection:
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count = {pages}")

    library._database.submit(shrink).result()
    with pytest.raises(StorageError, match="disk is full"):
        add(1, recipe_json="x" * 1_000_000)
    assert library.count() == 0
    assert sounds(library) == []
    assert library.check().ok


def test_takes_from_many_threads_all_arrive(library: Library, noise: Noise) -> None:
    def one(seed: int) -> int:
        change = library.add_take(NewSample(clip=noise(seed), seed=seed)).result()
        return library.get(change.ids[0]).seed or 0

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(one, range(12))) == list(range(12))
    assert library.count() == 12
    assert library.check(deep=True).ok


def test_closing_waits_for_takes_that_were_handed_over(tmp_path: Path, noise: Noise) -> None:
    library = Library.open(tmp_path)
    futures = [library.add_take(NewSample(clip=noise(seed))) for seed in range(5)]
    library.close()
    assert [future.result().ids for future in futures] == [(n,) for n in range(1, 6)]
    with Library.open(tmp_path) as again:
        assert again.count() == 5


ADD_UNTIL_KILLED = """
import sys
from pathlib import Path
import numpy as np
from studio.audio.clip import AudioClip
from studio.library.library import Library
from studio.library.records import NewSample
folder, seed = Path(sys.argv[1]), int(sys.argv[2])
random = np.random.default_rng(seed)
library = Library.open(folder)
print("open", flush=True)
while True:
    clip = AudioClip(samples=random.uniform(-1, 1, (1, 2_000)).astype("f4"), sample_rate=8_000)
    sample = NewSample(clip=clip, codes=np.zeros((4, 25), np.int64), prompt="a take")
    (sample_id,) = library.add_take(sample).result().ids
    print(sample_id, library.get(sample_id).content_hash, flush=True)
"""


def test_kill_at_any_moment_loses_no_take_and_leaves_no_orphan(
    tmp_path: Path, python: Python
) -> None:
    moments = random.Random(20)
    reported: dict[int, str] = {}
    for round_number in range(4):
        programs = [python(ADD_UNTIL_KILLED, tmp_path, 5 * round_number + n) for n in range(5)]
        for program in programs:
            assert program.stdout is not None
            assert program.stdout.readline() == "open\n"
        for program in programs:
            time.sleep(moments.uniform(0.0, 0.3))
            program.kill()
            output, _ = program.communicate()
            # The last line may have been cut off in the middle.
            for line in output.splitlines(keepends=True):
                if line.endswith("\n"):
                    sample_id, content_hash = line.split()
                    reported[int(sample_id)] = content_hash
        with Library.open(tmp_path) as library:
            report = library.check(deep=True)
            assert report.problems == ()
            assert report.samples == library.count() >= len(reported)
            for sample_id, content_hash in reported.items():
                assert library.get(sample_id).content_hash == content_hash
    assert len(reported) > 20


STOP_AT = """
import os, sys
from pathlib import Path
import numpy as np
from studio.audio.clip import AudioClip
from studio.library import takes
from studio.library.database import Database
from studio.library.library import Library
from studio.library.records import NewSample
step = sys.argv[2]
library = Library.open(Path(sys.argv[1]))
real_write, real_move = takes.write_wav, takes.move_into_place
def write_wav(*args, **more):
    if step == "before the file":
        os._exit(9)
    real_write(*args, **more)
    if step == "after the file":
        os._exit(9)
def move_into_place(*args):
    if step == "after the row":
        os._exit(9)
    real_move(*args)
    os._exit(9)
takes.write_wav, takes.move_into_place = write_wav, move_into_place
clip = AudioClip(samples=np.zeros((1, 100)), sample_rate=8_000)
library.add_take(NewSample(clip=clip, prompt="one")).result()
"""


@pytest.mark.parametrize(
    ("step", "kept"),
    [("before the file", 0), ("after the file", 0), ("after the row", 1), ("after the move", 1)],
)
def test_a_crash_between_two_steps_leaves_all_or_nothing(
    tmp_path: Path, python: Python, step: str, kept: int
) -> None:
    program = python(STOP_AT, tmp_path, step)
    program.communicate(timeout=240)
    assert program.returncode == 9
    with Library.open(tmp_path) as library:
        assert library.count() == kept
        assert len(sounds(library)) == kept
        assert library.check(deep=True).ok
        if kept:
            assert read_audio(library.path(library.get(1))).frames == 100


def test_a_library_in_a_place_that_is_a_file_is_a_library_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LibraryError, match="choose another one") as caught:
        Library.open(tmp_path / "file" / "data")
    assert isinstance(caught.value, StudioError)
    assert "\n" not in caught.value.user_message


@pytest.mark.parametrize("name", ["x" * 5_000, "a\nb\x00c\ud800", "  ", "‮evil"])
def test_any_name_is_stored_as_one_line(library: Library, add: Add, name: str) -> None:
    stored = add(name=name, prompt="pad") if name.strip() else add(name=name.strip(), prompt="pad")
    assert stored.name
    assert len(stored.name) <= 120
    assert "\n" not in stored.name


def test_the_folder_of_this_program_is_gone_after_closing(tmp_path: Path, noise: Noise) -> None:
    with Library.open(tmp_path) as library:
        library.add_take(NewSample(clip=noise())).result()
    assert list((tmp_path / "samples" / ".incoming").iterdir()) == []
    assert not (tmp_path / "library.sqlite3-wal").exists() or sys.platform == "win32"
