"""The box for the number format of a model's weights.

Owns its items and their plain explanations. It loads no model and knows nothing of the machine.
"""

from __future__ import annotations

from PySide6.QtCore import Qt

from studio.models.selection import PRECISIONS
from studio.ui.controls import ComboBox

EXPLANATION = (
    "Fewer bits: less memory, mostly faster, slightly other takes. A change loads the model anew."
)
_AUTOMATIC = "Automatic"
_AUTOMATIC_MEANING = "The fastest format on this computer that the model loses next to nothing by."
_MEANINGS = {
    "float32": "32 bits: exact, and the most memory.",
    "bfloat16": "16 bits: half the memory of float32.",
    "int8": "8 bits: a quarter of the memory of float32, and hardly another sound.",
    "int4": "4 bits: an eighth of the memory of float32; takes can be coarser.",
}


class WeightsBox(ComboBox):
    """Chooses how many bits a weight has, or leaves it to model and machine."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("weights_combo")
        self.setAccessibleName("Weights")
        self.setToolTip(f"{EXPLANATION} Automatic: what suits the model and this computer.")
        self._add(_AUTOMATIC, None, _AUTOMATIC_MEANING)
        for precision in PRECISIONS:
            self._add(precision, precision, _MEANINGS[precision])

    def precision(self) -> str | None:
        """The choice; None for the automatic one."""
        chosen: str | None = self.currentData()
        return chosen

    def show_precision(self, precision: str | None) -> None:
        """Show what a recipe says, also a format that is not offered otherwise."""
        if self._place(precision) < 0:
            self._add(str(precision), precision, "What the recipe says.")
        self.setCurrentIndex(self._place(precision))
        for place in reversed(range(1 + len(PRECISIONS), self.count())):
            if place != self.currentIndex():
                self.removeItem(place)

    def _place(self, precision: str | None) -> int:
        return next(
            (place for place in range(self.count()) if self.itemData(place) == precision), -1
        )

    def _add(self, text: str, precision: str | None, meaning: str) -> None:
        self.addItem(text, precision)
        self.setItemData(self.count() - 1, meaning, Qt.ItemDataRole.ToolTipRole)
