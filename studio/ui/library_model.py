"""The rows of the library table.

Owns the pages that have been read so far and keeps them in step with the library. It reads on
the bridge's query thread, one page at a time, never every row; it must not write.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QMimeData,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
    Signal,
)

from studio.core.errors import StudioError
from studio.library.records import Change, SampleRecord
from studio.ui.bridge import Bridge
from studio.ui.library_columns import ORDERS, TITLES, Column, alignment, cell_text, cell_tooltip
from studio.workstation.workstation import Workstation

PAGE_ROWS = 200
RECORD_ROLE = Qt.ItemDataRole.UserRole + 1

Index = QModelIndex | QPersistentModelIndex


_ROOT = QModelIndex()


@dataclass(frozen=True, kw_only=True)
class _Page:
    """What one reading brought.

    Attributes:
        records: In order.
        total: How many sounds fit the query; None when it was not counted.
        library_total: How many sounds there are at all; None when it was not counted.
    """

    records: list[SampleRecord]
    total: int | None = None
    library_total: int | None = None


class LibraryModel(QAbstractTableModel):
    """Sounds that fit a query, read as they scroll into view.

    Signals:
        refreshed(): The rows are those of the newest query or change.
        query_failed(StudioError): The query cannot be understood; the rows are kept.
    """

    refreshed = Signal()
    query_failed = Signal(object)

    def __init__(
        self, workstation: Workstation, bridge: Bridge, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._workstation = workstation
        self._bridge = bridge
        self._records: list[SampleRecord] = []
        self._rows_by_id: dict[int, int] = {}
        self._query = ""
        self._order = "-created"
        self._total = 0
        self._library_total: int | None = None
        self._newest_reading = 0
        self._fetching = False
        bridge.changed.connect(self.take_in)

    # --- what is asked -------------------------------------------------------------------------

    @property
    def query(self) -> str:
        """The query of the newest reading."""
        return self._query

    @property
    def total(self) -> int:
        """How many sounds fit, read or not."""
        return self._total

    @property
    def library_is_empty(self) -> bool:
        """There is no sound at all, as far as is known."""
        return self._library_total == 0

    @property
    def reading(self) -> bool:
        """A reading is under way."""
        return self._fetching

    def set_query(self, query: str) -> None:
        """Show the sounds that fit another query."""
        self._query = query
        self._read_again(PAGE_ROWS)

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Show the rows in another order."""
        name = ORDERS.get(Column(column)) if column >= 0 else None
        if name is None:
            return
        self._order = name if order == Qt.SortOrder.AscendingOrder else f"-{name}"
        self._read_again(PAGE_ROWS)

    def refresh(self) -> None:
        """Read again what is shown."""
        self._read_again(max(len(self._records), PAGE_ROWS))

    def take_in(self, change: Change) -> None:
        """Follow a change of the library."""
        for sample_id in change.removed:
            row = self._rows_by_id.get(sample_id)
            if row is not None and "deleted" not in self._query:
                self._remove_row(row)
        self._read_again(max(len(self._records) + len(change.ids), PAGE_ROWS))

    # --- rows ----------------------------------------------------------------------------------

    def record(self, row: int) -> SampleRecord:
        """The sound of a row."""
        return self._records[row]

    def row_of(self, sample_id: int) -> int | None:
        """The row of a sound, if it has been read."""
        return self._rows_by_id.get(sample_id)

    def rowCount(self, parent: Index = _ROOT) -> int:
        """Rows read so far."""
        return 0 if parent.isValid() else len(self._records)

    def columnCount(self, parent: Index = _ROOT) -> int:
        """As many as `Column`."""
        return 0 if parent.isValid() else len(Column)

    def headerData(
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        """Titles, aligned as their columns."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return TITLES[Column(section)]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return alignment(Column(section))
        if role == Qt.ItemDataRole.ToolTipRole and section == Column.FAVOURITE:
            return "Favourite"
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Texts, alignment, tooltips, and the whole record under `RECORD_ROLE`."""
        if not index.isValid():
            return None
        record, column = self._records[index.row()], Column(index.column())
        if role == RECORD_ROLE:
            return record
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return cell_text(record, column)
        if role == Qt.ItemDataRole.EditRole and column == Column.TAGS:
            return ", ".join(record.tags)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return alignment(column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return cell_tooltip(record, column)
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Rows can be selected and dragged; tags can be edited."""
        flags = Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEnabled
        if index.isValid() and index.column() == Column.TAGS:
            flags |= Qt.ItemFlag.ItemIsEditable
        return flags

    def mimeTypes(self) -> list[str]:
        """Files are the only thing that leaves the table, through `drag_out`."""
        return ["text/uri-list"]

    def mimeData(self, indexes: Any) -> QMimeData:
        """Nothing: the view starts drags itself, after the files were written."""
        return QMimeData()

    # --- paging --------------------------------------------------------------------------------

    def canFetchMore(self, parent: Index = _ROOT) -> bool:
        """Whether there are sounds beyond the rows read so far."""
        return not parent.isValid() and len(self._records) < self._total and not self._fetching

    def fetchMore(self, parent: Index = _ROOT) -> None:
        """Read the next page in the background."""
        if not self.canFetchMore(parent):
            return
        self._fetching = True
        reading, query, order = self._newest_reading, self._query, self._order
        offset, workstation = len(self._records), self._workstation

        def read() -> _Page:
            records = workstation.search(query, limit=PAGE_ROWS, offset=offset, order=order)
            return _Page(records=records)

        self._bridge.run(
            "query",
            read,
            lambda page: self._append(reading, page),
            lambda error: self._reading_failed(reading, error),
        )

    def _append(self, reading: int, page: _Page) -> None:
        if reading != self._newest_reading:
            return
        self._fetching = False
        fresh = [record for record in page.records if record.id not in self._rows_by_id]
        if not fresh:
            self._total = len(self._records)
            return
        first = len(self._records)
        self.beginInsertRows(_ROOT, first, first + len(fresh) - 1)
        self._records += fresh
        self._number_rows(first)
        self.endInsertRows()
        self.refreshed.emit()

    def _read_again(self, rows: int) -> None:
        self._newest_reading += 1
        self._fetching = True
        reading, query, order = self._newest_reading, self._query, self._order
        workstation = self._workstation

        def read() -> _Page:
            records = workstation.search(query, limit=rows, offset=0, order=order)
            total = workstation.count(query) if len(records) >= rows else len(records)
            library_total = workstation.count("") if not records else None
            return _Page(records=records, total=total, library_total=library_total)

        self._bridge.run(
            "query",
            read,
            lambda page: self._replace(reading, page),
            lambda error: self._reading_failed(reading, error),
        )

    def _reading_failed(self, reading: int, error: StudioError) -> None:
        if reading == self._newest_reading:
            self._fetching = False
            self.query_failed.emit(error)

    # --- keeping rows that stay ----------------------------------------------------------------

    def _replace(self, reading: int, page: _Page) -> None:
        """Show other records, moving as little as possible so that the selection survives."""
        if reading != self._newest_reading:
            return
        self._fetching = False
        self._total = page.total if page.total is not None else len(page.records)
        self._library_total = page.library_total if not page.records else None
        wanted = page.records
        wanted_ids = [record.id for record in wanted]
        staying = set(wanted_ids)
        kept = [record.id for record in self._records if record.id in staying]
        known = set(kept)
        few = len(wanted_ids) - len(kept) <= PAGE_ROWS // 2 and bool(kept)
        if few and kept == [sample_id for sample_id in wanted_ids if sample_id in known]:
            self._remove_all_but(staying)
            self._insert_missing(wanted)
            self._update_changed(wanted)
        else:
            self._reset(wanted)
        self.refreshed.emit()

    def _reset(self, wanted: list[SampleRecord]) -> None:
        self.beginResetModel()
        self._records = list(wanted)
        self._number_rows(0)
        self.endResetModel()

    def _remove_all_but(self, staying: set[int]) -> None:
        for row in range(len(self._records) - 1, -1, -1):
            if self._records[row].id not in staying:
                self._remove_row(row)

    def _remove_row(self, row: int) -> None:
        self.beginRemoveRows(_ROOT, row, row)
        del self._records[row]
        self._number_rows(0)
        self.endRemoveRows()

    def _insert_missing(self, wanted: list[SampleRecord]) -> None:
        for row, record in enumerate(wanted):
            if row < len(self._records) and self._records[row].id == record.id:
                continue
            self.beginInsertRows(_ROOT, row, row)
            self._records.insert(row, record)
            self._number_rows(0)
            self.endInsertRows()

    def _update_changed(self, wanted: list[SampleRecord]) -> None:
        last = len(Column) - 1
        for row, record in enumerate(wanted):
            if self._records[row] != record:
                self._records[row] = record
                self.dataChanged.emit(self.index(row, 0), self.index(row, last))

    def _number_rows(self, first: int) -> None:
        if first == 0:
            self._rows_by_id = {record.id: row for row, record in enumerate(self._records)}
            return
        for row in range(first, len(self._records)):
            self._rows_by_id[self._records[row].id] = row
