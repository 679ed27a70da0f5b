"""How the waveform is painted.

Owns the still picture (ruler, grid, peaks, selection, loop bracket, words for the empty state)
and the playhead. Pure painting from a `Picture`; it keeps no state and knows no widget.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QLineF, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QPainter, QPen, QPolygonF

from studio.ui import theme
from studio.ui.keys import key_for
from studio.ui.sound import Sound
from studio.ui.timeline import Timeline

RULER_HEIGHT = 18
_SCROLL_MARK_HEIGHT = 4
_MIN_LINE_GAP = 14
_PEAK = QColor("#66717D")
_BODY = QColor("#A9B3BD")
_BAR_LINE = QColor("#3D434B")
_BEAT_LINE = QColor("#2A2F35")
_SHADE = QColor(90, 169, 255, 38)
_OUTSIDE = QColor(22, 24, 27, 130)
_UNMADE = QColor("#1B1E21")


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Everything the still picture depends on.

    Attributes:
        size: Of the widget, in logical pixels.
        sound: What is shown; None shows what to do next.
        timeline: The visible stretch.
        region: Selected frames.
        loop: Playback repeats.
        focused: The widget has the keyboard.
        font: For words and figures.
    """

    size: QSize
    sound: Sound | None
    timeline: Timeline
    region: tuple[int, int] | None
    loop: bool
    focused: bool
    font: QFont


def paint_waveform(painter: QPainter, picture: Picture) -> None:
    """Paint everything but the playhead."""
    width, height = picture.size.width(), picture.size.height()
    painter.fillRect(0, 0, width, height, QColor(theme.BACKGROUND))
    painter.fillRect(0, 0, width, RULER_HEIGHT, QColor(theme.PANEL))
    if picture.sound is None:
        _paint_empty(painter, picture)
    else:
        _paint_unmade(painter, picture, picture.sound)
        _paint_grid(painter, picture, picture.sound)
        _paint_peaks(painter, picture, picture.sound)
        _paint_region(painter, picture, picture.sound)
        _paint_scroll_mark(painter, picture, picture.sound)
    if picture.focused:
        painter.setPen(QPen(QColor(theme.SELECTION), 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(QRectF(0.5, 0.5, width - 1, height - 1))


def paint_playhead(painter: QPainter, x: int, height: int) -> None:
    """A line in the accent colour with a small head in the ruler."""
    accent = QColor(theme.ACCENT)
    painter.fillRect(x, 0, 1, height, accent)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(accent)
    painter.drawPolygon(QPolygonF([QPointF(x - 4, 0), QPointF(x + 5, 0), QPointF(x + 0.5, 7)]))


def _paint_empty(painter: QPainter, picture: Picture) -> None:
    area = QRectF(0, RULER_HEIGHT, picture.size.width(), picture.size.height() - RULER_HEIGHT)
    middle = area.center().y()
    painter.setPen(QPen(QColor(theme.LINE), 1))
    painter.drawLine(QLineF(0, middle, area.width(), middle))
    title = QFont(picture.font)
    title.setPixelSize(15)
    painter.setFont(title)
    painter.setPen(QColor(theme.TEXT))
    centre = Qt.AlignmentFlag.AlignHCenter
    enter = key_for("submit_prompt").label
    painter.drawText(
        QRectF(0, middle - 48, area.width(), 24),
        centre,
        f"Type what you want to hear, and press {enter}",
    )
    painter.setFont(picture.font)
    painter.setPen(QColor(theme.DIM))
    painter.drawText(
        QRectF(0, middle + 16, area.width(), 20),
        centre,
        "or drop audio files here, or choose a sound below with the arrow keys",
    )


def _paint_unmade(painter: QPainter, picture: Picture, sound: Sound) -> None:
    if not sound.growing:
        return
    edge = max(picture.timeline.x_of(sound.frames), 0.0)
    rest = QRectF(edge, RULER_HEIGHT, picture.size.width() - edge, picture.size.height())
    painter.fillRect(rest, _UNMADE)
    painter.fillRect(rest, QBrush(_BEAT_LINE, Qt.BrushStyle.BDiagPattern))


def _grid_lines(picture: Picture, sound: Sound) -> Iterator[tuple[float, str, bool]]:
    """x, label and whether it is a main line, for every visible grid line."""
    timeline = picture.timeline
    pixels_per_frame = timeline.width / (timeline.end_frame - timeline.start_frame)
    beat = sound.beat_frames
    if beat is None:
        yield from _second_lines(picture, sound, pixels_per_frame)
        return
    sixteenth_pixels = beat / 4 * pixels_per_frame
    step = 1
    for wider in (1, 4, 16, 32, 64, 128, 256, 512, 1024):
        step = wider
        if sixteenth_pixels * wider >= _MIN_LINE_GAP:
            break
    frames_per_step = beat / 4 * step
    first = max(0, math.ceil(picture.timeline.start_frame / frames_per_step - 1e-6))
    last = math.floor(picture.timeline.end_frame / frames_per_step + 1e-6)
    label_step = step
    while sixteenth_pixels * label_step < 44:
        label_step *= 4 if label_step < 16 else 2
    for index in range(first, last + 1):
        sixteenth = index * step
        bar, beat_in_bar = sixteenth // 16 + 1, sixteenth // 4 % 4 + 1
        label = ""
        if sixteenth % label_step == 0:
            label = str(bar) if sixteenth % 16 == 0 else f"{bar}.{beat_in_bar}"
            if sixteenth % 4:
                label += f".{sixteenth % 4 + 1}"
        yield picture.timeline.x_of(index * frames_per_step), label, sixteenth % 16 == 0


def _second_lines(
    picture: Picture, sound: Sound, pixels_per_frame: float
) -> Iterator[tuple[float, str, bool]]:
    step = 1.0
    for step in (0.001, 0.01, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 600):
        if step * sound.sample_rate * pixels_per_frame >= 60:
            break
    first = math.ceil(picture.timeline.start_frame / sound.sample_rate / step - 1e-6)
    last = math.floor(picture.timeline.end_frame / sound.sample_rate / step + 1e-6)
    decimals = max(0, -math.floor(math.log10(step)))
    for index in range(first, last + 1):
        seconds = index * step
        label = f"{seconds:.{decimals}f} s" if seconds < 60 else f"{seconds / 60:.3g} min"
        yield picture.timeline.x_of(seconds * sound.sample_rate), label, False


def _paint_grid(painter: QPainter, picture: Picture, sound: Sound) -> None:
    height = picture.size.height()
    small = QFont(picture.font)
    small.setPixelSize(10)
    painter.setFont(small)
    for x, label, main in _grid_lines(picture, sound):
        column = round(x)
        painter.fillRect(
            column, RULER_HEIGHT, 1, height - RULER_HEIGHT, _BAR_LINE if main else _BEAT_LINE
        )
        if label and column < picture.size.width() - 16:
            painter.fillRect(column, RULER_HEIGHT - 6, 1, 6, QColor(theme.LINE))
            painter.setPen(QColor(theme.TEXT if main else theme.DIM))
            area = QRectF(column + 4, 0, 60, RULER_HEIGHT - 1)
            painter.drawText(
                area, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, label
            )


def _paint_peaks(painter: QPainter, picture: Picture, sound: Sound) -> None:
    width = picture.size.width()
    top = RULER_HEIGHT + 6
    half = (picture.size.height() - top - _SCROLL_MARK_HEIGHT - 6) / 2
    middle = top + half
    start, end = math.floor(picture.timeline.start_frame), math.ceil(picture.timeline.end_frame)
    lowest, highest, rms = sound.pyramid.view(start, max(end, start + 1), max(width, 1))
    there = round(min(max(picture.timeline.x_of(sound.frames), 0), width))
    columns = np.arange(there)
    _paint_columns(painter, columns, middle, -highest * half, -lowest * half, _PEAK)
    body = np.minimum(rms, np.maximum(-lowest, highest))
    _paint_columns(painter, columns, middle, -body * half, body * half, _BODY)
    clipped = np.flatnonzero(np.maximum(highest, -lowest)[:there] > 1.0)
    painter.setPen(QColor(theme.ERROR))
    for column in clipped.tolist():
        painter.drawLine(column, top - 3, column, top)


def _paint_columns(
    painter: QPainter,
    columns: NDArray[np.int64],
    middle: float,
    upper: NDArray[np.floating[Any]],
    lower: NDArray[np.floating[Any]],
    colour: QColor,
) -> None:
    painter.setPen(QPen(colour, 1))
    lines = [
        QLineF(x + 0.5, middle + min(high, -0.5), x + 0.5, middle + max(low, 0.5))
        for x, high, low in zip(columns.tolist(), upper.tolist(), lower.tolist(), strict=False)
    ]
    if lines:
        painter.drawLines(lines)


def _paint_region(painter: QPainter, picture: Picture, sound: Sound) -> None:
    height = picture.size.height()
    region = picture.region
    if region is not None:
        left, right = picture.timeline.x_of(region[0]), picture.timeline.x_of(region[1])
        width = picture.size.width()
        painter.fillRect(QRectF(0, RULER_HEIGHT, left, height - RULER_HEIGHT), _OUTSIDE)
        painter.fillRect(
            QRectF(right, RULER_HEIGHT, max(width - right, 0), height - RULER_HEIGHT), _OUTSIDE
        )
        painter.fillRect(QRectF(left, RULER_HEIGHT, right - left, height - RULER_HEIGHT), _SHADE)
        for x in (left, right):
            painter.fillRect(
                QRectF(round(x), RULER_HEIGHT, 1, height - RULER_HEIGHT), QColor(theme.SELECTION)
            )
    if picture.loop and not sound.growing:
        start, end = region or (0, sound.frames)
        left, right = picture.timeline.x_of(start), picture.timeline.x_of(end)
        bracket = QColor(theme.ACCENT)
        painter.fillRect(QRectF(left, RULER_HEIGHT - 2, right - left, 2), bracket)
        for x in (left, right - 2):
            painter.fillRect(QRectF(x, RULER_HEIGHT - 8, 2, 8), bracket)


def _paint_scroll_mark(painter: QPainter, picture: Picture, sound: Sound) -> None:
    whole = sound.shown_frames
    if picture.timeline.end_frame - picture.timeline.start_frame >= whole:
        return
    width = picture.size.width()
    left = picture.timeline.start_frame / whole * width
    length = max((picture.timeline.end_frame - picture.timeline.start_frame) / whole * width, 8)
    painter.fillRect(
        QRectF(left, picture.size.height() - _SCROLL_MARK_HEIGHT, length, _SCROLL_MARK_HEIGHT),
        QColor(theme.DIM),
    )
