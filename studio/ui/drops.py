"""Files that come from elsewhere: dragged over the window, or chosen in a dialog.

Owns what of a drag counts as files, and what a dialog offers. What is done with them is up to
the widget that asked.
"""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QDropEvent

AUDIO_FILTER = (
    "Audio (*.wav *.flac *.aif *.aiff *.ogg *.mp3 *.opus *.caf *.w64 *.au);;All files (*)"
)


def dropped_files(event: QDropEvent) -> list[Path]:
    """The files and folders of a drag that are on this computer."""
    return [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]


def accept_copy(event: QDropEvent) -> None:
    """Take the drag as a copy, whatever the other program would rather do."""
    event.setDropAction(Qt.DropAction.CopyAction)
    event.accept()
