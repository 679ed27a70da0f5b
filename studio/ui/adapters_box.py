"""The adapters that change the chosen model, each with a box to tick and a strength.

Owns these rows, and which adapters are offered for which model: those that say they were made
for it, and those that say nothing. It opens no adapter.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QDoubleSpinBox, QGridLayout, QWidget

from studio.models.adapters import MOST_STRENGTH
from studio.models.catalog import HOUSE, find_known
from studio.models.shelf.shelf import ModelEntry
from studio.ui import theme
from studio.ui.controls import CheckBox, dim_label

EXPLANATION = (
    "1 is as it was trained, 0 is nothing, below 0 leads away from it. Several add up. A change"
    " loads the model anew."
)
_NONE = "None for this model yet: Train makes one, and Models adds its folder."
_STEP = 0.05
_NAME_PIXELS = 96


def fits(base: str, model: str) -> bool:
    """Whether an adapter that was made for `base` may change `model`, by their names."""
    if base in ("", model):
        return True
    known = find_known(base)
    return known is not None and known == find_known(model)


class _Row:
    """One adapter: a box to tick, and how much of it."""

    def __init__(self, name: str, base: str) -> None:
        self.name = name
        shown = Path(name).name if Path(name).is_absolute() else name
        self.check = CheckBox()
        self.check.setText(
            self.check.fontMetrics().elidedText(shown, Qt.TextElideMode.ElideMiddle, _NAME_PIXELS)
        )
        self.check.setObjectName(f"adapter_check_{name}")
        self.check.setAccessibleName(f"Adapter {shown}")
        self.check.setToolTip(f"{name}\nMade for {base}" if base else name)
        self.strength = QDoubleSpinBox()
        self.strength.setObjectName(f"adapter_strength_{name}")
        self.strength.setAccessibleName(f"Strength of {shown}")
        self.strength.setToolTip(EXPLANATION)
        self.strength.setRange(-MOST_STRENGTH, MOST_STRENGTH)
        self.strength.setDecimals(2)
        self.strength.setSingleStep(_STEP)
        self.strength.setValue(1.0)
        self.strength.setFixedHeight(theme.CONTROL_HEIGHT)
        self.strength.lineEdit().setTextMargins(5, 0, 5, 0)
        self.strength.setEnabled(False)
        self.check.toggled.connect(self.strength.setEnabled)

    def use(self) -> tuple[str, float]:
        self.strength.interpretText()
        return self.name, self.strength.value()


class AdaptersBox(QWidget):
    """Chooses adapters and their strengths.

    Signals:
        changed(): Another choice was made.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("adapters_box")
        self._model = HOUSE
        self._known: dict[str, str] = {}
        self._listed: dict[str, str] = {}
        self._rows: dict[str, _Row] = {}
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(8)
        self._grid.setVerticalSpacing(4)
        self._grid.setColumnStretch(0, 1)
        self._nothing = dim_label(_NONE, "adapters_none")
        self._nothing.setWordWrap(True)
        self._grid.addWidget(self._nothing, 0, 0, 1, 2)

    def set_models(self, entries: Iterable[ModelEntry]) -> None:
        """Offer the adapters among these that are on this computer; what is ticked stays."""
        self._known = {
            entry.name: entry.base for entry in entries if entry.kind == "adapter" and entry.path
        }
        self._offer(self.adapters())

    def set_model(self, model: str) -> None:
        """Offer what fits another model; what was ticked and does not fit is let go."""
        if model != self._model:
            self._model = model
            kept = (use for use in self.adapters() if fits(self._known.get(use[0], ""), model))
            self._offer(tuple(kept))

    def adapters(self) -> tuple[tuple[str, float], ...]:
        """What is ticked, with its strengths, in the order of the rows."""
        return tuple(row.use() for row in self._rows.values() if row.check.isChecked())

    def show_adapters(self, adapters: Iterable[tuple[str, float]]) -> None:
        """Show what a recipe says, also adapters that are not listed."""
        self._lay_out(tuple(adapters))

    def _offer(self, used: tuple[tuple[str, float], ...]) -> None:
        fitting = {name: base for name, base in self._known.items() if fits(base, self._model)}
        if fitting != self._listed or used != self.adapters():
            self._listed = fitting
            self._lay_out(used)

    def _lay_out(self, used: tuple[tuple[str, float], ...]) -> None:
        before = self.adapters()
        for row in self._rows.values():
            for widget in (row.check, row.strength):
                self._grid.removeWidget(widget)
                widget.deleteLater()
        self._rows = {}
        for name in [*self._listed, *(name for name, _ in used if name not in self._listed)]:
            row = self._rows[name] = _Row(name, self._known.get(name, ""))
            place = len(self._rows)
            self._grid.addWidget(row.check, place, 0)
            self._grid.addWidget(row.strength, place, 1)
        for name, strength in used:
            self._rows[name].strength.setValue(strength)
            self._rows[name].check.setChecked(True)
        for row in self._rows.values():
            row.check.toggled.connect(lambda _checked: self.changed.emit())
            row.strength.valueChanged.connect(lambda _value: self.changed.emit())
        self._nothing.setVisible(not self._rows)
        if self.adapters() != before:
            self.changed.emit()
