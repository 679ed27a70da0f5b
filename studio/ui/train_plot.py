"""The losses of a training as a picture.

Owns the curves and their painting: training loss, held-out loss, and the line that a model must
get below to have learnt more than how frequent each code is. It follows no training.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QWidget

from studio.ui import theme

_LEFT, _TOP, _RIGHT, _BOTTOM = 40, 26, 12, 20
_MOST_POINTS = 4_000
_SMOOTHING_SHARE = 0.04
_GRID_GAP = 44
_HELD_OUT = QColor(theme.SELECTION)
_TRAINED = QColor(theme.TEXT)
_FAINT = QColor("#4A5058")
_BEST = QColor(theme.READY)


@dataclass(kw_only=True, eq=False)
class LossCurve:
    """What is known of the losses of one run.

    Attributes:
        steps: Of `nats`.
        nats: Training loss of each step.
        held_out_steps: Of `held_out_nats`.
        held_out_nats: Held-out loss.
        baseline: Of the frequencies of codes alone; None while unknown.
        total_steps: Of the whole run; 0 while unknown.
    """

    steps: list[int] = field(default_factory=list)
    nats: list[float] = field(default_factory=list)
    held_out_steps: list[int] = field(default_factory=list)
    held_out_nats: list[float] = field(default_factory=list)
    baseline: float | None = None
    total_steps: int = 0

    def add(self, step: int, nats: float) -> None:
        """The training loss of another step; of very many, every second one is let go."""
        self.steps.append(step)
        self.nats.append(nats)
        if len(self.steps) > _MOST_POINTS:
            self.steps, self.nats = self.steps[::2], self.nats[::2]

    def add_held_out(self, step: int, nats: float) -> None:
        """Another measurement."""
        self.held_out_steps.append(step)
        self.held_out_nats.append(nats)

    @property
    def best(self) -> tuple[int, float] | None:
        """Step and value of the lowest held-out loss."""
        if not self.held_out_nats:
            return None
        nats = min(self.held_out_nats)
        return self.held_out_steps[self.held_out_nats.index(nats)], nats

    def smooth(self) -> list[float]:
        """The training loss without its jitter."""
        window = max(1.0, _SMOOTHING_SHARE * len(self.nats))
        smooth: list[float] = []
        value = self.nats[0] if self.nats else 0.0
        for place, nats in enumerate(self.nats):
            value += (nats - value) / min(window, place + 1)
            smooth.append(value)
        return smooth

    def words(self) -> str:
        """What the picture shows, for those who do not see it."""
        if not self.nats:
            return "No losses yet"
        parts = [f"training loss {self.smooth()[-1]:.2f}"]
        if self.held_out_nats:
            parts.append(f"held out {self.held_out_nats[-1]:.2f}")
        if self.best is not None:
            parts.append(f"best {self.best[1]:.2f} at step {self.best[0]}")
        if self.baseline is not None:
            parts.append(f"line to beat {self.baseline:.2f}")
        return ", ".join(parts)


class LossPlot(QWidget):
    """Draws a `LossCurve`; the steps of the whole run fit in."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("train_plot")
        self.setMinimumHeight(120)
        self.setToolTip(
            "Nats for one code; lower is better. The dashed line is what a model would score that"
            " knows only how frequent each code is."
        )
        self._curve = LossCurve()
        self.show_curve(self._curve)

    def sizeHint(self) -> QSize:
        """Wide, and as high as there is room."""
        return QSize(480, 220)

    def show_curve(self, curve: LossCurve) -> None:
        """Draw these losses, as they are now."""
        self._curve = curve
        self.setAccessibleName(f"Losses: {curve.words()}")
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Ground, grid, curves, words."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(self.rect(), QColor(theme.BACKGROUND))
        area = QRectF(self.rect()).adjusted(_LEFT, _TOP, -_RIGHT, -_BOTTOM)
        if not self._curve.nats:
            painter.setPen(QColor(theme.DIM))
            painter.drawText(
                self.rect(),
                int(Qt.AlignmentFlag.AlignCenter),
                "The losses are drawn here while it trains.",
            )
        else:
            _Painting(painter, area, self._curve).paint()
        painter.end()


class _Painting:
    """One drawing of a curve with losses."""

    def __init__(self, painter: QPainter, area: QRectF, curve: LossCurve) -> None:
        self._painter = painter
        self._area = area
        self._curve = curve
        self._smooth = curve.smooth()
        values = [*self._smooth, *curve.held_out_nats]
        if curve.baseline is not None:
            values.append(curve.baseline)
        low, high = min(values), max(values)
        room = max(0.1, 0.06 * (high - low))
        self._low, self._high = max(0.0, low - room), high + room
        self._last = max(curve.total_steps, curve.steps[-1], 1)

    def paint(self) -> None:
        """All of it."""
        curve, painter = self._curve, self._painter
        self._paint_grid()
        if curve.baseline is not None:
            pen = QPen(QColor(theme.DIM), 1, Qt.PenStyle.DashLine)
            painter.setPen(pen)
            y = self._y(curve.baseline)
            painter.drawLine(QPointF(self._area.left(), y), QPointF(self._area.right(), y))
        painter.save()
        painter.setClipRect(self._area)
        self._paint_line(curve.steps, curve.nats, QPen(_FAINT, 1))
        painter.restore()
        self._paint_line(curve.steps, self._smooth, QPen(_TRAINED, 1.5))
        self._paint_line(curve.held_out_steps, curve.held_out_nats, QPen(_HELD_OUT, 1.5))
        if curve.best is not None:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(_BEST)
            painter.drawEllipse(QPointF(self._x(curve.best[0]), self._y(curve.best[1])), 3.5, 3.5)
            painter.setBrush(Qt.BrushStyle.NoBrush)
        self._paint_legend()

    def _x(self, step: float) -> float:
        return self._area.left() + self._area.width() * step / self._last

    def _y(self, nats: float) -> float:
        share = (nats - self._low) / (self._high - self._low)
        return self._area.bottom() - self._area.height() * share

    def _paint_line(self, steps: list[int], nats: list[float], pen: QPen) -> None:
        # Not more points than pixels.
        stride = max(1, len(steps) // max(1, int(self._area.width())))
        pairs = [*zip(steps, nats, strict=True)]
        points = [QPointF(self._x(step), self._y(value)) for step, value in pairs[::stride]]
        if pairs and stride > 1:
            points.append(QPointF(self._x(pairs[-1][0]), self._y(pairs[-1][1])))
        self._painter.setPen(pen)
        if len(points) == 1:
            self._painter.drawEllipse(points[0], 1, 1)
        self._painter.drawPolyline(QPolygonF(points))

    def _paint_grid(self) -> None:
        painter, area = self._painter, self._area
        gap = _round_step((self._high - self._low) * _GRID_GAP / max(area.height(), 1))
        value = math.ceil(self._low / gap) * gap
        while value <= self._high:
            y = self._y(value)
            painter.setPen(QColor(theme.RAISED))
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
            painter.setPen(QColor(theme.DIM))
            painter.drawText(
                QRectF(0, y - 8, area.left() - 6, 16),
                int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter),
                f"{value:.{_digits(gap)}f}",
            )
            value += gap
        painter.setPen(QColor(theme.DIM))
        below = QRectF(area.left(), area.bottom() + 3, area.width(), 16)
        flags = Qt.AlignmentFlag
        painter.drawText(below, int(flags.AlignLeft), "step 0")
        painter.drawText(below, int(flags.AlignRight), f"{self._last:,}")

    def _paint_legend(self) -> None:
        painter, curve = self._painter, self._curve
        entries = [("training", _TRAINED, self._smooth[-1])]
        if curve.held_out_nats:
            entries.append(("held out", _HELD_OUT, curve.held_out_nats[-1]))
        if curve.best is not None:
            entries.append((f"best, step {curve.best[0]:,}", _BEST, curve.best[1]))
        if curve.baseline is not None:
            entries.append(("line to beat", QColor(theme.DIM), curve.baseline))
        x = self._area.left()
        for title, colour, value in entries:
            text = f"{title} {value:.2f}"
            width = painter.fontMetrics().horizontalAdvance(text)
            if x + 14 + width > self._area.right():
                break
            painter.setPen(QPen(colour, 2))
            painter.drawLine(QPointF(x, 13), QPointF(x + 9, 13))
            painter.setPen(QColor(theme.TEXT))
            painter.drawText(
                QRectF(x + 14, 4, width + 2, 18), int(Qt.AlignmentFlag.AlignVCenter), text
            )
            x += 14 + width + 18


def _round_step(least: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is no less."""
    power: float = 10.0 ** math.floor(math.log10(max(least, 1e-6)))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least * 0.999)


def _digits(gap: float) -> int:
    return max(0, math.ceil(-math.log10(gap) - 1e-9))
