"""The library as everybody else sees it.

Owns the one class that opens a library, and the order of things when it opens and closes. The
work is done by the modules beside it.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from studio.core.errors import InputError, LibraryError, StudioError
from studio.core.storage import shown_path
from studio.library import edits, imports, samples, search, takes, upkeep
from studio.library.database import Database
from studio.library.edits import Edit, EditedField, EditedValue, EditHistory
from studio.library.incoming import IncomingFolder, recover
from studio.library.migrations import schema_version
from studio.library.naming import normal_name
from studio.library.records import (
    MAX_RATING,
    Change,
    CheckReport,
    ImportReport,
    NewSample,
    SampleRecord,
)

_LOG = logging.getLogger(__name__)

DATABASE_NAME: Final = "library.sqlite3"


class Library:
    """All sounds of one folder: `library.sqlite3`, `samples/`, `snapshots/`.

    Reading may be done from any thread and sees committed states only. Writing returns at once
    with a Future of what changed; one thread writes, in order. Several programs may have the same
    library open. Usable as a context manager; made by `Library.open`.
    """

    def __init__(self, folder: Path, database: Database, incoming: IncomingFolder) -> None:
        self._folder = folder
        self._database = database
        self._incoming = incoming
        self._history = EditHistory()
        self._foreign_commits = 0
        self._threads: list[threading.Thread] = []
        self._closing = threading.Event()

    # --- life ----------------------------------------------------------------------------------

    @classmethod
    def open(cls, folder: Path, *, read_only: bool = False) -> Library:
        """Open the library of a folder; a new one is made where there is none.

        What a program that died left behind is finished or removed. Once a day a copy of the
        database is kept, and what has lain in the bin for 30 days is removed.

        Args:
            folder: The data folder.
            read_only: Change nothing on the disk; every write then fails.

        Raises:
            LibraryError: The database is damaged, foreign, from a newer version, or not writable.
            StorageError: The disk is full.
        """
        folder = folder.absolute()
        incoming = IncomingFolder(folder)
        if read_only:
            return cls(folder, Database(folder / DATABASE_NAME, read_only=True), incoming)
        try:
            (folder / "samples").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LibraryError(
                f"The library folder {shown_path(folder)} cannot be made "
                f"({error.strerror or error}): check its permissions, or choose another one with "
                "--data-dir."
            ) from error

        def keep_old(connection: sqlite3.Connection) -> None:
            name = f"library-{_today()}-version-{schema_version(connection)}"
            path = folder / DATABASE_NAME
            upkeep.keep_snapshot(connection, path, name, incoming, lambda: False)

        try:
            database = Database(folder / DATABASE_NAME, before_migration=keep_old)
        except BaseException:
            incoming.close()
            raise
        library = cls(folder, database, incoming)
        try:
            database.submit(library._recover).result()
        except BaseException:
            library.close()
            raise
        library._start(library._daily_upkeep, "library-upkeep")
        return library

    def close(self) -> None:
        """Stop imports and copies, finish all writes, close the database. Idempotent."""
        self._closing.set()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()
        self._database.close()
        self._incoming.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def folder(self) -> Path:
        """The library's folder."""
        return self._folder

    # --- reading -------------------------------------------------------------------------------

    def search(
        self, query: str = "", *, limit: int = 200, offset: int = 0, order: str = "newest"
    ) -> list[SampleRecord]:
        """One page of what fits the query; the language is described in `query.parse_query`.

        Args:
            query: What the person typed; "" is everything outside the bin.
            limit: Most records to give.
            offset: How many to leave out first.
            order: "newest", "oldest", or a name of `search.ORDERS`, with "-" before it to turn
                it round.

        Raises:
            InputError: Query or order make no sense; one line that says why.
        """
        with self._database.reading() as connection:
            return search.search(connection, query, limit=limit, offset=offset, order=order)

    def search_ids(self, query: str = "", *, order: str = "newest") -> list[int]:
        """The ids of everything that fits, in order; cheap enough for a table of all rows.

        Raises:
            InputError: Query or order make no sense.
        """
        with self._database.reading() as connection:
            return search.search_ids(connection, query, order=order)

    def count(self, query: str = "") -> int:
        """How many sounds fit.

        Raises:
            InputError: The query makes no sense.
        """
        with self._database.reading() as connection:
            return search.count(connection, query)

    def get(self, sample_id: int) -> SampleRecord:
        """One sound, in the bin or not.

        Raises:
            LibraryError: There is none with this id.
        """
        with self._database.reading() as connection:
            return samples.get_record(connection, sample_id)

    def get_many(self, ids: Sequence[int]) -> list[SampleRecord]:
        """The sounds with these ids, in this order; those that are gone are left out."""
        with self._database.reading() as connection:
            return search.fetch(connection, ids)

    def codes(self, sample_id: int) -> NDArray[np.int64] | None:
        """The codec tokens of a generated sound, int64 [K, T]; None when it has none.

        Raises:
            LibraryError: There is no such sound.
        """
        with self._database.reading() as connection:
            return samples.read_codes(connection, sample_id)

    def find_take(
        self, *, seed: int, recipe_json: str, codes: NDArray[np.int64]
    ) -> SampleRecord | None:
        """The sound of exactly this recipe and these codes; None when there is none to be heard."""
        stored = samples.pack_codes(codes)
        with self._database.reading() as connection:
            return samples.find_take(connection, seed=seed, recipe_json=recipe_json, codes=stored)

    def path(self, record: SampleRecord) -> Path:
        """Where a sound's file is, or should be."""
        return self._folder / record.relative_path

    def all_tags(self) -> list[str]:
        """Every tag in use, sorted."""
        return list(self.tag_counts())

    def tag_counts(self) -> dict[str, int]:
        """Every tag in use and on how many sounds, sorted by tag."""
        with self._database.reading() as connection:
            return search.tag_counts(connection)

    def changed_elsewhere(self) -> Change | None:
        """A `Change(everything=True)` once after another program wrote here, else None.

        Never waits; meant to be called about once a second.
        """
        now = self._database.foreign_commits()
        if now == self._foreign_commits:
            return None
        self._foreign_commits = now
        return Change(everything=True)

    # --- adding --------------------------------------------------------------------------------

    def add_take(self, sample: NewSample) -> Future[Change]:
        """Store a finished take: WAV file, row, codes and recipe, or none of them.

        The Future's errors: StorageError (no space, no permission), AudioFileError, InputError,
        LibraryError.
        """
        return self._database.submit(
            lambda: takes.add_take(self._database, self._folder, self._incoming, sample)
        )

    def import_files(
        self,
        paths: Iterable[Path],
        *,
        find_facts: imports.FactFinder | None = None,
        progress: imports.Progress | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Future[ImportReport]:
        """Take in files and whole folders where they lie, on a thread of its own.

        A file that is no usable sound is listed in the report with the reason, one whose bytes
        are already here as a duplicate; the rest goes in.

        Args:
            paths: Files and folders.
            find_facts: Asked, on the import's thread, for what the file name does not state.
            progress: Told (done, total, file) on the import's thread.
            cancelled: Asked before each file; what came in until then stays.
        """
        future: Future[ImportReport] = Future()
        wanted = [Path(path) for path in paths]
        importer = imports.FileImporter(
            self._database,
            self._folder,
            find_facts=find_facts,
            progress=progress,
            cancelled=lambda: self._closing.is_set() or (cancelled is not None and cancelled()),
        )

        def work() -> None:
            try:
                report = importer.run(wanted)
            except BaseException as error:  # noqa: BLE001 # whatever it is belongs to the waiter
                future.set_exception(error)
            else:
                future.set_result(report)

        self._start(work, "library-import")
        return future

    # --- organising ----------------------------------------------------------------------------

    def set_tags(self, ids: Iterable[int], tags: Iterable[str]) -> Future[Change]:
        """Give the sounds exactly these tags."""
        wanted = list(tags)
        return self._edit("tags", ids, lambda: _joined(wanted), "Tag")

    def add_tags(self, ids: Iterable[int], tags: Iterable[str]) -> Future[Change]:
        """Give the sounds these tags as well."""
        wanted = list(tags)

        def plan() -> Callable[[EditedValue], EditedValue]:
            added = samples.normal_tags(wanted)
            return lambda now: _joined((*_split(now), *added))(now)

        return self._edit("tags", ids, plan, "Tag")

    def remove_tags(self, ids: Iterable[int], tags: Iterable[str]) -> Future[Change]:
        """Take these tags off the sounds; those that have none of them stay as they are."""
        wanted = list(tags)

        def plan() -> Callable[[EditedValue], EditedValue]:
            gone = set(samples.normal_tags(wanted))
            return lambda now: _joined(tag for tag in _split(now) if tag not in gone)(now)

        return self._edit("tags", ids, plan, "Untag")

    def set_favourite(self, ids: Iterable[int], favourite: bool) -> Future[Change]:
        """Mark sounds as favourites, or not."""
        verb = "Favourite" if favourite else "Unfavourite"
        return self._edit("favourite", ids, lambda: lambda _: int(favourite), verb)

    def set_rating(self, ids: Iterable[int], rating: int) -> Future[Change]:
        """Rate sounds from 1 to 5; 0 clears. Any other number is an InputError."""

        def plan() -> Callable[[EditedValue], EditedValue]:
            if not 0 <= rating <= MAX_RATING:
                raise InputError(f"A rating goes from 0 to {MAX_RATING}, not {rating}.")
            return lambda _: int(rating)

        return self._edit("rating", ids, plan, "Rate")

    def rename(self, sample_id: int, name: str) -> Future[Change]:
        """Give a sound another name; its file keeps its own. An empty name is an InputError."""

        def plan() -> Callable[[EditedValue], EditedValue]:
            wanted = normal_name(name)
            return lambda _: wanted

        return self._edit("name", [sample_id], plan, "Rename")

    def delete(self, ids: Iterable[int]) -> Future[Change]:
        """Put sounds into the bin, where they stay for 30 days."""
        now = samples.utc_now()
        return self._edit("deleted_at", ids, lambda: lambda old: old or now, "Delete")

    def restore(self, ids: Iterable[int]) -> Future[Change]:
        """Take sounds out of the bin."""
        return self._edit("deleted_at", ids, lambda: lambda _: None, "Restore")

    def undo(self) -> Future[Change]:
        """Take the newest of the edits above back; an empty Change when there is none."""
        return self._database.submit(lambda: self._history.undo(self._write_values))

    def redo(self) -> Future[Change]:
        """Do again what undo took back last; an empty Change when there is nothing."""
        return self._database.submit(lambda: self._history.redo(self._write_values))

    @property
    def undo_label(self) -> str:
        """What `undo` would take back, such as "Rate 3 sounds"; "" for nothing."""
        return self._history.undo_label

    @property
    def redo_label(self) -> str:
        """What `redo` would do again; "" for nothing."""
        return self._history.redo_label

    # --- upkeep --------------------------------------------------------------------------------

    def check(self, *, deep: bool = False) -> CheckReport:
        """Compare database and files. Changes nothing; waits for writes that are under way.

        Args:
            deep: Also read every file and compare its hash.

        Raises:
            LibraryError: The database cannot be read at all.
        """
        return upkeep.check(self._database, self._folder, deep=deep)

    def refresh_missing(self) -> Future[Change]:
        """Look for every sound's file and set or clear its `missing` mark."""
        return self._database.submit(lambda: upkeep.refresh_missing(self._database, self._folder))

    def empty_bin(self, *, older_than_days: float = upkeep.BIN_DAYS) -> Future[Change]:
        """Remove for good what was deleted at least so long ago; imported files stay on disk."""
        return self._database.submit(
            lambda: upkeep.empty_bin(self._database, self._folder, older_than_days=older_than_days)
        )

    # --- on the writer thread ------------------------------------------------------------------

    def _edit(
        self,
        field: EditedField,
        ids: Iterable[int],
        plan: Callable[[], Callable[[EditedValue], EditedValue]],
        verb: str,
    ) -> Future[Change]:
        wanted_ids = list(dict.fromkeys(ids))

        def work() -> Change:
            with self._database.atomic() as connection:
                edit = edits.plan_edit(connection, field, wanted_ids, plan(), verb)
                if not edit.after:
                    return Change()
                change = edits.write_values(connection, edit, edit.after)
            self._history.keep(edit)
            return change

        return self._database.submit(work)

    def _write_values(self, edit: Edit, values: Mapping[int, EditedValue]) -> Change:
        with self._database.atomic() as connection:
            return edits.write_values(connection, edit, values)

    def _recover(self) -> None:
        with self._database.atomic() as connection:

            def is_known(place: str) -> bool:
                row = connection.execute(
                    "SELECT 1 FROM samples WHERE relative_path = ?", (place,)
                ).fetchone()
                return row is not None

            finished, removed = recover(self._folder, is_known)
        if finished or removed:
            _LOG.info("Recovered %d files, removed %d unfinished ones", finished, removed)

    # --- on threads of their own ---------------------------------------------------------------

    def _start(self, work: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=work, name=name, daemon=True)
        self._threads = [old for old in self._threads if old.is_alive()] + [thread]
        thread.start()

    def _daily_upkeep(self) -> None:
        """Failures here cost nothing that the library promises, so they are only logged."""
        path = self._database.path
        try:
            with self._database.reading() as connection:
                if search.count(connection, ""):
                    upkeep.keep_snapshot(
                        connection,
                        path,
                        f"library-{_today()}",
                        self._incoming,
                        self._closing.is_set,
                    )
            if not self._closing.is_set():
                self.empty_bin().result()
        except (OSError, StudioError, sqlite3.Error) as error:
            _LOG.warning("The daily upkeep of %s failed: %s", self._folder, error)


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def _split(tags: EditedValue) -> tuple[str, ...]:
    return tuple(tag for tag in str(tags or "").split(samples.TAG_SEPARATOR) if tag)


def _joined(tags: Iterable[str]) -> Callable[[EditedValue], EditedValue]:
    """The stored form of a set of tags, whatever the value before was."""
    text = samples.TAG_SEPARATOR.join(samples.normal_tags(tags))
    return lambda _: text
