"""Where takes are written outside the library.

Owns numbered names that never overwrite, and the checks before a long render. How a WAV is
written is `audio`'s.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from studio.audio.clip import AudioClip
from studio.core.errors import InputError, StorageError

_MAX_NUMBER = 999_999


def check_output(path: Path) -> None:
    """Find out before rendering whether a file can be written there.

    Raises:
        StorageError: It cannot.
    """
    if path.is_dir():
        raise StorageError(f"{path} is a folder; give the name of a WAV file in it.")
    if not path.parent.is_dir():
        raise StorageError(f"The folder {path.parent} does not exist; create it first.")
    if not os.access(path.parent, os.W_OK):
        raise StorageError(f"The folder {path.parent} cannot be written; choose another one.")


def numbered_path(folder: Path, prefix: str, number: int) -> Path:
    """The path of one numbered file; the folder is made where missing.

    Raises:
        InputError: The prefix is no part of a file name.
        StorageError: The folder cannot be made or written.
    """
    if not prefix or "/" in prefix or "\\" in prefix or "\0" in prefix or prefix.startswith("."):
        raise InputError(f"The prefix {prefix!r} cannot start a file name; use letters and digits.")
    path = folder / f"{prefix}_{number:04d}.wav"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"Cannot create the folder {folder} ({error.strerror or error}); choose another one."
        ) from error
    check_output(path)
    return path


def write_new(folder: Path, prefix: str, clip: AudioClip) -> Path:
    """Write a clip under the next free number, whole or not at all, over no existing file.

    Returns:
        The file.

    Raises:
        StorageError: It cannot be written.
    """
    first = _first_free(folder, prefix)
    part = folder / f".{prefix}-{secrets.token_hex(8)}.wav"
    try:
        _save_under(part, numbered_path(folder, prefix, first), clip)
        for number in range(first, _MAX_NUMBER):
            path = numbered_path(folder, prefix, number)
            if _claim(part, path):
                return path
    finally:
        part.unlink(missing_ok=True)
    raise StorageError(f"{folder} has no free number left for {prefix}; use another prefix.")


def _save_under(part: Path, shown: Path, clip: AudioClip) -> None:
    """Save a clip as `part`; a fault names the file that the person waits for."""
    try:
        clip.save(part)
    except StorageError as error:
        raise StorageError(error.user_message.replace(part.name, shown.name)) from error


def _first_free(folder: Path, prefix: str) -> int:
    """One more than the highest number in use, so that a gap does not mix two sessions."""
    numbers = (
        path.stem[len(prefix) + 1 :]
        for path in folder.glob("*.wav")
        if path.name.startswith(f"{prefix}_")
    )
    return 1 + max((int(text) for text in numbers if text.isdecimal()), default=0)


def _claim(part: Path, path: Path) -> bool:
    """Give the finished file its name, unless somebody has it."""
    try:
        path.hardlink_to(part)
    except FileExistsError:
        return False
    except OSError:  # a disk without hard links, such as FAT
        if path.exists():
            return False
        part.replace(path)
    return True
