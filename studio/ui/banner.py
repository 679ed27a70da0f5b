"""The line that says what went wrong and what to do.

Owns one message at a time. It decides nothing: who shows a message says whether it can be tried
again.
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget

from studio.ui import icons, theme
from studio.ui.controls import restyle, tool_button


class Banner(QFrame):
    """A message across the window, until it is closed.

    Args:
        name: Of the banner; the names of its parts begin with it.
        parent: Qt's.

    Signals:
        changed(): It appeared, changed or went away.
    """

    changed = Signal()

    def __init__(self, name: str = "banner", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setProperty("banner", True)
        self._retry: Callable[[], None] | None = None
        self._icon = QLabel()
        self._icon.setPixmap(icons.pixmap("warning", theme.ERROR, 16, 2.0))
        self._text = QLabel()
        self._text.setObjectName(f"{name}_text")
        self._text.setWordWrap(True)
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._retry_button = QPushButton("Try again")
        self._retry_button.setObjectName(f"{name}_retry")
        self._retry_button.setAutoDefault(False)
        self._retry_button.clicked.connect(self._try_again)
        close = tool_button("close", f"{name}_close", "Close this message")
        close.setFixedSize(22, 22)
        close.clicked.connect(self.dismiss)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 4, 8, 4)
        layout.setSpacing(8)
        layout.addWidget(self._icon)
        layout.addWidget(self._text, 1)
        layout.addWidget(self._retry_button)
        layout.addWidget(close)
        self.hide()

    @property
    def message(self) -> str | None:
        """What it says; None while it is hidden."""
        return None if self.isHidden() else self._text.text()

    def show_error(self, message: str, retry: Callable[[], None] | None = None) -> None:
        """Say what went wrong, with a button when trying again makes sense."""
        self._show(message, "error", retry)

    def show_notice(self, message: str) -> None:
        """Say something that is no fault."""
        self._show(message, "notice", None)

    def dismiss(self) -> None:
        """Go away."""
        self._retry = None
        self.hide()
        self.changed.emit()

    def _show(self, message: str, kind: str, retry: Callable[[], None] | None) -> None:
        self._retry = retry
        self._text.setText(message)
        self._icon.setVisible(kind == "error")
        self._retry_button.setVisible(retry is not None)
        restyle(self, "kind", kind)
        self.show()
        self.changed.emit()

    def _try_again(self) -> None:
        retry = self._retry
        self.dismiss()
        if retry is not None:
            retry()
