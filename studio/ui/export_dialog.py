"""Where exported sounds should go.

Owns the dialog, and putting copies into a folder that the person chose. The permanent copies it
starts from are made by the workstation.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtWidgets import (
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from studio.core.storage import write_atomically
from studio.library.records import SampleRecord
from studio.ui.controls import ElidedLabel, dim_label, heading
from studio.ui.facts import count_text

_SHOWN_NAMES = 4


def copy_to(files: Sequence[Path], folder: Path) -> list[Path]:
    """Copy files into a folder; a name that is taken by other bytes gets a number.

    Raises:
        StorageError: The folder cannot be written.
    """
    copies = []
    for file in files:
        content = file.read_bytes()
        copy, number = folder / file.name, 2
        while copy.exists() and copy.read_bytes() != content:
            copy = folder / f"{file.stem}_{number}{file.suffix}"
            number += 1
        if not copy.exists():
            write_atomically(copy, content)
        copies.append(copy)
    return copies


class ExportDialog(QDialog):
    """Asks for the folder; `folder` is the answer when it was accepted."""

    def __init__(
        self, records: Sequence[SampleRecord], default_folder: Path, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("export_dialog")
        self.setWindowTitle("Export")
        self.setMinimumWidth(460)
        self._default_folder = default_folder
        names = [record.name for record in records[:_SHOWN_NAMES]]
        more = len(records) - len(names)
        if more:
            names.append(f"and {more} more")
        self.folder_edit = QLineEdit(str(default_folder))
        self.folder_edit.setObjectName("export_folder_edit")
        self.folder_edit.setAccessibleName("Folder")
        browse = QPushButton("Choose...")
        browse.setObjectName("export_browse_button")
        browse.clicked.connect(self._browse)
        row = QHBoxLayout()
        row.addWidget(self.folder_edit, 1)
        row.addWidget(browse)
        self.export_button = QPushButton("Export")
        self.export_button.setObjectName("export_button")
        self.export_button.setProperty("primary", True)
        self.export_button.setDefault(True)
        self.export_button.clicked.connect(self.accept)
        cancel = QPushButton("Cancel")
        cancel.setObjectName("export_cancel_button")
        cancel.clicked.connect(self.reject)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(cancel)
        buttons.addWidget(self.export_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 14, 16, 14)
        layout.setSpacing(10)
        layout.addWidget(heading(f"Export {count_text(len(records))} as WAV"))
        for name in names:
            label = ElidedLabel(name)
            label.setProperty("dim", True)
            layout.addWidget(label)
        layout.addWidget(dim_label("Folder"))
        layout.addLayout(row)
        layout.addWidget(
            dim_label("Name, tempo, key and bars become the file name. Nothing is overwritten.")
        )
        layout.addLayout(buttons)

    @property
    def folder(self) -> Path | None:
        """The chosen folder; None for the exports folder, which is sorted by month."""
        text = self.folder_edit.text().strip()
        folder = Path(text).expanduser() if text else self._default_folder
        return None if folder == self._default_folder else folder

    def _browse(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Export to", self.folder_edit.text())
        if folder:
            self.folder_edit.setText(folder)
