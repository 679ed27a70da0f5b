"""The table of all models.

Owns how a model is worded in a row. What is done with it is in `models_dialog`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from studio.models.catalog import ModelKind
from studio.models.shelf.shelf import ModelEntry
from studio.ui import theme
from studio.ui.facts import size_text

KIND_WORDS: Mapping[ModelKind, str] = {
    "text": "words",
    "melody": "words, melody",
    "unconditional": "no prompt",
    "part": "part of others",
    "adapter": "changes others",
}
_TITLES = ("Model", "Hears", "Sound", "Size", "Licence", "Here")
_SIZE_COLUMN = 3


class ModelsTable(QTableWidget):
    """One row for each model; one row is selected.

    Signals:
        model_selected(): Another row is selected.
        model_activated(): Enter or a double-click on the selected row.
    """

    model_selected = Signal()
    model_activated = Signal()

    def __init__(self) -> None:
        super().__init__(0, len(_TITLES))
        self.setObjectName("models_table")
        self.setAccessibleName("Models")
        for column, title in enumerate(_TITLES):
            heading = QTableWidgetItem(title)
            heading.setTextAlignment(_alignment(column))
            self.setHorizontalHeaderItem(column, heading)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(theme.ROW_HEIGHT)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionsClickable(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self._names: list[str] = []
        self.itemSelectionChanged.connect(self.model_selected)
        self.itemActivated.connect(lambda _item: self.model_activated.emit())

    def show_models(self, entries: Iterable[ModelEntry], coming: Mapping[str, float]) -> None:
        """Show these models and keep the selected one selected.

        Args:
            entries: In their order.
            coming: Names of those that are being fetched, and how much of each is there, 0 to 1.
        """
        selected = self.selected_name()
        entries = tuple(entries)
        self.blockSignals(True)
        self.setRowCount(len(entries))
        self._names = [entry.name for entry in entries]
        for row, entry in enumerate(entries):
            texts = _texts(entry, coming.get(entry.name))
            for column, text in enumerate(texts):
                self.setItem(row, column, _cell(text, entry, column))
        self.blockSignals(False)
        if self._names:
            self.select(selected if selected in self._names else self._names[0])

    def show_coming(self, name: str, share: float) -> None:
        """Say in the row of a model how much of it has been fetched."""
        row = self._names.index(name) if name in self._names else -1
        cell = self.item(row, len(_TITLES) - 1)
        if cell is not None:
            cell.setText(f"{share:.0%}")

    def selected_name(self) -> str | None:
        """The selected model."""
        rows = self.selectionModel().selectedRows()
        return self._names[rows[0].row()] if rows else None

    def select(self, name: str) -> None:
        """Select a model, if it is listed."""
        if name in self._names:
            self.setCurrentCell(self._names.index(name), 0)


def sound_text(entry: ModelEntry) -> str:
    """`32 kHz mono`; empty for a part that makes none."""
    if not entry.sample_rate:
        return ""
    channels = {1: "mono", 2: "stereo"}.get(entry.channels, f"{entry.channels} channels")
    return f"{entry.sample_rate / 1000:g} kHz {channels}"


def _texts(entry: ModelEntry, share: float | None) -> Sequence[str]:
    here = "yes" if entry.path is not None else ""
    if entry.embedded:
        here = "built in"
    elif entry.registered:
        here = "added" if entry.path is not None else "folder is gone"
    if share is not None:
        here = f"{share:.0%}"
    return (
        entry.name,
        f"changes {entry.base}" if entry.base else KIND_WORDS[entry.kind],
        sound_text(entry),
        size_text(entry.size_megabytes),
        entry.licence,
        here,
    )


def _cell(text: str, entry: ModelEntry, column: int) -> QTableWidgetItem:
    item = QTableWidgetItem(text)
    item.setToolTip(str(entry.path) if entry.path is not None else "Not on this computer")
    item.setTextAlignment(_alignment(column))
    if entry.path is None:
        item.setForeground(QColor(theme.DIM))
    return item


def _alignment(column: int) -> Qt.AlignmentFlag:
    flags = Qt.AlignmentFlag
    side = flags.AlignRight if column == _SIZE_COLUMN else flags.AlignLeft
    return side | flags.AlignVCenter
