"""How a row of the library table is painted, and how tags are edited in place.

Owns painting and the tag editor. It must not read or write the library: a finished edit is
handed to whoever listens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import (
    QAbstractItemModel,
    QRect,
    QRectF,
    QStringListModel,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import (
    QCompleter,
    QLineEdit,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from studio.library.records import MAX_RATING, SampleRecord
from studio.ui import icons, theme
from studio.ui.library_columns import Column
from studio.ui.library_model import RECORD_ROLE, Index

_PADDING = 7
_STAR = 13
_MORE_WIDTH = 22
_DOT_STEP = 10
_SELECTED = QColor(90, 169, 255, 56)
_CURRENT = QColor(90, 169, 255, 84)


def split_tags(text: str) -> list[str]:
    """The tags in "dark, drums,,  dark", in order, once each."""
    parts = (part.strip() for part in text.split(","))
    return list(dict.fromkeys(part for part in parts if part))


def rating_at(x: float) -> int:
    """The rating that a click at a horizontal position inside the rating cell means."""
    return min(max(int((x - _PADDING) // _DOT_STEP) + 1, 1), MAX_RATING)


class TagEdit(QLineEdit):
    """A line of tags with completion of the one at the end."""

    def __init__(self, known_tags: Sequence[str], parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("tag_edit")
        self.setPlaceholderText("dark, drums")
        self.setAccessibleName("Tags, separated by commas")
        self._completer = QCompleter(self)
        self._completer.setModel(QStringListModel(list(known_tags), self))
        self._completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self._completer.setWidget(self)
        self._completer.activated.connect(self._complete)
        self.textEdited.connect(self._offer)

    def go_to_end(self) -> None:
        """Ready for another tag, where Qt would have the next key replace them all."""
        self.deselect()
        self.end(False)

    def _offer(self, text: str) -> None:
        start = text.rpartition(",")[2].strip()
        self._completer.setCompletionPrefix(start)
        popup = self._completer.popup()
        if start and self._completer.completionCount() and popup is not None:
            self._completer.complete()
        elif popup is not None:
            popup.hide()

    def _complete(self, tag: str) -> None:
        before, comma, _ = self.text().rpartition(",")
        self.setText(f"{before}{comma}{' ' if comma else ''}{tag}")


class LibraryDelegate(QStyledItemDelegate):
    """Paints every cell; edits the tags column.

    Signals:
        tags_edited(list): The tags that a person typed, when the editor was accepted.
    """

    tags_edited = Signal(list)

    def __init__(
        self, known_tags: Callable[[], Sequence[str]], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._known_tags = known_tags
        self.playing_id: int | None = None
        self.shown_id: int | None = None

    # --- painting ------------------------------------------------------------------------------

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Background by state, then the cell."""
        record = index.data(RECORD_ROLE)
        if not isinstance(record, SampleRecord):
            return
        painter.save()
        rect: QRect = option.rect
        state = option.state
        if state & QStyle.StateFlag.State_Selected:
            active = bool(state & QStyle.StateFlag.State_Active)
            painter.fillRect(rect, _CURRENT if active else _SELECTED)
        elif state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(rect, QColor(theme.PANEL))
        column = Column(index.column())
        if column == Column.FAVOURITE:
            hovered = bool(state & QStyle.StateFlag.State_MouseOver)
            self._paint_favourite(painter, rect, record, hovered=hovered)
        elif column == Column.RATING:
            self._paint_rating(painter, rect, record)
        elif column == Column.TAGS:
            self._paint_tags(painter, rect, record)
        else:
            self._paint_text(painter, option, index, record)
        painter.restore()

    def _paint_favourite(
        self, painter: QPainter, rect: QRect, record: SampleRecord, *, hovered: bool
    ) -> None:
        area = QRectF(0, 0, _STAR, _STAR)
        area.moveCenter(QRectF(rect).center())
        if record.favourite:
            icons.paint_icon(painter, "star", area, QColor(theme.TEXT))
        elif hovered:
            icons.paint_icon(painter, "star_outline", area, QColor(theme.DIM))

    @staticmethod
    def _paint_rating(painter: QPainter, rect: QRect, record: SampleRecord) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        for number in range(MAX_RATING):
            given = number < record.rating
            side = 6 if given else 3
            x = rect.x() + _PADDING + number * _DOT_STEP + (_DOT_STEP - side) / 2
            y = rect.y() + (rect.height() - side) / 2
            painter.setBrush(QColor(theme.TEXT if given else theme.LINE))
            painter.drawEllipse(QRectF(x, y, side, side))

    @staticmethod
    def _paint_tags(painter: QPainter, rect: QRect, record: SampleRecord) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        metrics = painter.fontMetrics()
        x, right = rect.x() + 4, rect.right() - 4
        for place, tag in enumerate(record.tags):
            width = metrics.horizontalAdvance(tag) + 12
            left_over = len(record.tags) - place
            room = right if left_over == 1 else right - _MORE_WIDTH
            if x + width > room:
                painter.setPen(QColor(theme.DIM))
                painter.drawText(
                    QRect(x + 2, rect.y(), right - x, rect.height()),
                    int(Qt.AlignmentFlag.AlignVCenter),
                    f"+{left_over}",
                )
                return
            hue = theme.tag_colour(tag)
            fill = QColor(hue)
            fill.setAlpha(44)
            chip = QRectF(x, rect.y() + 4, width, rect.height() - 8)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(fill)
            painter.drawRoundedRect(chip, theme.RADIUS, theme.RADIUS)
            painter.setPen(hue)
            painter.drawText(chip, int(Qt.AlignmentFlag.AlignCenter), tag)
            x += width + 4

    def _paint_text(
        self, painter: QPainter, option: QStyleOptionViewItem, index: Index, record: SampleRecord
    ) -> None:
        column = Column(index.column())
        colour = theme.TEXT if column in (Column.NAME, Column.TEMPO, Column.KEY) else theme.DIM
        rect = option.rect.adjusted(_PADDING, 0, -_PADDING, 0)
        if column == Column.NAME and record.id == self.shown_id:
            playing = record.id == self.playing_id
            colour = theme.ACCENT if playing else colour
            mark = QRectF(option.rect.x() - 1, rect.center().y() - 4, 9, 9)
            icons.paint_icon(painter, "play", mark, QColor(theme.ACCENT if playing else theme.DIM))
        if record.missing:
            colour = theme.DIM
        painter.setPen(QColor(colour))
        text = painter.fontMetrics().elidedText(
            str(index.data(Qt.ItemDataRole.DisplayRole) or ""),
            Qt.TextElideMode.ElideRight,
            rect.width(),
        )
        alignment = index.data(Qt.ItemDataRole.TextAlignmentRole)
        painter.drawText(rect, int(alignment), text)

    # --- editing -------------------------------------------------------------------------------

    def createEditor(self, parent: QWidget, option: QStyleOptionViewItem, index: Index) -> QWidget:
        """The tag editor."""
        return TagEdit(self._known_tags(), parent)

    def setEditorData(self, editor: QWidget, index: Index) -> None:
        """Begin with the tags there are, ready for another."""
        if isinstance(editor, TagEdit):
            text = str(index.data(Qt.ItemDataRole.EditRole) or "")
            editor.setText(f"{text}, " if text else "")

    def setModelData(self, editor: QWidget, model: QAbstractItemModel, index: Index) -> None:
        """Hand the typed tags on."""
        if isinstance(editor, TagEdit):
            self.tags_edited.emit(split_tags(editor.text()))

    def updateEditorGeometry(
        self, editor: QWidget, option: QStyleOptionViewItem, index: Index
    ) -> None:
        """Over the cell, wide enough to type in."""
        rect = QRect(option.rect)
        rect.setWidth(max(rect.width(), 200))
        editor.setGeometry(rect)
