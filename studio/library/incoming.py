"""How a sound's file gets into the library without ever being half there.

Owns `samples/.incoming`: every open library has a folder of its own there, beside a lock file
that the operating system frees when the program dies, however it dies. The order is

1. the file is written and synced in the owner's folder,
2. its row is committed, naming the file's final place,
3. the file is moved to that place.

After a crash the folder of a dead owner holds files with a row (moved on by `recover`) and files
without one (removed). So a committed row always gets its file, and a file always has a row.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Final

from studio.core.errors import StorageError
from studio.core.file_lock import try_lock
from studio.core.storage import shown_path, sync_folder

INCOMING: Final = ".incoming"
_LOCK_SUFFIX: Final = ".lock"


def final_path(file_name: str) -> str:
    """Where a file of the library belongs, below its folder: `samples/ab/abcd.wav`."""
    return f"samples/{file_name[:2]}/{file_name}"


class IncomingFolder:
    """This program's part of `samples/.incoming`, made at first use and held until `close`.

    Args:
        library_folder: The library's folder.
    """

    def __init__(self, library_folder: Path) -> None:
        self._root = library_folder / "samples" / INCOMING
        self._folder: Path | None = None
        self._lock: IO[bytes] | None = None
        self._guard = threading.Lock()

    def new_file(self, suffix: str) -> Path:
        """A name for a new file here; nothing is written yet.

        Raises:
            StorageError: The folder cannot be made.
        """
        try:
            with self._guard:
                return self._claim() / f"{secrets.token_hex(16)}{suffix}"
        except OSError as error:
            raise StorageError(
                f"{shown_path(self._root)} cannot be written ({error.strerror or error}): free "
                "some space or check the folder's permissions."
            ) from error

    def close(self) -> None:
        """Give the folder up. What is still in it is left to `recover`."""
        if self._folder is None or self._lock is None:
            return
        lock_path = self._folder.with_name(self._folder.name + _LOCK_SUFFIX)
        with contextlib.suppress(OSError):
            self._folder.rmdir()
            _unlink_held(self._lock, lock_path)
        self._lock.close()
        self._folder = self._lock = None

    def _claim(self) -> Path:
        if self._folder is not None:
            self._folder.mkdir(exist_ok=True)
            return self._folder
        self._root.mkdir(parents=True, exist_ok=True)
        while True:
            folder = self._root / f"{os.getpid()}-{secrets.token_hex(8)}"
            lock_path = folder.with_name(folder.name + _LOCK_SUFFIX)
            lock = lock_path.open("ab")
            # Between opening and locking, a program that recovers may have taken it for a
            # leftover and removed it: then it is no longer the file of that name.
            if try_lock(lock) and _is_still(lock, lock_path):
                break
            lock.close()
        folder.mkdir()
        self._folder, self._lock = folder, lock
        return folder


def recover(library_folder: Path, is_known: Callable[[str], bool]) -> tuple[int, int]:
    """Finish or remove what dead owners left; call it inside a write transaction.

    The transaction keeps two programs from recovering the same folder at once.

    Args:
        library_folder: The library's folder.
        is_known: Whether a row names this final path (below the library's folder).

    Returns:
        How many files were moved to their place, and how many were removed.
    """
    finished = removed = 0
    for folder in _dead_owners(library_folder):
        for file in _files(folder):
            place = final_path(file.name)
            if is_known(place):
                move_into_place(file, library_folder / place)
                finished += 1
            else:
                file.unlink(missing_ok=True)
                removed += 1
        with contextlib.suppress(OSError):
            folder.rmdir()
    return finished, removed


def leftovers(library_folder: Path) -> list[Path]:
    """Files of owners that are no longer running; nothing is changed."""
    return [file for folder in _dead_owners(library_folder, keep=True) for file in _files(folder)]


def incoming_names(library_folder: Path) -> set[str]:
    """Names of all files on their way, of owners that run too."""
    root = library_folder / "samples" / INCOMING
    return {file.name for folder in _folders(root) for file in _files(folder)}


def move_into_place(source: Path, place: Path) -> None:
    """Rename a file to its final place and make that last through a power cut.

    Raises:
        OSError: It cannot be moved; it is still at `source`.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    pauses_seconds = [0.5, 0.2, 0.05]
    while True:
        try:
            source.replace(place)
            break
        except PermissionError:
            # On Windows a virus scanner may hold a new file for a moment.
            if os.name != "nt" or not pauses_seconds:
                raise
            time.sleep(pauses_seconds.pop())
    sync_folder(place.parent)


def _dead_owners(library_folder: Path, *, keep: bool = False) -> Iterator[Path]:
    """Folders whose owner is gone, held locked meanwhile; their lock files go unless `keep`."""
    root = library_folder / "samples" / INCOMING
    names = {path.name.removesuffix(_LOCK_SUFFIX) for path in _entries(root)}
    for name in sorted(names):
        folder, lock_path = root / name, root / (name + _LOCK_SUFFIX)
        try:
            lock = lock_path.open("r+b")
        except FileNotFoundError:
            if folder.is_dir():  # an owner makes its lock before its folder, so this one is dead
                yield folder
            continue
        except OSError:
            continue
        with lock:
            if not try_lock(lock):
                continue
            yield folder
            if not keep and not folder.exists():
                _unlink_held(lock, lock_path)


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _folders(root: Path) -> list[Path]:
    return [path for path in _entries(root) if path.is_dir()]


def _files(folder: Path) -> list[Path]:
    return [path for path in _entries(folder) if path.is_file()]


def _unlink_held(lock: IO[bytes], path: Path) -> None:
    """Remove a lock file; Windows cannot remove one that is open."""
    if sys.platform == "win32":
        lock.close()
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def _is_still(lock: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(lock.fileno()), path.stat())
    except FileNotFoundError:
        return False
