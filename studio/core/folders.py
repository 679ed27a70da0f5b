"""A folder whole or not at all.

Owns putting a finished folder in an earlier one's place, so that a full disk or a crash leaves
either the old one or the new one, and the refusal to replace what somebody else put there.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from studio.core.errors import StorageError
from studio.core.storage import shown_path, sync_folder


@contextmanager
def replacing_folder(
    folder: Path, *, mark: str, allowed: frozenset[str], what: str
) -> Iterator[Path]:
    """A fresh folder that takes the place of `folder` when the block ends well.

    Args:
        folder: What will be made. One that is there is replaced if it is empty, or holds the
            file `mark` and none but those in `allowed`.
        mark: The name of a file that every folder of this kind has.
        allowed: The names of all files that one can have.
        what: Begins the sentence of an error, such as "The bundle".

    Yields:
        The fresh folder, to be filled with files.

    Raises:
        StorageError: It cannot be written, or would replace something else; what is there is
            untouched.
    """
    fresh = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.part")
    try:
        _require_replaceable(folder, mark, allowed, what)
        fresh.mkdir(parents=True)
        yield fresh
        for file in fresh.iterdir():
            _sync(file)
        _put(fresh, folder)
        sync_folder(folder.absolute().parent)
    except OSError as error:
        raise StorageError(
            f"{what} could not be written to {shown_path(folder)}: {error.strerror or error}. "
            "Free some space or choose another folder."
        ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _put(fresh: Path, folder: Path) -> None:
    if not folder.exists():
        fresh.rename(folder)
        return
    old = fresh.with_suffix(".old")
    folder.rename(old)
    try:
        fresh.rename(folder)
    except OSError:
        old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _require_replaceable(folder: Path, mark: str, allowed: frozenset[str], what: str) -> None:
    if not folder.exists():
        return
    strange = "it is a file"
    if folder.is_dir():
        found = sorted(file.name for file in folder.iterdir())
        others = [name for name in found if name not in allowed]
        if not others and (not found or mark in found):
            return
        strange = f"{shown_path(Path((others or found)[0]))} is in it"
    raise StorageError(
        f"{what} would take the place of {shown_path(folder)}, but {strange}; choose another"
        " folder."
    )


def _sync(file: Path) -> None:
    with file.open("rb+") as stream:
        os.fsync(stream.fileno())
