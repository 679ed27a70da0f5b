"""One file of a repository, fetched, checked and put into the cache.

Owns going on after an interruption, the comparison with the checksum that the Hub states, and
stopping. What it sends a request with is given to it: it imports no library of the Hub.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from studio.core.errors import CancelledError, ModelError, StorageError
from studio.core.file_lock import held
from studio.core.storage import one_line, shown_path

READ_BYTES = 2**20
FRUITLESS_ATTEMPTS = 3
PAUSE_SECONDS = 1.0
_OK, _PARTIAL, _UNSATISFIABLE = 200, 206, 416
_SHA256 = re.compile(r"[0-9a-f]{64}")


class InterruptedTransferError(Exception):
    """The connection failed; what has arrived is kept."""


class Response(Protocol):
    """What a transfer needs of an answer."""

    status_code: int

    @property
    def headers(self) -> Mapping[str, str]:
        """Its headers; names in any case."""
        ...

    def iter_raw(self) -> Iterator[bytes]:
        """Its body as it arrives."""
        ...


Request = Callable[[Mapping[str, str]], AbstractContextManager[Response]]


@dataclass(frozen=True, kw_only=True)
class HubFile:
    """A file as a repository lists it.

    Attributes:
        name: Its plain name.
        size: In bytes.
        checksum: Hex SHA-256 of its bytes, or for small files the SHA-1 that git gives it; the
            Hub's ETag, and the name of its blob in the cache.
    """

    name: str
    size: int
    checksum: str

    def new_hash(self) -> Any:
        """An empty hash of the checksum's kind."""
        if _SHA256.fullmatch(self.checksum):
            return hashlib.sha256()
        # Git's own naming of contents; a checksum here, not a protection.
        return hashlib.sha1(f"blob {self.size}\0".encode(), usedforsecurity=False)


class Watch:
    """Tells how far a whole download is, and whether it shall stop.

    Args:
        name: What is fetched, for the message.
        total_bytes: Of all files.
        progress: Told (done, total) in bytes.
        cancelled: Asked at every piece that arrives.
    """

    def __init__(
        self,
        name: str,
        total_bytes: int,
        progress: Callable[[int, int], None] | None,
        cancelled: Callable[[], bool] | None,
    ) -> None:
        self.name = name
        self.total_bytes = total_bytes
        self._progress = progress
        self._cancelled = cancelled
        self._before = 0

    def show(self, of_this_file: int) -> None:
        """Report, with the bytes of the current file.

        Raises:
            CancelledError: It shall stop; what has arrived is kept.
        """
        if self._progress is not None:
            self._progress(min(self._before + of_this_file, self.total_bytes), self.total_bytes)
        if self._cancelled is not None and self._cancelled():
            raise CancelledError(
                f"The download of {self.name} was stopped; fetch it again and it goes on from here."
            )

    def finish(self, file: HubFile) -> None:
        """A file is complete."""
        self._before += file.size
        self.show(0)


def fetch(file: HubFile, blobs: Path, lock: Path, request: Request, watch: Watch) -> Path:
    """Have a file's checked blob in the cache.

    Args:
        file: What to fetch.
        blobs: The repository's folder of blobs.
        lock: Held meanwhile; the one that Hugging Face's own tools use for this blob.
        request: Sends a GET with the headers given and gives the answer.
        watch: Told every piece.

    Raises:
        ModelError: It arrived damaged, or the connection failed for good.
        StorageError: There is no room.
        CancelledError: The watch said so.
    """
    blob, part = blobs / file.checksum, blobs / f"{file.checksum}.incomplete"
    try:
        blobs.mkdir(parents=True, exist_ok=True)
        with held(lock, wait_seconds=0) as alone:
            if not alone:
                raise ModelError(
                    f"Another program is fetching {watch.name} already; wait until it has."
                )
            if not _is_good(blob, file, watch):
                with part.open("a+b") as stream:
                    partial = _Partial(stream, file, watch)
                    _complete(partial, file, request, watch)
                    stream.flush()
                    os.fsync(stream.fileno())
                if not partial.is_right:
                    part.unlink()
                    raise ModelError(
                        f"{file.name} of {watch.name} arrived damaged (its checksum is not the one"
                        " that was announced) and was thrown away; fetch it again."
                    )
                part.replace(blob)
    except OSError as error:
        raise _write_fault(blobs, error) from error
    watch.finish(file)
    return blob


def point(blob: Path, pointer: Path) -> None:
    """Make a snapshot's file stand for a blob, by a link where the system can.

    Raises:
        StorageError: It cannot be written.
    """
    if pointer.exists() and pointer.samefile(blob):
        return
    new = pointer.with_name(f".{pointer.name}.new")
    try:
        pointer.parent.mkdir(parents=True, exist_ok=True)
        new.unlink(missing_ok=True)
        try:
            new.symlink_to(os.path.relpath(blob, pointer.parent))
        except OSError:
            # Windows gives links to some users only.
            shutil.copyfile(blob, new)
        new.replace(pointer)
    except OSError as error:
        raise _write_fault(pointer.parent, error) from error


def _is_good(blob: Path, file: HubFile, watch: Watch) -> bool:
    """Whether a blob that is there already is what it should be; a damaged one is deleted."""
    if not blob.is_file():
        return False
    with blob.open("rb") as stream:
        if _Partial(stream, file, watch).is_right:
            return True
    blob.unlink()
    return False


class _Partial:
    """The beginning of a file, with the hash of it.

    Args:
        stream: Open for reading, and for appending where it is to be completed.
        file: What it shall become.
        watch: Told what is there and what arrives.
    """

    def __init__(self, stream: IO[bytes], file: HubFile, watch: Watch) -> None:
        self._stream = stream
        self._file = file
        self._watch = watch
        self._hash = file.new_hash()
        self.done = 0
        stream.seek(0)
        while piece := stream.read(READ_BYTES):
            self._count(piece)

    @property
    def is_right(self) -> bool:
        """Whether size and checksum are those that the Hub states."""
        return self.done == self._file.size and self._hash.hexdigest() == self._file.checksum

    def restart(self) -> None:
        """Throw everything away."""
        self._stream.truncate(0)
        self._hash = self._file.new_hash()
        self.done = 0

    def receive(self, request: Request) -> None:
        """Ask for the rest once, and take what comes.

        Raises:
            InterruptedTransferError: The connection failed; what came is kept.
        """
        ranged = {"range": f"bytes={self.done}-"} if self.done else {}
        with request({"accept-encoding": "identity", **ranged}) as response:
            if response.status_code == _UNSATISFIABLE:
                self.restart()
                return
            if response.status_code == _OK:
                self.restart()
            elif response.status_code != _PARTIAL:
                raise InterruptedTransferError(f"the server answered {response.status_code}")
            elif not response.headers.get("content-range", "").startswith(f"bytes {self.done}-"):
                raise InterruptedTransferError("the server sent another part")
            for piece in response.iter_raw():
                self._stream.write(piece)
                self._count(piece)
                if self.done > self._file.size:
                    return

    def _count(self, piece: bytes) -> None:
        self._hash.update(piece)
        self.done += len(piece)
        self._watch.show(self.done)


def _complete(part: _Partial, file: HubFile, request: Request, watch: Watch) -> None:
    """Ask until all bytes are there, as long as asking helps.

    Raises:
        ModelError: The connection failed for good; what came is kept.
    """
    if part.done > file.size:
        part.restart()
    fruitless = 0
    while part.done < file.size:
        before, reason = part.done, "it ended early"
        try:
            part.receive(request)
        except InterruptedTransferError as error:
            reason = str(error)
        if part.done >= file.size:
            return
        fruitless = 0 if part.done > before else fruitless + 1
        if fruitless >= FRUITLESS_ATTEMPTS:
            raise ModelError(
                f"The download of {watch.name} was interrupted ({one_line(reason):.200}); fetch it"
                " again and it goes on from here."
            )
        watch.show(part.done)
        time.sleep(PAUSE_SECONDS)


def _write_fault(folder: Path, error: OSError) -> StorageError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        cause = "the disk is full: free some space and fetch it again"
    else:
        cause = f"{error.strerror or error}: check the folder, or set HF_HOME to another"
    return StorageError(f"Nothing more was written to {shown_path(folder)}, {cause}.")
