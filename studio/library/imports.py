"""Files of other programs that join the library where they lie.

Owns looking through folders, reading facts from names, and what counts as a duplicate. Files are
named by absolute path and never copied, moved or changed.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from studio.audio.files import probe, read_audio
from studio.core.errors import AudioFileError
from studio.core.storage import one_line, shown_path
from studio.library.database import Database
from studio.library.naming import bars_from_name, key_from_name, normal_name, tempo_from_name
from studio.library.query import search_text
from studio.library.records import ImportFacts, ImportReport, SampleRecord, SkippedFile
from studio.library.samples import get_record, insert_sample, utc_now
from studio.library.takes import file_hash

SUFFIXES: Final = frozenset(
    {".wav", ".wave", ".aif", ".aiff", ".aifc", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".w64"}
    | {".caf", ".rf64", ".au", ".snd"}
)
"""What is looked for in a folder; a file that is named itself is tried whatever it is called."""

_DECODED_SECONDS: Final = 60.0
_BATCH: Final = 100

Progress = Callable[[int, int, Path], None]
FactFinder = Callable[[Path], ImportFacts | None]


class FileImporter:
    """One import: reads on the thread that runs it, writes through the writer in batches.

    Args:
        database: Where the rows go.
        library_folder: Files below its `samples` are the library's own and are left out.
        find_facts: Asked for facts that the file name does not state.
        progress: Told (done, total, file) after each file.
        cancelled: Asked before each file; what came in until then stays.
    """

    def __init__(
        self,
        database: Database,
        library_folder: Path,
        *,
        find_facts: FactFinder | None = None,
        progress: Progress | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> None:
        self._database = database
        self._own = (library_folder / "samples").resolve()
        self._find_facts = find_facts
        self._progress = progress
        self._cancelled = cancelled
        self._ids: list[int] = []
        self._duplicates: dict[Path, int] = {}
        self._skipped: list[SkippedFile] = []

    def run(self, paths: Sequence[Path]) -> ImportReport:
        """Import files and whole folders.

        Raises:
            StudioError: The database cannot be written; batches before that stay.
        """
        files = list(dict.fromkeys(self._files(paths)))
        batch: list[SampleRecord] = []
        for done, path in enumerate(files, start=1):
            if self._cancelled is not None and self._cancelled():
                break
            try:
                batch.append(self._read(path))
            except (AudioFileError, OSError) as error:
                self._skip(path, error)
            if len(batch) >= _BATCH:
                self._write(batch)
                batch = []
            if self._progress is not None:
                self._progress(done, len(files), path)
        self._write(batch)
        return ImportReport(
            ids=tuple(dict.fromkeys(self._ids)),
            duplicates=dict(self._duplicates),
            skipped=tuple(self._skipped),
        )

    def _files(self, paths: Sequence[Path]) -> Iterator[Path]:
        for named in paths:
            path = Path(os.path.abspath(named.expanduser()))  # noqa: PTH100 # keeps links as named
            if not path.is_dir():
                yield path
                continue
            for folder, subfolders, names in os.walk(path, onerror=self._unreadable):
                subfolders[:] = sorted(
                    name
                    for name in subfolders
                    if not name.startswith(".") and (Path(folder) / name).resolve() != self._own
                )
                for name in sorted(names):
                    if Path(name).suffix.lower() in SUFFIXES and not name.startswith("."):
                        yield Path(folder) / name

    def _unreadable(self, error: OSError) -> None:
        self._skip(Path(str(error.filename)), error)

    def _skip(self, path: Path, error: Exception) -> None:
        reason = str(error)
        if isinstance(error, OSError):
            reason = f"{shown_path(path)} cannot be read ({error.strerror or error})."
        self._skipped.append(SkippedFile(path=path, reason=one_line(reason)))

    def _read(self, path: Path) -> SampleRecord:
        """Everything about a file except its id.

        Raises:
            AudioFileError: Not a usable sound file.
        """
        try:
            str(path).encode("utf-8")
        except UnicodeEncodeError as error:
            raise AudioFileError(
                f"The name of {shown_path(path)} is not valid text: rename the file."
            ) from error
        info = probe(path)
        if info.duration_seconds <= _DECODED_SECONDS:
            # A header can be whole above damaged sound; long files are not read for that.
            info_frames = read_audio(path).frames
        else:
            info_frames = info.frames
        facts = (self._find_facts(path) if self._find_facts is not None else None) or ImportFacts()
        tempo_bpm = tempo_from_name(path.name)
        return SampleRecord(
            id=0,
            name=normal_name(path.stem or path.name),
            relative_path=str(path),
            origin="imported",
            content_hash=file_hash(path),
            frames=info_frames,
            sample_rate=info.sample_rate,
            channels=info.channels,
            tempo_bpm=facts.tempo_bpm if tempo_bpm is None else tempo_bpm,
            bars=bars_from_name(path.name) or facts.bars,
            key=key_from_name(path.name) or facts.key,
            created_at=utc_now(),
        )

    def _write(self, batch: Sequence[SampleRecord]) -> None:
        if not batch:
            return

        def write() -> list[tuple[Path, int, bool]]:
            with self._database.atomic() as connection:
                return [(Path(r.relative_path), *_place(connection, r)) for r in batch]

        for path, sample_id, is_new in self._database.submit(write).result():
            if is_new:
                self._ids.append(sample_id)
            else:
                self._duplicates[path] = sample_id


def _place(connection: sqlite3.Connection, record: SampleRecord) -> tuple[int, bool]:
    """Write a file's row, or find the sound that it already is.

    Returns:
        The sound's id, and whether anything changed: a new sound, one that is back from the bin,
        one whose missing file is found here, or one whose file has got new content.
    """
    at_path = connection.execute(
        "SELECT id, content_hash, deleted_at FROM samples WHERE relative_path = ?",
        (record.relative_path,),
    ).fetchone()
    if at_path is not None:
        sample_id, content_hash, deleted_at = at_path
        connection.execute(
            "UPDATE samples SET content_hash = ?, frames = ?, sample_rate = ?, channels = ?, "
            "duration_seconds = ?, missing = 0, deleted_at = NULL WHERE id = ?",
            (
                record.content_hash,
                record.frames,
                record.sample_rate,
                record.channels,
                record.duration_seconds,
                sample_id,
            ),
        )
        return sample_id, content_hash != record.content_hash or deleted_at is not None
    same = connection.execute(
        "SELECT id, origin, relative_path, deleted_at FROM samples WHERE content_hash = ? "
        "ORDER BY deleted_at IS NOT NULL, id",
        (record.content_hash,),
    ).fetchone()
    if same is None:
        return insert_sample(connection, record), True
    sample_id, origin, old_path, deleted_at = same
    changed = deleted_at is not None
    connection.execute("UPDATE samples SET deleted_at = NULL WHERE id = ?", (sample_id,))
    if origin == "imported" and not Path(old_path).is_file():
        moved = replace(get_record(connection, sample_id), relative_path=record.relative_path)
        connection.execute(
            "UPDATE samples SET relative_path = ?, search_text = ?, missing = 0 WHERE id = ?",
            (record.relative_path, search_text(moved), sample_id),
        )
        changed = True
    return sample_id, changed
