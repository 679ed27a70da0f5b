"""The look: colours, sizes, the font and the one stylesheet.

Owns every colour and metric of the window. It must not know any widget of ours beyond the object
names and dynamic properties that the stylesheet mentions.
"""

from __future__ import annotations

import zlib

from PySide6.QtGui import QColor, QFont, QFontDatabase, QPalette
from PySide6.QtWidgets import QApplication

BACKGROUND = "#16181B"
PANEL = "#1E2125"
RAISED = "#272B30"
HOVER = "#2F343A"
LINE = "#343940"
TEXT = "#D9DDE2"
DIM = "#8C949E"
ACCENT = "#FF9F43"
SELECTION = "#5AA9FF"
READY = "#5FC98A"
ERROR = "#FF6B6B"

TAG_HUES = (
    "#8FB4D9",
    "#C9A3D9",
    "#D9A38F",
    "#A3D9A5",
    "#D9CF8F",
    "#8FD9D0",
    "#D98FA9",
    "#B5B0E8",
)

TRANSPORT_HEIGHT = 44
STATUS_HEIGHT = 22
ROW_HEIGHT = 24
CONTROL_HEIGHT = 26
GRID = 4
RADIUS = 3
FONT_PIXELS = 12

_FAMILIES = ("Inter", "Segoe UI", "SF Pro Text", "Noto Sans", "DejaVu Sans")


def ui_font(pixels: int = FONT_PIXELS, *, bold: bool = False) -> QFont:
    """The interface font with digits of equal width."""
    installed = set(QFontDatabase.families())
    families = [family for family in _FAMILIES if family in installed]
    font = QFont(families or [QFont().defaultFamily()])
    font.setPixelSize(pixels)
    font.setFeature(QFont.Tag("tnum"), 1)
    if bold:
        font.setWeight(QFont.Weight.DemiBold)
    return font


def tag_colour(tag: str) -> QColor:
    """One of eight muted hues, always the same one for the same tag."""
    return QColor(TAG_HUES[zlib.crc32(tag.lower().encode()) % len(TAG_HUES)])


def apply_theme(application: QApplication) -> None:
    """Give the whole application the dark look."""
    application.setStyle("Fusion")
    application.setFont(ui_font())
    application.setPalette(_palette())
    application.setStyleSheet(STYLESHEET)


def _palette() -> QPalette:
    palette = QPalette()
    roles = {
        QPalette.ColorRole.Window: BACKGROUND,
        QPalette.ColorRole.WindowText: TEXT,
        QPalette.ColorRole.Base: BACKGROUND,
        QPalette.ColorRole.AlternateBase: PANEL,
        QPalette.ColorRole.Text: TEXT,
        QPalette.ColorRole.PlaceholderText: DIM,
        QPalette.ColorRole.Button: RAISED,
        QPalette.ColorRole.ButtonText: TEXT,
        QPalette.ColorRole.Highlight: SELECTION,
        QPalette.ColorRole.HighlightedText: BACKGROUND,
        QPalette.ColorRole.ToolTipBase: RAISED,
        QPalette.ColorRole.ToolTipText: TEXT,
        QPalette.ColorRole.Link: SELECTION,
    }
    for role, colour in roles.items():
        palette.setColor(role, QColor(colour))
    for role in (QPalette.ColorRole.Text, QPalette.ColorRole.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, QColor(DIM))
    return palette


STYLESHEET = f"""
QWidget {{ color: {TEXT}; }}
QMainWindow, QDialog {{ background: {BACKGROUND}; }}
QToolTip {{ background: {RAISED}; color: {TEXT}; border: 1px solid {LINE}; padding: 4px 6px; }}

QWidget[panel="true"] {{ background: {PANEL}; }}
QWidget[well="true"] {{ background: {BACKGROUND}; }}
QLabel {{ background: transparent; }}
QLabel[dim="true"] {{ color: {DIM}; }}
QLabel[heading="true"] {{ color: {TEXT}; font-weight: 600; }}
QLabel[figure="true"] {{ font-size: 14px; }}
QLabel[state="ready"] {{ color: {READY}; }}
QLabel[state="playing"] {{ color: {ACCENT}; }}
QLabel[state="error"] {{ color: {ERROR}; }}

QSplitter::handle {{ background: {BACKGROUND}; }}
QSplitter::handle:hover {{ background: {LINE}; }}

QLineEdit, QPlainTextEdit, QAbstractSpinBox, QComboBox {{
    background: {BACKGROUND}; border: 1px solid {LINE}; border-radius: {RADIUS}px;
    padding: 0 6px; min-height: 24px;
    selection-background-color: {SELECTION}; selection-color: {BACKGROUND};
}}
QPlainTextEdit {{ padding: 4px 2px; }}
QLineEdit:focus, QPlainTextEdit:focus, QAbstractSpinBox:focus, QComboBox:focus {{
    border-color: {SELECTION};
}}
QLineEdit[fault="true"], QAbstractSpinBox[fault="true"], QComboBox[fault="true"] {{
    border-color: {ERROR};
}}
QLineEdit:disabled, QAbstractSpinBox:disabled, QComboBox:disabled {{ color: {DIM}; }}
QComboBox::drop-down {{ border: none; width: 18px; }}
QComboBox::down-arrow {{ image: none; }}
QComboBox QLineEdit, QAbstractSpinBox QLineEdit {{
    border: none; padding: 0; background: transparent; min-height: 0;
}}
QAbstractSpinBox {{ padding: 0; }}
QAbstractSpinBox QLineEdit {{ padding: 0 6px; }}
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button {{ width: 0; border: none; }}
QComboBox QAbstractItemView {{
    background: {RAISED}; border: 1px solid {LINE}; outline: none; padding: 2px;
    selection-background-color: {HOVER}; selection-color: {TEXT};
}}
QTableView QLineEdit {{ border-radius: 0; border-color: {SELECTION}; min-height: 20px; }}

QPushButton, QToolButton {{
    background: {RAISED}; border: 1px solid {LINE}; border-radius: {RADIUS}px;
    padding: 0 10px; min-height: 24px;
}}
QToolButton {{ padding: 0 4px; min-width: 16px; }}
QToolButton[chip="true"] {{ padding: 0 1px; min-width: 0; min-height: 20px; }}
QToolButton[chip="true"]:checked {{
    background: {TEXT}; color: {BACKGROUND}; border-color: {TEXT};
}}
QPushButton:hover, QToolButton:hover {{ background: {HOVER}; }}
QPushButton:pressed, QToolButton:pressed {{ background: {BACKGROUND}; }}
QPushButton:focus, QToolButton:focus {{ border-color: {SELECTION}; }}
QPushButton:disabled, QToolButton:disabled {{ color: {DIM}; background: {PANEL}; }}
QPushButton[target="true"] {{ border-color: {SELECTION}; background: {HOVER}; }}
QToolButton:checked {{ border-color: {ACCENT}; color: {ACCENT}; }}
QPushButton[flat="true"], QToolButton[flat="true"] {{
    background: transparent; border: 1px solid transparent;
}}
QPushButton[flat="true"]:hover, QToolButton[flat="true"]:hover {{ background: {HOVER}; }}
QToolButton[flat="true"]:checked {{ color: {TEXT}; border-color: transparent; }}
QPushButton[flat="true"]:focus, QToolButton[flat="true"]:focus {{ border-color: {SELECTION}; }}
QPushButton[primary="true"] {{
    background: {TEXT}; color: {BACKGROUND}; border-color: {TEXT}; font-weight: 600;
    min-height: 32px;
}}
QPushButton[primary="true"]:hover {{ background: #FFFFFF; }}
QPushButton[primary="true"]:pressed {{ background: {DIM}; }}
QPushButton[primary="true"]:focus {{ border: 2px solid {SELECTION}; }}

QCheckBox {{ spacing: 6px; min-height: 24px; background: transparent; }}
QCheckBox::indicator {{
    width: 14px; height: 14px; background: {BACKGROUND};
    border: 1px solid {DIM}; border-radius: {RADIUS}px;
}}
QCheckBox::indicator:focus {{ border-color: {SELECTION}; }}
QCheckBox::indicator:checked {{ border-color: {ACCENT}; }}
QCheckBox:focus {{ color: #FFFFFF; }}

QProgressBar {{ background: {BACKGROUND}; border: none; border-radius: 2px; max-height: 4px; }}
QProgressBar::chunk {{ background: {ACCENT}; border-radius: 2px; }}
QProgressBar[state="failed"]::chunk {{ background: {ERROR}; }}
QProgressBar[state="done"]::chunk {{ background: {READY}; }}

QTableView {{
    background: {BACKGROUND}; alternate-background-color: {BACKGROUND}; border: none;
    gridline-color: transparent; outline: none; selection-background-color: transparent;
}}
QTableView#models_table, QTableView#seedbank_list, QTableView#seedbank_table {{
    selection-background-color: {HOVER}; selection-color: {TEXT}; border: 1px solid {LINE};
}}
QTableView#models_table::item, QTableView#seedbank_list::item {{ padding: 0 4px; }}
QTableView#models_table:focus, QTableView#seedbank_list:focus, QTableView#seedbank_table:focus {{
    border-color: {SELECTION};
}}
QHeaderView {{ background: {PANEL}; border: none; }}
QHeaderView::section {{
    background: {PANEL}; color: {DIM}; border: none; border-bottom: 1px solid {LINE};
    padding: 0 7px; min-height: 23px; text-align: left;
}}
QHeaderView::section:hover {{ color: {TEXT}; }}
QHeaderView::up-arrow, QHeaderView::down-arrow {{
    subcontrol-position: top center; width: 8px; height: 6px;
}}
QTableCornerButton::section {{ background: {PANEL}; border: none; }}

QScrollArea {{ background: transparent; border: none; }}
QScrollBar:vertical {{ background: transparent; width: 10px; margin: 0; }}
QScrollBar:horizontal {{ background: transparent; height: 10px; margin: 0; }}
QScrollBar::handle {{ background: {LINE}; border-radius: {RADIUS}px; margin: 2px; }}
QScrollBar::handle:vertical {{ min-height: 28px; }}
QScrollBar::handle:horizontal {{ min-width: 28px; }}
QScrollBar::handle:hover {{ background: {DIM}; }}
QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}

QMenu {{ background: {RAISED}; border: 1px solid {LINE}; padding: 4px; }}
QMenu::item {{ padding: 4px 24px 4px 12px; border-radius: {RADIUS}px; }}
QMenu::item:selected {{ background: {HOVER}; }}
QMenu::item:disabled {{ color: {DIM}; }}
QMenu::separator {{ height: 1px; background: {LINE}; margin: 4px; }}

QFrame[banner="true"] {{ background: #3A2527; border: none; border-left: 3px solid {ERROR}; }}
QFrame[banner="true"][kind="notice"] {{ background: {RAISED}; border-left: 3px solid {SELECTION}; }}
QFrame#transport_bar {{ background: {PANEL}; border-bottom: 1px solid {BACKGROUND}; }}
QFrame#status_bar {{ background: {PANEL}; border-top: 1px solid {BACKGROUND}; }}
QFrame[separator="true"] {{ background: {LINE}; border: none; }}
"""
