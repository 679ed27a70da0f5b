"""One process at a time.

Owns a lock on a file that the system frees when its holder ends, however it ends. It protects
nothing against those who do not ask.
"""

from __future__ import annotations

import contextlib
import errno
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from studio.core.errors import StorageError
from studio.core.storage import shown_path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_PAUSE_SECONDS = 0.05


@contextlib.contextmanager
def held(path: Path, *, wait_seconds: float | None = None) -> Iterator[bool]:
    """Hold the lock on `path` for a while; its file and folder are made where missing.

    Args:
        path: The lock's file, which stays behind empty.
        wait_seconds: How long to wait for another holder; None waits as long as it takes.

    Yields:
        Whether the lock is held; False when another holder kept it past the wait.

    Raises:
        StorageError: The file cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
    except OSError as error:
        raise StorageError(
            f"{shown_path(path)} was not made ({error.strerror or error}): choose another folder."
        ) from error
    with file:
        started = time.monotonic()
        while not (got := try_lock(file)):
            if wait_seconds is not None and time.monotonic() - started >= wait_seconds:
                break
            time.sleep(_PAUSE_SECONDS)
        yield got


def try_lock(file: IO[bytes]) -> bool:
    """Lock a file for this open handle, without waiting; the system frees it with the handle."""
    try:
        if sys.platform == "win32":
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            # flock, not lockf: two holders in one process must not count as one.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in {errno.EACCES, errno.EAGAIN, errno.EDEADLK}:
            return False
        raise
    return True
