"""What stands in a table that has no rows."""

from __future__ import annotations

from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QTableView

from studio.ui import theme

_TITLE_SIZE = 15


def paint_empty_words(table: QTableView, title: str, detail: str) -> None:
    """Paint a line and a smaller one below it in the middle of a table."""
    painter = QPainter(table.viewport())
    area = table.viewport().rect()
    centre = int(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignVCenter)
    painter.setFont(theme.ui_font(_TITLE_SIZE))
    painter.setPen(QColor(theme.TEXT))
    painter.drawText(QRect(0, area.height() // 2 - 32, area.width(), 24), centre, title)
    painter.setFont(table.font())
    painter.setPen(QColor(theme.DIM))
    painter.drawText(QRect(0, area.height() // 2 - 4, area.width(), 20), centre, detail)
    painter.end()
