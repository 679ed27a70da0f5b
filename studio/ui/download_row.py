"""A download on its way, as the list of models shows it.

Owns its words, its bar and its cancel button. It fetches nothing.
"""

from __future__ import annotations

from PySide6.QtWidgets import QGridLayout, QProgressBar, QWidget

from studio.ui.controls import ElidedLabel, dim_label, tool_button
from studio.ui.facts import remaining_text, size_text
from studio.ui.models import Download, Models

_BAR_STEPS = 1000


class DownloadRow(QWidget):
    """Name, megabytes, time left, bar."""

    def __init__(self, download: Download, models: Models) -> None:
        super().__init__()
        self.setObjectName(f"download_row:{download.name}")
        self._download = download
        self._words = dim_label()
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._cancel = tool_button(
            "close",
            f"download_cancel_button:{download.name}",
            "Stop this download; the next one goes on where it was",
        )
        self._cancel.setFixedSize(22, 22)
        self._cancel.clicked.connect(lambda: models.cancel(download.name))
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(3)
        grid.addWidget(ElidedLabel(f"Getting {download.name}"), 0, 0)
        grid.addWidget(self._words, 0, 1)
        grid.addWidget(self._cancel, 0, 2, 2, 1)
        grid.addWidget(self._bar, 1, 0, 1, 2)
        grid.setColumnStretch(0, 1)
        self.show_state()

    @property
    def text(self) -> str:
        """What it says about the download."""
        return self._words.text()

    def show_state(self) -> None:
        """Follow the download."""
        download = self._download
        if not download.total_bytes:
            self._words.setText("Asking what there is to fetch")
            self._bar.setRange(0, 0)
            return
        done, total = download.done_bytes / 1e6, download.total_bytes / 1e6
        words = f"{size_text(done)} of {size_text(total)}"
        rest = remaining_text(download.remaining_seconds)
        self._words.setText(f"{words}, {rest}" if rest else words)
        self._bar.setRange(0, _BAR_STEPS)
        self._bar.setValue(round(download.share_done * _BAR_STEPS))
