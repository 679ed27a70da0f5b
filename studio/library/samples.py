"""Rows of the `samples` and `recipes` tables.

Owns the translation between rows and records, codes as bytes, and the statements that write one
sound. It opens no transaction and touches no file: callers do.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from studio.core.errors import InputError, LibraryError
from studio.library.naming import clean_text, key_class, normal_tag
from studio.library.query import search_text
from studio.library.records import SampleRecord

_LARGEST_ID: Final = 2**63 - 1
_FIELDS: Final = (
    "id",
    "name",
    "relative_path",
    "origin",
    "content_hash",
    "frames",
    "sample_rate",
    "channels",
    "tempo_bpm",
    "bars",
    "key",
    "prompt",
    "model",
    "model_hash",
    "seed",
    "favourite",
    "rating",
    "tags",
    "created_at",
    "missing",
    "deleted_at",
)
RECORD_COLUMNS: Final = ", ".join(f"samples.{field}" for field in _FIELDS) + ", recipes.recipe_json"
RECORD_TABLES: Final = "samples LEFT JOIN recipes ON recipes.sample_id = samples.id"
TAG_SEPARATOR: Final = "\n"


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredCodes:
    """Codec tokens as a row keeps them.

    Attributes:
        codebooks: K.
        code_frames: T.
        data: little-endian int16 [K, T].
    """

    codebooks: int
    code_frames: int
    data: bytes


def utc_now() -> str:
    """The time as the library writes it: ISO 8601, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def record_from_row(row: Sequence[Any]) -> SampleRecord:
    """A record from a row of `RECORD_COLUMNS`."""
    values = dict(zip(_FIELDS, row, strict=False))
    values["favourite"] = bool(values["favourite"])
    values["missing"] = bool(values["missing"])
    values["tags"] = tuple(values["tags"].split(TAG_SEPARATOR)) if values["tags"] else ()
    return SampleRecord(**values, recipe_json=row[len(_FIELDS)])


def get_record(connection: sqlite3.Connection, sample_id: int) -> SampleRecord:
    """One sound, in the bin or not.

    Raises:
        LibraryError: There is none with this id.
    """
    if not 0 <= sample_id <= _LARGEST_ID:
        raise no_such_sound(sample_id)
    row = connection.execute(
        f"SELECT {RECORD_COLUMNS} FROM {RECORD_TABLES} WHERE samples.id = ?", (sample_id,)
    ).fetchone()
    if row is None:
        raise no_such_sound(sample_id)
    return record_from_row(row)


def find_take(
    connection: sqlite3.Connection, *, seed: int, recipe_json: str, codes: StoredCodes
) -> SampleRecord | None:
    """The oldest sound, not in the bin and not missing, of exactly this recipe and these codes."""
    row = connection.execute(
        f"SELECT {RECORD_COLUMNS} FROM {RECORD_TABLES} WHERE samples.seed = ?"
        " AND samples.deleted_at IS NULL AND samples.missing = 0"
        " AND recipes.recipe_json = ? AND recipes.codes = ? ORDER BY samples.id LIMIT 1",
        (seed, recipe_json, codes.data),
    ).fetchone()
    return None if row is None else record_from_row(row)


def no_such_sound(sample_id: int) -> LibraryError:
    """The error for an id that the library does not have."""
    return LibraryError(f"There is no sound {sample_id} in the library: search for it again.")


def insert_sample(
    connection: sqlite3.Connection, record: SampleRecord, codes: StoredCodes | None = None
) -> int:
    """Write a new sound; its `id` is ignored.

    Returns:
        The id it got.
    """
    values: dict[str, object] = {field: getattr(record, field) for field in _FIELDS}
    del values["id"]
    values["tags"] = TAG_SEPARATOR.join(record.tags)
    values["duration_seconds"] = record.duration_seconds
    values["key_class"] = None if record.key is None else key_class(record.key)
    values["search_text"] = search_text(record)
    cursor = connection.execute(
        f"INSERT INTO samples ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})",
        tuple(values.values()),
    )
    sample_id = cursor.lastrowid
    if sample_id is None:
        raise RuntimeError("the new row has no id")
    connection.executemany(
        "INSERT INTO sample_tags (tag, sample_id) VALUES (?, ?)",
        [(tag, sample_id) for tag in record.tags],
    )
    if record.recipe_json is not None or codes is not None:
        connection.execute(
            "INSERT INTO recipes (sample_id, recipe_json, codebooks, code_frames, codes) "
            "VALUES (?, ?, ?, ?, ?)",
            (
                sample_id,
                record.recipe_json,
                None if codes is None else codes.codebooks,
                None if codes is None else codes.code_frames,
                None if codes is None else codes.data,
            ),
        )
    return sample_id


def pack_codes(codes: NDArray[np.int64]) -> StoredCodes:
    """Codec tokens [K, T] as two bytes each.

    Raises:
        InputError: Not two-dimensional, or a token that no codec of this family has.
    """
    array = np.asarray(codes)
    if array.ndim != 2 or array.dtype.kind not in "iu":
        raise InputError(f"Codes must be whole numbers [K, T], not {array.dtype} {array.shape}.")
    if array.size and not 0 <= int(array.min()) <= int(array.max()) <= np.iinfo(np.int16).max:
        raise InputError("Codes must lie between 0 and 32767; the take was not stored.")
    return StoredCodes(
        codebooks=array.shape[0],
        code_frames=array.shape[1],
        data=np.ascontiguousarray(array, dtype="<i2").tobytes(),
    )


def read_codes(connection: sqlite3.Connection, sample_id: int) -> NDArray[np.int64] | None:
    """The codec tokens of a sound, int64 [K, T]; None when it has none.

    Raises:
        LibraryError: No such sound, or its codes are damaged.
    """
    row = connection.execute(
        "SELECT codebooks, code_frames, codes FROM samples LEFT JOIN recipes "
        "ON recipes.sample_id = samples.id WHERE samples.id = ?",
        (sample_id,),
    ).fetchone()
    if row is None:
        raise no_such_sound(sample_id)
    codebooks, code_frames, data = row
    if data is None:
        return None
    if len(data) != 2 * codebooks * code_frames:
        raise LibraryError(f"The stored codes of sound {sample_id} are damaged: make it again.")
    return np.frombuffer(data, dtype="<i2").reshape(codebooks, code_frames).astype(np.int64)


def normal_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Tags as they are stored: normalised, each once, sorted; empty ones are left out.

    Raises:
        InputError: A tag is too long or has nothing but signs in it.
    """
    return tuple(sorted({normal_tag(tag) for tag in tags if clean_text(tag)}))
