"""The columns of the library table: titles, orders, words.

Owns what each cell says. It must not read the library.
"""

from __future__ import annotations

from enum import IntEnum

from PySide6.QtCore import Qt

from studio.library.records import SampleRecord
from studio.ui.facts import date_text, exact_date_text, length_text, tempo_text


class Column(IntEnum):
    """The columns from left to right."""

    FAVOURITE = 0
    NAME = 1
    RATING = 2
    TEMPO = 3
    KEY = 4
    BARS = 5
    LENGTH = 6
    TAGS = 7
    SEED = 8
    MODEL = 9
    DATE = 10


TITLES = {
    Column.FAVOURITE: "",
    Column.NAME: "Name",
    Column.RATING: "Rating",
    Column.TEMPO: "Tempo",
    Column.KEY: "Key",
    Column.BARS: "Bars",
    Column.LENGTH: "Length",
    Column.TAGS: "Tags",
    Column.SEED: "Seed",
    Column.MODEL: "Model",
    Column.DATE: "Date",
}
ORDERS = {
    Column.FAVOURITE: "favourite",
    Column.NAME: "name",
    Column.RATING: "rating",
    Column.TEMPO: "tempo",
    Column.KEY: "key",
    Column.BARS: "bars",
    Column.LENGTH: "length",
    Column.SEED: "seed",
    Column.MODEL: "model",
    Column.DATE: "created",
}
_RIGHT = frozenset({Column.TEMPO, Column.BARS, Column.LENGTH, Column.SEED})


def alignment(column: Column) -> Qt.AlignmentFlag:
    """Figures to the right, words to the left."""
    side = Qt.AlignmentFlag.AlignRight if column in _RIGHT else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter


def cell_text(record: SampleRecord, column: Column) -> str:
    """What a cell says; empty for what is drawn."""
    match column:
        case Column.FAVOURITE | Column.RATING:
            return ""
        case Column.NAME:
            return record.name
        case Column.TEMPO:
            return tempo_text(record.tempo_bpm)
        case Column.KEY:
            return record.key or ""
        case Column.BARS:
            return "" if record.bars is None else str(record.bars)
        case Column.LENGTH:
            return length_text(record.duration_seconds)
        case Column.TAGS:
            return ", ".join(record.tags)
        case Column.SEED:
            return "" if record.seed is None else str(record.seed)
        case Column.MODEL:
            return record.model or ("imported" if record.origin == "imported" else "")
        case Column.DATE:
            return date_text(record.created_at)


def cell_tooltip(record: SampleRecord, column: Column) -> str | None:
    """What a cell says at length."""
    if record.missing:
        return f"The file is missing: {record.relative_path}"
    if column == Column.NAME:
        return record.prompt or record.relative_path
    if column == Column.DATE:
        return exact_date_text(record.created_at)
    if column == Column.TAGS and record.tags:
        return ", ".join(record.tags)
    return None
