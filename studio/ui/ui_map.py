"""Where everything is on the screen, for tests that use a real mouse and keyboard.

Owns the file named by SEEDCRATE_UI_MAP and the measures in it. Without that variable nothing of
this runs. It only looks: it must not change what it looks at.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QPoint, QRect, Qt, QTimer
from PySide6.QtWidgets import QApplication, QWidget

from studio.ui.library_columns import Column

if TYPE_CHECKING:
    from studio.ui.main_window import MainWindow

VARIABLE = "SEEDCRATE_UI_MAP"
_WRITE_MILLISECONDS = 100
_BEAT_MILLISECONDS = 10


class UiMap(QObject):
    """Writes the map of one window, at most ten times a second, when something changed.

    Also measures: the longest gap in the event loop since Generate was last pressed, by a timer
    of 10 ms, and the time from that press to the first sound that the sound card took.
    """

    def __init__(self, window: MainWindow, path: Path) -> None:
        super().__init__(window)
        self._window = window
        self._path = path
        self._written = ""
        self._pressed_at: float | None = None
        self._asked_jobs: set[int] = set()
        self._first_sound_ms: float | None = None
        self._last_beat = time.perf_counter()
        self._max_stall_ms = 0.0
        window.takes.pressed.connect(self._pressed)
        window.takes.added.connect(lambda take: self._asked_jobs.add(take.id))
        window.audition.speaker.stream_heard.connect(self._heard)
        self._beat = QTimer(self)
        self._beat.setTimerType(Qt.TimerType.PreciseTimer)
        self._beat.setInterval(_BEAT_MILLISECONDS)
        self._beat.timeout.connect(self._measure)
        self._beat.start()
        self._writer = QTimer(self)
        self._writer.setInterval(_WRITE_MILLISECONDS)
        self._writer.timeout.connect(self._write)
        self._writer.start()

    def _pressed(self) -> None:
        self._pressed_at = time.perf_counter()
        self._asked_jobs.clear()
        self._first_sound_ms = None
        self._max_stall_ms = 0.0

    def _heard(self, job_id: int) -> None:
        asked = job_id in self._asked_jobs
        if asked and self._pressed_at is not None and self._first_sound_ms is None:
            self._first_sound_ms = (time.perf_counter() - self._pressed_at) * 1000

    def _measure(self) -> None:
        now = time.perf_counter()
        gap = (now - self._last_beat) * 1000 - _BEAT_MILLISECONDS
        self._last_beat = now
        self._max_stall_ms = max(self._max_stall_ms, gap)

    def _write(self) -> None:
        text = json.dumps({"widgets": self._widgets(), "status": self._status()}, sort_keys=True)
        if text == self._written:
            return
        self._written = text
        descriptor, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(self._path)

    def _widgets(self) -> dict[str, list[int]]:
        places: dict[str, list[int]] = {}
        for top in QApplication.topLevelWidgets():
            if not top.isVisible():
                continue
            for widget in (top, *top.findChildren(QWidget)):
                name = widget.objectName()
                if name and not name.startswith("qt_") and widget.isVisible():
                    places[name] = _on_screen(widget, widget.rect())
        places.update(self._rows())
        return places

    def _rows(self) -> dict[str, list[int]]:
        table = self._window.library_panel.table
        model = self._window.library_panel.model
        places = {}
        viewport = table.viewport()
        for row in range(model.rowCount()):
            name = table.visualRect(model.index(row, Column.NAME))
            if name.bottom() < 0:
                continue
            if name.top() > viewport.height():
                break
            sample_id = model.record(row).id
            places[f"row:{sample_id}"] = _on_screen(viewport, name)
            star = table.visualRect(model.index(row, Column.FAVOURITE))
            places[f"favourite:{sample_id}"] = _on_screen(viewport, star)
        return places

    def _status(self) -> dict[str, Any]:
        window = self._window
        return {
            "playing": window.audition.playing,
            "position_frame": window.audition.position_frame,
            "selected_ids": window.library_panel.table.selected_ids(),
            "rows": window.library_panel.model.total,
            "jobs": [take.state for take in window.takes.all],
            "banner": window.banner.message,
            "training": window.train_run.state,
            "first_sound_ms": _rounded(self._first_sound_ms),
            "max_stall_ms": _rounded(self._max_stall_ms),
        }


def _on_screen(widget: QWidget, rect: QRect) -> list[int]:
    corner = widget.mapToGlobal(QPoint(rect.x(), rect.y()))
    return [corner.x(), corner.y(), rect.width(), rect.height()]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
