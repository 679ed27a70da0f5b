"""The SQLite file: who may read it, who may write it, and what its faults mean.

Owns connections, transactions and the writer thread. It knows no table: what is stored is the
business of its callers, how tables look is in `migrations`.
"""

from __future__ import annotations

import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Final, TypeVar

from studio.core.errors import LibraryError
from studio.core.storage import shown_path
from studio.library.faults import BUSY_TIMEOUT_SECONDS, meaning_of, primary_code
from studio.library.migrations import APPLICATION_ID, SCHEMA_VERSION, migrate, schema_version

T = TypeVar("T")

_CACHE_KIB: Final = 32_768
_OLDEST_SQLITE: Final = (3, 34)


class Database:
    """One database file: a writer thread with its connection, and a reader for every thread.

    Args:
        path: The file; made when it is not there, unless read-only.
        read_only: Never write, not even a journal.
        before_migration: Called with a connection before an older database is brought up to
            date, to keep a copy of it.

    Raises:
        LibraryError: Not a database of ours, damaged, from a newer version, or not writable.
    """

    def __init__(
        self,
        path: Path,
        *,
        read_only: bool = False,
        before_migration: Callable[[sqlite3.Connection], None] | None = None,
    ) -> None:
        self.path = path
        self.read_only = read_only
        self._immutable = False
        self._local = threading.local()
        self._readers: set[_Reader] = set()
        self._lock = threading.Lock()
        self._watch: sqlite3.Connection | None = None
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._writer: sqlite3.Connection | None = None
        self._depth = 0
        self._data_version = -1
        self._foreign_commits = 0
        self._closed = False
        self._thread: threading.Thread | None = None
        if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
            raise LibraryError(
                f"SQLite {sqlite3.sqlite_version} is too old for the library: install a Python "
                "with SQLite 3.34 or newer."
            )
        if read_only:
            self._open_read_only()
            return
        self._thread = threading.Thread(target=self._write, name="library-writer", daemon=True)
        self._thread.start()
        try:
            self.submit(lambda: self._open_writer(before_migration)).result()
        except BaseException:
            self.close()
            raise

    # --- reading -------------------------------------------------------------------------------

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """This thread's own read-only connection; faults come out as `StudioError`.

        Raises:
            LibraryError: The database cannot be read.
        """
        with self._explaining():
            reader: _Reader | None = getattr(self._local, "reader", None)
            if reader is None:
                if self._closed:
                    raise LibraryError("The library is closed: open it again.")
                reader = _Reader(self._connect(read_only=True))
                self._local.reader = reader
                with self._lock:
                    self._readers = {kept for kept in self._readers if kept.in_use()}
                    self._readers.add(reader)
            yield reader.connection

    # --- writing -------------------------------------------------------------------------------

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Run `work` on the writer thread, after everything submitted before it.

        A StudioError that it raises, or what SQLite's own errors mean, is the Future's exception.
        """
        future: Future[T] = Future()

        def job() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                with self._explaining():
                    result = work()
            except BaseException as error:  # noqa: BLE001 # whatever it is belongs to the waiter
                future.set_exception(error)
            else:
                future.set_result(result)

        with self._lock:
            refused = self.read_only or self._closed
            if not refused:
                self._jobs.put(job)
        if refused:
            state = "open for reading only" if self.read_only else "closed"
            future.set_exception(
                LibraryError(f"The library is {state}: open it again for writing.")
            )
        return future

    @contextlib.contextmanager
    def atomic(self) -> Iterator[sqlite3.Connection]:
        """A transaction that is committed whole or rolled back; only on the writer thread.

        Nested blocks are savepoints: an inner one that fails takes back its own part only.

        Raises:
            RuntimeError: Called from another thread.
        """
        connection = self._writer
        if connection is None or threading.current_thread() is not self._thread:
            raise RuntimeError("atomic() belongs to the writer thread: use Database.submit")
        begin, commit, rollback = "BEGIN IMMEDIATE", "COMMIT", ["ROLLBACK"]
        if self._depth:
            name = f"nested_{self._depth}"
            begin, commit = f"SAVEPOINT {name}", f"RELEASE {name}"
            rollback = [f"ROLLBACK TO {name}", f"RELEASE {name}"]
        connection.execute(begin)
        self._depth += 1
        try:
            yield connection
            connection.execute(commit)
        except BaseException:
            # A full disk may have made SQLite roll back on its own already.
            if connection.in_transaction:
                for statement in rollback:
                    connection.execute(statement)
            raise
        finally:
            self._depth -= 1

    # --- other programs ------------------------------------------------------------------------

    def foreign_commits(self) -> int:
        """Grows when another connection than this object's writer has committed.

        Never waits: a writable library asks its writer thread and gives the newest answer known,
        so news is seen by the second call at the latest.
        """
        if self._watch is not None:
            with self._explaining(), self._lock:
                self._note_version(self._watch)
        else:
            self.submit(self._note_writers_version)
        return self._foreign_commits

    def _note_writers_version(self) -> None:
        if self._writer is not None:
            self._note_version(self._writer)

    def _note_version(self, connection: sqlite3.Connection) -> None:
        version = int(connection.execute("PRAGMA data_version").fetchone()[0])
        if self._data_version not in (-1, version):
            self._foreign_commits += 1
        self._data_version = version

    # --- life ----------------------------------------------------------------------------------

    def close(self) -> None:
        """Finish every submitted write, then close all connections. Idempotent."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._jobs.put(None)
        if self._thread is not None and threading.current_thread() is not self._thread:
            self._thread.join()
        self._close_readers()

    def _close_readers(self) -> None:
        with self._lock:
            for reader in self._readers:
                reader.connection.close()
            self._readers.clear()
            if self._watch is not None:
                self._watch.close()
                self._watch = None
        self._local = threading.local()

    def _write(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            del job  # or its Future would live until the next write
        # Only a writer that is the last to close can clear the journal away.
        self._close_readers()
        if self._writer is not None:
            with contextlib.suppress(sqlite3.Error):
                self._writer.execute("PRAGMA optimize")
            self._writer.close()
            self._writer = None

    def _open_writer(self, before_migration: Callable[[sqlite3.Connection], None] | None) -> None:
        self._writer = connection = self._connect(read_only=False)
        self._require_ours(connection)
        _switch_to_wal(connection)
        # A take counts as kept when its row is committed, so a commit reaches the disk.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        if 0 < schema_version(connection) < SCHEMA_VERSION and before_migration is not None:
            before_migration(connection)
        if schema_version(connection) < SCHEMA_VERSION:
            with self.atomic():
                migrate(connection)
        connection.execute("UPDATE samples SET rating = rating WHERE 0")  # is it writable at all?
        self._note_version(connection)

    def _open_read_only(self) -> None:
        if not self.path.is_file():
            raise LibraryError(
                f"There is no library at {shown_path(self.path)}: generate or import something "
                "first, or choose its folder with --data-dir."
            )
        with self._explaining():
            try:
                self._try_reading()
            except sqlite3.OperationalError as error:
                journal = self.path.with_name(self.path.name + "-wal")
                if primary_code(error) not in (
                    sqlite3.SQLITE_CANTOPEN,
                    sqlite3.SQLITE_READONLY,
                ) or (journal.exists() and journal.stat().st_size):
                    raise
                # On a medium that cannot be written, with nothing left in the journal.
                self._immutable = True
                self._try_reading()
        self._watch = self._connect(read_only=True)
        self._note_version(self._watch)

    def _try_reading(self) -> None:
        connection = self._connect(read_only=True)
        try:
            self._require_ours(connection)
            if schema_version(connection) < SCHEMA_VERSION:
                raise LibraryError(
                    f"{shown_path(self.path)} is from an older version: open it once for writing."
                )
        finally:
            connection.close()

    def _connect(self, *, read_only: bool) -> sqlite3.Connection:
        escaped = self.path.absolute().as_posix()
        for character in "%?#":
            escaped = escaped.replace(character, f"%{ord(character):02x}")
        slash = "" if escaped.startswith("/") else "/"
        options = "mode=ro" if read_only else "mode=rwc"
        if self._immutable:
            options += "&immutable=1"
        connection = sqlite3.connect(
            f"file://{slash}{escaped}?{options}",
            uri=True,
            timeout=BUSY_TIMEOUT_SECONDS,
            isolation_level=None,
            check_same_thread=False,  # close() ends the readers of every thread
        )
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        return connection

    def _require_ours(self, connection: sqlite3.Connection) -> None:
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        version = schema_version(connection)
        owner = connection.execute("PRAGMA application_id").fetchone()[0]
        if tables and owner != APPLICATION_ID:
            raise LibraryError(
                f"{shown_path(self.path)} is a database of another program: move it away, or "
                "choose another folder with --data-dir."
            )
        if version > SCHEMA_VERSION:
            raise LibraryError(
                f"{shown_path(self.path)} was written by a newer Seedcrate (library version "
                f"{version}, this one knows {SCHEMA_VERSION}): install the newer version."
            )

    @contextlib.contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            meaning = meaning_of(error, self.path, read_only=self.read_only)
            if meaning is None:
                raise
            raise meaning from error


class _Reader:
    """A thread's read connection; closed when the thread is gone."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._thread = threading.current_thread()

    def in_use(self) -> bool:
        """Whether its thread still runs; closes the connection when not."""
        if self._thread.is_alive():
            return True
        self.connection.close()
        return False


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Turn the write-ahead log on; SQLite does not wait by itself when two programs do so."""
    deadline = time.monotonic() + BUSY_TIMEOUT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if primary_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
