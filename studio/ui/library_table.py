"""The library table: rows, selection, audition on the arrow keys, drags out of it.

Owns the view and its mouse and keys. What the keys do to the library is asked of others by
signals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import (
    QItemSelection,
    QItemSelectionModel,
    QPoint,
    Qt,
    Signal,
)
from PySide6.QtGui import (
    QKeyEvent,
    QMouseEvent,
    QPaintEvent,
    QResizeEvent,
)
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from studio.library.records import SampleRecord
from studio.ui import theme
from studio.ui.empty_words import paint_empty_words
from studio.ui.keys import key_for
from studio.ui.library_columns import Column
from studio.ui.library_delegate import LibraryDelegate, TagEdit, rating_at
from studio.ui.library_model import Index, LibraryModel
from studio.ui.pressed_rows import PressedRows

_WIDTHS = {
    Column.FAVOURITE: 26,
    Column.RATING: 64,
    Column.TEMPO: 54,
    Column.KEY: 44,
    Column.BARS: 44,
    Column.LENGTH: 62,
    Column.TAGS: 120,
    Column.SEED: 98,
    Column.MODEL: 58,
    Column.DATE: 74,
}
_MIN_NAME_WIDTH = 140


class LibraryTable(QTableView):
    """Sounds in rows.

    Signals:
        row_reached(SampleRecord): The current row changed by a person's hand.
        load_requested(SampleRecord): Enter or a double-click.
        selection_changed(): Other rows are selected.
        favourite_clicked(SampleRecord): The star was clicked.
        rating_clicked(SampleRecord, int): A rating dot was clicked.
        drag_requested(list): Ids to drag out of the window.
        menu_requested(QPoint): Global position of a context menu.
    """

    row_reached = Signal(object)
    load_requested = Signal(object)
    selection_changed = Signal()
    favourite_clicked = Signal(object)
    rating_clicked = Signal(object, int)
    drag_requested = Signal(list)
    menu_requested = Signal(QPoint)

    def __init__(
        self,
        model: LibraryModel,
        known_tags: Callable[[], Sequence[str]],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("library_table")
        self.setAccessibleName("Library")
        self._library = model
        self._quiet = False
        self._pressed: PressedRows[int] = PressedRows(self)
        self._before_reset: tuple[list[int], int | None] = ([], None)
        self.setModel(model)
        self.row_delegate = LibraryDelegate(known_tags, self)
        self.setItemDelegate(self.row_delegate)
        self._set_up()
        model.modelAboutToBeReset.connect(self._remember_selection)
        model.modelReset.connect(self._restore_selection)
        model.refreshed.connect(self.viewport().update)

    def _set_up(self) -> None:
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerItem)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setMouseTracking(True)
        self.setTabKeyNavigation(False)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(
            lambda point: self.menu_requested.emit(self.viewport().mapToGlobal(point))
        )
        rows = self.verticalHeader()
        rows.hide()
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        rows.setDefaultSectionSize(theme.ROW_HEIGHT)
        rows.setMinimumSectionSize(theme.ROW_HEIGHT)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionsMovable(False)
        header.setMinimumSectionSize(24)
        for column, width in _WIDTHS.items():
            self.setColumnWidth(column, width)
        header.setSectionResizeMode(Column.FAVOURITE, QHeaderView.ResizeMode.Fixed)
        header.setSectionResizeMode(Column.NAME, QHeaderView.ResizeMode.Fixed)
        header.sectionResized.connect(lambda column, _old, _new: self._fit_name(column))
        header.setSortIndicator(Column.DATE, Qt.SortOrder.DescendingOrder)
        header.setSortIndicatorClearable(False)
        header.sortIndicatorChanged.connect(self._library.sort)
        self.setSortingEnabled(False)
        header.setSectionsClickable(True)
        header.setSortIndicatorShown(True)
        self.doubleClicked.connect(
            lambda index: self.load_requested.emit(self._library.record(index.row()))
        )

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The name takes the room that the other columns leave."""
        super().resizeEvent(event)
        self._fit_name()

    def _fit_name(self, resized_column: int = Column.DATE) -> None:
        if resized_column == Column.NAME:
            return
        header = self.horizontalHeader()
        others = header.length() - header.sectionSize(Column.NAME)
        room = self.viewport().width() - others
        header.resizeSection(Column.NAME, max(room, _MIN_NAME_WIDTH))

    # --- selection -----------------------------------------------------------------------------

    def current_record(self) -> SampleRecord | None:
        """The sound of the current row."""
        index = self.currentIndex()
        return self._library.record(index.row()) if index.isValid() else None

    def selected_records(self) -> list[SampleRecord]:
        """The selected sounds from top to bottom."""
        rows = sorted(index.row() for index in self.selectionModel().selectedRows())
        return [self._library.record(row) for row in rows]

    def selected_ids(self) -> list[int]:
        """Their ids."""
        return [record.id for record in self.selected_records()]

    def records(self, ids: Sequence[int]) -> list[SampleRecord]:
        """The sounds with these ids that have been read."""
        rows = (self._library.row_of(sample_id) for sample_id in ids)
        return [self._library.record(row) for row in rows if row is not None]

    def mark_shown(self, sample_id: int | None, *, playing: bool) -> None:
        """Mark the row of the sound in the waveform."""
        playing_id = sample_id if playing else None
        delegate = self.row_delegate
        if (delegate.shown_id, delegate.playing_id) != (sample_id, playing_id):
            delegate.shown_id, delegate.playing_id = sample_id, playing_id
            self.viewport().update()

    def select_id(self, sample_id: int) -> bool:
        """Select one sound without playing it; False when its row has not been read."""
        row = self._library.row_of(sample_id)
        if row is None:
            return False
        self._quiet = True
        try:
            index = self._library.index(row, Column.NAME)
            flags = QItemSelectionModel.SelectionFlag
            self.selectionModel().setCurrentIndex(index, flags.ClearAndSelect | flags.Rows)
            self.scrollTo(index)
        finally:
            self._quiet = False
        return True

    def currentChanged(  # noqa: N802 # Qt's name
        self, current: Index, previous: Index
    ) -> None:
        """Tell which row was reached, when a person did it."""
        super().currentChanged(current, previous)
        by_hand = not self._quiet and current.isValid() and current.row() != previous.row()
        if by_hand and (self.hasFocus() or self.viewport().underMouse()):
            self.row_reached.emit(self._library.record(current.row()))

    def selectionChanged(  # noqa: N802 # Qt's name
        self, selected: QItemSelection, deselected: QItemSelection
    ) -> None:
        """Tell that other rows are selected."""
        super().selectionChanged(selected, deselected)
        self.selection_changed.emit()

    def _remember_selection(self) -> None:
        current = self.current_record()
        self._before_reset = (self.selected_ids(), current.id if current else None)

    def _restore_selection(self) -> None:
        ids, current_id = self._before_reset
        flags = QItemSelectionModel.SelectionFlag
        self._quiet = True
        try:
            for sample_id in ids:
                row = self._library.row_of(sample_id)
                if row is not None:
                    index = self._library.index(row, Column.NAME)
                    self.selectionModel().select(index, flags.Select | flags.Rows)
            row = self._library.row_of(current_id) if current_id is not None else None
            if row is not None:
                index = self._library.index(row, Column.NAME)
                self.selectionModel().setCurrentIndex(index, flags.NoUpdate)
        finally:
            self._quiet = False

    # --- keys ----------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter loads; the first arrow key in an unvisited table goes to the first row."""
        record = self.current_record()
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and record is not None:
            self.load_requested.emit(record)
            return
        arrow = event.key() in (Qt.Key.Key_Down, Qt.Key.Key_Up)
        if arrow and not self.selectionModel().hasSelection():
            if self._library.rowCount():
                first = self._library.record(0)
                self.select_id(first.id)
                self.row_reached.emit(first)
            return
        super().keyPressEvent(event)

    def edit_tags(self) -> bool:
        """Open the tag editor on the current row."""
        index = self.currentIndex()
        if not index.isValid():
            return False
        cell = self._library.index(index.row(), Column.TAGS)
        self.scrollTo(cell)
        self.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.edit(cell)
        editor = self.indexWidget(cell)
        if isinstance(editor, TagEdit):
            editor.go_to_end()
        return True

    # --- mouse ---------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Stars and rating dots act at once; a press on one of several selected rows keeps them."""
        index = self.indexAt(event.position().toPoint())
        if event.button() == Qt.MouseButton.LeftButton and index.isValid():
            record = self._library.record(index.row())
            if index.column() == Column.FAVOURITE:
                self.favourite_clicked.emit(record)
                return
            if index.column() == Column.RATING:
                cell = self.visualRect(index)
                self.rating_clicked.emit(record, rating_at(event.position().x() - cell.x()))
                return
            selected = self.selected_ids()
            together = record.id in selected and len(selected) > 1
            self._pressed.press(event, selected if together else [record.id])
            if together and not event.modifiers() & Qt.KeyboardModifier.ControlModifier:
                return
        self._quiet = event.button() != Qt.MouseButton.LeftButton
        super().mousePressEvent(event)
        self._quiet = False

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Past the drag distance the pressed row leaves, with all others selected with it."""
        if not self._pressed.held(event):
            super().mouseMoveEvent(event)
        elif ids := self._pressed.dragged(event):
            self.drag_requested.emit(ids)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """A press on one of several selected rows that became no drag selects that row."""
        self._pressed.release(event)
        super().mouseReleaseEvent(event)

    def end_drag(self) -> None:
        """A drag out of the window took the button's release."""
        self._pressed.forget()

    # --- empty states --------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        """The rows, or what to do when there are none."""
        super().paintEvent(event)
        if self._library.rowCount() or self._library.reading:
            return
        paint_empty_words(self, *self._empty_words())

    def _empty_words(self) -> tuple[str, str]:
        generate, search = key_for("generate").label, key_for("search").label
        if self._library.library_is_empty and not self._library.query.strip():
            return (
                "Your library is empty",
                f"Press {generate} outside a text field to generate, or drop audio files here",
            )
        return "Nothing matches", f"Press {search} to change the search; Esc there clears it"
