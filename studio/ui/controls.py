"""Small controls that Qt lacks or draws in another style.

Owns buttons, fields and labels shared by several panels. It must not know the workstation.
"""

from __future__ import annotations

import secrets

from PySide6.QtCore import QEvent, QObject, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPaintEvent, QValidator
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QCheckBox,
    QComboBox,
    QFrame,
    QLabel,
    QStyle,
    QStyleOptionButton,
    QToolButton,
    QWidget,
)

from studio.generation.request import MAX_SEED
from studio.ui import icons, theme

ROLLED_SEED_LIMIT = 2**31


class ComboBox(QComboBox):
    """A combo box with our chevron."""

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the box, then the chevron."""
        super().paintEvent(event)
        painter = QPainter(self)
        area = QRectF(self.width() - 18, self.height() / 2 - 5, 10, 10)
        icons.paint_icon(painter, "chevron_down", area, QColor(theme.DIM))
        painter.end()


class CheckBox(QCheckBox):
    """A check box with our tick."""

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the box, then the tick when checked."""
        super().paintEvent(event)
        if not self.isChecked():
            return
        option = QStyleOptionButton()
        self.initStyleOption(option)
        area = self.style().subElementRect(QStyle.SubElement.SE_CheckBoxIndicator, option, self)
        painter = QPainter(self)
        icons.paint_icon(painter, "tick", QRectF(area), QColor(theme.ACCENT))
        painter.end()


class SeedField(QAbstractSpinBox):
    """A whole number from 0 to `MAX_SEED`, which is beyond what QSpinBox can hold.

    Signals:
        seed_changed(object): The new seed, an int.
        seed_typed(): A person changed it by keyboard or wheel.
    """

    seed_changed = Signal(object)
    seed_typed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._seed = 0
        self.lineEdit().setText("0")
        self.lineEdit().textEdited.connect(self._edited)

    def seed(self) -> int:
        """The seed now in the field."""
        return self._seed

    def set_seed(self, seed: int) -> None:
        """Show another seed."""
        self._seed = seed
        if self.lineEdit().text() != str(seed):
            self.lineEdit().setText(str(seed))
        self.seed_changed.emit(seed)

    def roll(self) -> None:
        """Draw a new seed."""
        self.set_seed(secrets.randbelow(ROLLED_SEED_LIMIT))

    def stepBy(self, steps: int) -> None:  # noqa: N802 # Qt's name
        """Move by `steps`, staying in range."""
        self.set_seed(min(max(self._seed + steps, 0), MAX_SEED))
        self.seed_typed.emit()

    def stepEnabled(self) -> QAbstractSpinBox.StepEnabledFlag:  # noqa: N802 # Qt's name
        """Both directions, always."""
        flags = QAbstractSpinBox.StepEnabledFlag
        return flags.StepUpEnabled | flags.StepDownEnabled

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        """Digits only, within range."""
        if not text:
            return QValidator.State.Intermediate, text, position
        if text.isascii() and text.isdigit() and int(text) <= MAX_SEED:
            return QValidator.State.Acceptable, text, position
        return QValidator.State.Invalid, text, position

    def _edited(self, text: str) -> None:
        self._seed = int(text) if text.isdigit() else 0
        self.seed_changed.emit(self._seed)
        self.seed_typed.emit()


class ReturnClicks(QObject):
    """Lets Enter press the focused button anywhere, since Space always plays."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Turn Enter on a focused button into a click."""
        if (
            event.type() == QEvent.Type.KeyPress
            and isinstance(event, QKeyEvent)
            and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
            and isinstance(watched, QAbstractButton)
            and watched.isEnabled()
        ):
            watched.click()
            return True
        return super().eventFilter(watched, event)


class ElidedLabel(QLabel):
    """One line of text that ends in an ellipsis where the space ends."""

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(text, parent)
        self.setMinimumWidth(24)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw what fits."""
        painter = QPainter(self)
        metrics = self.fontMetrics()
        text = metrics.elidedText(self.text(), Qt.TextElideMode.ElideRight, self.width())
        painter.setPen(self.palette().color(self.foregroundRole()))
        painter.drawText(self.rect(), int(self.alignment() | Qt.AlignmentFlag.AlignVCenter), text)
        painter.end()


def tool_button(
    icon_name: str,
    object_name: str,
    tooltip: str,
    *,
    checkable: bool = False,
    flat: bool = True,
) -> QToolButton:
    """A square button with an icon; checkable ones turn to the accent colour."""
    button = QToolButton()
    button.setObjectName(object_name)
    button.setIcon(icons.icon(icon_name, theme.TEXT, theme.ACCENT if checkable else None))
    button.setToolTip(tooltip)
    button.setAccessibleName(tooltip)
    button.setCheckable(checkable)
    button.setProperty("flat", flat)
    button.setFixedSize(28, 28)
    return button


def dim_label(text: str = "", object_name: str = "") -> QLabel:
    """A label in the dim colour."""
    label = QLabel(text)
    label.setProperty("dim", True)
    if object_name:
        label.setObjectName(object_name)
    return label


def heading(text: str) -> QLabel:
    """The title of a panel."""
    label = QLabel(text)
    label.setProperty("heading", True)
    return label


def separator(*, vertical: bool = False) -> QFrame:
    """A thin line between groups."""
    line = QFrame()
    line.setProperty("separator", True)
    if vertical:
        line.setFixedSize(1, 20)
    else:
        line.setFixedHeight(1)
    return line


def restyle(widget: QWidget, name: str, value: object) -> None:
    """Set a dynamic property that the stylesheet looks at, and apply it."""
    if widget.property(name) == value:
        return
    widget.setProperty(name, value)
    widget.style().unpolish(widget)
    widget.style().polish(widget)


def typing_now() -> bool:
    """Whether the keyboard focus is in a field that takes text."""
    focused = QApplication.focusWidget()
    return focused is not None and focused.testAttribute(Qt.WidgetAttribute.WA_InputMethodEnabled)
