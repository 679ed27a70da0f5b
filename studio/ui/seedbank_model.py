"""The takes of one seed bank as rows: words, order, filter.

Owns what each cell says and which takes fit what is typed. It reads no file and makes no sound.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QSortFilterProxyModel,
    Qt,
)

from studio.generation.coded_take import CodedTake
from studio.generation.request import GenerationRequest
from studio.generation.seed_bank import SeedBank
from studio.ui.facts import bars_text, tempo_text

Index = QModelIndex | QPersistentModelIndex
SORT_ROLE = Qt.ItemDataRole.UserRole + 1
_ROOT = QModelIndex()


class Column(IntEnum):
    """The columns from left to right."""

    NUMBER = 0
    PROMPT = 1
    TEMPO = 2
    BARS = 3
    KEY = 4
    SEED = 5


TITLES = {
    Column.NUMBER: "No",
    Column.PROMPT: "Prompt",
    Column.TEMPO: "Tempo",
    Column.BARS: "Bars",
    Column.KEY: "Key",
    Column.SEED: "Seed",
}
_RIGHT = frozenset({Column.NUMBER, Column.TEMPO, Column.BARS, Column.SEED})


class SeedBankModel(QAbstractTableModel):
    """Every take of a bank in the bank's order."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._takes: tuple[CodedTake, ...] = ()
        self._facts: list[str] = []

    def show_bank(self, bank: SeedBank | None) -> None:
        """Show another bank, or none."""
        self.beginResetModel()
        self._takes = () if bank is None else bank.takes
        self._facts = [_facts(take.request) for take in self._takes]
        self.endResetModel()

    def take(self, row: int) -> CodedTake:
        """The take of a row."""
        return self._takes[row]

    def facts(self, row: int) -> str:
        """The words of a row that can be searched, in small letters."""
        return self._facts[row]

    def rowCount(self, parent: Index = _ROOT) -> int:
        """Takes."""
        return 0 if parent.isValid() else len(self._takes)

    def columnCount(self, parent: Index = _ROOT) -> int:
        """As many as `Column`."""
        return 0 if parent.isValid() else len(Column)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Titles, aligned as their columns."""
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(Column):
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return TITLES[Column(section)]
        return alignment(section) if role == Qt.ItemDataRole.TextAlignmentRole else None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Words, alignment, and what the order follows."""
        if not index.isValid():
            return None
        row, column = index.row(), Column(index.column())
        if role == Qt.ItemDataRole.DisplayRole:
            return _text(row, self._takes[row].request, column)
        if role == SORT_ROLE:
            return _order(row, self._takes[row].request, column)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return alignment(column)
        if role == Qt.ItemDataRole.ToolTipRole and column == Column.PROMPT:
            return self._takes[row].request.prompt
        return None


class SeedBankRows(QSortFilterProxyModel):
    """The takes that fit what is typed, in the chosen order."""

    def __init__(self, model: SeedBankModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self._words: list[str] = []
        self.setSourceModel(model)
        self.setSortRole(SORT_ROLE)
        self.setSortCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)

    def set_words(self, text: str) -> None:
        """Show the takes that have each of these words.

        Args:
            text: Parts of the prompt, a key, a tempo, a seed, or `key:Am bpm:174 bars:2 seed:7`.
        """
        words = text.lower().split()
        if words != self._words:
            self._words = words
            self.invalidate()

    def take(self, row: int) -> CodedTake:
        """The take of a shown row."""
        return self._model.take(self.mapToSource(self.index(row, 0)).row())

    def filterAcceptsRow(self, source_row: int, source_parent: Index) -> bool:  # noqa: N802 # Qt's name
        """Whether a take has every word."""
        facts = self._model.facts(source_row)
        return all(word in facts for word in self._words)


def alignment(column: int) -> Qt.AlignmentFlag:
    """Figures to the right, words to the left."""
    side = Qt.AlignmentFlag.AlignRight if column in _RIGHT else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter


def _text(row: int, request: GenerationRequest, column: Column) -> str:
    match column:
        case Column.NUMBER:
            return str(row + 1)
        case Column.PROMPT:
            return " ".join(request.prompt.split()) or "no prompt"
        case Column.TEMPO:
            return tempo_text(request.tempo_bpm)
        case Column.BARS:
            return "" if request.bars is None else str(request.bars)
        case Column.KEY:
            return request.key or ""
        case Column.SEED:
            return str(request.seed)


def _order(row: int, request: GenerationRequest, column: Column) -> int | float | str:
    match column:
        case Column.NUMBER:
            return row
        case Column.PROMPT | Column.KEY:
            return _text(row, request, column)
        case Column.TEMPO:
            return request.tempo_bpm or 0.0
        case Column.BARS:
            return request.bars or 0
        case Column.SEED:
            return f"{request.seed:019d}"  # a seed may be beyond what Qt compares as a number


def _facts(request: GenerationRequest) -> str:
    tempo = tempo_text(request.tempo_bpm)
    parts = (
        request.prompt,
        f"key:{request.key}" if request.key else "",
        f"bpm:{tempo} {tempo}bpm" if tempo else "",
        f"bars:{request.bars} {bars_text(request.bars)}" if request.bars else "",
        f"seed:{request.seed}",
    )
    return " ".join(parts).lower()
