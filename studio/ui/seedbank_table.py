"""The tables of the seed banks' dialog: the banks, and the takes of one of them.

Owns the views with their mouse and keys. What a take's row leads to is asked of others by signals.
"""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import (
    QItemSelection,
    QItemSelectionModel,
    QPoint,
    QRect,
    QRectF,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QTableWidget,
    QTableWidgetItem,
)

from studio.generation.coded_take import CodedTake
from studio.generation.seed_bank import SeedBank
from studio.ui import icons, theme
from studio.ui.empty_words import paint_empty_words
from studio.ui.pressed_rows import PressedRows
from studio.ui.seedbank_model import Column, Index, SeedBankModel, SeedBankRows

_WIDTHS = {
    Column.NUMBER: 44,
    Column.TEMPO: 60,
    Column.BARS: 46,
    Column.KEY: 52,
    Column.SEED: 96,
}
_PADDING = 7
_SELECTED = QColor(90, 169, 255, 56)
_CURRENT = QColor(90, 169, 255, 84)
_COUNT_WIDTH = 72


class BankTable(QTableWidget):
    """One row for each bank; one is selected.

    Signals:
        bank_selected(str): Another bank is selected.
        left_rightwards(): Right or Enter was pressed.
    """

    bank_selected = Signal(str)
    left_rightwards = Signal()

    def __init__(self) -> None:
        super().__init__(0, 2)
        self.setObjectName("seedbank_list")
        self.setAccessibleName("Seed banks")
        flags = Qt.AlignmentFlag
        self._sides = (flags.AlignLeft | flags.AlignVCenter, flags.AlignRight | flags.AlignVCenter)
        for column, title in enumerate(("Bank", "Takes")):
            heading = QTableWidgetItem(title)
            heading.setTextAlignment(self._sides[column])
            self.setHorizontalHeaderItem(column, heading)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        _set_up(self)
        header = self.horizontalHeader()
        header.setSectionsClickable(False)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Fixed)
        header.resizeSection(1, _COUNT_WIDTH)
        self._names: list[str] = []
        self.itemSelectionChanged.connect(self._selected)

    def show_names(self, names: Iterable[str]) -> None:
        """Show these banks and keep the selected one selected."""
        selected = self.selected_name()
        self.blockSignals(True)
        self._names = list(names)
        self.setRowCount(len(self._names))
        for row, name in enumerate(self._names):
            self._set_cell(row, 0, name, theme.TEXT)
            self._set_cell(row, 1, "", theme.DIM)
        self.blockSignals(False)
        if self._names and selected not in self._names:
            self.select(self._names[0])

    def show_count(self, name: str, count: int | None) -> None:
        """Say how many takes a bank has; None for one that cannot be read."""
        if name in self._names:
            text, colour = ("damaged", theme.ERROR) if count is None else (str(count), theme.DIM)
            self._set_cell(self._names.index(name), 1, text, colour)

    def selected_name(self) -> str | None:
        """The selected bank."""
        rows = self.selectionModel().selectedRows()
        return self._names[rows[0].row()] if rows and rows[0].row() < len(self._names) else None

    def select(self, name: str) -> None:
        """Select a bank, if it is listed."""
        if name in self._names:
            self.setCurrentCell(self._names.index(name), 0)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Right and Enter go to the takes."""
        if event.key() in (Qt.Key.Key_Right, Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.left_rightwards.emit()
            return
        super().keyPressEvent(event)

    def keyboardSearch(self, search: str) -> None:  # noqa: N802 # Qt's name
        """Letters go nowhere: they are keys."""

    def _set_cell(self, row: int, column: int, text: str, colour: str) -> None:
        item = QTableWidgetItem(text)
        item.setTextAlignment(self._sides[column])
        item.setForeground(QColor(colour))
        if column == 0:
            item.setToolTip(text)
        self.setItem(row, column, item)

    def _selected(self) -> None:
        name = self.selected_name()
        if name is not None:
            self.bank_selected.emit(name)


class TakeTable(QTableView):
    """The takes of a bank in rows.

    Signals:
        take_reached(CodedTake): The current row changed by a person's hand, or was clicked.
        add_requested(): Enter or a double-click.
        selection_changed(): Other rows are selected.
        left_leftwards(): Left was pressed.
        menu_requested(QPoint): Global position of a context menu.
        drag_requested(list): Takes to drag out of the window.
    """

    take_reached = Signal(object)
    add_requested = Signal()
    selection_changed = Signal()
    left_leftwards = Signal()
    menu_requested = Signal(QPoint)
    drag_requested = Signal(list)

    def __init__(self) -> None:
        super().__init__()
        self._pressed: PressedRows[CodedTake] = PressedRows(self)
        self.setObjectName("seedbank_table")
        self.setAccessibleName("Takes of the seed bank")
        self._model = SeedBankModel(self)
        self.rows = SeedBankRows(self._model, self)
        self._empty_words = ("", "")
        self.setModel(self.rows)
        self.marks = _TakeDelegate(self)
        self.setItemDelegate(self.marks)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        _set_up(self)
        self.setMouseTracking(True)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(
            lambda point: self.menu_requested.emit(self.viewport().mapToGlobal(point))
        )
        self.doubleClicked.connect(lambda _index: self.add_requested.emit())
        header = self.horizontalHeader()
        header.setMinimumSectionSize(24)
        header.setSectionResizeMode(Column.PROMPT, QHeaderView.ResizeMode.Stretch)
        for column, width in _WIDTHS.items():
            header.resizeSection(column, width)
        header.setSortIndicator(Column.NUMBER, Qt.SortOrder.AscendingOrder)
        header.setSortIndicatorClearable(False)
        self.setSortingEnabled(True)

    def show_bank(self, bank: SeedBank | None) -> None:
        """Show another bank, from its start."""
        self._model.show_bank(bank)
        self.scrollToTop()
        self.selection_changed.emit()

    def show_empty_words(self, title: str, detail: str = "") -> None:
        """What stands there while there are no rows."""
        self._empty_words = (title, detail)
        self.viewport().update()

    def mark_shown(self, coded: CodedTake | None, *, playing: bool) -> None:
        """Mark the row of the take in the waveform."""
        if (self.marks.shown, self.marks.playing) != (coded, playing):
            self.marks.shown, self.marks.playing = coded, playing
            self.viewport().update()

    # --- selection -----------------------------------------------------------------------------

    def current_take(self) -> CodedTake | None:
        """The take of the current row, where that is selected."""
        index = self.currentIndex()
        chosen = index.isValid() and self.selectionModel().isRowSelected(index.row())
        return self.rows.take(index.row()) if chosen else None

    def selected_takes(self) -> list[CodedTake]:
        """The selected takes from top to bottom."""
        rows = sorted(index.row() for index in self.selectionModel().selectedRows())
        return [self.rows.take(row) for row in rows]

    def selectionChanged(  # noqa: N802 # Qt's name
        self, selected: QItemSelection, deselected: QItemSelection
    ) -> None:
        """Tell that other rows are selected."""
        super().selectionChanged(selected, deselected)
        self.selection_changed.emit()

    # --- keys and mouse ------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter adds, Left goes to the banks; the first arrow key of all goes to the first row."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.add_requested.emit()
            return
        if event.key() == Qt.Key.Key_Left:
            self.left_leftwards.emit()
            return
        before = self.current_take()
        if event.key() in (Qt.Key.Key_Down, Qt.Key.Key_Up) and before is None:
            flags = QItemSelectionModel.SelectionFlag
            first = self.rows.index(0, Column.PROMPT)
            self.selectionModel().setCurrentIndex(first, flags.ClearAndSelect | flags.Rows)
        else:
            super().keyPressEvent(event)
        reached = self.current_take()
        if reached is not None and reached is not before:
            self.take_reached.emit(reached)

    def keyboardSearch(self, search: str) -> None:  # noqa: N802 # Qt's name
        """Letters go nowhere: they are keys, and the filter is there for words."""

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A row that is pressed is heard; of several selected ones, all stay selected."""
        index = self.indexAt(event.position().toPoint())
        left = event.button() == Qt.MouseButton.LeftButton and index.isValid()
        selected = self.selected_takes()
        if left and len(selected) > 1 and self.rows.take(index.row()) in selected:
            self._pressed.press(event, selected)
            if event.modifiers() == Qt.KeyboardModifier.NoModifier:
                return
        super().mousePressEvent(event)
        reached = self.current_take()
        if left and reached is not None:
            self._pressed.press(event, self.selected_takes())
            self.take_reached.emit(reached)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Past the drag distance the pressed row leaves, with all others selected with it."""
        if not self._pressed.held(event):
            super().mouseMoveEvent(event)
        elif takes := self._pressed.dragged(event):
            self.drag_requested.emit(takes)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """A press on one of several selected rows that became no drag plays that row alone."""
        alone = self._pressed.release(event)
        if alone is not None:
            self.take_reached.emit(self.rows.take(alone.row()))
        super().mouseReleaseEvent(event)

    def end_drag(self) -> None:
        """A drag out of the window took the button's release."""
        self._pressed.forget()

    def paintEvent(self, event: QPaintEvent) -> None:
        """The rows, or why there are none."""
        super().paintEvent(event)
        if not self.rows.rowCount():
            paint_empty_words(self, *self._empty_words)


class _TakeDelegate(QStyledItemDelegate):
    """Paints a cell as the library's table does."""

    shown: CodedTake | None = None
    playing = False

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Background by state, then the words."""
        rows = index.model()
        if not isinstance(rows, SeedBankRows):
            return
        painter.save()
        rect: QRect = option.rect
        if option.state & QStyle.StateFlag.State_Selected:
            active = bool(option.state & QStyle.StateFlag.State_Active)
            painter.fillRect(rect, _CURRENT if active else _SELECTED)
        elif option.state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(rect, QColor(theme.PANEL))
        column = Column(index.column())
        dim = column in (Column.NUMBER, Column.BARS, Column.SEED)
        colour = theme.DIM if dim else theme.TEXT
        if self.shown is not None and rows.take(index.row()) == self.shown:
            mark_colour = theme.ACCENT if self.playing else theme.DIM
            if column == Column.NUMBER:
                mark = QRectF(rect.x() + 4, rect.center().y() - 4, 9, 9)
                icons.paint_icon(painter, "play", mark, QColor(mark_colour))
            elif column == Column.PROMPT and self.playing:
                colour = theme.ACCENT
        painter.setPen(QColor(colour))
        inside = rect.adjusted(_PADDING, 0, -_PADDING, 0)
        words = painter.fontMetrics().elidedText(
            str(index.data() or ""), Qt.TextElideMode.ElideRight, inside.width()
        )
        painter.drawText(inside, int(index.data(Qt.ItemDataRole.TextAlignmentRole)), words)
        painter.restore()


def _set_up(table: QTableView) -> None:
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    table.setShowGrid(False)
    table.setWordWrap(False)
    table.setTabKeyNavigation(False)
    table.verticalHeader().hide()
    table.verticalHeader().setDefaultSectionSize(theme.ROW_HEIGHT)
    table.horizontalHeader().setHighlightSections(False)
