"""The waveform with its heading and the handle that drags the sound out.

Owns the heading and the handle. The waveform itself is `waveform_view`.
"""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QEnterEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QApplication, QHBoxLayout, QVBoxLayout, QWidget

from studio.ui import icons, theme
from studio.ui.audition import Audition
from studio.ui.controls import ElidedLabel, dim_label, restyle
from studio.ui.sound import Sound
from studio.ui.waveform_view import WaveformView

_HEADING_HEIGHT = 32


class DragHandle(QWidget):
    """A grip that leads the sound of the waveform into another program.

    Signals:
        drag_requested(): The mouse moved past the drag distance with the button down.
    """

    drag_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("drag_handle")
        self.setToolTip("Drag this sound into your DAW as a WAV file")
        self.setAccessibleName("Drag into a DAW")
        self.setCursor(Qt.CursorShape.OpenHandCursor)
        self._text = "Drag to DAW"
        self._origin: QPointF | None = None
        self._hovered = False

    def sizeHint(self) -> QSize:
        """Grip and words."""
        return QSize(self.fontMetrics().horizontalAdvance(self._text) + 36, 24)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Remember where it began."""
        if event.button() == Qt.MouseButton.LeftButton:
            self._origin = event.position()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Past the drag distance, ask for the drag."""
        if self._origin is None or not event.buttons() & Qt.MouseButton.LeftButton:
            return
        moved = (event.position() - self._origin).manhattanLength()
        if moved >= QApplication.startDragDistance():
            self.drag_requested.emit()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Nothing to drag any more."""
        self.end_drag()

    def end_drag(self) -> None:
        """Forget the press."""
        self._origin = None

    def enterEvent(self, event: QEnterEvent) -> None:
        """Light up."""
        self._hovered = True
        self.update()

    def leaveEvent(self, event: object) -> None:
        """Go back."""
        self._hovered = False
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """A raised strip with a grip."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QColor(theme.LINE))
        painter.setBrush(QColor(theme.HOVER if self._hovered else theme.RAISED))
        outline = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        painter.drawRoundedRect(outline, theme.RADIUS, theme.RADIUS)
        colour = QColor(theme.TEXT if self.isEnabled() else theme.DIM)
        icons.paint_icon(painter, "drag", QRectF(6, self.height() / 2 - 7, 14, 14), colour)
        painter.setPen(colour)
        painter.drawText(
            QRectF(24, 0, self.width() - 28, self.height()),
            int(Qt.AlignmentFlag.AlignVCenter),
            self._text,
        )
        painter.end()


class WaveformPanel(QWidget):
    """Heading, handle, waveform.

    Signals:
        drag_requested(QWidget): The sound should be dragged out, from this widget.
    """

    drag_requested = Signal(object)

    def __init__(self, audition: Audition, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("waveform_panel")
        self.setProperty("panel", True)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._audition = audition
        self.view = WaveformView(audition)
        self.handle = DragHandle()
        self.name_label = ElidedLabel()
        self.name_label.setObjectName("sound_name")
        self.name_label.setFont(theme.ui_font(13, bold=True))
        self.facts_label = dim_label("", "sound_facts")
        self.state_label = dim_label("", "sound_state")
        heading_row = QHBoxLayout()
        heading_row.setContentsMargins(12, 4, 8, 4)
        heading_row.setSpacing(16)
        heading_row.addWidget(self.name_label, 1)
        heading_row.addWidget(self.state_label)
        heading_row.addWidget(self.facts_label)
        heading_row.addWidget(self.handle)
        top = QWidget()
        top.setFixedHeight(_HEADING_HEIGHT)
        top.setLayout(heading_row)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(top)
        layout.addWidget(self.view, 1)
        audition.sound_changed.connect(self._show_sound)
        audition.sound_grew.connect(lambda: self._show_sound(audition.sound))
        audition.region_changed.connect(lambda: self._show_sound(audition.sound))
        self.handle.drag_requested.connect(lambda: self.drag_requested.emit(self.handle))
        self.view.drag_out_requested.connect(lambda: self.drag_requested.emit(self.view))
        self._show_sound(audition.sound)

    def end_drag(self) -> None:
        """A drag that began here is over."""
        self.handle.end_drag()
        self.view.end_drag()

    def _show_sound(self, sound: Sound | None) -> None:
        self.handle.setVisible(sound is not None and sound.record is not None)
        self.name_label.setText(sound.name if sound else "No sound")
        restyle(self.name_label, "dim", sound is None)
        self.facts_label.setText(sound.facts() if sound else "")
        if sound is not None and sound.growing:
            share = sound.frames / max(sound.expected_frames, 1)
            self.state_label.setText(f"Generating {min(share, 1.0):.0%}")
            restyle(self.state_label, "state", "playing")
        else:
            self.state_label.setText("")
