"""Our own icons, drawn as vector paths on a 16 x 16 grid.

Owns the shapes and turns them into QIcons of any colour. It must not load files or fonts.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPainterPath, QPainterPathStroker, QPixmap

from studio.ui import theme

_SIZE = 16.0


def _polygon(*points: tuple[float, float]) -> QPainterPath:
    path = QPainterPath(QPointF(*points[0]))
    for point in points[1:]:
        path.lineTo(*point)
    path.closeSubpath()
    return path


def _stroke(path: QPainterPath, width: float = 1.5) -> QPainterPath:
    stroker = QPainterPathStroker()
    stroker.setWidth(width)
    stroker.setCapStyle(Qt.PenCapStyle.RoundCap)
    stroker.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    return stroker.createStroke(path)


def _line(*points: tuple[float, float], width: float = 1.5) -> QPainterPath:
    path = QPainterPath(QPointF(*points[0]))
    for point in points[1:]:
        path.lineTo(*point)
    return _stroke(path, width)


def _play() -> QPainterPath:
    return _polygon((4.5, 2.5), (13.0, 8.0), (4.5, 13.5))


def _stop() -> QPainterPath:
    path = QPainterPath()
    path.addRect(QRectF(3.5, 3.5, 9.0, 9.0))
    return path


def _loop() -> QPainterPath:
    path = QPainterPath(QPointF(2.5, 7.5))
    path.cubicTo(2.5, 4.5, 4.0, 4.5, 6.0, 4.5)
    path.lineTo(12.0, 4.5)
    shape = _stroke(path)
    path = QPainterPath(QPointF(13.5, 8.5))
    path.cubicTo(13.5, 11.5, 12.0, 11.5, 10.0, 11.5)
    path.lineTo(4.0, 11.5)
    shape.addPath(_stroke(path))
    shape.addPath(_polygon((11.0, 1.8), (14.4, 4.5), (11.0, 7.2)))
    shape.addPath(_polygon((5.0, 8.8), (1.6, 11.5), (5.0, 14.2)))
    return shape


def _volume() -> QPainterPath:
    shape = _polygon((1.5, 6), (4, 6), (7.5, 3), (7.5, 13), (4, 10), (1.5, 10))
    for radius in (3.0, 5.5):
        arc = QPainterPath()
        rect = QRectF(8.0 - radius, 8.0 - radius, 2 * radius, 2 * radius)
        arc.arcMoveTo(rect.translated(1.0, 0.0), -45)
        arc.arcTo(rect.translated(1.0, 0.0), -45, 90)
        shape.addPath(_stroke(arc, 1.3))
    return shape


def _dice() -> QPainterPath:
    frame = QPainterPath()
    frame.addRoundedRect(QRectF(2.5, 2.5, 11, 11), 2.5, 2.5)
    shape = _stroke(frame, 1.4)
    for x, y in ((5.6, 5.6), (10.4, 5.6), (8, 8), (5.6, 10.4), (10.4, 10.4)):
        shape.addEllipse(QPointF(x, y), 1.05, 1.05)
    return shape


def _padlock(shackle_x: float) -> QPainterPath:
    shape = QPainterPath()
    shape.addRoundedRect(QRectF(3.0, 7.5, 10.0, 6.5), 1.2, 1.2)
    shackle = QPainterPath(QPointF(shackle_x, 7.5))
    shackle.lineTo(shackle_x, 5.2)
    shackle.arcTo(QRectF(shackle_x, 2.2, 5.6, 5.6), 180, -180)
    if shackle_x < 6:
        shackle.lineTo(shackle_x + 5.6, 7.5)
    shape.addPath(_stroke(shackle))
    return shape


def _star() -> QPainterPath:
    points = []
    for corner in range(10):
        radius = 6.6 if corner % 2 == 0 else 2.9
        angle = math.pi * corner / 5 - math.pi / 2
        points.append((8 + radius * math.cos(angle), 8.6 + radius * math.sin(angle)))
    return _polygon(*points)


def _star_outline() -> QPainterPath:
    return _stroke(_star(), 1.1)


def _close() -> QPainterPath:
    shape = _line((4, 4), (12, 12))
    shape.addPath(_line((12, 4), (4, 12)))
    return shape


def _search() -> QPainterPath:
    ring = QPainterPath()
    ring.addEllipse(QPointF(6.8, 6.8), 4.3, 4.3)
    shape = _stroke(ring)
    shape.addPath(_line((10.2, 10.2), (14, 14), width=1.8))
    return shape


def _chevron_down() -> QPainterPath:
    return _line((3.5, 6), (8, 10.5), (12.5, 6))


def _chevron_right() -> QPainterPath:
    return _line((6, 3.5), (10.5, 8), (6, 12.5))


def _tick() -> QPainterPath:
    return _line((3.5, 8.5), (6.8, 11.6), (12.5, 4.8), width=2.0)


def _import() -> QPainterPath:
    shape = _line((8, 2), (8, 9.5))
    shape.addPath(_line((4.8, 6.6), (8, 9.8), (11.2, 6.6)))
    shape.addPath(_line((2.5, 10.5), (2.5, 13.5), (13.5, 13.5), (13.5, 10.5)))
    return shape


def _drag() -> QPainterPath:
    shape = QPainterPath()
    for x in (5.8, 10.2):
        for y in (4.0, 8.0, 12.0):
            shape.addEllipse(QPointF(x, y), 1.15, 1.15)
    return shape


def _warning() -> QPainterPath:
    shape = _stroke(_polygon((8, 2.2), (14.4, 13.4), (1.6, 13.4)), 1.4)
    shape.addPath(_line((8, 6.4), (8, 9.6)))
    shape.addEllipse(QPointF(8, 11.6), 0.9, 0.9)
    return shape


def _seed() -> QPainterPath:
    shape = QPainterPath(QPointF(8, 1.5))
    shape.cubicTo(13.5, 5.0, 13.5, 11.5, 8, 14.5)
    shape.cubicTo(2.5, 11.5, 2.5, 5.0, 8, 1.5)
    for x, reach in ((5.6, 1.6), (8.0, 3.6), (10.4, 2.2)):
        bar = QPainterPath()
        bar.addRoundedRect(QRectF(x - 0.6, 8.2 - reach, 1.2, 2 * reach), 0.6, 0.6)
        shape = shape.subtracted(bar)
    return shape


_SHAPES: dict[str, Callable[[], QPainterPath]] = {
    "play": _play,
    "stop": _stop,
    "loop": _loop,
    "volume": _volume,
    "dice": _dice,
    "lock": lambda: _padlock(5.2),
    "unlock": lambda: _padlock(8.6),
    "star": _star,
    "star_outline": _star_outline,
    "close": _close,
    "search": _search,
    "chevron_down": _chevron_down,
    "chevron_right": _chevron_right,
    "tick": _tick,
    "import": _import,
    "drag": _drag,
    "warning": _warning,
    "seed": _seed,
}

_paths: dict[str, QPainterPath] = {}


def icon_path(name: str) -> QPainterPath:
    """The shape called `name` on the 16 x 16 grid.

    Raises:
        KeyError: There is no such icon.
    """
    if name not in _paths:
        _paths[name] = _SHAPES[name]()
    return _paths[name]


def paint_icon(painter: QPainter, name: str, rect: QRectF, colour: QColor) -> None:
    """Draw an icon centred in `rect`, as large as fits."""
    side = min(rect.width(), rect.height())
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.translate(rect.center() - QPointF(side / 2, side / 2))
    painter.scale(side / _SIZE, side / _SIZE)
    painter.fillPath(icon_path(name), colour)
    painter.restore()


def pixmap(name: str, colour: str = theme.TEXT, pixels: int = 16, ratio: float = 1.0) -> QPixmap:
    """An icon as a square picture of `pixels` logical pixels at a device pixel ratio."""
    picture = QPixmap(round(pixels * ratio), round(pixels * ratio))
    picture.setDevicePixelRatio(ratio)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    paint_icon(painter, name, QRectF(0, 0, pixels, pixels), QColor(colour))
    painter.end()
    return picture


def icon(name: str, colour: str = theme.TEXT, checked_colour: str | None = None) -> QIcon:
    """A QIcon of the shape, dimmed when disabled, in another colour when checked."""
    result = QIcon()
    for ratio in (1.0, 2.0):
        result.addPixmap(pixmap(name, colour, 16, ratio), QIcon.Mode.Normal, QIcon.State.Off)
        result.addPixmap(pixmap(name, theme.LINE, 16, ratio), QIcon.Mode.Disabled)
        if checked_colour:
            checked = pixmap(name, checked_colour, 16, ratio)
            result.addPixmap(checked, QIcon.Mode.Normal, QIcon.State.On)
    return result


def application_icon() -> QIcon:
    """The icon of the window and the task bar."""
    result = QIcon()
    for pixels in (16, 32, 64, 128, 256):
        result.addPixmap(pixmap("seed", theme.ACCENT, pixels))
    return result
