"""Running a query: pages of records, ids and counts.

Owns the statements that read many rows and the orders a table can have. What a query means is
in `query`; this module only reads.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from studio.core.errors import InputError
from studio.library.query import parse_query
from studio.library.records import SampleRecord
from studio.library.samples import RECORD_COLUMNS, RECORD_TABLES, record_from_row

_COLUMNS: Final = {
    "created": "samples.created_at",
    "name": "samples.name COLLATE NOCASE",
    "tempo": "samples.tempo_bpm",
    "bars": "samples.bars",
    "key": "samples.key_class",
    "length": "samples.duration_seconds",
    "rating": "samples.rating",
    "favourite": "samples.favourite",
    "model": "samples.model COLLATE NOCASE",
    "seed": "samples.seed",
}
_ALIASES: Final = {
    "newest": "-created",
    "oldest": "created",
    "created_at": "created",
    "tempo_bpm": "tempo",
    "duration_seconds": "length",
}
ORDERS: Final = (*_ALIASES, *_COLUMNS)
"""What `order` may be; a leading `-` turns it round. Unknown values come last either way."""

_MANY: Final = 500


def search(
    connection: sqlite3.Connection, text: str, *, limit: int, offset: int, order: str
) -> list[SampleRecord]:
    """The records of one page.

    Raises:
        InputError: The text or the order makes no sense.
    """
    condition, values = parse_query(text).sql()
    ordering = _ordering(order)
    # The inner statement can stay within the indexes; only the page's own rows are fetched.
    rows = connection.execute(
        f"""
        SELECT {RECORD_COLUMNS} FROM {RECORD_TABLES}
        WHERE samples.id IN (
            SELECT samples.id FROM samples WHERE {condition} ORDER BY {ordering} LIMIT ? OFFSET ?
        )
        ORDER BY {ordering}
        """,
        (*values, max(0, limit), max(0, offset)),
    )
    return [record_from_row(row) for row in rows]


def search_ids(connection: sqlite3.Connection, text: str, *, order: str) -> list[int]:
    """The ids of every match, in order.

    Raises:
        InputError: The text or the order makes no sense.
    """
    condition, values = parse_query(text).sql()
    rows = connection.execute(
        f"SELECT samples.id FROM samples WHERE {condition} ORDER BY {_ordering(order)}", values
    )
    return [row[0] for row in rows]


def count(connection: sqlite3.Connection, text: str) -> int:
    """How many sounds match.

    Raises:
        InputError: The text makes no sense.
    """
    condition, values = parse_query(text).sql()
    row = connection.execute(f"SELECT count(*) FROM samples WHERE {condition}", values).fetchone()
    return int(row[0])


def fetch(connection: sqlite3.Connection, ids: Sequence[int]) -> list[SampleRecord]:
    """The records with these ids in the order asked; unknown ids are left out."""
    found: dict[int, SampleRecord] = {}
    for start in range(0, len(ids), _MANY):
        some = ids[start : start + _MANY]
        rows = connection.execute(
            f"SELECT {RECORD_COLUMNS} FROM {RECORD_TABLES} "
            f"WHERE samples.id IN ({', '.join('?' * len(some))})",
            tuple(some),
        )
        found.update((row[0], record_from_row(row)) for row in rows)
    return [found[sample_id] for sample_id in ids if sample_id in found]


def tag_counts(connection: sqlite3.Connection) -> dict[str, int]:
    """Every tag in use and how many sounds outside the bin have it, sorted by tag."""
    counts = dict(
        connection.execute(
            "SELECT tag, count(*) FROM sample_tags GROUP BY tag ORDER BY tag"
        ).fetchall()
    )
    # The few in the bin are taken off: to look at every sound's row would take ten times longer.
    in_bin = connection.execute(
        """
        SELECT tag, count(*) FROM samples JOIN sample_tags ON sample_id = samples.id
        WHERE deleted_at IS NOT NULL GROUP BY tag
        """
    )
    for tag, number in in_bin:
        counts[tag] -= number
    return {tag: number for tag, number in counts.items() if number}


def _ordering(order: str) -> str:
    """The ORDER BY terms."""
    turned = order.startswith("-")
    name = order[1:] if turned else order
    name = _ALIASES.get(name, name)
    if name.startswith("-"):
        turned, name = not turned, name[1:]
    column = _COLUMNS.get(name)
    if column is None:
        raise InputError(
            f"Sounds cannot be sorted by {order[:30]!r}: use one of {', '.join(ORDERS)}."
        )
    # Equals are sorted by age in the same direction, as the indexes are. In SQLite nothing (NULL)
    # is the smallest value, so it is last by itself when descending.
    direction, nulls = ("DESC", "") if turned else ("ASC", "NULLS LAST")
    if name == "created":
        return f"{column} {direction}, samples.id {direction}"
    return f"{column} {direction} {nulls}, samples.created_at {direction}, samples.id {direction}"
