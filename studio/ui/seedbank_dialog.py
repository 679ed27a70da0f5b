"""The seed banks: hear takes that were made before, and take from them.

Owns the dialog and its words. Banks are read by `seedbank_shelf`, takes are heard by
`seedbank_hearing` and put into the library by `takes`; nothing here waits for a disk or an engine.
"""

from __future__ import annotations

from PySide6.QtCore import QPoint, Qt, QTimer, Signal
from PySide6.QtGui import QHideEvent, QKeyEvent
from PySide6.QtWidgets import QDialog, QHBoxLayout, QMenu, QPushButton, QVBoxLayout, QWidget

from studio.core.errors import StudioError
from studio.generation.coded_take import CodedTake
from studio.ui.audition import Audition
from studio.ui.banner import Banner
from studio.ui.bridge import Bridge
from studio.ui.browser_panel import SearchBox
from studio.ui.controls import ElidedLabel, dim_label
from studio.ui.facts import STATE_WORDS, count_text, error_line
from studio.ui.keys import key_for, tooltip
from studio.ui.menu_entries import add_entry
from studio.ui.seedbank_hearing import SeedBankHearing
from studio.ui.seedbank_shelf import SeedBankShelf
from studio.ui.seedbank_table import BankTable, TakeTable
from studio.ui.shortcuts import bind_key
from studio.ui.takes import Takes, TakeState
from studio.workstation.workstation import Workstation

_SIZE = (800, 500)
_MIN_SIZE = (620, 340)
_BANKS_WIDTH = 190
_WORTH_SAYING_MILLISECONDS = 300


class SeedBankDialog(QDialog):
    """Banks and their takes. The window stays usable beside it.

    Signals:
        recipe_chosen(GenerationRequest, str): The Generate panel should have these settings, and
            what the take is called.
    """

    recipe_chosen = Signal(object, str)

    def __init__(
        self,
        workstation: Workstation,
        bridge: Bridge,
        audition: Audition,
        takes: Takes,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("seedbank_dialog")
        self.setWindowTitle("Seed banks")
        self.setMinimumSize(*_MIN_SIZE)
        self.resize(*_SIZE)
        self._audition = audition
        self._takes = takes
        self._added = 0
        self.shelf = SeedBankShelf(bridge, self)
        self.hearing = SeedBankHearing(workstation, bridge, audition, self)
        self.banner = Banner("seedbank_banner")
        self.banks = BankTable()
        self.table = TakeTable()
        self._make_controls()
        self._lay_out()
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(_WORTH_SAYING_MILLISECONDS)
        self._connect()
        self._show_selection()

    def bring_up(self) -> None:
        """Show it, with banks that are new since then."""
        self.banner.dismiss()
        self.shelf.read()
        self.show()
        self.raise_()
        self.activateWindow()
        self._focus_takes()

    # --- banks ---------------------------------------------------------------------------------

    def _list_banks(self) -> None:
        names = self.shelf.names or ()
        self.banks.show_names(names)
        for name in names:
            self._show_count(name)
        if not names:
            self.table.show_empty_words(
                "There are no seed banks", "This copy of the program came without them"
            )

    def _show_count(self, name: str) -> None:
        bank, fault = self.shelf.bank(name), self.shelf.fault(name)
        if bank is not None or fault is not None:
            self.banks.show_count(name, None if bank is None else len(bank))

    def _bank_opened(self, name: str) -> None:
        self._show_count(name)
        if name == self.banks.selected_name():
            self._show_bank(name)

    def _show_bank(self, name: str) -> None:
        bank, fault = self.shelf.bank(name), self.shelf.fault(name)
        self.banner.dismiss()
        if fault is not None:
            self._show_error(fault)
        search = key_for("search").label
        self.table.show_bank(bank)
        if fault is not None:
            self.table.show_empty_words("This bank cannot be read", "Choose another one")
        elif bank is not None:
            self.table.show_empty_words(
                "Nothing matches", f"Press {search} to change the filter; Esc there clears it"
            )
        else:
            self.table.show_empty_words("Reading")
        self._show_selection()

    def _filter(self) -> None:
        self.table.rows.set_words(self.filter_box.text())
        self._show_selection()

    # --- what keys and buttons do --------------------------------------------------------------

    def _play_or_stop(self) -> None:
        self.hearing.play_or_stop(self.table.current_take())

    def _hear(self, coded: CodedTake) -> None:
        self.banner.dismiss()
        self.hearing.hear(coded)

    def _add(self) -> None:
        chosen = self.table.selected_takes()
        if not chosen:
            return
        self.banner.dismiss()
        if not self._on_the_way():
            self._added = 0
        if self._takes.resound(chosen):
            self._show_state()

    def _use_recipe(self) -> None:
        chosen = self.table.selected_takes()
        if len(chosen) == 1:
            request = chosen[0].request
            self.recipe_chosen.emit(request, request.prompt or f"seed {request.seed}")

    def _show_menu(self, place: QPoint) -> None:
        if not self.table.selected_takes():
            return
        menu = QMenu(self)
        menu.setObjectName("seedbank_menu")
        add_entry(menu, "Play or stop", self._play_or_stop, "play")
        add_entry(menu, "Add to library", self._add, "load")
        if len(self.table.selected_takes()) == 1:
            add_entry(menu, "Use prompt and seed", self._use_recipe)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(place)

    def _focus_takes(self) -> None:
        self.table.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def _focus_filter(self) -> None:
        self.filter_box.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.filter_box.selectAll()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Esc stops the sound; where there is none, it closes."""
        sounding = self._audition.playing or self.hearing.coming_state is not None
        if event.key() == Qt.Key.Key_Escape and sounding:
            self.hearing.stop()
            return
        super().keyPressEvent(event)

    def hideEvent(self, event: QHideEvent) -> None:
        """What has not been heard yet is not wanted any more."""
        self.hearing.give_up()
        super().hideEvent(event)

    # --- news ----------------------------------------------------------------------------------

    def _connect(self) -> None:
        self.shelf.listed.connect(self._list_banks)
        self.shelf.opened.connect(self._bank_opened)
        self.banks.bank_selected.connect(self._show_bank)
        self.filter_box.textChanged.connect(self._filter)
        self.filter_box.left_downwards.connect(self._focus_takes)
        self.banks.left_rightwards.connect(self._focus_takes)
        self.table.left_leftwards.connect(
            lambda: self.banks.setFocus(Qt.FocusReason.ShortcutFocusReason)
        )
        self.table.take_reached.connect(self._hear)
        self.table.add_requested.connect(self._add)
        self.table.selection_changed.connect(self._show_selection)
        self.table.menu_requested.connect(self._show_menu)
        self.hearing.changed.connect(self._show_heard)
        self.hearing.failed.connect(self._show_error)
        self._patience.timeout.connect(self._show_state)
        self._takes.changed.connect(self._follow)
        self._takes.take_failed.connect(self._adding_failed)
        self.use_button.clicked.connect(self._use_recipe)
        self.add_button.clicked.connect(self._add)
        self.close_button.clicked.connect(self.close)
        bind_key(self, "play", self._play_or_stop)
        bind_key(self, "loop", lambda: self._audition.set_loop(not self._audition.loop))
        bind_key(self, "search", self._focus_filter)

    def _show_error(self, error: StudioError) -> None:
        self.banner.show_error(error_line(error))

    def _show_selection(self) -> None:
        chosen, shown = len(self.table.selected_takes()), self.table.rows.rowCount()
        bank = self.shelf.bank(self.banks.selected_name() or "")
        total = 0 if bank is None else len(bank)
        words = f"{shown} of {total}" if shown != total else count_text(total, "take")
        self.count_label.setText(f"{words}, {chosen} selected" if chosen > 1 else words)
        self.count_label.setVisible(bool(total))
        self.add_button.setEnabled(chosen > 0)
        self.use_button.setEnabled(chosen == 1)

    def _show_heard(self) -> None:
        self.table.mark_shown(self.hearing.shown, playing=self._audition.playing)
        if self.hearing.coming_state is None:
            self._patience.stop()
            self._show_state()
        elif not self._patience.isActive():
            self._patience.start()

    def _show_state(self) -> None:
        coming, left = self.hearing.coming_state, self._on_the_way()
        if coming is not None:
            words = STATE_WORDS[coming] if coming in ("queued", "loading") else ""
        elif left:
            words = f"Adding {count_text(left, 'take')}"
        elif self._added:
            words = f"Added {count_text(self._added, 'take')} to the library"
        else:
            words = ""
        self.state_label.setText(words)
        self.state_label.setToolTip(words)

    def _on_the_way(self) -> int:
        return sum(take.coded is not None and not take.over for take in self._takes.all)

    def _follow(self, take: TakeState) -> None:
        if take.coded is None:
            return
        if take.record is not None:
            self._added += 1
            self.hearing.stored(take.coded, take.record)
        self._show_state()

    def _adding_failed(self, take: TakeState) -> None:
        if take.coded is not None and take.error is not None:
            self.banner.show_error(error_line(take.error), lambda: self._takes.retry(take))

    # --- layout --------------------------------------------------------------------------------

    def _make_controls(self) -> None:
        self.filter_box = SearchBox()
        self.filter_box.setObjectName("seedbank_filter")
        self.filter_box.setAccessibleName("Filter the takes")
        self.filter_box.setPlaceholderText("Filter: dark 174 Am")
        self.filter_box.setToolTip(
            tooltip(
                "Words of the prompt, a tempo, a key\nkey:Am  bpm:174  bars:2  seed:7\n", "search"
            )
        )
        self.filter_box.setTextMargins(20, 0, 0, 0)
        self.count_label = dim_label("", "seedbank_count")
        self.state_label = ElidedLabel()
        self.state_label.setObjectName("seedbank_state")
        self.state_label.setProperty("dim", True)
        self.use_button = _button(
            "use", "Use prompt and seed", "Fill the Generate panel with the settings of this take"
        )
        self.add_button = _button(
            "add", "Add to library", tooltip("Store the selected takes in the library", "load")
        )
        self.close_button = _button("close", "Close", "What plays goes on")

    def _lay_out(self) -> None:
        self.banks.setFixedWidth(_BANKS_WIDTH)
        above = QHBoxLayout()
        above.setSpacing(10)
        above.addWidget(self.filter_box, 1)
        above.addWidget(self.count_label)
        right = QVBoxLayout()
        right.setSpacing(8)
        right.addLayout(above)
        right.addWidget(self.table, 1)
        both = QHBoxLayout()
        both.setSpacing(12)
        both.addWidget(self.banks)
        both.addLayout(right, 1)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addWidget(self.state_label, 1)
        for button in (self.use_button, self.add_button, self.close_button):
            buttons.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 14, 16, 14)
        layout.setSpacing(10)
        layout.addWidget(
            dim_label(
                "Takes that come with the program. Up and Down play them, Enter puts them into the"
                " library; drag them into a DAW."
            )
        )
        layout.addWidget(self.banner)
        layout.addLayout(both, 1)
        layout.addLayout(buttons)


def _button(name: str, text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setObjectName(f"seedbank_{name}_button")
    button.setToolTip(tip)
    button.setAutoDefault(False)
    return button
