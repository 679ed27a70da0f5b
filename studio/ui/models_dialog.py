"""The list of all models: get, add, choose, remove.

Owns the dialog and its questions. The models are looked after by `models`; nothing here waits
for a disk or a network.
"""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import (
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QMessageBox,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from studio.core.errors import StudioError
from studio.models.hub.download import Licence
from studio.models.shelf.shelf import ModelEntry
from studio.ui.banner import Banner
from studio.ui.controls import ElidedLabel, dim_label
from studio.ui.download_row import DownloadRow
from studio.ui.facts import error_line, size_text
from studio.ui.licence_dialog import LicenceDialog
from studio.ui.models import Models
from studio.ui.models_table import ModelsTable

_SIZE = (760, 520)


class ModelsDialog(QDialog):
    """Every model, on this computer or not. The window stays usable beside it.

    Signals:
        chosen(str): A model should be used from now on.
    """

    chosen = Signal(str)

    def __init__(self, models: Models, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("models_dialog")
        self.setWindowTitle("Models")
        self.resize(*_SIZE)
        self._models = models
        self._rows: dict[str, DownloadRow] = {}
        self.banner = Banner("models_banner")
        self.table = ModelsTable()
        self.place_label = ElidedLabel()
        self.place_label.setObjectName("models_place")
        self.place_label.setProperty("dim", True)
        self.get_button = self._button("get", "Get...", "Fetch the selected model")
        self.add_button = self._button(
            "add", "Add folder...", "Add a model that lies in a folder; it stays there"
        )
        self.remove_button = self._button("remove", "Remove...", "")
        self.use_button = self._button("use", "Use", "Generate with the selected model")
        self.close_button = self._button("close", "Close", "Downloads go on")
        self._downloads = QVBoxLayout()
        self._downloads.setSpacing(6)
        self._lay_out()
        self.table.model_selected.connect(self._show_selected)
        self.table.model_activated.connect(self._activate)
        self.get_button.clicked.connect(self._ask_licence)
        self.add_button.clicked.connect(self._choose_folder)
        self.remove_button.clicked.connect(self._ask_removal)
        self.use_button.clicked.connect(self._use)
        self.close_button.clicked.connect(self.close)
        models.changed.connect(self._show_models)
        models.download_changed.connect(self._follow)
        models.added.connect(self._select_added)
        models.failed.connect(self._show_error)
        self._show_models()

    def bring_up(self) -> None:
        """Show it, with the list read anew."""
        self.banner.dismiss()
        self._models.read()
        self.show()
        self.raise_()
        self.activateWindow()
        self.table.setFocus(Qt.FocusReason.ShortcutFocusReason)

    # --- the list ------------------------------------------------------------------------------

    def _entry(self) -> ModelEntry | None:
        name = self.table.selected_name()
        return None if name is None else self._models.entry(name)

    def _coming(self, name: str) -> bool:
        return name in self._rows

    def _show_models(self) -> None:
        coming = {download.name: download.share_done for download in self._models.downloads}
        self.table.show_models(self._models.entries, coming)
        self._show_selected()

    def _show_selected(self) -> None:
        entry = self._entry()
        here = entry is not None and entry.path is not None
        known = entry is not None and not entry.registered
        coming = entry is not None and self._coming(entry.name)
        self.get_button.setEnabled(known and not here and not coming)
        self.use_button.setEnabled(here and entry is not None and entry.plays)
        removable = entry is not None and not entry.embedded and (here or entry.registered)
        self.remove_button.setEnabled(removable)
        self.remove_button.setToolTip(
            "It comes with the program and stays"
            if entry is not None and entry.embedded
            else "Forget an added model, or delete one that was fetched"
        )
        place = entry.path if entry is not None else None
        self.place_label.setText(str(place) if place else "Not on this computer")
        self.place_label.setToolTip(self.place_label.text())

    def _select_added(self, entry: ModelEntry) -> None:
        """Show the new model once the list has it."""

        def select() -> None:
            self._models.changed.disconnect(select)
            self.table.select(entry.name)

        self._models.changed.connect(select)

    def _activate(self) -> None:
        if self.use_button.isEnabled():
            self._use()
        elif self.get_button.isEnabled():
            self._ask_licence()

    def _use(self) -> None:
        entry = self._entry()
        if entry is not None:
            self.chosen.emit(entry.name)
            self.close()

    # --- questions -----------------------------------------------------------------------------

    def _ask_licence(self) -> None:
        entry = self._entry()
        if entry is None:
            return
        self.banner.dismiss()

        def ask(licence: Licence) -> None:
            dialog = LicenceDialog(entry, licence, self)
            dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            dialog.accepted.connect(lambda: self._models.get(entry.name, licence.name))
            dialog.open()

        self._models.ask_licence(entry.name, ask)

    def _choose_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of a model")
        if folder:
            self.banner.dismiss()
            self._models.add(Path(folder))

    def _ask_removal(self) -> None:
        entry = self._entry()
        if entry is None:
            return
        self.banner.dismiss()
        box = QMessageBox(self)
        box.setObjectName("models_remove_dialog")
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setWindowTitle("Remove a model")
        if entry.registered:
            box.setText(f"Take {entry.name} off the list?")
            box.setInformativeText("Its folder stays as it is.")
        else:
            box.setText(f"Delete {entry.name} from this computer?")
            box.setInformativeText(
                f"It takes {size_text(entry.size_megabytes)} and can be fetched again."
            )
        remove = box.addButton("Remove", QMessageBox.ButtonRole.AcceptRole)
        remove.setObjectName("models_remove_confirm_button")
        box.addButton(QMessageBox.StandardButton.Cancel).setIcon(QIcon())
        remove.clicked.connect(lambda: self._models.remove(entry.name))
        box.open()

    # --- news ----------------------------------------------------------------------------------

    def _show_error(self, error: StudioError) -> None:
        if self.isVisible():
            self.banner.show_error(error_line(error))

    def _follow(self, name: str) -> None:
        download = next((each for each in self._models.downloads if each.name == name), None)
        row = self._rows.get(name)
        if download is not None and row is None:
            row = self._rows[name] = DownloadRow(download, self._models)
            self._downloads.addWidget(row)
            self._show_models()
        elif download is not None and row is not None:
            row.show_state()
            self.table.show_coming(name, download.share_done)
        elif row is not None:
            del self._rows[name]
            self._downloads.removeWidget(row)
            row.hide()
            row.deleteLater()
            self._show_models()

    # --- layout --------------------------------------------------------------------------------

    @staticmethod
    def _button(name: str, text: str, tooltip: str) -> QPushButton:
        button = QPushButton(text)
        button.setObjectName(f"models_{name}_button")
        button.setToolTip(tooltip)
        button.setAutoDefault(False)
        return button

    def _lay_out(self) -> None:
        title = dim_label("Every model runs on this computer. Only Get uses the internet.")
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        for button in (self.get_button, self.add_button, self.remove_button):
            buttons.addWidget(button)
        buttons.addStretch(1)
        buttons.addWidget(self.use_button)
        buttons.addWidget(self.close_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 14, 16, 14)
        layout.setSpacing(10)
        layout.addWidget(title)
        layout.addWidget(self.banner)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.place_label)
        layout.addLayout(self._downloads)
        layout.addLayout(buttons)
