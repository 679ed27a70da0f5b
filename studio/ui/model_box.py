"""The box that chooses a model.

Owns its items: the models on this computer, one that a stored recipe names, and the doors to the
list of all models, to the training of one, and to the takes that come with them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from PySide6.QtCore import Qt, Signal

from studio.models.catalog import HOUSE
from studio.models.shelf.shelf import ModelEntry
from studio.ui.controls import ComboBox
from studio.ui.keys import tooltip

_ALL_MODELS = "Models..."
_TRAIN = "Train..."
_SEED_BANKS = "Seed banks..."


class ModelBox(ComboBox):
    """Chooses among the models that can be used now.

    Signals:
        model_chosen(str): Another model was chosen, by its name or folder.
        models_wanted(): The list of all models should be shown.
        train_wanted(): The window in which one is trained should be shown.
        banks_wanted(): The seed banks should be shown.
    """

    model_chosen = Signal(str)
    models_wanted = Signal()
    train_wanted = Signal()
    banks_wanted = Signal()

    def __init__(self, model: str) -> None:
        super().__init__()
        self.setObjectName("model_combo")
        self.setAccessibleName("Model")
        self.setMinimumContentsLength(8)
        self.setSizeAdjustPolicy(ComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._model = model
        self._names: tuple[str, ...] = (HOUSE,)
        self._fill()
        self.activated.connect(self._activated)

    @property
    def chosen(self) -> str:
        """Name or folder of the chosen model."""
        return self._model

    def set_models(self, entries: Iterable[ModelEntry]) -> None:
        """Offer those of these models that are on this computer and make sound."""
        usable = [entry.name for entry in entries if entry.path and entry.plays]
        names = tuple(usable) or (HOUSE,)
        if names != self._names:
            self._names = names
            self._fill()

    def offer(self, model: str) -> None:
        """Choose a model, by hand of the program; it is added when it is not there."""
        self._model = model
        self._fill()

    def _fill(self) -> None:
        self.clear()
        names = self._names if self._model in self._names else (*self._names, self._model)
        for name in names:
            self.addItem(Path(name).name if Path(name).is_absolute() else name, name)
            self.setItemData(self.count() - 1, name, Qt.ItemDataRole.ToolTipRole)
        self.insertSeparator(self.count())
        for door in (_SEED_BANKS, _TRAIN, _ALL_MODELS):
            self.addItem(door, None)
        self._select()

    def _select(self) -> None:
        self.setCurrentIndex(self.findData(self._model))
        self.setToolTip(f"{self._model}\n{tooltip('The model that makes the sound', 'models')}")

    def _activated(self, index: int) -> None:
        name = self.itemData(index)
        if name is None:
            door = self.itemText(index)
            self._select()
            if door == _TRAIN:
                self.train_wanted.emit()
            elif door == _SEED_BANKS:
                self.banks_wanted.emit()
            else:
                self.models_wanted.emit()
        elif name != self._model:
            self._model = name
            self._select()
            self.model_chosen.emit(name)
