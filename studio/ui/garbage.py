"""Python's cyclic garbage is collected on the main thread only.

Owns that rule. Python collects on whichever thread happens to allocate, and a Qt object that is
destroyed on another thread than its own takes the program down.
"""

from __future__ import annotations

import gc

from PySide6.QtCore import QObject, QTimer

_CHECK_MILLISECONDS = 1_000


class MainThreadGarbage(QObject):
    """Replaces automatic collection by a timer on the main thread, until `stop`.

    The way is that of calibre's `GarbageCollector`.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._thresholds = gc.get_threshold()
        self._timer = QTimer(self)
        self._timer.setInterval(_CHECK_MILLISECONDS)
        self._timer.timeout.connect(self.check)
        gc.disable()
        self._timer.start()

    def check(self) -> None:
        """Collect the youngest generations that have grown beyond their threshold."""
        for generation in reversed(range(len(self._thresholds))):
            if gc.get_count()[generation] > self._thresholds[generation] > 0:
                gc.collect(generation)
                return

    def stop(self) -> None:
        """Collect once more, and let Python do it again."""
        self._timer.stop()
        gc.collect()
        gc.enable()
