from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from studio.core.errors import LibraryError, StorageError
from studio.library.database import Database
from studio.library.migrations import SCHEMA_VERSION

TAG = "INSERT INTO sample_tags (tag, sample_id) VALUES (?, 1)"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "library.sqlite3")

    def one_sample() -> None:
        with opened.atomic() as connection:
            connection.execute(
                "INSERT INTO samples (name, relative_path, origin, content_hash, frames, "
                "sample_rate, channels, duration_seconds, search_text, created_at) "
                "VALUES ('a', 'a.wav', 'generated', '', 1, 1, 1, 1, 'a', '2026')"
            )

    opened.submit(one_sample).result()
    yield opened
    opened.close()


def tags(database: Database) -> list[str]:
    with database.reading() as connection:
        return [row[0] for row in connection.execute("SELECT tag FROM sample_tags ORDER BY tag")]


def test_a_block_that_fails_leaves_nothing(database: Database) -> None:
    def work() -> None:
        with database.atomic() as connection:
            connection.execute(TAG, ("lost",))
            raise KeyError("stop")

    with pytest.raises(KeyError):
        database.submit(work).result()
    assert tags(database) == []


def test_an_inner_block_takes_back_its_own_part_only(database: Database) -> None:
    def inner() -> None:
        with database.atomic() as connection:
            connection.execute(TAG, ("inner",))
            with database.atomic():
                connection.execute(TAG, ("innermost",))
            connection.execute(TAG, ("inner",))

    def work() -> None:
        with database.atomic() as connection:
            connection.execute(TAG, ("outer",))
            with pytest.raises(sqlite3.IntegrityError):
                inner()
            with database.atomic():
                connection.execute(TAG, ("second",))

    database.submit(work).result()
    assert tags(database) == ["outer", "second"]


def test_an_outer_block_that_fails_takes_back_the_inner_ones(database: Database) -> None:
    def work() -> None:
        with database.atomic():
            with database.atomic() as connection:
                connection.execute(TAG, ("inner",))
            raise KeyError("stop")

    with pytest.raises(KeyError):
        database.submit(work).result()
    assert tags(database) == []


def test_only_the_writer_thread_may_write(database: Database) -> None:
    with pytest.raises(RuntimeError, match="writer thread"), database.atomic():
        pass
    with database.reading() as connection, pytest.raises(sqlite3.OperationalError):
        connection.execute(TAG, ("no",))


def test_every_thread_reads_with_its_own_connection(database: Database) -> None:
    seen: list[sqlite3.Connection] = []

    def read() -> None:
        with database.reading() as connection:
            seen.append(connection)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    read()
    read()
    assert len({id(connection) for connection in seen}) == 4
    assert seen[3] is seen[4]


def test_connections_of_finished_threads_are_closed(database: Database) -> None:
    def read() -> None:
        with database.reading():
            pass

    for _ in range(20):
        thread = threading.Thread(target=read)
        thread.start()
        thread.join()
    assert len(database._readers) <= 2


def test_a_reader_sees_committed_states_only(database: Database) -> None:
    inside, may_end = threading.Event(), threading.Event()

    def work() -> None:
        with database.atomic() as connection:
            connection.execute(TAG, ("new",))
            inside.set()
            assert may_end.wait(60)

    future = database.submit(work)
    assert inside.wait(60)
    assert tags(database) == []
    may_end.set()
    future.result()
    assert tags(database) == ["new"]


def test_work_is_done_in_the_order_of_submission(database: Database) -> None:
    done: list[int] = []
    for number in range(20):
        database.submit(lambda number=number: done.append(number))
    database.close()
    assert done == list(range(20))


def test_a_closed_database_refuses_in_one_line(database: Database) -> None:
    database.close()
    database.close()
    with pytest.raises(LibraryError, match="closed"):
        database.submit(lambda: None).result()
    with pytest.raises(LibraryError, match="closed"), database.reading():
        pass


def test_the_journal_is_cleared_when_the_last_one_closes(database: Database) -> None:
    with database.reading():
        pass
    database.close()
    assert [path.name for path in database.path.parent.iterdir()] == ["library.sqlite3"]


def test_another_connections_commit_is_noticed_and_our_own_is_not(database: Database) -> None:
    def commits() -> int:
        database.foreign_commits()
        database.submit(lambda: None).result()
        return database.foreign_commits()

    start = commits()
    database.submit(lambda: _insert(database, "ours")).result()
    assert commits() == start
    other = sqlite3.connect(database.path)
    other.execute(TAG, ("theirs",))
    other.commit()
    other.close()
    assert commits() == start + 1
    assert commits() == start + 1


def test_a_read_only_database_notices_commits_too(database: Database) -> None:
    watching = Database(database.path, read_only=True)
    assert watching.foreign_commits() == 0
    database.submit(lambda: _insert(database, "new")).result()
    assert watching.foreign_commits() == 1
    assert tags(watching) == ["new"]
    with pytest.raises(LibraryError, match="reading only"):
        watching.submit(lambda: None).result()
    watching.close()


def _insert(database: Database, tag: str) -> None:
    with database.atomic() as connection:
        connection.execute(TAG, (tag,))


def test_a_writer_waits_for_another_program(database: Database) -> None:
    other = sqlite3.connect(database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    future = database.submit(lambda: _insert(database, "patient"))
    time.sleep(0.2)
    assert not future.done()
    other.execute("COMMIT")
    other.close()
    future.result(60)
    assert tags(database) == ["patient"]


def test_a_full_disk_is_a_storage_error_and_changes_nothing(database: Database) -> None:
    def fill() -> None:
        with database.atomic() as connection:
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count = {pages}")
            connection.execute(TAG, ("kept? no",))
            connection.execute("INSERT INTO recipes (sample_id, codes) VALUES (1, zeroblob(1e6))")

    with pytest.raises(StorageError, match="disk is full") as caught:
        database.submit(fill).result()
    assert str(database.path) in caught.value.user_message
    assert tags(database) == []
    database.submit(lambda: None).result()


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize(
    ("content", "remedy"),
    [
        (b"this is no database at all, but long enough to have a header" * 20, "snapshots"),
        (b"SQLite format 3\0" + b"\xff" * 5_000, "snapshots"),
    ],
)
def test_a_file_that_is_no_database_is_named_and_left_alone(
    tmp_path: Path, content: bytes, remedy: str, *, read_only: bool
) -> None:
    path = tmp_path / "library.sqlite3"
    path.write_bytes(content)
    with pytest.raises(LibraryError, match=remedy) as caught:
        Database(path, read_only=read_only)
    assert str(path) in caught.value.user_message
    assert "\n" not in caught.value.user_message
    assert path.read_bytes() == content


def test_a_damaged_page_is_a_library_error_when_it_is_met(database: Database) -> None:
    path = database.path
    database.close()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\x5a" * (len(content) - 4096)
    path.write_bytes(bytes(content))
    with pytest.raises(LibraryError, match="damaged"):
        Database(path)
    assert path.read_bytes() == bytes(content)


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "library.sqlite3"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE theirs (value)")
    other.close()
    before = path.read_bytes()
    for read_only in (False, True):
        with pytest.raises(LibraryError, match="another program"):
            Database(path, read_only=read_only)
    assert path.read_bytes() == before


def test_a_newer_version_is_left_alone(database: Database) -> None:
    path = database.path
    database.close()
    newer = sqlite3.connect(path, isolation_level=None)
    newer.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    newer.close()
    for read_only in (False, True):
        with pytest.raises(LibraryError, match="install the newer version") as caught:
            Database(path, read_only=read_only)
        assert str(path) in caught.value.user_message


def test_reading_where_there_is_no_library_names_the_folder(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="no library") as caught:
        Database(tmp_path / "library.sqlite3", read_only=True)
    assert str(tmp_path) in caught.value.user_message
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def locked_folder(database: Database) -> Iterator[Path]:
    """A library in a folder that an ordinary user can read and not write."""
    database.close()
    folder = Path(tempfile.mkdtemp(prefix="library-"))
    shutil.copy(database.path, folder)
    (folder / database.path.name).chmod(0o444)
    folder.chmod(0o555)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


AS_ORDINARY_USER = """
import os, sys
from pathlib import Path
from studio.core.errors import LibraryError
from studio.library.database import Database
if os.getuid() == 0:
    os.setuid(65534)
path = Path(sys.argv[1])
reader = Database(path, read_only=True)
with reader.reading() as connection:
    print(connection.execute("SELECT name FROM samples").fetchall())
reader.close()
try:
    Database(path)
except LibraryError as error:
    print(error.user_message)
"""


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_a_folder_that_cannot_be_written_can_be_read(
    locked_folder: Path, python: Callable[..., subprocess.Popen[str]]
) -> None:
    path = locked_folder / "library.sqlite3"
    output, _ = python(AS_ORDINARY_USER, path).communicate(timeout=120)
    rows, message = output.splitlines()
    assert rows == "[('a',)]"
    assert message.startswith(f"The library {path} cannot be opened for writing: check the perm")
    assert stat.S_IMODE(path.stat().st_mode) == 0o444


@pytest.mark.parametrize("name", ["100% #1? & 'mine'", "Öl 鼓"])
def test_any_folder_name_will_do(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    Database(folder / "library.sqlite3").close()
    reading = Database(folder / "library.sqlite3", read_only=True)
    assert tags(reading) == []
    reading.close()
