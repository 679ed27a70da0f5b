"""The library as the program's faces see it.

Owns what can be asked of it, and that everybody hears of a change. It makes no sound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from studio.audio.clip import AudioClip
from studio.audio.files import read_audio
from studio.generation.request import GenerationRequest
from studio.library.library import Library
from studio.library.records import Change, CheckReport, ImportReport, SampleRecord
from studio.workstation.changes import ChangeFanOut

AnyChange = TypeVar("AnyChange", bound=Change)


class LibraryFace:
    """Search, read, edit and watch one library."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._changes = ChangeFanOut()

    def search(
        self, query: str = "", *, limit: int = 200, offset: int = 0, order: str = "newest"
    ) -> list[SampleRecord]:
        """A page of the samples that fit the search box's text.

        Raises:
            InputError: The query cannot be understood.
        """
        return self._library.search(query, limit=limit, offset=offset, order=order)

    def count(self, query: str = "") -> int:
        """How many samples fit."""
        return self._library.count(query)

    def get(self, sample_id: int) -> SampleRecord:
        """One sample.

        Raises:
            LibraryError: There is none with this id.
        """
        return self._library.get(sample_id)

    def search_ids(self, query: str = "", *, order: str = "newest") -> list[int]:
        """The ids of everything that fits, in order; cheap enough for a table of all rows.

        Raises:
            InputError: The query cannot be understood.
        """
        return self._library.search_ids(query, order=order)

    def get_many(self, ids: Sequence[int]) -> list[SampleRecord]:
        """The samples with these ids, in this order; those that are gone are left out."""
        return self._library.get_many(ids)

    def path(self, record: SampleRecord) -> Path:
        """Where the sample's WAV is."""
        return self._library.path(record)

    def clip(self, record: SampleRecord) -> AudioClip:
        """The sound of a sample, read from its file.

        Raises:
            AudioFileError: The file is missing or unreadable.
        """
        return read_audio(self._library.path(record))

    def codes(self, sample_id: int) -> NDArray[np.int64] | None:
        """The codec tokens of a generated sample, int64 [K, T]; None for an import."""
        return self._library.codes(sample_id)

    def recipe(self, record: SampleRecord) -> GenerationRequest | None:
        """The whole request of a generated sample; None for an import."""
        if not record.recipe_json:
            return None
        return GenerationRequest.from_json(record.recipe_json)

    def import_files(
        self,
        files: Iterable[Path],
        *,
        progress: Callable[[int, int, Path], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Future[ImportReport]:
        """Take files and whole folders into the library where they lie.

        Args:
            files: WAV, FLAC, AIFF, MP3, ... and folders of them.
            progress: Told (done, total, file) on the import's thread.
            cancelled: Asked before each file; what came in until then stays.

        Returns:
            What came in, what was there already, and what could not be read and why.
        """
        return self._publish(
            self._library.import_files(files, progress=progress, cancelled=cancelled)
        )

    def all_tags(self) -> list[str]:
        """Every tag in use, sorted."""
        return self._library.all_tags()

    def tag_counts(self) -> dict[str, int]:
        """Every tag in use and on how many samples, sorted by tag."""
        return self._library.tag_counts()

    def set_tags(self, ids: Sequence[int], tags: Sequence[str]) -> Future[Change]:
        """Give the samples exactly these tags."""
        return self._publish(self._library.set_tags(ids, tags))

    def add_tags(self, ids: Sequence[int], tags: Sequence[str]) -> Future[Change]:
        """Add tags to the samples."""
        return self._publish(self._library.add_tags(ids, tags))

    def remove_tags(self, ids: Sequence[int], tags: Sequence[str]) -> Future[Change]:
        """Take tags off the samples."""
        return self._publish(self._library.remove_tags(ids, tags))

    def set_favourite(self, ids: Sequence[int], favourite: bool) -> Future[Change]:
        """Mark or unmark the samples as favourites."""
        return self._publish(self._library.set_favourite(ids, favourite))

    def set_rating(self, ids: Sequence[int], rating: int) -> Future[Change]:
        """Rate the samples, 1 to 5; 0 clears."""
        return self._publish(self._library.set_rating(ids, rating))

    def rename(self, sample_id: int, name: str) -> Future[Change]:
        """Give a sample another name; its file keeps its own."""
        return self._publish(self._library.rename(sample_id, name))

    def delete(self, ids: Sequence[int]) -> Future[Change]:
        """Move the samples to the bin, where they stay for 30 days."""
        return self._publish(self._library.delete(ids))

    def restore(self, ids: Sequence[int]) -> Future[Change]:
        """Bring samples back from the bin."""
        return self._publish(self._library.restore(ids))

    def undo(self) -> Future[Change]:
        """Take the newest edit (tags, rating, name, delete) back; an empty Change for none."""
        return self._publish(self._library.undo())

    def redo(self) -> Future[Change]:
        """Do again what `undo` took back last; an empty Change for none."""
        return self._publish(self._library.redo())

    @property
    def undo_label(self) -> str:
        """What `undo` would take back, such as "Rate 3 sounds"; "" for nothing."""
        return self._library.undo_label

    @property
    def redo_label(self) -> str:
        """What `redo` would do again; "" for nothing."""
        return self._library.redo_label

    def check_library(self, *, deep: bool = False) -> CheckReport:
        """Compare database and files.

        Args:
            deep: Also read every file and compare its hash.
        """
        return self._library.check(deep=deep)

    def subscribe(self, callback: Callable[[Change], None]) -> Callable[[], None]:
        """Hear of every change of the library, on a background thread; the result ends it."""
        return self._changes.subscribe(callback)

    def poll_changes(self) -> None:
        """Look whether another process wrote to the library, and tell subscribers.

        Cheap; the window calls it from a slow timer (about once a second).
        """
        change = self._library.changed_elsewhere()
        if change is not None:
            self._changes.publish(change)

    def _publish(self, future: Future[AnyChange]) -> Future[AnyChange]:
        def tell(done: Future[AnyChange]) -> None:
            if done.exception() is None and done.result():
                self._changes.publish(done.result())

        future.add_done_callback(tell)
        return future
