"""What SQLite's errors mean to a person.

Owns the wording. It opens nothing and decides nothing.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from studio.core.errors import LibraryError, StorageError, StudioError
from studio.core.storage import shown_path

BUSY_TIMEOUT_SECONDS: Final = 20.0
"""How long a statement waits for another program's write."""


def primary_code(error: sqlite3.Error) -> int:
    """The primary SQLite result code of an error, 0 when it has none."""
    code = getattr(error, "sqlite_errorcode", None)
    return 0 if code is None else int(code) & 0xFF


def meaning_of(error: sqlite3.Error, path: Path, *, read_only: bool) -> StudioError | None:
    """The error to show for a fault of the database at `path`; None when it is a bug of ours."""
    shown = shown_path(path)
    code = primary_code(error)
    if code == sqlite3.SQLITE_FULL:
        return StorageError(
            f"The library {shown} was not changed, the disk is full: free some space and try again."
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return LibraryError(
            f"{shown} is damaged or not a database; nothing was changed: move it away and put "
            f"the newest copy from {shown_path(path.parent / 'snapshots')} in its place."
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return LibraryError(
            f"Another program has been writing to {shown} for {BUSY_TIMEOUT_SECONDS:.0f} s: "
            "let it finish, then try again."
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        purpose = "reading" if read_only else "writing"
        return LibraryError(
            f"The library {shown} cannot be opened for {purpose}: check the permissions of its "
            "folder, or choose another one with --data-dir."
        )
    if code == sqlite3.SQLITE_IOERR:
        return StorageError(
            f"The disk failed at the library {shown}; nothing was changed: check the disk."
        )
    return None
