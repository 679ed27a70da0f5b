"""The window in which a model of one's own is trained.

Owns the dialog: the choices on the left, what was found and how it goes on the right, the
buttons below. The training is followed by `train_run`; closing the dialog does not end it.
"""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QIcon
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from studio.core.errors import StudioError
from studio.models.shelf.shelf import ModelEntry
from studio.training.workshop.events import PreviewMade
from studio.training.workshop.plan import TrainingPlan
from studio.ui.banner import Banner
from studio.ui.bridge import Bridge
from studio.ui.controls import ComboBox, ElidedLabel, dim_label, tool_button
from studio.ui.drops import accept_copy, dropped_files
from studio.ui.facts import error_line
from studio.ui.models import Models
from studio.ui.train_choices import TrainChoices
from studio.ui.train_found import FoundPage
from studio.ui.train_plot import LossPlot
from studio.ui.train_previews import OverfitMeter, PreviewList
from studio.ui.train_run import TrainRun
from studio.ui.train_words import STOPPED, read_codec_facts

_SIZE = (980, 640)
_MIN_SIZE = (820, 500)
_CHOICES_WIDTH = 372
_BAR_STEPS = 1000
_DRAW_MILLISECONDS = 120
_NEW = "A new training"
_SHOWN_NOTICES = 2


class TrainPanel(QDialog):
    """Choose, scan, train, listen. The window stays usable beside it.

    Signals:
        play_wanted(Path, str): A preview should be heard, and what to call it.
        chosen(str): The new model should be used from now on.
    """

    play_wanted = Signal(Path, str)
    chosen = Signal(str)

    def __init__(
        self, run: TrainRun, models: Models, bridge: Bridge, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("train_dialog")
        self.setWindowTitle("Train")
        self.setMinimumSize(*_MIN_SIZE)
        self.resize(*_SIZE)
        self.setAcceptDrops(True)
        self._run = run
        self._models = models
        self._bridge = bridge
        self._made: ModelEntry | None = None
        self._notices: list[str] = []
        self._shown_state = run.state
        self.banner = Banner("train_banner")
        self.choices = TrainChoices()
        self.found = FoundPage()
        self.plot = LossPlot()
        self.meter = OverfitMeter()
        self.previews = PreviewList()
        self._make_controls()
        self._lay_out()
        self._draw = QTimer(self)
        self._draw.setSingleShot(True)
        self._draw.setInterval(_DRAW_MILLISECONDS)
        self._draw.timeout.connect(lambda: self.plot.show_curve(run.curve))
        self._connect()
        self._show_models()
        self._show_state()

    def bring_up(self) -> None:
        """Show it, with the models and the stopped runs read anew."""
        self._models.read()
        self._run.read_stopped()
        self._read_codec(self.choices.codec())
        self.show()
        self.raise_()
        self.activateWindow()
        self.choices.folder_edit.setFocus(Qt.FocusReason.ShortcutFocusReason)

    # --- what buttons do -----------------------------------------------------------------------

    def _scan(self) -> None:
        self.banner.dismiss()
        self._show_page(self.found)
        self._run.plan(self.choices.request())

    def _start(self) -> None:
        self.banner.dismiss()
        request = self.choices.request()
        stopped = {each.request.name for each in self._run.stopped}
        if request.name in stopped and self.stopped_combo.currentData() != request.name:
            self.banner.show_error(
                f"A stopped training is called {request.name}: go on with it above, forget it, or"
                " choose another name."
            )
            return
        self._run.train(request)

    def _measure(self) -> None:
        self.banner.dismiss()
        self._run.measure(self.choices.request())

    def _use(self) -> None:
        if self._made is not None:
            self.chosen.emit(self._made.name)
            self.close()

    def _ask_forgetting(self) -> None:
        name = self.stopped_combo.currentData()
        if name is None:
            return
        box = QMessageBox(self)
        box.setObjectName("train_forget_dialog")
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setWindowTitle("Forget a training")
        box.setText(f"Forget the training of {name}?")
        box.setInformativeText("What it has learnt so far is deleted. Your sounds stay.")
        forget = box.addButton("Forget", QMessageBox.ButtonRole.AcceptRole)
        forget.setObjectName("train_forget_confirm_button")
        box.addButton(QMessageBox.StandardButton.Cancel).setIcon(QIcon())
        forget.clicked.connect(lambda: self._run.forget(name))
        box.open()

    # --- news ----------------------------------------------------------------------------------

    def _connect(self) -> None:
        run, choices = self._run, self.choices
        self.scan_button.clicked.connect(self._scan)
        self.start_button.clicked.connect(self._start)
        self.pause_button.clicked.connect(run.pause_or_go_on)
        self.stop_button.clicked.connect(run.stop)
        self.use_button.clicked.connect(self._use)
        self.close_button.clicked.connect(self.close)
        self.found_tab.clicked.connect(lambda: self._show_page(self.found))
        self.run_tab.clicked.connect(lambda: self._show_page(self._run_page))
        self.stopped_combo.currentIndexChanged.connect(self._choose_stopped)
        self.forget_button.clicked.connect(self._ask_forgetting)
        choices.changed.connect(self.found.grow_stale)
        choices.folder_edit.textChanged.connect(self.found.clear)
        choices.codec_changed.connect(self._read_codec)
        choices.measure_wanted.connect(self._measure)
        self.previews.play_wanted.connect(self.play_wanted)
        self._models.changed.connect(self._show_models)
        run.changed.connect(self._show_state)
        run.curve_changed.connect(self._curve_changed)
        run.begun.connect(self._begun)
        run.planned.connect(self._planned)
        run.preview_made.connect(self._preview_made)
        run.noticed.connect(self._noticed)
        run.finished.connect(self._finished)
        run.failed.connect(self._show_error)
        run.sizes_measured.connect(self._show_sizes)
        run.stopped_known.connect(self._show_stopped)

    def _show_state(self) -> None:
        run = self._run
        turned, self._shown_state = run.state != self._shown_state, run.state
        training = run.state in ("training", "paused")
        self.scan_button.setEnabled(not run.busy)
        self.start_button.setVisible(not training and run.state != "stopping")
        self.start_button.setEnabled(not run.busy)
        self.pause_button.setVisible(training)
        self.pause_button.setText("Go on" if run.state == "paused" else "Pause")
        self.stop_button.setVisible(run.busy)
        self.stop_button.setEnabled(run.state != "stopping")
        self.choices.setEnabled(not run.busy)
        self.stopped_combo.setEnabled(not run.busy)
        self.forget_button.setEnabled(not run.busy and self.stopped_combo.currentIndex() > 0)
        self.use_button.setVisible(self._made is not None and not run.busy)
        self.state_label.setText(run.words)
        self.state_label.setToolTip(run.words)
        share = run.share_done
        self.bar.setRange(0, 0 if share is None else _BAR_STEPS)
        if share is not None:
            self.bar.setValue(round(share * _BAR_STEPS))
        if turned:
            self._lead_focus()

    def _lead_focus(self) -> None:
        """From a button that is no use now to the one that is."""
        buttons = (self.use_button, self.start_button, self.pause_button, self.stop_button)
        if self.focusWidget() in (None, *buttons, self.scan_button, self.close_button):
            useful = [each for each in buttons if each.isVisible() and each.isEnabled()]
            (useful or [self.close_button])[0].setFocus(Qt.FocusReason.OtherFocusReason)

    def _begun(self) -> None:
        self._made = None
        self.previews.clear()
        self.meter.show_preview(None)
        self._notices = []
        self.notice_label.hide()
        self._show_page(self._run_page)

    def _curve_changed(self) -> None:
        if not self._draw.isActive():
            self._draw.start()

    def _planned(self, plan: TrainingPlan) -> None:
        self.found.show_plan(plan)
        self._show_state()

    def _preview_made(self, preview: PreviewMade) -> None:
        self.previews.add(preview, self._run.name)
        self.meter.show_preview(preview)

    def _noticed(self, line: str) -> None:
        self._notices = [*self._notices[1 - _SHOWN_NOTICES :], f"{line[:1].upper()}{line[1:]}"]
        self.notice_label.setText("\n".join(self._notices))
        self.notice_label.show()

    def _finished(self, entry: ModelEntry) -> None:
        self._made = entry if entry.plays else None
        self.stopped_combo.setCurrentIndex(0)
        self._show_state()
        self._lead_focus()

    def _show_error(self, error: StudioError) -> None:
        self.banner.show_error(error_line(error))

    def _show_models(self) -> None:
        self.choices.set_models(self._models.entries)
        self._read_codec(self.choices.codec())

    def _read_codec(self, codec: str) -> None:
        entry = self._models.entry(codec)
        if entry is None:
            return
        self._bridge.run(
            "query",
            lambda: read_codec_facts(entry),
            self.choices.set_codec_facts,
            lambda _fault: self.choices.set_codec_facts(None),
        )
        self._show_sizes()

    def _show_sizes(self) -> None:
        self._bridge.run(
            "query",
            lambda: self._run.sizes(self.choices.codec()),
            self.choices.set_measured,
        )

    def _show_stopped(self) -> None:
        chosen = self.stopped_combo.currentData()
        self.stopped_combo.blockSignals(True)
        self.stopped_combo.clear()
        self.stopped_combo.addItem(_NEW, None)
        for each in self._run.stopped:
            name = each.request.name
            self.stopped_combo.addItem(f"Go on with {name}, step {each.step:,}", name)
        place = self.stopped_combo.findData(chosen) if chosen is not None else 0
        self.stopped_combo.setCurrentIndex(max(place, 0))
        self.stopped_combo.blockSignals(False)
        self._stopped_row.setVisible(bool(self._run.stopped))
        self._choose_stopped()

    def _choose_stopped(self) -> None:
        name = self.stopped_combo.currentData()
        request = next((s.request for s in self._run.stopped if s.request.name == name), None)
        self.choices.show_request(request)
        self.start_button.setText("Go on" if request is not None else "Start")
        self._show_state()

    def _show_page(self, page: QWidget) -> None:
        self._pages.setCurrentWidget(page)
        self.found_tab.setChecked(page is self.found)
        self.run_tab.setChecked(page is not self.found)

    # --- drops ---------------------------------------------------------------------------------

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """One folder may be dropped, or a file for the folder it lies in."""
        if len(dropped_files(event)) == 1 and not self._run.busy:
            accept_copy(event)

    def dropEvent(self, event: QDropEvent) -> None:
        """Take the folder."""
        accept_copy(event)
        dropped = Path(dropped_files(event)[0])
        self.choices.set_folder(dropped if dropped.is_dir() else dropped.parent)

    # --- layout --------------------------------------------------------------------------------

    def _make_controls(self) -> None:
        self.stopped_combo = ComboBox()
        self.stopped_combo.setObjectName("train_stopped_combo")
        self.stopped_combo.setAccessibleName("A new training, or one that was stopped")
        self.stopped_combo.setToolTip(STOPPED)
        self.stopped_combo.addItem(_NEW, None)
        self.forget_button = tool_button(
            "close", "train_forget_button", "Forget the stopped training"
        )
        self.found_tab = _tab("train_found_tab", "Folder", "What was found, and the estimate")
        self.run_tab = _tab("train_run_tab", "Training", "Losses, previews, overfit meter")
        self.found_tab.setChecked(True)
        self.notice_label = dim_label("", "train_notice")
        self.notice_label.setWordWrap(True)
        self.notice_label.hide()
        self.state_label = ElidedLabel()
        self.state_label.setObjectName("train_state")
        self.bar = QProgressBar()
        self.bar.setObjectName("train_progress")
        self.bar.setTextVisible(False)
        self.scan_button = _button("scan", "Scan", "Hear the folder and estimate the time")
        self.start_button = _button("start", "Start", "Train with these choices")
        self.pause_button = _button("pause", "Pause", "Wait after this step; the state is saved")
        self.stop_button = _button("stop", "Stop", "End it; a training can go on later")
        self.use_button = _button("use", "Use it", "Generate with the new model")
        self.close_button = _button("close", "Close", "A training goes on")

    def _lay_out(self) -> None:
        area = QScrollArea()
        area.setObjectName("train_choices_area")
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(self.choices)
        area.viewport().setAutoFillBackground(False)
        self.choices.setAutoFillBackground(False)
        self._stopped_row = QWidget()
        stopped = QHBoxLayout(self._stopped_row)
        stopped.setContentsMargins(0, 0, 8, 0)
        stopped.setSpacing(4)
        stopped.addWidget(self.stopped_combo, 1)
        stopped.addWidget(self.forget_button)
        self._stopped_row.hide()
        left = QVBoxLayout()
        left.setSpacing(8)
        left.addWidget(self._stopped_row)
        left.addWidget(area, 1)
        left_side = QWidget()
        left_side.setLayout(left)
        left.setContentsMargins(0, 0, 0, 0)
        left_side.setFixedWidth(_CHOICES_WIDTH)

        self._run_page = QWidget()
        page = QVBoxLayout(self._run_page)
        page.setContentsMargins(0, 0, 0, 0)
        page.setSpacing(8)
        page.addWidget(self.plot, 3)
        page.addWidget(self.notice_label)
        page.addWidget(self.meter)
        page.addWidget(dim_label("Previews"))
        page.addWidget(self.previews, 2)
        self._pages = QStackedWidget()
        self._pages.addWidget(self.found)
        self._pages.addWidget(self._run_page)
        tabs = QHBoxLayout()
        tabs.setSpacing(4)
        tabs.addWidget(self.found_tab)
        tabs.addWidget(self.run_tab)
        tabs.addStretch(1)
        right = QVBoxLayout()
        right.setSpacing(8)
        right.addLayout(tabs)
        right.addWidget(self._pages, 1)
        both = QHBoxLayout()
        both.setSpacing(14)
        both.addWidget(left_side)
        both.addLayout(right, 1)

        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addWidget(self.state_label, 1)
        for button in (
            self.scan_button,
            self.start_button,
            self.pause_button,
            self.stop_button,
            self.use_button,
            self.close_button,
        ):
            buttons.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 14, 16, 14)
        layout.setSpacing(10)
        layout.addWidget(self.banner)
        layout.addLayout(both, 1)
        layout.addWidget(self.bar)
        layout.addLayout(buttons)


def _button(name: str, text: str, tooltip: str) -> QPushButton:
    button = QPushButton(text)
    button.setObjectName(f"train_{name}_button")
    button.setToolTip(tooltip)
    button.setAutoDefault(False)
    return button


def _tab(name: str, text: str, tooltip: str) -> QToolButton:
    tab = QToolButton()
    tab.setObjectName(name)
    tab.setText(text)
    tab.setToolTip(tooltip)
    tab.setCheckable(True)
    tab.setAutoExclusive(True)
    return tab
