"""The panel on the left: search box, ready-made filters, tags.

Owns the text of the search; filters and tags only switch terms in it, so that what is shown is
always what is written. It must not search.
"""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from studio.ui import icons, theme
from studio.ui.controls import dim_label, heading, restyle
from studio.ui.flow_layout import FlowLayout
from studio.ui.keys import key_for, tooltip
from studio.ui.query_terms import has_term, tag_term, toggle_term

_TYPING_MILLISECONDS = 120
_FILTERS = (
    ("Favourites", "is:favourite"),
    ("Generated", "is:generated"),
    ("Imported", "is:imported"),
    ("Bin", "is:deleted"),
)
_HINT = (
    'Words, "exact words", -without\n'
    "bpm:170-176  key:Am  bars:2  tag:dark\n"
    "rating:>3  model:house  seed:42"
)


class SearchBox(QLineEdit):
    """Where the search is typed; Esc empties it, Down goes to the table.

    Signals:
        left_downwards(): Down or Enter was pressed.
    """

    left_downwards = Signal()

    def event(self, event: QEvent) -> bool:
        """Keep Esc from the window while there is something to empty."""
        if (
            event.type() == QEvent.Type.ShortcutOverride
            and isinstance(event, QKeyEvent)
            and event.key() == Qt.Key.Key_Escape
            and self.text()
        ):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Esc and Down have a meaning here."""
        if event.key() == Qt.Key.Key_Escape and self.text():
            self.clear()
            return
        if event.key() in (Qt.Key.Key_Down, Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.left_downwards.emit()
            return
        super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """The field with a magnifying glass."""
        super().paintEvent(event)
        painter = QPainter(self)
        area = QRectF(8, self.height() / 2 - 7, 14, 14)
        icons.paint_icon(painter, "search", area, QColor(theme.DIM))
        painter.end()


class BrowserPanel(QWidget):
    """Search and filters.

    Signals:
        query_changed(str): The search text, shortly after the last keystroke.
        table_wanted(): The keyboard should go to the table.
        import_requested(): The import button was pressed.
        banks_requested(): The seed banks should be shown.
    """

    query_changed = Signal(str)
    table_wanted = Signal()
    import_requested = Signal()
    banks_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("browser_panel")
        self.setProperty("panel", True)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._tags: tuple[str, ...] = ()
        self._chips: dict[str, QToolButton] = {}
        self._filters: dict[str, QToolButton] = {}
        self._build()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_TYPING_MILLISECONDS)
        self._timer.timeout.connect(lambda: self.query_changed.emit(self.search_box.text()))
        self.search_box.textChanged.connect(self._typed)
        self.search_box.left_downwards.connect(self._leave_downwards)

    @property
    def query(self) -> str:
        """The search text."""
        return self.search_box.text()

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that are offered."""
        return self._tags

    def focus_search(self) -> None:
        """Go to the search box and select what is there."""
        self.search_box.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.search_box.selectAll()

    def show_fault(self, message: str | None) -> None:
        """Mark the search text as not understood, or as fine."""
        restyle(self.search_box, "fault", message is not None)
        self._fault.setText(message or "")
        self._fault.setVisible(message is not None)

    def set_tags(self, tags: Sequence[str]) -> None:
        """Offer these tags."""
        if tuple(tags) == self._tags:
            return
        self._tags = tuple(tags)
        for chip in self._chips.values():
            self._flow.removeWidget(chip)
            chip.deleteLater()
        self._chips = {}
        for tag in self._tags:
            chip = self._toggle(tag, tag_term(tag), f"tag_chip:{tag}")
            hue = theme.tag_colour(tag).name()
            chip.setStyleSheet(
                f"QToolButton {{ color: {hue}; }}"
                f"QToolButton:checked {{ background: {hue}; color: {theme.BACKGROUND};"
                f" border-color: {hue}; }}"
            )
            self._chips[tag] = chip
            self._flow.addWidget(chip)
        self._no_tags.setVisible(not self._tags)
        self._show_terms()

    def _typed(self) -> None:
        self._show_terms()
        self._timer.start()

    def _leave_downwards(self) -> None:
        if self._timer.isActive():
            self._timer.stop()
            self.query_changed.emit(self.search_box.text())
        self.table_wanted.emit()

    def _show_terms(self) -> None:
        query = self.search_box.text()
        for term, button in self._filters.items():
            button.setChecked(has_term(query, term))
        for tag, chip in self._chips.items():
            chip.setChecked(has_term(query, tag_term(tag)))

    def _toggle(self, text: str, term: str, object_name: str) -> QToolButton:
        button = QToolButton()
        button.setObjectName(object_name)
        button.setText(text)
        button.setCheckable(True)
        button.setProperty("chip", True)
        button.setToolTip(f"Show only these: {term}")
        button.clicked.connect(
            lambda: self.search_box.setText(toggle_term(self.search_box.text(), term))
        )
        return button

    def _build(self) -> None:
        self.search_box = SearchBox()
        self.search_box.setObjectName("search_box")
        self.search_box.setPlaceholderText("Search: dark bpm:170-176 key:Am")
        self.search_box.setAccessibleName("Search the library")
        self.search_box.setToolTip(tooltip(f"Search\n{_HINT}\n", "search"))
        self.search_box.setClearButtonEnabled(False)
        self.search_box.setTextMargins(20, 0, 0, 0)
        self._fault = dim_label("", "search_fault")
        self._fault.setWordWrap(True)
        self._fault.setProperty("state", "error")
        self._fault.hide()
        hint = dim_label(_HINT, "search_hint")
        hint.setFont(theme.ui_font(11))
        filters = FlowLayout()
        for text, term in _FILTERS:
            button = self._toggle(text, term, f"filter:{term}")
            self._filters[term] = button
            filters.addWidget(button)
        self._no_tags = dim_label(f"No tags yet. Select a sound and press {key_for('tag').label}.")
        self._no_tags.setWordWrap(True)
        self._flow = FlowLayout()
        inside = QWidget()
        inside_layout = QVBoxLayout(inside)
        inside_layout.setContentsMargins(0, 0, 0, 0)
        inside_layout.addWidget(self._no_tags)
        inside_layout.addLayout(self._flow)
        inside_layout.addStretch(1)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(inside)
        area.viewport().setAutoFillBackground(False)
        inside.setAutoFillBackground(False)
        import_button = QPushButton(icons.icon("import"), "Import files")
        import_button.setObjectName("import_button")
        import_button.setToolTip(tooltip("Add audio files; they stay where they are", "import"))
        import_button.clicked.connect(self.import_requested)
        banks_button = QPushButton(icons.icon("seed"), "Seed banks")
        banks_button.setObjectName("seedbanks_button")
        banks_button.setToolTip(tooltip("Takes that come with the program", "seedbanks"))
        banks_button.clicked.connect(self.banks_requested)
        bottom = QHBoxLayout()
        bottom.setSpacing(8)
        bottom.addWidget(import_button)
        bottom.addWidget(banks_button)
        bottom.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 10, 12, 10)
        layout.setSpacing(8)
        layout.addWidget(heading("Browser"))
        layout.addWidget(self.search_box)
        layout.addWidget(self._fault)
        layout.addWidget(hint)
        layout.addLayout(filters)
        layout.addSpacing(4)
        layout.addWidget(heading("Tags"))
        layout.addWidget(area, 1)
        layout.addLayout(bottom)
