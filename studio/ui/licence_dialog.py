"""The question that stands before every download.

Owns the words about a model's licence. It opens no connection.
"""

from __future__ import annotations

from PySide6.QtCore import Qt, QUrl
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from studio.models.hub.download import Licence
from studio.models.shelf.shelf import ModelEntry
from studio.ui import theme
from studio.ui.controls import dim_label, heading
from studio.ui.facts import size_text

_NON_COMMERCIAL = "-NC"


class LicenceDialog(QDialog):
    """Asks whether a model's licence is accepted; accepting means to fetch the model."""

    def __init__(self, entry: ModelEntry, licence: Licence, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("licence_dialog")
        self.setWindowTitle("Get a model")
        self.setFixedWidth(480)
        self.words = QLabel(_words(licence))
        self.words.setObjectName("licence_words")
        self.words.setWordWrap(True)
        page = QLabel(f'<a href="{licence.url}" style="color: {theme.SELECTION}">{licence.url}</a>')
        page.setObjectName("licence_page")
        page.setOpenExternalLinks(True)
        page.setTextInteractionFlags(Qt.TextInteractionFlag.TextBrowserInteraction)
        host = QUrl(licence.url).host() or "its publisher"
        transfer = dim_label(
            f"About {size_text(entry.size_megabytes)} will be fetched from {host}, into the cache "
            "that Hugging Face's tools share. A stopped download goes on where it was."
        )
        transfer.setWordWrap(True)
        self.accept_button = QPushButton("Accept and get")
        self.accept_button.setObjectName("licence_accept_button")
        self.accept_button.setProperty("primary", True)
        self.accept_button.setDefault(True)
        self.accept_button.clicked.connect(self.accept)
        decline = QPushButton("Cancel")
        decline.setObjectName("licence_decline_button")
        decline.clicked.connect(self.reject)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(decline)
        buttons.addWidget(self.accept_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 14, 16, 14)
        layout.setSpacing(10)
        layout.addWidget(heading(entry.name))
        layout.addWidget(self.words)
        layout.addWidget(page)
        layout.addWidget(transfer)
        layout.addLayout(buttons)


def _words(licence: Licence) -> str:
    words = f"The weights of this model are published under {licence.name}."
    if _NON_COMMERCIAL in licence.name:
        words += " That licence allows no commercial use of them."
    return f"{words} Its makers say what else it asks for on their page:"
