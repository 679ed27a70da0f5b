"""Which model the Generate panel asks, and what it knows about it.

Owns the way between the panel, the list of models and the dialog that shows it. It loads no
model; it only asks for that.
"""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from studio.core.errors import StudioError
from studio.ui.generate_panel import GeneratePanel
from studio.ui.models import Models
from studio.ui.models_dialog import ModelsDialog
from studio.workstation.workstation import Workstation


class ModelChoice(QObject):
    """Keeps the panel in step with the models on this computer.

    Attributes:
        dialog: The list of all models.

    Signals:
        failed(StudioError): Something went wrong with a model while the dialog was closed.
    """

    failed = Signal(object)

    def __init__(
        self, workstation: Workstation, models: Models, panel: GeneratePanel, window: QWidget
    ) -> None:
        super().__init__(window)
        self._workstation = workstation
        self._models = models
        self._panel = panel
        self.dialog = ModelsDialog(models, window)
        panel.model_changed.connect(self._prepare)
        panel.models_wanted.connect(self.dialog.bring_up)
        self.dialog.chosen.connect(panel.choose_model)
        models.changed.connect(self._offer)
        models.failed.connect(self._tell_fault)

    def begin(self) -> None:
        """Read the list, and load the chosen model in the background."""
        self._models.read()
        self._prepare(self._panel.model())

    def close(self) -> None:
        """Close the dialog and stop every download."""
        self._models.close()
        self.dialog.close()

    def _prepare(self, model: str) -> None:
        self._workstation.warm_up(model, self._panel.precision())
        self._tell_traits(model)

    def _offer(self) -> None:
        self._panel.set_models(self._models.entries)
        self._tell_traits(self._panel.model())

    def _tell_traits(self, model: str) -> None:
        self._models.read_traits(model, partial(self._panel.set_traits_of, model))

    def _tell_fault(self, error: StudioError) -> None:
        """The dialog shows it itself while it is open."""
        if not self.dialog.isVisible():
            self.failed.emit(error)
