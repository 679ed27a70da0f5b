"""The settings that are folded away until somebody wants them.

Owns the fold, and temperature, top-k, top-p and guidance with their plain explanations. A field
left at "model's own" is not part of the request. What a take follows is in `material_section`,
the format of the weights in `weights_box`, what changes the model in `adapters_box`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFocusEvent, QMouseEvent
from PySide6.QtWidgets import (
    QDoubleSpinBox,
    QGridLayout,
    QLabel,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from studio.generation.request import GenerationRequest
from studio.ui import icons, theme
from studio.ui.adapters_box import EXPLANATION as ADAPTERS_EXPLANATION
from studio.ui.adapters_box import AdaptersBox
from studio.ui.controls import dim_label, separator
from studio.ui.material_section import LABEL_WIDTH, MaterialSection
from studio.ui.weights_box import EXPLANATION, WeightsBox

_UNSET = -1.0
_TOGGLE_MEANING = "Show or hide what a take follows and how the model chooses"


class SamplingChoice(TypedDict):
    """The sampling fields of a request."""

    temperature: float | None
    top_k: int | None
    top_p: float | None
    guidance: float | None


@dataclass(frozen=True, kw_only=True)
class _Field:
    name: str
    title: str
    explanation: str
    highest: float
    step: float
    decimals: int
    first: float


_FIELDS = (
    _Field(
        name="temperature",
        title="Temperature",
        explanation="Lower keeps to what is likely, higher surprises more. 1 is as trained.",
        highest=100,
        step=0.05,
        decimals=2,
        first=1.0,
    ),
    _Field(
        name="top_k",
        title="Top-k",
        explanation="Choose among this many likeliest codes. 1 always takes the likeliest, "
        "so the seed plays no part; 0 allows all.",
        highest=4096,
        step=10,
        decimals=0,
        first=250,
    ),
    _Field(
        name="top_p",
        title="Top-p",
        explanation="Choose among the likeliest codes that together have this chance. "
        "Above 0 it replaces top-k.",
        highest=1,
        step=0.05,
        decimals=2,
        first=0.9,
    ),
    _Field(
        name="guidance",
        title="Guidance",
        explanation="How strictly the prompt is followed. 1 listens loosely and is twice as "
        "fast; high values sound harsh.",
        highest=100,
        step=0.25,
        decimals=2,
        first=3.0,
    ),
)


class OptionalNumber(QDoubleSpinBox):
    """A number that may be left to the model; clearing the text does that."""

    def __init__(self, field: _Field) -> None:
        super().__init__()
        self._first = field.first
        self.setRange(_UNSET, field.highest)
        self.setDecimals(field.decimals)
        self.setSingleStep(field.step)
        self.setSpecialValueText("model's own")
        self.setValue(_UNSET)
        self.setFixedHeight(theme.CONTROL_HEIGHT)
        self.lineEdit().setTextMargins(5, 0, 5, 0)
        self.setObjectName(f"{field.name}_spin")
        self.setAccessibleName(field.title)
        self.setToolTip(f"{field.explanation} Empty: what the model's makers recommend.")

    def number(self) -> float | None:
        """The value; None when it is left to the model."""
        self._take_text()
        return None if self.value() < 0 else self.value()

    def set_number(self, number: float | None) -> None:
        """Show a value, or leave it to the model."""
        self.setValue(_UNSET if number is None else number)

    def stepBy(self, steps: int) -> None:  # noqa: N802 # Qt's name
        """Step from the usual value when none is set, and never below 0."""
        if self.value() < 0:
            self.setValue(self._first)
            return
        self.setValue(max(0.0, self.value() + steps * self.singleStep()))

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """An emptied field is left to the model."""
        self._take_text()
        super().focusOutEvent(event)

    def _take_text(self) -> None:
        if self.lineEdit().text().strip():
            self.interpretText()
        else:
            self.setValue(_UNSET)


class _ResetLabel(QLabel):
    """A field's title; a double-click resets the field.

    Signals:
        reset_requested(): It was double-clicked.
    """

    reset_requested = Signal()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Ask for the reset."""
        self.reset_requested.emit()


class AdvancedSection(QWidget):
    """A heading that unfolds the fields; folded, it still says what is set.

    Attributes:
        material: Negative prompt, melody, and the sound to go on from.
        weights: Number format of the model's weights.
        adapters: What changes the model.

    Signals:
        unfolded(bool): They were shown or hidden.
    """

    unfolded = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._toggle = QToolButton()
        self._toggle.setObjectName("advanced_toggle")
        self._toggle.setText("Advanced")
        self._toggle.setToolTip(_TOGGLE_MEANING)
        self._toggle.setProperty("flat", True)
        self._toggle.setCheckable(True)
        self._toggle.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._toggle.toggled.connect(self._unfold)
        self.material = MaterialSection()
        self.material.changed.connect(self._show_title)
        self.weights = WeightsBox()
        self.weights.currentIndexChanged.connect(self._show_title)
        self.adapters = AdaptersBox()
        self.adapters.changed.connect(self._show_title)
        self._body = QWidget()
        self._spins: dict[str, OptionalNumber] = {}
        grid = QGridLayout()
        grid.setContentsMargins(0, 4, 0, 0)
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(4)
        grid.setColumnMinimumWidth(0, LABEL_WIDTH)
        grid.setColumnStretch(1, 1)
        for field in _FIELDS:
            spin = OptionalNumber(field)
            label = _explained(grid, field.title, spin, field.explanation)
            label.reset_requested.connect(lambda spin=spin: spin.set_number(None))
            self._spins[field.name] = spin
        label = _explained(grid, "Weights", self.weights, EXPLANATION)
        label.reset_requested.connect(lambda: self.weights.show_precision(None))
        label = _explained(grid, "Adapters", self.adapters, ADAPTERS_EXPLANATION)
        label.reset_requested.connect(lambda: self.adapters.show_adapters(()))
        inside = QVBoxLayout(self._body)
        inside.setContentsMargins(0, 4, 0, 0)
        inside.setSpacing(8)
        inside.addWidget(self.material)
        inside.addWidget(separator())
        inside.addLayout(grid)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._toggle)
        layout.addWidget(self._body)
        self._unfold(unfolded=False)

    def sampling(self) -> SamplingChoice:
        """The fields of a request; None where the model decides."""
        top_k = self._spins["top_k"].number()
        return SamplingChoice(
            temperature=self._spins["temperature"].number(),
            top_k=None if top_k is None else int(top_k),
            top_p=self._spins["top_p"].number(),
            guidance=self._spins["guidance"].number(),
        )

    def show_request(self, request: GenerationRequest) -> None:
        """Fill the fields from a stored recipe."""
        for name, spin in self._spins.items():
            spin.set_number(getattr(request, name))
        self.weights.show_precision(request.precision)
        self.adapters.show_adapters(request.adapters)
        self.material.show_request(request)
        if self.material.summary():
            self._toggle.setChecked(True)

    def _show_title(self) -> None:
        weights = "weights" if self.weights.precision() is not None else ""
        adapters = "adapters" if self.adapters.adapters() else ""
        summary = ", ".join(part for part in (self.material.summary(), weights, adapters) if part)
        self._toggle.setText(f"Advanced: {summary}" if summary else "Advanced")
        # A narrow panel has no room for a long title.
        self._toggle.setToolTip(
            f"{_TOGGLE_MEANING}\nSet: {summary}" if summary else _TOGGLE_MEANING
        )

    def _unfold(self, unfolded: bool) -> None:
        self._body.setVisible(unfolded)
        self._toggle.setIcon(icons.icon("chevron_down" if unfolded else "chevron_right", theme.DIM))
        self.unfolded.emit(unfolded)


def _explained(grid: QGridLayout, title: str, widget: QWidget, meaning: str) -> _ResetLabel:
    """Add a titled field and its explanation below; returns the title."""
    label = _ResetLabel(title)
    label.setToolTip("Double-click to reset")
    explanation = dim_label(meaning)
    explanation.setWordWrap(True)
    row = grid.rowCount()
    grid.addWidget(label, row, 0)
    grid.addWidget(widget, row, 1)
    grid.addWidget(explanation, row + 1, 0, 1, 2)
    return label
