"""Keeping the library whole: checks, the bin's end, missing files, copies of the database.

Owns comparing rows with files. It repairs nothing by itself except what is beyond doubt: the
`missing` mark, and what has lain in the bin long enough.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from studio.core.storage import shown_path, sync_folder
from studio.library.database import Database
from studio.library.incoming import (
    INCOMING,
    IncomingFolder,
    incoming_names,
    leftovers,
)
from studio.library.records import Change, CheckReport
from studio.library.takes import file_hash

BIN_DAYS: Final = 30
SNAPSHOTS_KEPT: Final = 5
_PAGES_AT_ONCE: Final = 2_000


def check(database: Database, library_folder: Path, *, deep: bool) -> CheckReport:
    """Compare database and files; see `Library.check`. Not for the writer thread."""
    # Files are listed before rows are read: a file's row is committed before it is in place, so
    # a take that another program stores meanwhile is never taken for an orphan.
    stored = set(_stored_files(library_folder))
    on_their_way = incoming_names(library_folder)
    temporary = leftovers(library_folder)
    with database.reading() as connection:
        faults = [
            f"The database {shown_path(database.path)} is damaged: {text}."
            for (text,) in connection.execute("PRAGMA integrity_check(20)")
            if text != "ok"
        ]
        rows = connection.execute(
            "SELECT id, name, relative_path, origin, content_hash FROM samples ORDER BY id"
        ).fetchall()
    if not database.read_only and not database.submit(lambda: _text_is_whole(database)).result():
        faults.append(f"The search index in {shown_path(database.path)} is damaged.")
    missing, mismatches, named = [], [], set()
    for sample_id, name, relative_path, _, content_hash in rows:
        path = library_folder / relative_path
        named.add(path)
        sound = f"Sound {sample_id} ({name})"
        if not path.is_file():
            if path.name not in on_their_way and not path.is_file():
                missing.append(f"{sound}: its file {shown_path(path)} is missing.")
        elif deep and _hash_or_none(path) != content_hash:
            mismatches.append(f"{sound}: its file {shown_path(path)} has changed.")
    return CheckReport(
        samples=len(rows),
        missing_files=tuple(missing),
        orphans=tuple(
            f"{shown_path(path)} belongs to no sound: import it from elsewhere or delete it."
            for path in sorted(stored - named)
        ),
        hash_mismatches=tuple(mismatches),
        leftovers=tuple(
            f"{shown_path(path)} was left by a program that died: open the library to clear it."
            for path in temporary
        ),
        database_faults=tuple(faults),
    )


def refresh_missing(database: Database, library_folder: Path) -> Change:
    """Look for every sound's file and note which are gone or back. On the writer thread."""
    with database.atomic() as connection:
        changed = [
            (int(gone), sample_id)
            for sample_id, relative_path, missing in connection.execute(
                "SELECT id, relative_path, missing FROM samples WHERE deleted_at IS NULL"
            )
            if (gone := not (library_folder / relative_path).is_file()) != bool(missing)
        ]
        connection.executemany("UPDATE samples SET missing = ? WHERE id = ?", changed)
    return Change(ids=tuple(sample_id for _, sample_id in changed))


def empty_bin(database: Database, library_folder: Path, *, older_than_days: float) -> Change:
    """Remove for good what was deleted long ago. On the writer thread.

    Files of generated sounds go, imported ones stay where they are. A file goes before its row:
    a crash in between leaves a row that is due again, never an orphan.
    """
    limit = datetime.now(UTC) - timedelta(days=older_than_days)
    with database.atomic() as connection:
        due = connection.execute(
            "SELECT id, origin, relative_path FROM samples "
            "WHERE deleted_at IS NOT NULL AND deleted_at <= ?",
            (limit.isoformat(timespec="milliseconds").replace("+00:00", "Z"),),
        ).fetchall()
        removed = []
        for sample_id, origin, relative_path in due:
            try:
                if origin == "generated":
                    (library_folder / relative_path).unlink(missing_ok=True)
            except OSError:
                continue  # in use or not permitted: it stays in the bin until the next time
            connection.execute("DELETE FROM samples WHERE id = ?", (sample_id,))
            removed.append(sample_id)
    return Change(removed=tuple(removed))


def keep_snapshot(
    connection: sqlite3.Connection,
    database_path: Path,
    name: str,
    incoming: IncomingFolder,
    stopping: Callable[[], bool],
) -> Path | None:
    """Copy the database to `snapshots/`, once under each name, keeping the newest five.

    Writers are not held up: the copy is of the moment at which it began.

    Args:
        connection: A connection outside any transaction.
        database_path: The database's file.
        name: Name of the copy without suffix; sorts by age.
        incoming: Where the copy is made before it gets its name.
        stopping: Asked between parts; the copy is given up when it says so.

    Returns:
        The new copy, or None when there is one of that name or it was given up.

    Raises:
        OSError, sqlite3.Error: It cannot be written.
    """
    folder = database_path.parent / "snapshots"
    place = folder / f"{name}{database_path.suffix}"
    if place.exists():
        return None
    folder.mkdir(exist_ok=True)
    temporary = incoming.new_file(place.suffix)
    try:
        _copy_database(connection, temporary, stopping)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(place)
    except _StoppedError:
        return None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    sync_folder(folder)
    for old in sorted(folder.glob(f"library-*{database_path.suffix}"))[:-SNAPSHOTS_KEPT]:
        with contextlib.suppress(OSError):
            old.unlink()
    return place


class _StoppedError(Exception):
    """The copy was given up."""


def _copy_database(source: sqlite3.Connection, path: Path, stopping: Callable[[], bool]) -> None:
    def go_on(status: int, remaining: int, total: int) -> None:
        if remaining and stopping():
            raise _StoppedError

    target = sqlite3.connect(path, isolation_level=None)
    try:
        # Within one read transaction the parts belong to one state of the database.
        source.execute("BEGIN")
        try:
            source.execute("SELECT count(*) FROM sqlite_master").fetchone()
            source.backup(target, pages=_PAGES_AT_ONCE, progress=go_on)
        finally:
            source.execute("ROLLBACK")
    finally:
        target.close()


def _stored_files(library_folder: Path) -> Iterator[Path]:
    root = library_folder / "samples"
    for folder, subfolders, names in os.walk(root):
        if Path(folder) == root and INCOMING in subfolders:
            subfolders.remove(INCOMING)
        for name in names:
            yield Path(folder) / name


def _text_is_whole(database: Database) -> bool:
    """FTS5's own comparison of the index with the rows it was made from."""
    try:
        with database.atomic() as connection:
            connection.execute(
                "INSERT INTO samples_text(samples_text, rank) VALUES ('integrity-check', 1)"
            )
    except sqlite3.DatabaseError:
        return False
    return True


def _hash_or_none(path: Path) -> str | None:
    try:
        return file_hash(path)
    except OSError:
        return None
