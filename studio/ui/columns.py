"""The three columns of the window and the borders between their panels.

Owns the splitters, their first sizes and what is remembered of them. It must not know what the
panels do.
"""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QScrollArea, QSplitter, QWidget

from studio.ui.places import restore_splitters, splitter_places

_SIDE_WIDTH = 300
_NARROW_WINDOW = 1200
_NARROW_BROWSER_WIDTH = 240
_MIN_BROWSER_WIDTH = 220
_MIN_GENERATE_WIDTH = 270
_MIN_QUEUE_HEIGHT = 140


class Columns(QSplitter):
    """Browser; waveform over library; generate panel over queue.

    Args:
        browser: The left column.
        waveform: Above in the middle.
        library: Below in the middle.
        generate: Above on the right; it scrolls.
        queue: Below on the right.
    """

    def __init__(
        self,
        *,
        browser: QWidget,
        waveform: QWidget,
        library: QWidget,
        generate: QWidget,
        queue: QWidget,
    ) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self._generate = generate
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(generate)
        self._scroll_bar = scroll.verticalScrollBar()
        middle, right = QSplitter(Qt.Orientation.Vertical), QSplitter(Qt.Orientation.Vertical)
        for splitter, widgets in (
            (middle, (waveform, library)),
            (right, (scroll, queue)),
            (self, (browser, middle, right)),
        ):
            for widget in widgets:
                splitter.addWidget(widget)
            splitter.setHandleWidth(4)
            splitter.setChildrenCollapsible(False)
            splitter.setStretchFactor(1, 1)
        browser.setMinimumWidth(_MIN_BROWSER_WIDTH)
        right.setMinimumWidth(_MIN_GENERATE_WIDTH)
        self.splitters = (self, middle, right)

    def places(self) -> str:
        """What the settings keep."""
        return splitter_places(self.splitters)

    def restore(self, places: str, width: int) -> None:
        """Put the borders where they were; at first where they belong in a window this wide."""
        if not restore_splitters(self.splitters, places):
            _, middle, right = self.splitters
            narrow = width < _NARROW_WINDOW
            left_width = _NARROW_BROWSER_WIDTH if narrow else _SIDE_WIDTH
            right_width = _MIN_GENERATE_WIDTH if narrow else _SIDE_WIDTH
            self.setSizes([left_width, width - left_width - right_width, right_width])
            middle.setSizes([330, 470])
            right.setSizes([440, 360])

    def make_room(self, unfolded: bool) -> None:
        """Show the whole generate panel when it was unfolded and there is the height for it."""
        if unfolded:
            right = self.splitters[2]
            height = sum(right.sizes())
            upper = min(self._generate.sizeHint().height(), height - _MIN_QUEUE_HEIGHT)
            right.setSizes([upper, height - upper])

    def show_prompt(self) -> None:
        """Scroll the generate panel to its beginning."""
        self._scroll_bar.setValue(0)
