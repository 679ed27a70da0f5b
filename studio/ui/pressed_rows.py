"""Rows of a table that are pressed, and may become a drag.

Owns what lies between the button's press and its release. Which rows count, and what a drag of
them brings, is the table's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

from PySide6.QtCore import QItemSelectionModel, QModelIndex, QPoint, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QAbstractItemView, QApplication, QTableView

Item = TypeVar("Item")


class PressedRows(Generic[Item]):
    """What is pressed in a table."""

    def __init__(self, table: QTableView) -> None:
        self._table = table
        self._origin = QPoint()
        self._items: list[Item] = []

    def press(self, event: QMouseEvent, items: Sequence[Item]) -> None:
        """The button went down on one of these."""
        self._origin = event.position().toPoint()
        self._items = list(items)

    def held(self, event: QMouseEvent) -> bool:
        """Whether the button is still down on them."""
        return bool(self._items) and bool(event.buttons() & Qt.MouseButton.LeftButton)

    def dragged(self, event: QMouseEvent) -> list[Item]:
        """All of them once the mouse is past the drag distance; none before."""
        moved = (event.position().toPoint() - self._origin).manhattanLength()
        return list(self._items) if moved >= QApplication.startDragDistance() else []

    def release(self, event: QMouseEvent) -> QModelIndex | None:
        """The button went up: of several rows the one under the mouse is selected alone.

        Returns:
            That row, where there is one.
        """
        several, self._items = len(self._items) > 1, []
        index = self._table.indexAt(event.position().toPoint())
        plain = event.modifiers() == Qt.KeyboardModifier.NoModifier
        if not (several and plain and index.isValid()):
            return None
        flags = QItemSelectionModel.SelectionFlag
        self._table.selectionModel().setCurrentIndex(index, flags.ClearAndSelect | flags.Rows)
        return index

    def forget(self) -> None:
        """A drag out of the window took the button's release."""
        self._items = []
        self._table.setState(QAbstractItemView.State.NoState)
