"""The window: panels, keys, drops, and who tells whom.

Owns the layout and every connection between panels, which know nothing of each other. It must
not do the work itself.
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QMainWindow, QVBoxLayout, QWidget

from studio.core.errors import StudioError
from studio.library.records import SampleRecord
from studio.ui import icons
from studio.ui.audition import Audition
from studio.ui.bank_drag import BankDrag
from studio.ui.banner import Banner
from studio.ui.bridge import Bridge
from studio.ui.browser_panel import BrowserPanel
from studio.ui.columns import Columns
from studio.ui.context_menus import ContextMenus
from studio.ui.device_notice import DeviceNotice
from studio.ui.drag_out import DragOut
from studio.ui.drops import accept_copy, dropped_files
from studio.ui.facts import error_line
from studio.ui.file_actions import FileActions
from studio.ui.generate_panel import GeneratePanel
from studio.ui.job_list import JobList
from studio.ui.key_overlay import KeyOverlay
from studio.ui.library_panel import LibraryPanel
from studio.ui.model_choice import ModelChoice
from studio.ui.models import Models
from studio.ui.places import restore_window, window_place
from studio.ui.seedbank_dialog import SeedBankDialog
from studio.ui.shortcuts import bind_keys
from studio.ui.speaker import Speaker
from studio.ui.status_line import StatusLine
from studio.ui.take_away import TakeAway
from studio.ui.take_commands import TakeCommands
from studio.ui.takes import Takes, TakeState
from studio.ui.train_panel import TrainPanel
from studio.ui.train_run import TrainRun
from studio.ui.transport_bar import TransportBar
from studio.ui.waveform_panel import WaveformPanel
from studio.workstation.workstation import Workstation

DESIGN_SIZE = (1440, 900)
MIN_SIZE = (1000, 640)
_POLL_MILLISECONDS = 1_000


class MainWindow(QMainWindow):
    """Everything on one screen.

    Args:
        workstation: What it is a window onto; the caller closes it.
        bridge: The hop from other threads; the caller closes it.

    Signals:
        closed(): It was closed, and its choices are saved.
    """

    closed = Signal()

    def __init__(self, workstation: Workstation, bridge: Bridge) -> None:
        super().__init__()
        self.setObjectName("main_window")
        self.setWindowTitle("Seedcrate")
        self.setWindowIcon(icons.application_icon())
        self.setMinimumSize(*MIN_SIZE)
        self.setAcceptDrops(True)
        settings = workstation.settings
        self._workstation = workstation
        self._bridge = bridge
        self.speaker = Speaker(workstation, bridge, volume_db=settings.volume_db, parent=self)
        self.audition = Audition(workstation, bridge, self.speaker, loop=settings.loop, parent=self)
        self.models = Models(workstation, bridge, self)
        self.takes = Takes(workstation, bridge, self.audition, self.models, self)
        self.drag_out = DragOut(workstation, bridge, self)
        self.bank_drag = BankDrag(self.takes, self.drag_out, self)
        self.files = FileActions(workstation, bridge, self)
        self.transport = TransportBar(self.audition)
        self.banner = Banner()
        self.browser = BrowserPanel()
        self.waveform_panel = WaveformPanel(self.audition)
        self.library_panel = LibraryPanel(workstation, bridge)
        self.generate_panel = GeneratePanel(settings)
        self.commands = TakeCommands(
            workstation, self.generate_panel, self.takes, self.audition, self.models, self
        )
        self.job_list = JobList(self.takes)
        self.status_line = StatusLine()
        self.columns = Columns(
            browser=self.browser,
            waveform=self.waveform_panel,
            library=self.library_panel,
            generate=self.generate_panel,
            queue=self.job_list,
        )
        self.key_overlay = KeyOverlay(self._lay_out())
        self.device_notice = DeviceNotice(self.speaker, self.banner, self)
        self.library_panel.mark_what_is_heard(self.audition)
        self.model_choice = ModelChoice(workstation, self.models, self.generate_panel, self)
        self.train_run = TrainRun(workstation, bridge, self.models, self)
        self.train_panel = TrainPanel(self.train_run, self.models, bridge, self)
        self.seedbank_dialog = SeedBankDialog(workstation, bridge, self.audition, self.takes, self)
        self.take_away = TakeAway(
            library=self.library_panel,
            waveform=self.waveform_panel,
            seedbanks=self.seedbank_dialog,
            audition=self.audition,
            drag_out=self.drag_out,
            bank_drag=self.bank_drag,
            files=self.files,
            parent=self,
        )
        self.menus = ContextMenus(
            library=self.library_panel,
            waveform=self.waveform_panel,
            commands=self.commands,
            files=self.files,
            drag_out=self.drag_out,
            audition=self.audition,
            play_or_stop=self.play_or_stop,
            window=self,
        )
        self._connect_sound()
        self._connect_takes()
        self._connect_library()
        self._connect_training()
        self._connect_seedbanks()
        self._bind_keys()
        self._restore_places()
        self._unsubscribe = workstation.subscribe(bridge.hear_change)
        self._poll = QTimer(self)
        self._poll.setInterval(_POLL_MILLISECONDS)
        self._poll.timeout.connect(workstation.poll_changes)

    def begin(self) -> None:
        """Read the library, open the sound card, load the model; all in the background."""
        self.library_panel.model.set_query("")
        self.library_panel.read_tags()
        self.speaker.open_device()
        self.model_choice.begin()
        self._poll.start()
        self.generate_panel.focus_prompt()

    # --- layout --------------------------------------------------------------------------------

    def _lay_out(self) -> QWidget:
        centre = QWidget()
        layout = QVBoxLayout(centre)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.transport)
        layout.addWidget(self.banner)
        layout.addWidget(self.columns, 1)
        layout.addWidget(self.status_line)
        self.setCentralWidget(centre)
        return centre

    def _restore_places(self) -> None:
        settings = self._workstation.settings
        restore_window(self, settings.window_geometry, DESIGN_SIZE)
        self.columns.restore(settings.window_splitters, self.width())

    # --- connections ---------------------------------------------------------------------------

    def _connect_sound(self) -> None:
        for source in (self.audition, self.speaker, self.takes, self.drag_out, self._bridge):
            source.failed.connect(self.show_error)
        self.transport.play_pressed.connect(self.play_or_stop)

    def _connect_takes(self) -> None:
        panel, commands = self.generate_panel, self.commands
        panel.generate_requested.connect(commands.generate)
        panel.fields.advanced.unfolded.connect(self.columns.make_room)
        commands.queued.connect(self.banner.dismiss)
        for failing in (commands, self.model_choice):
            failing.failed.connect(self.show_error)
        for speaking in (commands, self.models, self.take_away):
            speaking.said.connect(self.status_line.show_event)
        self.takes.stored.connect(self._take_stored)
        self.takes.take_failed.connect(self._take_failed)

    def _connect_library(self) -> None:
        panel, say = self.library_panel, self.status_line.show_event
        for source in (panel, self.files):
            source.failed.connect(self.show_error)
            source.said.connect(say)
        self.files.left_out.connect(self.banner.show_error)
        self.files.imported.connect(panel.select_when_listed)
        self.browser.query_changed.connect(panel.model.set_query)
        self.browser.table_wanted.connect(panel.focus_table)
        self.browser.import_requested.connect(self.files.choose_imports)
        panel.tags_known.connect(self.browser.set_tags)
        panel.selection_changed.connect(self._selection_changed)
        panel.model.query_failed.connect(lambda error: self.browser.show_fault(error_line(error)))
        panel.model.refreshed.connect(lambda: self.browser.show_fault(None))
        panel.table.row_reached.connect(self._load)
        panel.table.load_requested.connect(self._load)

    def _connect_training(self) -> None:
        panel = self.train_panel
        self.generate_panel.fields.model_combo.train_wanted.connect(panel.bring_up)
        panel.play_wanted.connect(self.audition.show_file)
        panel.chosen.connect(self.generate_panel.choose_model)
        self.train_run.said.connect(self.status_line.show_event)
        self.train_run.failed.connect(self._training_failed)

    def _connect_seedbanks(self) -> None:
        dialog = self.seedbank_dialog
        self.browser.banks_requested.connect(dialog.bring_up)
        self.generate_panel.fields.model_combo.banks_wanted.connect(dialog.bring_up)
        dialog.recipe_chosen.connect(self.commands.use_request)

    def _training_failed(self, error: StudioError) -> None:
        """The dialog shows it itself while it is open."""
        if not self.train_panel.isVisible():
            self.show_error(error)

    def _bind_keys(self) -> None:
        panel, view, commands = self.library_panel, self.waveform_panel.view, self.commands
        actions: dict[str, Callable[[], object]] = {
            "play": self.play_or_stop,
            "panic": self.panic,
            "loop": lambda: self.audition.set_loop(not self.audition.loop),
            "generate": commands.generate,
            "generate_again": commands.generate_again,
            "extend": commands.extend,
            "regenerate": commands.regenerate,
            "models": self.model_choice.dialog.bring_up,
            "train": self.train_panel.bring_up,
            "seedbanks": self.seedbank_dialog.bring_up,
            "search": self.browser.focus_search,
            "favourite": panel.toggle_favourite,
            "tag": panel.table.edit_tags,
            "delete": panel.delete,
            "undo": panel.undo,
            "redo": panel.redo,
            "import": self.files.choose_imports,
            "zoom_selection": view.zoom_to_selection,
            "copy_file": self.take_away.copy,
            "export": self.take_away.export,
            "zone_browser": self.browser.focus_search,
            "zone_waveform": lambda: view.setFocus(Qt.FocusReason.ShortcutFocusReason),
            "zone_library": panel.focus_table,
            "zone_generate": self._go_to_prompt,
            "help": self.key_overlay.toggle,
            "quit": self.close,
        }
        bind_keys(self, actions, panel.rate)

    # --- what keys and buttons do --------------------------------------------------------------

    def _go_to_prompt(self) -> None:
        self.columns.show_prompt()
        self.generate_panel.focus_prompt()

    def show_error(self, error: StudioError) -> None:
        """Say what went wrong in the banner."""
        self.device_notice.show_error(error)

    def play_or_stop(self) -> None:
        """Play or stop; with an empty waveform, load the current row."""
        record = self.library_panel.table.current_record()
        if self.audition.sound is None and record is not None:
            self._load(record)
        else:
            self.audition.toggle()

    def panic(self) -> None:
        """Stop all sound; when there is none, close the banner."""
        if not self.audition.playing and self.banner.message is not None:
            self.banner.dismiss()
        self.speaker.stop()

    # --- news ----------------------------------------------------------------------------------

    def _load(self, record: SampleRecord) -> None:
        self.audition.show(record, play=True)

    def _take_stored(self, record: SampleRecord, shown: bool) -> None:
        if shown or not self.audition.playing:
            self.library_panel.select_when_listed(record.id)
        if self.audition.sound is None:
            self.audition.show(record, play=False)

    def _take_failed(self, take: TakeState) -> None:
        in_dialog = take.coded is not None and self.seedbank_dialog.isVisible()
        if take.error is not None and not in_dialog:
            self.banner.show_error(error_line(take.error), lambda: self.takes.retry(take))

    def _selection_changed(self) -> None:
        panel = self.library_panel
        self.status_line.show_selection(len(panel.table.selected_ids()), panel.model.total)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Files from elsewhere may be dropped; our own drags may not come back."""
        if event.source() is None and dropped_files(event):
            accept_copy(event)

    def dropEvent(self, event: QDropEvent) -> None:
        """Import what was dropped."""
        accept_copy(event)
        self.files.import_files(dropped_files(event))

    # --- life ----------------------------------------------------------------------------------

    def bring_to_front(self) -> None:
        """Show the window above all others."""
        if self.isMinimized():
            self.showNormal()
        self.show()
        self.raise_()
        self.activateWindow()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Remember everything; takes that are not finished are given up."""
        self._poll.stop()
        self._unsubscribe()
        self.speaker.stop()
        self.model_choice.close()
        self.train_panel.close()
        self.seedbank_dialog.close()
        try:
            self._workstation.update_settings(
                **self.generate_panel.choices(),
                volume_db=self.speaker.volume_db,
                loop=self.audition.loop,
                window_geometry=window_place(self),
                window_splitters=self.columns.places(),
            )
        except StudioError as error:
            self._bridge.crashed.emit(error)
        super().closeEvent(event)
        self.closed.emit()
