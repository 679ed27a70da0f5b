from __future__ import annotations

import pytest
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter

from studio.ui import icons, theme


def _luminance(colour: QColor) -> float:
    def linear(value: float) -> float:
        return value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(v) for v in (colour.redF(), colour.greenF(), colour.blueF()))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((_luminance(QColor(one)), _luminance(QColor(other))), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("ground", [theme.BACKGROUND, theme.PANEL, theme.RAISED])
@pytest.mark.parametrize(
    "text", [theme.TEXT, theme.DIM, theme.ACCENT, theme.SELECTION, theme.READY, theme.ERROR]
)
def test_every_text_colour_can_be_read_on_every_ground(text, ground):
    assert contrast(text, ground) >= 4.5


@pytest.mark.parametrize("hue", theme.TAG_HUES)
def test_every_tag_hue_can_be_read_on_the_table(hue):
    assert contrast(hue, theme.BACKGROUND) >= 4.5


def test_a_tag_always_has_the_same_colour(qapp):
    assert theme.tag_colour("Dark") == theme.tag_colour("dark")


def test_digits_are_equally_wide(qapp):
    from PySide6.QtGui import QFontMetricsF

    metrics = QFontMetricsF(theme.ui_font())
    assert len({round(metrics.horizontalAdvance(digit), 3) for digit in "0123456789"}) == 1


@pytest.mark.parametrize("name", sorted(icons._SHAPES))
def test_every_icon_draws_something_inside_its_square(name, qapp):
    bounds = icons.icon_path(name).boundingRect()
    assert QRectF(0, 0, 16, 16).contains(bounds)
    image = QImage(32, 32, QImage.Format.Format_ARGB32)
    image.fill(Qt.GlobalColor.black)
    painter = QPainter(image)
    icons.paint_icon(painter, name, QRectF(0, 0, 32, 32), QColor("white"))
    painter.end()
    lit = sum(image.pixelColor(x, y).lightness() > 128 for x in range(32) for y in range(32))
    assert lit > 20
