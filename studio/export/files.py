"""Permanent copies of sounds for a DAW.

Owns the names and places of exported files. DAWs link to files instead of copying them, so an
export is never changed, replaced or removed again. It does not render: what the library has is
what is exported, byte for byte.
"""

from __future__ import annotations

import contextlib
import errno
import filecmp
import itertools
import os
import re
import secrets
import shutil
import unicodedata
from datetime import date
from pathlib import Path
from typing import Final

from studio.core.errors import LibraryError, StorageError
from studio.core.storage import shown_path, sync_folder
from studio.library.library import Library
from studio.library.naming import without_facts
from studio.library.records import SampleRecord

MAX_NAME_CHARACTERS: Final = 60
_MAX_STEM_BYTES: Final = 180
_RESERVED: Final = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com\d|lpt\d)(\..*)?", re.I)
_MONTH: Final = "[0-9][0-9][0-9][0-9]-[0-9][0-9]"


def export_wav(
    library: Library, record: SampleRecord, exports_dir: Path, *, today: date | None = None
) -> Path:
    """A permanent copy of a sound, such as `2026-11/Jungle-break_174bpm_Am_2bar.wav`.

    A copy of the same name and bytes that is already there, of an earlier month too, is given
    again; a file with other bytes is never touched, the new one gets a number.

    Args:
        library: Where the sound is.
        record: The sound.
        exports_dir: The exports folder; made when it is not there.
        today: Decides the month's folder; None is the current date.

    Raises:
        LibraryError: The sound's file is missing.
        StorageError: The exports folder cannot be written.
    """
    source = library.path(record)
    if not source.is_file():
        raise LibraryError(
            f"The file of {record.name} is not at {shown_path(source)}: put it back there, or "
            "import it from where it is now."
        )
    stem, suffix = export_stem(record), source.suffix.lower() or ".wav"
    folder = exports_dir / (today or date.today()).strftime("%Y-%m")
    try:
        earlier = sorted(
            (month for month in exports_dir.glob(_MONTH) if month != folder), reverse=True
        )
        for month in (folder, *earlier):
            for path in _numbered(month, stem, suffix):
                if not _is_taken(path):
                    break
                if _same_bytes(source, path):
                    return path
        folder.mkdir(parents=True, exist_ok=True)
        return _copy(source, folder, stem, suffix)
    except OSError as error:
        raise StorageError(_fault(folder, error)) from error


def export_stem(record: SampleRecord) -> str:
    """The file name of an export without suffix: name, tempo, key and bars, as far as known.

    It is valid on Windows, macOS and Linux alike.
    """
    parts = [safe_name(without_facts(record.name)) or "Sample"]
    if record.tempo_bpm is not None:
        parts.append(f"{record.tempo_bpm:.2f}".rstrip("0").rstrip(".") + "bpm")
    if record.key and (key := safe_name(record.key)):
        parts.append(key)
    if record.bars is not None:
        parts.append(f"{record.bars}bar")
    stem = "_".join(parts)
    return f"_{stem}" if _RESERVED.fullmatch(stem) else stem


def safe_name(text: str) -> str:
    """Letters, digits and `#+'` of any script, with single hyphens for everything between."""
    text = unicodedata.normalize("NFC", text)
    kept = "".join(c if unicodedata.category(c)[0] in "LMN" or c in "#+" else "-" for c in text)
    name = "-".join(part for part in kept.split("-") if part)[:MAX_NAME_CHARACTERS]
    # Most file systems count bytes, and a letter may take four.
    return name.encode("utf-8")[:_MAX_STEM_BYTES].decode("utf-8", "ignore").strip("-")


def _numbered(folder: Path, stem: str, suffix: str) -> itertools.chain[Path]:
    """The first choice of a name, then `stem-2`, `stem-3`, ..."""
    more = (folder / f"{stem}-{number}{suffix}" for number in itertools.count(2))
    return itertools.chain([folder / f"{stem}{suffix}"], more)


def _is_taken(path: Path) -> bool:
    return os.path.lexists(path)


def _same_bytes(source: Path, path: Path) -> bool:
    try:
        return path.is_file() and filecmp.cmp(source, path, shallow=False)
    except FileNotFoundError:
        return False


def _copy(source: Path, folder: Path, stem: str, suffix: str) -> Path:
    """Copy under the first free name; the name appears with the whole content or not at all.

    Raises:
        OSError: The copy cannot be written; nothing of it is left.
    """
    part = folder / f".{secrets.token_hex(8)}.part"
    try:
        with source.open("rb") as reading, part.open("xb") as writing:
            shutil.copyfileobj(reading, writing, 1 << 20)
            writing.flush()
            os.fsync(writing.fileno())
        for path in _numbered(folder, stem, suffix):
            if _is_taken(path):
                if _same_bytes(source, path):
                    return path
            elif _publish(part, path):
                sync_folder(folder)
                return path
        raise AssertionError("numbers do not end")
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _publish(part: Path, path: Path) -> bool:
    """Give the finished file its name; False when another program took the name first."""
    try:
        path.hardlink_to(part)
        return True
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EROFS}:
            raise
    # A file system without hard links: take the name with an empty file, then replace that.
    try:
        path.open("xb").close()
    except FileExistsError:
        return False
    try:
        part.replace(path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return True


def _fault(folder: Path, error: OSError) -> str:
    shown = shown_path(folder)
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return f"Nothing was exported to {shown}, the disk is full: free some space and try again."
    return (
        f"Nothing was exported to {shown} ({error.strerror or error}): choose another exports "
        "folder in the settings."
    )
