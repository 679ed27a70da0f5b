"""A finished take on its way in: WAV file, row, codes and recipe, or none of them.

Owns the order of those steps (see `incoming`). It runs on the writer thread.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from studio.audio.files import write_wav
from studio.core.errors import StorageError
from studio.core.storage import shown_path
from studio.library.database import Database
from studio.library.incoming import IncomingFolder, final_path, move_into_place
from studio.library.naming import clean_text, normal_name, readable_name
from studio.library.records import Change, NewSample, SampleRecord
from studio.library.samples import insert_sample, normal_tags, pack_codes, utc_now


def add_take(
    database: Database, library_folder: Path, incoming: IncomingFolder, sample: NewSample
) -> Change:
    """Store a take.

    Raises:
        StorageError: No space or no permission; nothing of it is kept.
        AudioFileError: The sound cannot be expressed as WAV.
        InputError: Codes or tags that cannot be stored.
    """
    codes = None if sample.codes is None else pack_codes(sample.codes)
    tags = normal_tags(sample.tags)
    prompt = None if sample.prompt is None else clean_text(sample.prompt)
    file = incoming.new_file(".wav")
    place = final_path(file.name)
    try:
        write_wav(file, sample.clip, subtype=sample.subtype)
        record = SampleRecord(
            id=0,
            name=normal_name(sample.name or readable_name(prompt or "")),
            relative_path=place,
            origin="generated",
            content_hash=file_hash(file),
            frames=sample.clip.frames,
            sample_rate=sample.clip.sample_rate,
            channels=sample.clip.channels,
            tempo_bpm=sample.tempo_bpm,
            bars=sample.bars,
            key=sample.key,
            prompt=prompt,
            model=sample.model,
            model_hash=sample.model_hash,
            seed=sample.seed,
            recipe_json=sample.recipe_json,
            tags=tags,
            created_at=utc_now(),
        )
        with database.atomic() as connection:
            sample_id = insert_sample(connection, record, codes)
        try:
            move_into_place(file, library_folder / place)
        except OSError as error:
            with database.atomic() as connection:
                connection.execute("DELETE FROM samples WHERE id = ?", (sample_id,))
            raise StorageError(
                f"{shown_path(library_folder / place)} cannot be written "
                f"({error.strerror or error}); the take was not stored: check the folder."
            ) from error
    except BaseException:
        with contextlib.suppress(OSError):
            file.unlink(missing_ok=True)
        raise
    return Change(ids=(sample_id,))


def file_hash(path: Path) -> str:
    """Hex SHA-256 of a file's bytes.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
