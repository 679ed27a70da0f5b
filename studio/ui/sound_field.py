"""A field that holds one sound: chosen, dropped or cleared.

Owns the button that shows its name, the file dialog and the drop. What the sound is for is up to
whoever listens.
"""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QRect, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QPainter,
    QPaintEvent,
)
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QPushButton, QWidget

from studio.ui import theme
from studio.ui.controls import restyle, tool_button
from studio.ui.drops import AUDIO_FILTER, accept_copy, dropped_files

_NOTHING = "Choose or drop one"
_NO_USE = "Not with this model"
_MARGIN = 8


class _NameButton(QPushButton):
    """A button whose text ends in an ellipsis where the space ends."""

    def __init__(self) -> None:
        super().__init__()
        self.name = ""
        self.setFixedHeight(theme.CONTROL_HEIGHT)

    def sizeHint(self) -> QSize:
        """As narrow as need be."""
        return QSize(80, theme.CONTROL_HEIGHT)

    def minimumSizeHint(self) -> QSize:
        """As `sizeHint`."""
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:
        """The empty button, then what fits of the name; dim when there is none."""
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setPen(QColor(theme.TEXT if self.name and self.isEnabled() else theme.DIM))
        area = QRect(_MARGIN, 0, self.width() - 2 * _MARGIN, self.height())
        text = self.fontMetrics().elidedText(
            self.name or (_NOTHING if self.isEnabled() else _NO_USE),
            Qt.TextElideMode.ElideMiddle,
            area.width(),
        )
        painter.drawText(area, int(Qt.AlignmentFlag.AlignVCenter), text)
        painter.end()


class SoundField(QWidget):
    """Shows a sound's name, and takes another one.

    Args:
        name: Of the field, such as "melody"; its buttons are named after it.
        title: What the sound is, as a screen reader says it.
        explanation: What it does, for the tooltip.

    Signals:
        chosen(str): Path of the sound that was chosen or dropped.
        cleared(): There shall be none.
    """

    chosen = Signal(str)
    cleared = Signal()

    def __init__(self, name: str, title: str, explanation: str) -> None:
        super().__init__()
        self._title = title
        self._explanation = explanation
        self._refusal: str | None = None
        self._detail = ""
        self.setObjectName(f"{name}_field")
        self.setAcceptDrops(True)
        self.button = _NameButton()
        self.button.setObjectName(f"{name}_button")
        self.button.clicked.connect(self._choose)
        self.clear_button = tool_button("close", f"{name}_clear_button", f"Take the {title} away")
        self.clear_button.setFixedSize(22, 22)
        self.clear_button.clicked.connect(self.cleared)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(self.button, 1)
        row.addWidget(self.clear_button)
        self.show_sound("", "")

    @property
    def text(self) -> str:
        """The name that it shows; "" for none."""
        return self.button.name

    def show_sound(self, name: str, detail: str) -> None:
        """Show a sound by its name, with a detail for the tooltip; "" is none."""
        self.button.name = name
        self.button.setAccessibleName(f"{self._title}: {name or 'none'}")
        self.clear_button.setVisible(bool(name))
        self._show_tooltip(detail)
        self.button.update()

    def set_refusal(self, reason: str | None) -> None:
        """Say why no sound is of use here; None when one is. One that is there can be cleared."""
        self.button.setEnabled(reason is None)
        self.setAcceptDrops(reason is None)
        self._refusal = reason
        self._show_tooltip(self._detail)

    def _show_tooltip(self, detail: str) -> None:
        self._detail = detail
        lines = [self._refusal or self._explanation, detail]
        self.button.setToolTip("\n".join(line for line in lines if line))

    def _choose(self) -> None:
        file, _ = QFileDialog.getOpenFileName(self, f"Choose the {self._title}", "", AUDIO_FILTER)
        if file:
            self.chosen.emit(str(Path(file)))

    # --- drops ---------------------------------------------------------------------------------

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """One file may be dropped, also a row of the library."""
        if len(dropped_files(event)) == 1:
            accept_copy(event)
            restyle(self.button, "target", True)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """The drag went elsewhere."""
        restyle(self.button, "target", False)

    def dropEvent(self, event: QDropEvent) -> None:
        """Take the file."""
        restyle(self.button, "target", False)
        accept_copy(event)
        self.chosen.emit(str(dropped_files(event)[0]))
