"""What a person changes about sounds, and how it is taken back.

Owns edits of tags, favourite, rating, name and the bin, all of one shape: a field, the values
before, the values after. Undo writes the one, redo the other. It runs on the writer thread,
inside a transaction of the caller.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from studio.library.query import search_text
from studio.library.records import Change
from studio.library.samples import TAG_SEPARATOR, no_such_sound
from studio.library.search import fetch

EditedField = Literal["tags", "favourite", "rating", "name", "deleted_at"]
EditedValue = str | int | None

MOST_UNDO_STEPS: Final = 200
_MANY: Final = 500


@dataclass(frozen=True, kw_only=True)
class Edit:
    """One change that can be taken back.

    Attributes:
        field: The column.
        label: What it was, for people: "Rate 3 sounds".
        before: Values of the sounds that it really changed.
        after: Their values since.
    """

    field: EditedField
    label: str
    before: Mapping[int, EditedValue]
    after: Mapping[int, EditedValue]


class EditHistory:
    """Undo and redo of one open library, newest last; lost when it is closed."""

    def __init__(self) -> None:
        self._done: list[Edit] = []
        self._undone: list[Edit] = []

    @property
    def undo_label(self) -> str:
        """What undo would take back; "" when there is nothing."""
        return self._done[-1].label if self._done else ""

    @property
    def redo_label(self) -> str:
        """What redo would do again; "" when there is nothing."""
        return self._undone[-1].label if self._undone else ""

    def keep(self, edit: Edit) -> None:
        """Remember an edit that was committed; what was undone before is forgotten."""
        self._done.append(edit)
        del self._done[:-MOST_UNDO_STEPS]
        self._undone.clear()

    def undo(self, write: Callable[[Edit, Mapping[int, EditedValue]], Change]) -> Change:
        """Write the newest edit's values from before; nothing when there is none."""
        if not self._done:
            return Change()
        edit = self._done[-1]
        change = write(edit, edit.before)
        self._undone.append(self._done.pop())
        return change

    def redo(self, write: Callable[[Edit, Mapping[int, EditedValue]], Change]) -> Change:
        """Write the values that the last undo took back; nothing when there are none."""
        if not self._undone:
            return Change()
        edit = self._undone[-1]
        change = write(edit, edit.after)
        self._done.append(self._undone.pop())
        return change


def plan_edit(
    connection: sqlite3.Connection,
    field: EditedField,
    ids: Sequence[int],
    wanted: Callable[[EditedValue], EditedValue],
    verb: str,
) -> Edit:
    """An edit that gives each sound `wanted(its value now)`; it is not written yet.

    Raises:
        LibraryError: One of the ids is not in the library.
    """
    before: dict[int, EditedValue] = {}
    for start in range(0, len(ids), _MANY):
        some = ids[start : start + _MANY]
        before.update(
            connection.execute(
                f"SELECT id, {field} FROM samples WHERE id IN ({', '.join('?' * len(some))})",
                tuple(some),
            ).fetchall()
        )
    for sample_id in ids:
        if sample_id not in before:
            raise no_such_sound(sample_id)
    after = {sample_id: wanted(value) for sample_id, value in before.items()}
    changed = [sample_id for sample_id in before if before[sample_id] != after[sample_id]]
    sounds = "1 sound" if len(changed) == 1 else f"{len(changed)} sounds"
    return Edit(
        field=field,
        label=f"{verb} {sounds}",
        before={sample_id: before[sample_id] for sample_id in changed},
        after={sample_id: after[sample_id] for sample_id in changed},
    )


def write_values(
    connection: sqlite3.Connection, edit: Edit, values: Mapping[int, EditedValue]
) -> Change:
    """Write an edit's values, before or after; sounds that are gone for good are left out."""
    connection.executemany(
        f"UPDATE samples SET {edit.field} = ? WHERE id = ?",
        [(value, sample_id) for sample_id, value in values.items()],
    )
    records = fetch(connection, list(values))
    if edit.field == "tags":
        _write_tag_table(connection, values, {record.id for record in records})
    if edit.field in {"tags", "name"}:
        connection.executemany(
            "UPDATE samples SET search_text = ? WHERE id = ?",
            [(search_text(record), record.id) for record in records],
        )
    gone = edit.field == "deleted_at"
    return Change(
        ids=tuple(r.id for r in records if not (gone and r.deleted_at is not None)),
        removed=tuple(r.id for r in records if gone and r.deleted_at is not None),
        label=edit.label,
    )


def _write_tag_table(
    connection: sqlite3.Connection, values: Mapping[int, EditedValue], alive: set[int]
) -> None:
    kept = {sample_id: str(tags) for sample_id, tags in values.items() if sample_id in alive}
    connection.executemany(
        "DELETE FROM sample_tags WHERE sample_id = ?", [(sample_id,) for sample_id in kept]
    )
    connection.executemany(
        "INSERT INTO sample_tags (tag, sample_id) VALUES (?, ?)",
        [
            (tag, sample_id)
            for sample_id, tags in kept.items()
            for tag in tags.split(TAG_SEPARATOR)
            if tag
        ],
    )
