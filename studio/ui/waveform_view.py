"""The waveform: what the current sound looks like and where it plays.

Owns the mouse in the waveform and when it is painted. How is in `waveform_painting`, what is
visible in `timeline`; it neither plays nor reads files.

A plain widget with QPainter rather than a plot library: the still picture is kept as a pixmap
and only a thin strip under the playhead is painted sixty times a second.
"""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QPoint, QPointF, QRect, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QContextMenuEvent,
    QFocusEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPixmap,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QApplication, QSizePolicy, QWidget

from studio.ui.audition import Audition
from studio.ui.sound import Sound
from studio.ui.timeline import Timeline
from studio.ui.waveform_painting import Picture, paint_playhead, paint_waveform

MIN_HEIGHT = 260
_FRAME_MILLISECONDS = 16
_EDGE_PIXELS = 6
_SNAP_PIXELS = 6
_ZOOM_STEP = 1.25
_SCROLL_SHARE = 0.12
_PLAYHEAD_REACH = 5


@dataclass
class _Press:
    """A mouse press that has not been released.

    Attributes:
        origin: Where it was.
        kind: "new", "start", "end" or "inside", by what was under it.
        moved: It has become a drag.
        anchor_frame: The edge of the selection that stays.
    """

    origin: QPointF
    kind: str
    moved: bool = False
    anchor_frame: int | None = None


class WaveformView(QWidget):
    """Shows the sound of an `Audition`.

    Signals:
        drag_out_requested(): A drag that began inside the selection should leave the window.
        menu_requested(QPoint): Global position of a context menu.
    """

    drag_out_requested = Signal()
    menu_requested = Signal(QPoint)

    def __init__(self, audition: Audition, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("waveform_view")
        self.setAccessibleName("Waveform")
        self.setMinimumHeight(MIN_HEIGHT)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.timeline = Timeline()
        self._audition = audition
        self._picture: QPixmap | None = None
        self._press: _Press | None = None
        self._playhead_x = -1
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(_FRAME_MILLISECONDS)
        self._timer.timeout.connect(self._move_playhead)
        audition.sound_changed.connect(self._show_sound)
        audition.sound_grew.connect(self._grow)
        audition.loop_changed.connect(self._repaint_all)
        audition.region_changed.connect(self._repaint_all)
        audition.speaker.playing_changed.connect(self._follow_playing)

    @property
    def playhead_x(self) -> int | None:
        """Where the playhead is painted; None when nothing plays."""
        return None if self._playhead_x < 0 else self._playhead_x

    def sizeHint(self) -> QSize:
        """As large as fits."""
        return QSize(900, 320)

    # --- what is visible -----------------------------------------------------------------------

    def zoom_to_selection(self) -> None:
        """Zoom to the selection; to the whole sound without one, or when that is shown already."""
        region = self._audition.region
        shown = (round(self.timeline.start_frame), round(self.timeline.end_frame))
        if region is None or shown == region:
            self.timeline.show_whole()
        else:
            self.timeline.show(*region)
        self._repaint_all()

    def _show_sound(self, sound: Sound | None) -> None:
        self._press = None
        self.timeline.whole_frames = sound.shown_frames if sound else 1
        self.timeline.show_whole()
        self._repaint_all()

    def _grow(self) -> None:
        sound = self._audition.sound
        whole = self.timeline.shows_whole
        self.timeline.whole_frames = sound.shown_frames if sound else 1
        if whole:
            self.timeline.show_whole()
        else:
            self.timeline.scroll(0.0)
        self._repaint_all()

    # --- painting ------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        """The kept picture, then the playhead."""
        ratio = self.devicePixelRatioF()
        if self._picture is None:
            self._picture = QPixmap(self.size() * ratio)
            self._picture.setDevicePixelRatio(ratio)
            painter = QPainter(self._picture)
            paint_waveform(painter, self._still_picture())
            painter.end()
        painter = QPainter(self)
        area = event.rect()
        source = QRect(area.topLeft() * ratio, area.size() * ratio)
        painter.drawPixmap(area, self._picture, source)
        if self._playhead_x >= 0:
            paint_playhead(painter, self._playhead_x, self.height())
        painter.end()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Paint anew at another size."""
        super().resizeEvent(event)
        self.timeline.width = max(self.width(), 1)
        self._picture = None

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show the focus."""
        self._repaint_all()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Take the focus mark away."""
        self._repaint_all()

    def _still_picture(self) -> Picture:
        return Picture(
            size=self.size(),
            sound=self._audition.sound,
            timeline=self.timeline,
            region=self._audition.region,
            loop=self._audition.loop,
            focused=self.hasFocus(),
            font=self.font(),
        )

    def _repaint_all(self) -> None:
        self._picture = None
        self.update()

    def _follow_playing(self, playing: bool) -> None:
        if playing:
            self._timer.start()
        else:
            self._timer.stop()
        self._move_playhead()

    def _move_playhead(self) -> None:
        frame = self._audition.position_frame
        x = -1 if frame is None else round(self.timeline.x_of(frame))
        if x == self._playhead_x:
            return
        for edge in (self._playhead_x, x):
            if edge >= 0:
                self.update(
                    QRect(edge - _PLAYHEAD_REACH, 0, 2 * _PLAYHEAD_REACH + 1, self.height())
                )
        self._playhead_x = x

    # --- mouse ---------------------------------------------------------------------------------

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom at the pointer; scroll with Shift or a sideways wheel."""
        delta = event.angleDelta()
        shift = event.modifiers() & Qt.KeyboardModifier.ShiftModifier
        if shift or abs(delta.x()) > abs(delta.y()):
            self.timeline.scroll(-(delta.x() or delta.y()) / 120 * _SCROLL_SHARE)
        else:
            self.timeline.zoom(_ZOOM_STEP ** (-delta.y() / 120), event.position().x())
        self._repaint_all()
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin a selection, a change of its edge, or a drag out of it."""
        if event.button() == Qt.MouseButton.LeftButton and self._audition.sound is not None:
            self._press = _Press(event.position(), self._kind_at(event.position()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Go on with what the press began; without one, show what a press would do."""
        press = self._press
        if press is None or not event.buttons() & Qt.MouseButton.LeftButton:
            self._show_cursor(event.position())
            return
        distance = (event.position() - press.origin).manhattanLength()
        if not press.moved and distance < QApplication.startDragDistance():
            return
        press.moved = True
        if press.kind == "inside":
            self.drag_out_requested.emit()
        else:
            free = bool(event.modifiers() & Qt.KeyboardModifier.AltModifier)
            self._select(press, event.position().x(), free=free)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Finish the selection; a click plays from there."""
        press, self._press = self._press, None
        if press is None or event.button() != Qt.MouseButton.LeftButton:
            return
        region = self._audition.region
        if not press.moved:
            self._audition.clear_region()
            self._audition.play_from(int(self.timeline.frame_at(event.position().x())))
        elif press.kind != "inside" and region is not None:
            self._audition.set_region(*region, final=True)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Ask for the menu, when there is a sound."""
        if self._audition.sound is not None:
            self.menu_requested.emit(event.globalPos())

    def end_drag(self) -> None:
        """Forget the press: a drag out of the window took the button's release."""
        self._press = None

    def _select(self, press: _Press, x: float, *, free: bool) -> None:
        region = self._audition.region
        if press.anchor_frame is None:
            if press.kind == "new" or region is None:
                press.anchor_frame = self._snapped(press.origin.x(), free=free)
            else:
                press.anchor_frame = region[1] if press.kind == "start" else region[0]
        here, anchor = self._snapped(x, free=free), press.anchor_frame
        self._audition.set_region(min(anchor, here), max(anchor, here), final=False)

    def _snapped(self, x: float, *, free: bool) -> int:
        """The frame under `x`; close to a sixteenth or an end, that one, unless `free`."""
        sound = self._audition.sound
        beat = sound.beat_frames if sound else None
        step = None if beat is None else beat / 4
        return self.timeline.snapped(x, step, -1 if free else _SNAP_PIXELS)

    def _kind_at(self, point: QPointF) -> str:
        region = self._audition.region
        if region is None:
            return "new"
        left, right = self.timeline.x_of(region[0]), self.timeline.x_of(region[1])
        if abs(point.x() - left) <= _EDGE_PIXELS:
            return "start"
        if abs(point.x() - right) <= _EDGE_PIXELS:
            return "end"
        return "inside" if left < point.x() < right else "new"

    def _show_cursor(self, point: QPointF) -> None:
        kind = self._kind_at(point)
        if self._audition.sound is None:
            self.unsetCursor()
        elif kind in ("start", "end"):
            self.setCursor(Qt.CursorShape.SizeHorCursor)
        elif kind == "inside":
            self.setCursor(Qt.CursorShape.OpenHandCursor)
        else:
            self.setCursor(Qt.CursorShape.IBeamCursor)
