"""A file whole or not at all.

Owns putting bytes at a path so that a full disk, a crash or a power cut leaves either the old
file or the new one, and the wording of what can go wrong there. It knows nothing about sound.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from pathlib import Path

from studio.core.errors import StorageError


def write_atomically(path: str | os.PathLike[str], content: bytes) -> None:
    """Put `content` at `path`: whole and on the disk, or nothing at all.

    A link is followed: the file it names is replaced, the link stays.

    Raises:
        StorageError: No such folder, no permission, no space, or not a place for a file.
    """
    path = Path(path)
    try:
        target = Path(os.path.realpath(path))
        _require_room_for_a_file(path, target)
        part = target.parent / f".{secrets.token_hex(8)}.part"
        try:
            descriptor = os.open(
                part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666
            )
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise
        sync_folder(target.parent)
    except (OSError, ValueError) as error:
        raise StorageError(_write_fault(path, error)) from error


def _require_room_for_a_file(path: Path, target: Path) -> None:
    if target.is_dir():
        raise StorageError(f"{shown_path(path)} is a folder: give the name of a file in it.")
    if target.exists() and not target.is_file():
        raise StorageError(f"{shown_path(path)} is not an ordinary file: choose another name.")
    if not target.parent.is_dir():
        raise StorageError(
            f"{shown_path(path)} was not written, the folder {shown_path(target.parent)} "
            "does not exist: make it, or choose another."
        )


def sync_folder(folder: Path) -> None:
    """Make renames in a folder last through a power cut, where the system can."""
    if os.name == "nt":
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _write_fault(path: Path, error: OSError | ValueError) -> str:
    shown = shown_path(path)
    code = error.errno if isinstance(error, OSError) else None
    if code in (errno.ENOSPC, errno.EDQUOT):
        return f"{shown} was not written, the disk is full: free some space and try again."
    if code == errno.EFBIG:
        return f"{shown} was not written, it is too large for that disk: choose another folder."
    if code in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{shown} was not written, there is no permission: choose another folder."
    if code == errno.ENAMETOOLONG:
        return f"{shown} was not written, the name is too long: choose a shorter one."
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"{shown} was not written ({one_line(reason)}): choose another name or folder."


def shown_path(path: Path) -> str:
    """A path as one printable line, whatever a file was named."""
    return one_line(str(path))


def one_line(text: str) -> str:
    """Text with everything unprintable, line ends too, replaced."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    return "".join(c if c.isprintable() else "?" for c in text)
