"""What the weights' bytes digest to, remembered between runs.

Owns a small file of SHA-256 sums, each valid for one path, size and time of change, so that a
model of 13 GB is read for its fingerprint once and not at every start. It is a cache: a damaged
file is begun anew, and a folder that cannot be written costs time only.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
from pathlib import Path

from studio.core.errors import StorageError
from studio.core.storage import write_atomically
from studio.models.bundle import sha256_of

MAX_ENTRIES = 500
_MAX_FILE_BYTES = 2**20
# Read again faster than it is worth a folder: the built-in model leaves nothing behind.
SMALL_BYTES = 2**26
_SUM = re.compile(r"[0-9a-f]{64}")
# A file changed this recently could change again within the clock's step and look the same.
_SETTLED_SECONDS = 2.0


class DigestCache:
    """Remembers sums.

    Args:
        file: Where; its folder is made when the first sum is kept.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def digest(self, path: Path) -> str:
        """The hex SHA-256 of a file's bytes.

        Raises:
            OSError: It cannot be read.
        """
        state = path.stat()
        if state.st_size < SMALL_BYTES:
            return sha256_of(path)
        key = str(path.resolve())
        stamp = [state.st_size, state.st_mtime_ns]
        known = self._read()
        if key in known and known[key][:2] == stamp:
            return str(known[key][2])
        result = sha256_of(path)
        after = path.stat()
        unchanged = [after.st_size, after.st_mtime_ns] == stamp
        if unchanged and abs(time.time() - after.st_mtime) > _SETTLED_SECONDS:
            self._keep(key, [*stamp, result])
        return result

    def _read(self) -> dict[str, list[int | str]]:
        try:
            if self._file.stat().st_size > _MAX_FILE_BYTES:
                return {}
            stored = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        if not isinstance(stored, dict):
            return {}
        return {key: entry for key, entry in stored.items() if _is_entry(entry)}

    def _keep(self, key: str, entry: list[int | str]) -> None:
        known = self._read()
        known.pop(key, None)
        known[key] = entry
        newest = dict(list(known.items())[-MAX_ENTRIES:])
        with contextlib.suppress(OSError, StorageError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._file, json.dumps(newest, indent=0).encode())


def _is_entry(entry: object) -> bool:
    match entry:
        case [int(), int(), str(total)]:
            return _SUM.fullmatch(total) is not None
    return False
