"""The waveform: what the current sound looks like and where it plays.

Owns zoom, scroll, selection and the mouse in the waveform. Painting is in `waveform_painting`;
it neither plays nor reads files.

A plain widget with QPainter rather than a plot library: the still picture is kept as a pixmap
and only a thin strip under the playhead is painted sixty times a second.
"""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRect, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
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
from studio.ui.waveform_painting import Picture, paint_playhead, paint_waveform

MIN_HEIGHT = 260
_FRAME_MILLISECONDS = 16
_EDGE_PIXELS = 6
_SNAP_PIXELS = 6
_ZOOM_STEP = 1.25
_MIN_VISIBLE_FRAMES = 64
_SCROLL_SHARE = 0.12


class WaveformView(QWidget):
    """Shows the sound of an `Audition`.

    Signals:
        drag_out_requested(): A drag that began inside the selection should leave the window.
    """

    drag_out_requested = Signal()

    def __init__(self, audition: Audition, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("waveform_view")
        self.setMinimumHeight(MIN_HEIGHT)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Waveform")
        self._audition = audition
        self._start_frame = 0.0
        self._end_frame = 1.0
        self._follows_whole = True
        self._picture: QPixmap | None = None
        self._drag: _Drag | None = None
        self._playhead_x = -1
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(_FRAME_MILLISECONDS)
        self._timer.timeout.connect(self._move_playhead)
        audition.sound_changed.connect(self._show_sound)
        audition.sound_grew.connect(self._grow)
        audition.playing_changed.connect(self._follow_playing)
        audition.loop_changed.connect(self._repaint_all)
        audition.region_changed.connect(self._repaint_all)

    # --- what is visible -----------------------------------------------------------------------

    @property
    def visible_frames(self) -> tuple[float, float]:
        """First and last frame at the edges of the widget."""
        return self._start_frame, self._end_frame

    @property
    def selection(self) -> tuple[int, int] | None:
        """The selected frames."""
        return self._audition.region

    def sizeHint(self) -> QSize:
        """As large as fits."""
        return QSize(900, 320)

    def frame_at(self, x: float) -> float:
        """The frame under a horizontal position."""
        share = x / max(self.width(), 1)
        return self._start_frame + share * (self._end_frame - self._start_frame)

    def x_of(self, frame: float) -> float:
        """The horizontal position of a frame."""
        span = max(self._end_frame - self._start_frame, 1e-9)
        return (frame - self._start_frame) / span * self.width()

    def show_whole(self) -> None:
        """Zoom out to the whole sound."""
        sound = self._audition.sound
        self._follows_whole = True
        self._set_view(0.0, float(sound.shown_frames) if sound else 1.0)

    def zoom_to_selection(self) -> None:
        """Zoom to the selection; to the whole sound when that is shown already, or no selection."""
        region = self._audition.region
        if region is None or (self._start_frame, self._end_frame) == region:
            self.show_whole()
            return
        self._follows_whole = False
        self._set_view(float(region[0]), float(region[1]))

    def zoom(self, factor: float, x: float) -> None:
        """Show `factor` times as many frames, keeping the frame under `x` in place."""
        sound = self._audition.sound
        if sound is None:
            return
        whole = float(sound.shown_frames)
        anchor = self.frame_at(x)
        span = self._end_frame - self._start_frame
        wanted = min(max(span * factor, min(_MIN_VISIBLE_FRAMES, whole)), whole)
        start = anchor - (anchor - self._start_frame) * wanted / span
        start = min(max(start, 0.0), whole - wanted)
        self._follows_whole = wanted >= whole
        self._set_view(start, start + wanted)

    def scroll(self, share: float) -> None:
        """Move along by a share of the visible stretch."""
        sound = self._audition.sound
        if sound is None:
            return
        span = self._end_frame - self._start_frame
        start = min(max(self._start_frame + share * span, 0.0), sound.shown_frames - span)
        self._set_view(start, start + span)

    def _set_view(self, start_frame: float, end_frame: float) -> None:
        self._start_frame, self._end_frame = start_frame, max(end_frame, start_frame + 1)
        self._repaint_all()

    # --- news ----------------------------------------------------------------------------------

    def _show_sound(self, _sound: Sound | None) -> None:
        self._drag = None
        self.show_whole()

    def _grow(self) -> None:
        if self._follows_whole:
            self.show_whole()
        else:
            self._repaint_all()

    def _follow_playing(self, playing: bool) -> None:
        if playing:
            self._timer.start()
        else:
            self._timer.stop()
        self._move_playhead()

    def _repaint_all(self) -> None:
        self._picture = None
        self.update()

    def _move_playhead(self) -> None:
        frame = self._audition.position_frame
        x = -1 if frame is None else round(self.x_of(frame))
        if x == self._playhead_x:
            return
        for edge in (self._playhead_x, x):
            if edge >= 0:
                self.update(QRect(edge - 5, 0, 11, self.height()))
        self._playhead_x = x

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

    def _still_picture(self) -> Picture:
        sound = self._audition.sound
        return Picture(
            size=self.size(),
            sound=sound,
            start_frame=self._start_frame,
            end_frame=self._end_frame,
            region=self._audition.region,
            loop=self._audition.loop,
            focused=self.hasFocus(),
            font=self.font(),
        )

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Paint anew at another size."""
        super().resizeEvent(event)
        self._picture = None

    def focusInEvent(self, event: object) -> None:
        """Show the focus."""
        self._repaint_all()

    def focusOutEvent(self, event: object) -> None:
        """Take the focus mark away."""
        self._repaint_all()

    # --- mouse ---------------------------------------------------------------------------------

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom at the pointer; scroll with Shift or a sideways wheel."""
        delta = event.angleDelta()
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier or abs(delta.x()) > abs(delta.y()):
            steps = (delta.x() or delta.y()) / 120
            self.scroll(-steps * _SCROLL_SHARE)
        else:
            self.zoom(_ZOOM_STEP ** (-delta.y() / 120), event.position().x())
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin a selection, a change of its edge, or a drag out of it."""
        if event.button() != Qt.MouseButton.LeftButton or self._audition.sound is None:
            return
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        self._drag = _Drag(event.position(), self._kind_at(event.position()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Go on with what the press began; show what a press would do."""
        drag = self._drag
        if drag is None or not event.buttons() & Qt.MouseButton.LeftButton:
            self._show_cursor(event.position())
            return
        distance = (event.position() - drag.origin).manhattanLength()
        if not drag.moved and distance < QApplication.startDragDistance():
            return
        drag.moved = True
        if drag.kind == "inside":
            self.drag_out_requested.emit()
            return
        free = bool(event.modifiers() & Qt.KeyboardModifier.AltModifier)
        here = self._snapped(event.position().x(), free=free)
        region = self._audition.region
        if drag.kind == "new" or region is None:
            drag.anchor = self._snapped(drag.origin.x(), free=free)
        elif drag.anchor is None:
            drag.anchor = region[1] if drag.kind == "start" else region[0]
        anchor = drag.anchor if drag.anchor is not None else here
        self._audition.set_region(min(anchor, here), max(anchor, here), final=False)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Finish the selection; a click plays from there."""
        drag, self._drag = self._drag, None
        if drag is None or event.button() != Qt.MouseButton.LeftButton:
            return
        if drag.moved:
            region = self._audition.region
            if drag.kind != "inside" and region is not None:
                self._audition.set_region(*region, final=True)
            return
        self._audition.clear_region()
        self._audition.play_from(int(self.frame_at(event.position().x())))

    def end_drag(self) -> None:
        """Forget the press: a drag out of the window took the button's release."""
        self._drag = None

    def _kind_at(self, point: QPointF) -> str:
        region = self._audition.region
        if region is None:
            return "new"
        left, right = self.x_of(region[0]), self.x_of(region[1])
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

    def _snapped(self, x: float, *, free: bool) -> int:
        """The frame under `x`, or the sixteenth, start or end that is close to it."""
        sound = self._audition.sound
        frame = min(max(self.frame_at(x), 0.0), float(sound.shown_frames if sound else 1))
        if sound is None or free:
            return round(frame)
        candidates = [0.0, float(sound.shown_frames)]
        if sound.beat_frames:
            step = sound.beat_frames / 4
            candidates.append(round(frame / step) * step)
        nearest = min(candidates, key=lambda candidate: abs(candidate - frame))
        near = abs(self.x_of(nearest) - self.x_of(frame)) <= _SNAP_PIXELS
        return round(nearest if near else frame)


class _Drag:
    """A press that has not been released.

    `kind` is "new", "start", "end" or "inside"; `anchor` is the edge that stays.
    """

    def __init__(self, origin: QPointF, kind: str) -> None:
        self.origin = origin
        self.kind = kind
        self.moved = False
        self.anchor: int | None = None
