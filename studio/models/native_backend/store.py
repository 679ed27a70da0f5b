"""Packed weights on disk, so that a large model is packed once and not at every start.

Owns a folder of files and what stays in it. It is a cache: what is damaged, or made by another
version, is deleted and made again; a disk without room costs time only. It knows no network.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from studio.core.errors import StorageError
from studio.core.file_lock import held
from studio.core.storage import shown_path
from studio.models.native_backend.packed_file import (
    PART,
    Arrays,
    DamagedError,
    read_arrays,
    read_layout,
    write_arrays,
)

LIMIT_BYTES = 10 * 10**9
"""Of all files together; those that were not used for longest go first."""
SPARE_BYTES = 2**30
"""What stays free on the disk."""
# Raised when the kernels read another form of weights than before.
_VERSION = 1
_SUFFIX = f"-v{_VERSION}.safetensors"
_KEY = re.compile(r"[0-9a-z-]{1,100}")
_LOG = logging.getLogger(__name__)


class PackedStore:
    """The packed weights of one library.

    Args:
        folder: Where; made with the first file. None keeps nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def load(self, key: str) -> dict[str, NDArray[Any]] | None:
        """The arrays that were kept under `key`; None when there are none that are whole."""
        if self._folder is None:
            return None
        file = self._file(self._folder, key)
        try:
            arrays = read_arrays(file, key)
            with contextlib.suppress(OSError):
                os.utime(file)
            return arrays
        except FileNotFoundError:
            return None
        except OSError as error:
            _LOG.info("packed weights %s cannot be read: %s", shown_path(file), error)
            return None
        except DamagedError as error:
            _LOG.info("packed weights %s are made again: %s", shown_path(file), error)
            _delete(file)
            return None

    def save(self, key: str, arrays: Arrays, *, source: Path) -> None:
        """Keep arrays, if there is room for them and nobody else is at it.

        Args:
            key: What they are: lower-case letters, digits and hyphens.
            arrays: By name; not copied where they are contiguous.
            source: Folder of the model that they were made of, for `forget`.
        """
        if self._folder is None:
            return
        file = self._file(self._folder, key)
        size = sum(array.nbytes for array in arrays.values())
        if size > LIMIT_BYTES:
            return
        try:
            with held(self._folder / ".lock", wait_seconds=0) as alone:
                if alone:
                    self._make_room(size)
                    write_arrays(file, key, arrays, source)
        except (OSError, StorageError) as error:
            _LOG.info("packed weights are not kept: %s", error)

    def forget(self, folder: Path) -> None:
        """Delete what was made of models in `folder`, and of models that are gone."""
        place = folder.resolve()
        for entry in self._entries():
            if entry.source.is_relative_to(place) or not entry.source.is_dir():
                _delete(entry.file)

    def _file(self, folder: Path, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError(f"{key!r} is no key of packed weights")
        return folder / f"{key}{_SUFFIX}"

    def _make_room(self, size: int) -> None:
        """Delete what is of no use, then what was not used for longest; only the lock's holder.

        Raises:
            StorageError: The disk is too full all the same.
        """
        assert self._folder is not None
        for part in self._folder.glob(f"*{PART}"):
            _delete(part)
        for file in self._folder.glob("*.safetensors"):
            if not file.name.endswith(_SUFFIX):
                _delete(file)
        total = size
        for entry in sorted(self._entries(), key=lambda entry: entry.used, reverse=True):
            total += entry.size
            if total > LIMIT_BYTES or not entry.source.is_dir():
                _delete(entry.file)
                total -= entry.size
        if shutil.disk_usage(self._folder).free < size + SPARE_BYTES:
            raise StorageError(
                f"The disk of {shown_path(self._folder)} has no room for {size} bytes."
            )

    def _entries(self) -> Iterator[_Entry]:
        """The files; damaged ones are deleted."""
        files = [] if self._folder is None else list(self._folder.glob(f"*{_SUFFIX}"))
        for file in files:
            try:
                with file.open("rb", buffering=0) as stream:
                    layout = read_layout(stream)
                facts = file.stat()
            except DamagedError:
                _delete(file)
            except OSError:
                continue
            else:
                yield _Entry(
                    file=file,
                    source=layout.source,
                    size=facts.st_size,
                    used=facts.st_mtime_ns,
                )


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """A file, the model's folder, its bytes, and when it was used last."""

    file: Path
    source: Path
    size: int
    used: int


def _delete(file: Path) -> None:
    """Take a file away, if the system lets it go."""
    with contextlib.suppress(OSError):
        file.unlink(missing_ok=True)
