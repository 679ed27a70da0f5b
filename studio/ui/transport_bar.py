"""The bar on top: play, loop, what plays, where, how loud, and the sound card's state.

Owns its controls only; it asks the `Audition` for everything.
"""

from __future__ import annotations

import math

from PySide6.QtCore import QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QWheelEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QWidget

from studio.ui import icons, theme
from studio.ui.audition import Audition
from studio.ui.controls import ElidedLabel, dim_label, restyle, separator, tool_button
from studio.ui.facts import position_text, tempo_text
from studio.ui.keys import tooltip
from studio.ui.sound import Sound

MIN_DB = -48.0
MAX_DB = 6.0
_DEFAULT_DB = -6.0
_REFRESH_MILLISECONDS = 33
_METER_FALL = 0.86


class VolumeMeter(QWidget):
    """Volume and level in one strip: the level fills it, a mark shows the volume.

    Signals:
        volume_changed(float): dB.
    """

    volume_changed = Signal(float)

    def __init__(self, volume_db: float) -> None:
        super().__init__()
        self.setObjectName("volume_slider")
        self.setAccessibleName("Volume")
        self.setFixedSize(132, 24)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self._volume_db = volume_db
        self._level = 0.0
        self._set_tooltip()

    @property
    def volume_db(self) -> float:
        """The volume."""
        return self._volume_db

    @property
    def silent(self) -> bool:
        """No level is shown."""
        return self._level == 0.0

    def set_level(self, level: float) -> None:
        """Show a peak, full scale 1; it falls back smoothly."""
        level = max(level, self._level * _METER_FALL)
        level = 0.0 if level < 1e-3 else level
        if level != self._level:
            self._level = level
            self.update()

    def set_volume_db(self, volume_db: float) -> None:
        """Move the volume, within its range."""
        volume_db = min(max(round(volume_db * 2) / 2, MIN_DB), MAX_DB)
        if volume_db != self._volume_db:
            self._volume_db = volume_db
            self._set_tooltip()
            self.update()
            self.volume_changed.emit(volume_db)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Move the volume to the pointer."""
        if event.button() == Qt.MouseButton.LeftButton:
            self._move_to(event.position().x())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Follow the pointer."""
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._move_to(event.position().x())

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Reset."""
        self.set_volume_db(_DEFAULT_DB)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Nudge by 1 dB, 0.5 dB with Shift."""
        delta = event.angleDelta()
        fine = event.modifiers() & Qt.KeyboardModifier.ShiftModifier
        self.set_volume_db(
            self._volume_db + (delta.y() or delta.x()) / 120 * (0.5 if fine else 1.0)
        )
        event.accept()

    def paintEvent(self, event: QPaintEvent) -> None:
        """The strip, the level in it, the mark."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        strip = QRectF(0, self.height() / 2 - 4, self.width(), 8)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme.BACKGROUND))
        painter.drawRoundedRect(strip, 2, 2)
        if self._level > 0:
            reach = self._share(20 * math.log10(self._level)) * self.width()
            colour = theme.ERROR if self._level > 1.0 else theme.ACCENT
            painter.setBrush(QColor(colour))
            painter.drawRoundedRect(QRectF(0, strip.y() + 2, reach, 4), 1, 1)
        painter.setBrush(QColor(theme.DIM))
        zero = self._share(0.0) * self.width()
        painter.drawRect(QRectF(zero, strip.y(), 1, 8))
        x = min(max(self._share(self._volume_db) * self.width(), 2), self.width() - 2)
        painter.setBrush(QColor(theme.SELECTION if self.hasFocus() else theme.TEXT))
        painter.drawRoundedRect(QRectF(x - 2, self.height() / 2 - 8, 4, 16), 1.5, 1.5)
        painter.end()

    def _move_to(self, x: float) -> None:
        self.set_volume_db(MIN_DB + x / self.width() * (MAX_DB - MIN_DB))

    @staticmethod
    def _share(level_db: float) -> float:
        return min(max((level_db - MIN_DB) / (MAX_DB - MIN_DB), 0.0), 1.0)

    def _set_tooltip(self) -> None:
        self.setToolTip(
            f"Volume {self._volume_db:+.1f} dB. Wheel nudges, Shift is fine, double-click resets"
        )


class TransportBar(QFrame):
    """Play and stop, loop, position, volume and the state of the sound card.

    Signals:
        play_pressed(): Play or stop was pressed.
    """

    play_pressed = Signal()

    def __init__(self, audition: Audition, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("transport_bar")
        self.setFixedHeight(theme.TRANSPORT_HEIGHT)
        self._audition = audition
        self._speaker = speaker = audition.speaker
        self.play_button = tool_button("play", "play_button", tooltip("Play or stop", "play"))
        self.loop_button = tool_button(
            "loop", "loop_button", tooltip("Loop", "loop"), checkable=True
        )
        self.loop_button.setChecked(audition.loop)
        self._shown_underruns = 0
        self._play_icon = icons.icon("play")
        self._stop_icon = icons.icon("stop", theme.ACCENT)
        self.position_label = QLabel()
        self.position_label.setObjectName("position_label")
        self.position_label.setProperty("figure", True)
        self.position_label.setFixedWidth(72)
        self.tempo_label = QLabel()
        self.tempo_label.setObjectName("tempo_label")
        self.tempo_label.setProperty("figure", True)
        self.key_label = QLabel()
        self.key_label.setObjectName("key_label")
        self.key_label.setProperty("figure", True)
        self.name_label = ElidedLabel()
        self.name_label.setObjectName("now_label")
        self.name_label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.volume = VolumeMeter(speaker.volume_db)
        self.volume_text = dim_label("", "volume_label")
        self.volume_text.setFixedWidth(56)
        self.device_label = dim_label("", "device_label")
        self._lay_out()
        self.play_button.clicked.connect(self.play_pressed)
        self.loop_button.toggled.connect(audition.set_loop)
        self.volume.volume_changed.connect(self._set_volume)
        audition.loop_changed.connect(self.loop_button.setChecked)
        speaker.playing_changed.connect(self._show_playing)
        audition.sound_changed.connect(self._show_sound)
        audition.sound_grew.connect(lambda: self._show_sound(audition.sound))
        speaker.device_changed.connect(self.show_device)
        self._timer = QTimer(self)
        self._timer.setInterval(_REFRESH_MILLISECONDS)
        self._timer.timeout.connect(self._tick)
        self._show_sound(audition.sound)
        self._show_playing(audition.playing)
        self._show_volume(speaker.volume_db)
        self.show_device()

    def show_device(self) -> None:
        """Say which sound card plays, and whether sound was lost."""
        speaker = self._speaker
        if speaker.device_error is not None:
            text, state = "No sound card", "error"
            detail = speaker.device_error.user_message
        elif speaker.underruns:
            gaps = speaker.underruns
            text, state = f"{gaps} gap" if gaps == 1 else f"{gaps} gaps", "error"
            detail = "The computer was too busy to feed the sound card in time, this often"
        else:
            text, state = speaker.device_name or "", ""
            detail = f"Sound card: {text}" if text else ""
        metrics = self.device_label.fontMetrics()
        self.device_label.setText(metrics.elidedText(text, Qt.TextElideMode.ElideRight, 140))
        self.device_label.setToolTip(detail)
        restyle(self.device_label, "state", state)

    def _set_volume(self, volume_db: float) -> None:
        self._speaker.set_volume_db(volume_db)
        self._show_volume(volume_db)

    def _show_volume(self, volume_db: float) -> None:
        self.volume_text.setText(f"{volume_db:+.1f} dB")

    def _show_playing(self, playing: bool) -> None:
        self.play_button.setIcon(self._stop_icon if playing else self._play_icon)
        restyle(self.position_label, "state", "playing" if playing else "")
        if playing:
            self._timer.start()
        self._tick()

    def _show_sound(self, sound: Sound | None) -> None:
        self.play_button.setEnabled(sound is not None)
        self.name_label.setText(sound.name if sound else "")
        self.tempo_label.setText(tempo_text(sound.tempo_bpm) if sound else "")
        self.tempo_unit.setVisible(bool(sound and sound.tempo_bpm))
        for line in self._separators:
            line.setVisible(sound is not None)
        self.key_label.setText((sound.key or "") if sound else "")
        self._tick()

    def _tick(self) -> None:
        audition = self._audition
        sound, frame = audition.sound, audition.position_frame
        level = 0.0
        if sound is None:
            self.position_label.setText("")
        else:
            self.position_label.setText(
                position_text(frame or 0, sound.sample_rate, sound.tempo_bpm)
            )
            if frame is not None:
                level = sound.level_at(frame) * 10 ** (self._speaker.volume_db / 20)
        self.volume.set_level(level)
        if self._speaker.underruns != self._shown_underruns:
            self._shown_underruns = self._speaker.underruns
            self.show_device()
        if not audition.playing and self.volume.silent:
            self._timer.stop()

    def _lay_out(self) -> None:
        self.tempo_unit = dim_label("BPM")
        self._separators = [separator(vertical=True), separator(vertical=True)]
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 0, 12, 0)
        layout.setSpacing(8)
        layout.addWidget(self.play_button)
        layout.addWidget(self.loop_button)
        for line, label in zip(
            self._separators, (self.position_label, self.tempo_label), strict=True
        ):
            layout.addWidget(line)
            layout.addWidget(label)
        layout.addWidget(self.tempo_unit)
        layout.addWidget(self.key_label)
        layout.addWidget(self.name_label, 1)
        layout.addWidget(self.device_label)
        layout.addWidget(separator(vertical=True))
        speaker = QLabel()
        speaker.setPixmap(icons.pixmap("volume", theme.DIM, 16, 2.0))
        layout.addWidget(speaker)
        layout.addWidget(self.volume)
        layout.addWidget(self.volume_text)
