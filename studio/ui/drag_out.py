"""Sounds leave the window as files: drag, copy, export.

Owns the QDrag, its picture and the clipboard's content. The files are permanent copies that the
workstation makes before the drag begins; this module writes none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from pathlib import Path

from PySide6.QtCore import QMimeData, QObject, QPoint, QRect, Qt, QUrl, Signal
from PySide6.QtGui import QColor, QDrag, QGuiApplication, QPainter, QPixmap
from PySide6.QtWidgets import QWidget

from studio.core.errors import StudioError
from studio.library.records import SampleRecord
from studio.ui import icons, theme
from studio.ui.bridge import Bridge
from studio.ui.facts import count_text, tempo_text
from studio.workstation.workstation import Workstation

_WAIT_SECONDS = 0.06
_PICTURE_SIZE = (260, 40)


def file_mime_data(paths: Sequence[Path]) -> QMimeData:
    """Files as every desktop understands them."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    return data


class DragOut(QObject):
    """Takes sounds out of the window.

    Signals:
        failed(StudioError): The files could not be written.
        left(int): So many files were taken by another program.
        copied(int): So many files are on the clipboard.
    """

    failed = Signal(object)
    left = Signal(int)
    copied = Signal(int)

    def __init__(
        self, workstation: Workstation, bridge: Bridge, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._workstation = workstation
        self._bridge = bridge
        self._ids: tuple[int, ...] = ()
        self._files: Future[list[Path]] | None = None
        self._dragging = False

    def drag(
        self, source: QWidget, records: Sequence[SampleRecord], ended: Callable[[], None]
    ) -> None:
        """Begin a drag of these sounds. Called from every mouse move beyond the drag distance.

        The files are written in the background first; when they are not there within 60 ms, the
        next mouse move asks again, so that the window never stalls on a slow disk.

        Args:
            source: The widget under the mouse; the drag belongs to it.
            records: The sounds.
            ended: Called when the drag is over, however it ended.
        """
        ids = tuple(record.id for record in records)
        if self._dragging or not ids:
            return
        if ids != self._ids or self._files is None:
            self._ids = ids
            self._files = self._bridge.run(
                "sound",
                lambda: self._workstation.export_for_drag(ids),
                on_error=self.failed.emit,
            )
        try:
            paths = self._files.result(timeout=_WAIT_SECONDS)
        except FutureTimeoutError:
            return
        except StudioError:
            self._forget()
            ended()
            return
        self._forget()
        self._dragging = True
        try:
            taken = self._run(source, records, paths)
        finally:
            self._dragging = False
            ended()
        if taken:
            self.left.emit(len(paths))

    def copy(self, ids: Sequence[int]) -> None:
        """Put the files of these sounds on the clipboard, once they are written."""
        if ids:
            wanted = tuple(ids)
            self._bridge.run(
                "sound",
                lambda: self._workstation.export_for_drag(wanted),
                self._to_clipboard,
                self.failed.emit,
            )

    def _run(self, source: QWidget, records: Sequence[SampleRecord], paths: Sequence[Path]) -> bool:
        drag = QDrag(source)
        drag.setMimeData(file_mime_data(paths))
        drag.setPixmap(drag_picture(records, source.devicePixelRatioF()))
        drag.setHotSpot(QPoint(-12, -8))
        taken = drag.exec(Qt.DropAction.CopyAction) != Qt.DropAction.IgnoreAction
        # A field of our own window may have taken it: that is no file that left.
        return taken and drag.target() is None

    def _forget(self) -> None:
        self._ids, self._files = (), None

    def _to_clipboard(self, paths: list[Path]) -> None:
        QGuiApplication.clipboard().setMimeData(file_mime_data(paths))
        self.copied.emit(len(paths))


def drag_words(records: Sequence[SampleRecord]) -> tuple[str, str]:
    """What the picture says: a name, and tempo and key."""
    if len(records) > 1:
        return count_text(len(records)), records[0].name + ", ..."
    record = records[0]
    facts = [f"{tempo_text(record.tempo_bpm)} BPM" if record.tempo_bpm else "", record.key or ""]
    return record.name, "   ".join(fact for fact in facts if fact) or "WAV"


def drag_picture(records: Sequence[SampleRecord], ratio: float) -> QPixmap:
    """The card under the pointer while dragging."""
    title, detail = drag_words(records)
    width, height = _PICTURE_SIZE
    picture = QPixmap(round(width * ratio), round(height * ratio))
    picture.setDevicePixelRatio(ratio)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QColor(theme.SELECTION))
    painter.setBrush(QColor(theme.RAISED))
    painter.drawRoundedRect(QRect(0, 0, width - 1, height - 1), theme.RADIUS, theme.RADIUS)
    icons.paint_icon(painter, "seed", QRect(8, 10, 20, 20).toRectF(), QColor(theme.ACCENT))
    painter.setFont(theme.ui_font())
    painter.setPen(QColor(theme.TEXT))
    metrics = painter.fontMetrics()
    shown = metrics.elidedText(title, Qt.TextElideMode.ElideRight, width - 46)
    painter.drawText(QRect(36, 4, width - 44, 16), int(Qt.AlignmentFlag.AlignVCenter), shown)
    painter.setPen(QColor(theme.DIM))
    detail = metrics.elidedText(detail, Qt.TextElideMode.ElideRight, width - 46)
    painter.drawText(QRect(36, 20, width - 44, 16), int(Qt.AlignmentFlag.AlignVCenter), detail)
    painter.end()
    return picture
