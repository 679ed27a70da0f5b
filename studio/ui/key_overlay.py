"""The list of all keys, over the window.

Owns the drawing of the table in `keys`; any key or click closes it.
"""

from __future__ import annotations

from itertools import groupby

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from studio.ui import theme
from studio.ui.controls import dim_label, heading
from studio.ui.keys import KEYS, MOUSE

_COLUMNS = (("Sound", "Generate", "Waveform", "Take away"), ("Library", "Window"))
_WIDE_ENOUGH = 1140
_SMALL_PIXELS = 10


class KeyOverlay(QWidget):
    """Every key with its meaning."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("key_overlay")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._sheet = sheet = QFrame()
        sheet.setProperty("panel", True)
        sheet.setStyleSheet(
            f'QFrame[panel="true"] {{ border: 1px solid {theme.LINE};'
            f" border-radius: {theme.RADIUS}px; }}"
        )
        columns = QHBoxLayout()
        columns.setSpacing(28)
        rows = _rows()
        for groups in _COLUMNS:
            columns.addLayout(self._column(groups, rows))
        inside = QVBoxLayout(sheet)
        inside.setContentsMargins(20, 16, 20, 16)
        inside.setSpacing(12)
        inside.addLayout(columns)
        inside.addWidget(dim_label("Any key closes this list."))
        layout = QVBoxLayout(self)
        layout.addWidget(sheet, 0, Qt.AlignmentFlag.AlignCenter)
        self._covered = parent
        parent.installEventFilter(self)
        self.hide()

    def toggle(self) -> None:
        """Show or hide."""
        if self.isVisible():
            self.hide()
            return
        narrow = self._covered.width() < _WIDE_ENOUGH
        for label in self._sheet.findChildren(QLabel):
            label.setFont(theme.ui_font(_SMALL_PIXELS if narrow else theme.FONT_PIXELS))
        self.setGeometry(self._covered.rect())
        self.raise_()
        self.show()
        self.setFocus(Qt.FocusReason.PopupFocusReason)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Cover the window at every size."""
        if event.type() == QEvent.Type.Resize and self.isVisible():
            self.setGeometry(self._covered.rect())
        return super().eventFilter(watched, event)

    def event(self, event: QEvent) -> bool:
        """Take every key before the window's shortcuts do."""
        if event.type() == QEvent.Type.ShortcutOverride:
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Close."""
        if event.key() not in (Qt.Key.Key_Shift, Qt.Key.Key_Control, Qt.Key.Key_Alt):
            self.hide()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Close."""
        self.hide()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Darken what lies beneath."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(10, 11, 13, 200))
        painter.end()

    @staticmethod
    def _column(groups: tuple[str, ...], rows: dict[str, list[tuple[str, str]]]) -> QVBoxLayout:
        column = QVBoxLayout()
        column.setSpacing(6)
        for group in groups:
            column.addWidget(heading(group))
            grid = QGridLayout()
            grid.setHorizontalSpacing(16)
            grid.setVerticalSpacing(5)
            grid.setColumnMinimumWidth(0, 96)
            grid.setColumnStretch(1, 1)
            for number, (keys, meaning) in enumerate(rows[group]):
                label = QLabel(keys)
                label.setStyleSheet(f"color: {theme.SELECTION};")
                grid.addWidget(label, number, 0)
                grid.addWidget(QLabel(meaning), number, 1)
            column.addLayout(grid)
            column.addSpacing(10)
        column.addStretch(1)
        return column


def _rows() -> dict[str, list[tuple[str, str]]]:
    """Group to (keys, meaning), keys before mouse."""
    rows: dict[str, list[tuple[str, str]]] = {}
    for group, keys in groupby(sorted(KEYS, key=lambda key: key.group), lambda key: key.group):
        rows[group] = [(key.label, key.meaning) for key in keys]
    for group, gesture, meaning in MOUSE:
        rows.setdefault(group, []).append((gesture, meaning))
    return rows
