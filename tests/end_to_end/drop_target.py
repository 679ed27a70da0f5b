"""Another program that files can be dropped on: it writes down what it got.

Run as `python drop_target.py RESULT.json`; it prints its place on the screen.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QLabel


class DropTarget(QLabel):
    """A small window that takes files."""

    def __init__(self, result: Path) -> None:
        super().__init__("Drop here")
        self._result = result
        self.setWindowTitle("Drop target")
        self.setWindowFlags(Qt.WindowType.WindowStaysOnTopHint | Qt.WindowType.FramelessWindowHint)
        self.setAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating)
        self.setAcceptDrops(True)
        self.setGeometry(1240, 780, 180, 90)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take files, as a DAW's timeline does."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Read every dropped file at once, and write down what is in it."""
        event.acceptProposedAction()
        files = [Path(url.toLocalFile()) for url in event.mimeData().urls()]
        facts = [
            {"path": str(file), "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
            for file in files
        ]
        partial = self._result.with_suffix(".part")
        partial.write_text(json.dumps({"action": event.dropAction().name, "files": facts}))
        partial.replace(self._result)


def main() -> int:
    """Show the target until it is killed."""
    application = QApplication(sys.argv[:1])
    target = DropTarget(Path(sys.argv[1]))
    target.show()
    QTimer.singleShot(300, lambda: print("shown", flush=True))
    return application.exec()


if __name__ == "__main__":
    sys.exit(main())
