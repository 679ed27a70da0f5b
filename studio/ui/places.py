"""Where the window and its splitters were, as text for the settings.

Owns the encoding. It reads and writes no settings.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

from PySide6.QtCore import QByteArray
from PySide6.QtWidgets import QMainWindow, QSplitter

_TITLE_BAR_HEIGHT = 32


def window_place(window: QMainWindow) -> str:
    """Size and place of a window."""
    return _encoded(window.saveGeometry())


def restore_window(window: QMainWindow, place: str, first_size: tuple[int, int]) -> None:
    """Put a window where it was.

    Args:
        window: The window.
        place: What `window_place` gave; when it says nothing usable, `first_size` holds.
        first_size: Width and height in pixels, less where the screen is smaller.
    """
    if not window.restoreGeometry(_decoded(place)):
        screen = window.screen().availableGeometry()
        width, height = first_size
        room = screen.height() - _TITLE_BAR_HEIGHT
        window.resize(min(width, screen.width()), min(height, room))


def splitter_places(splitters: Sequence[QSplitter]) -> str:
    """Where several splitters stand."""
    return ";".join(_encoded(splitter.saveState()) for splitter in splitters)


def restore_splitters(splitters: Sequence[QSplitter], places: str) -> bool:
    """Put splitters where they were; False when that did not work for all."""
    states = places.split(";")
    if len(states) != len(splitters):
        return False
    done = [
        splitter.restoreState(_decoded(state))
        for splitter, state in zip(splitters, states, strict=True)
    ]
    return all(done)


def _encoded(state: QByteArray) -> str:
    return base64.b64encode(state.data()).decode()


def _decoded(text: str) -> QByteArray:
    try:
        return QByteArray(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return QByteArray()
