"""The line at the bottom: what is selected, what happened last, what a drag would do.

Owns three texts; others say what is in them.
"""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QWidget

from studio.ui import theme
from studio.ui.controls import ElidedLabel, dim_label
from studio.ui.facts import count_text
from studio.ui.keys import key_for

_EVENT_MILLISECONDS = 12_000


class StatusLine(QFrame):
    """22 pixels of words."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("status_bar")
        self.setFixedHeight(theme.STATUS_HEIGHT)
        small = theme.ui_font(11)
        self._selection = dim_label("", "status_selection")
        self._event = QLabel()
        self._event.setObjectName("status_event")
        self._hint = ElidedLabel()
        self._hint.setObjectName("status_hint")
        self._hint.setProperty("dim", True)
        self._hint.setAlignment(Qt.AlignmentFlag.AlignRight)
        for label in (self._selection, self._event, self._hint):
            label.setFont(small)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 0, 12, 0)
        layout.setSpacing(16)
        layout.addWidget(self._selection)
        layout.addWidget(self._event)
        layout.addWidget(self._hint, 1)
        self._fade = QTimer(self)
        self._fade.setSingleShot(True)
        self._fade.setInterval(_EVENT_MILLISECONDS)
        self._fade.timeout.connect(lambda: self._event.setText(""))
        self.show_selection(0, 0)

    def show_selection(self, selected: int, total: int) -> None:
        """How many sounds are listed and selected, and what can be done with them."""
        words = count_text(total)
        if selected > 1:
            words += f", {selected:,} selected"
        self._selection.setText(words)
        if selected:
            self._hint.setText(
                "Drag into your DAW   "
                f"{key_for('tag').label} tag   {key_for('favourite').label} favourite   "
                f"{key_for('export').label} export   {key_for('help').label} all keys"
            )
        else:
            self._hint.setText(
                f"{key_for('generate').label} generate   {key_for('search').label} search   "
                f"{key_for('help').label} all keys"
            )

    def show_event(self, words: str) -> None:
        """Say what has just happened."""
        self._event.setText(words)
        self._fade.start()
