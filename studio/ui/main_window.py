"""The window: panels, keys, drops, and who tells whom.

Owns the layout and every connection between panels, which know nothing of each other. It must
not do the work itself.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QByteArray, Qt, QTimer, QUrl
from PySide6.QtGui import (
    QCloseEvent,
    QDesktopServices,
    QDragEnterEvent,
    QDropEvent,
    QKeySequence,
    QShortcut,
)
from PySide6.QtWidgets import (
    QApplication,
    QDialog,
    QFileDialog,
    QMainWindow,
    QMenu,
    QScrollArea,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from studio.core.errors import StudioError
from studio.library.records import ImportReport, SampleRecord
from studio.ui import icons
from studio.ui.audition import Audition
from studio.ui.banner import Banner
from studio.ui.bridge import Bridge
from studio.ui.browser_panel import BrowserPanel
from studio.ui.drag_out import DragOut
from studio.ui.export_dialog import ExportDialog, copy_to
from studio.ui.facts import count_text, error_line
from studio.ui.generate_panel import GeneratePanel
from studio.ui.job_list import JobList
from studio.ui.key_overlay import KeyOverlay
from studio.ui.keys import KEYS, key_for
from studio.ui.library_panel import LibraryPanel
from studio.ui.sound import Sound
from studio.ui.status_line import StatusLine
from studio.ui.takes import Takes
from studio.ui.transport_bar import TransportBar
from studio.ui.waveform_panel import WaveformPanel
from studio.workstation.workstation import Workstation

DESIGN_SIZE = (1440, 900)
MIN_SIZE = (1180, 700)
_SIDE_WIDTH = 300
_TITLE_BAR_HEIGHT = 32
_POLL_MILLISECONDS = 1_000
_AUDIO_SUFFIXES = "*.wav *.flac *.aif *.aiff *.ogg *.mp3 *.opus *.caf *.w64 *.au"


class MainWindow(QMainWindow):
    """Everything on one screen.

    Args:
        workstation: What it is a window onto; the caller closes it.
        bridge: The hop from other threads; the caller closes it.
    """

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
        self.audition = Audition(
            workstation, bridge, loop=settings.loop, volume_db=settings.volume_db, parent=self
        )
        self.takes = Takes(workstation, bridge, self.audition, self)
        self.drag_out = DragOut(workstation, bridge, self)
        self.transport = TransportBar(self.audition)
        self.banner = Banner()
        self.browser = BrowserPanel()
        self.waveform_panel = WaveformPanel(self.audition)
        self.library_panel = LibraryPanel(workstation, bridge)
        names = [model.name for model in workstation.models()]
        self.generate_panel = GeneratePanel(settings, names)
        self.job_list = JobList(self.takes)
        self.status_line = StatusLine()
        self._lay_out()
        self.key_overlay = KeyOverlay(self.centralWidget())
        self._connect()
        self._bind_keys()
        self._restore_places()
        unsubscribe = workstation.subscribe(bridge.hear_change)
        self.destroyed.connect(unsubscribe)
        self._poll = QTimer(self)
        self._poll.setInterval(_POLL_MILLISECONDS)
        self._poll.timeout.connect(workstation.poll_changes)

    def begin(self) -> None:
        """Read the library, open the sound card, load the model; all in the background."""
        self.library_panel.model.set_query("")
        self.library_panel.read_tags()
        self.audition.open_device()
        self._prepare_model(self.generate_panel.model())
        self._poll.start()
        self.generate_panel.focus_prompt()

    # --- layout --------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        self._middle = QSplitter(Qt.Orientation.Vertical)
        self._middle.setObjectName("middle_splitter")
        self._middle.addWidget(self.waveform_panel)
        self._middle.addWidget(self.library_panel)
        self._middle.setStretchFactor(1, 1)
        scroll = QScrollArea()
        scroll.setObjectName("generate_area")
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(self.generate_panel)
        self._right = QSplitter(Qt.Orientation.Vertical)
        self._right.setObjectName("right_splitter")
        self._right.addWidget(scroll)
        self._right.addWidget(self.job_list)
        self._right.setStretchFactor(1, 1)
        self._columns = QSplitter(Qt.Orientation.Horizontal)
        self._columns.setObjectName("columns_splitter")
        for column in (self.browser, self._middle, self._right):
            self._columns.addWidget(column)
        self._columns.setStretchFactor(1, 1)
        self.browser.setMinimumWidth(220)
        self._right.setMinimumWidth(270)
        for splitter in (self._middle, self._right, self._columns):
            splitter.setHandleWidth(4)
            splitter.setChildrenCollapsible(False)
        centre = QWidget()
        layout = QVBoxLayout(centre)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.transport)
        layout.addWidget(self.banner)
        layout.addWidget(self._columns, 1)
        layout.addWidget(self.status_line)
        self.setCentralWidget(centre)

    def _restore_places(self) -> None:
        settings = self._workstation.settings
        if not self.restoreGeometry(_decoded(settings.window_geometry)):
            screen = self.screen().availableGeometry()
            width, height = DESIGN_SIZE
            self.resize(
                min(width, screen.width()), min(height, screen.height() - _TITLE_BAR_HEIGHT)
            )
        places = settings.window_splitters.split(";")
        splitters = (self._columns, self._middle, self._right)
        restored = [
            splitter.restoreState(_decoded(place))
            for splitter, place in zip(splitters, places, strict=False)
        ]
        if not all(restored) or len(restored) != len(splitters):
            self._columns.setSizes([_SIDE_WIDTH, 10_000, _SIDE_WIDTH])
            self._middle.setSizes([320, 480])
            self._right.setSizes([420, 380])

    def _save_choices(self) -> None:
        panel = self.generate_panel
        request = panel.request()
        places = (self._columns, self._middle, self._right)
        try:
            self._workstation.update_settings(
                prompt=request.prompt,
                tempo_bpm=request.tempo_bpm,
                bars=request.bars,
                key=request.key or "",
                model=request.model,
                volume_db=self.audition.volume_db,
                loop=self.audition.loop,
                audition_new_takes=panel.play_new_check.isChecked(),
                window_geometry=_encoded(self.saveGeometry()),
                window_splitters=";".join(_encoded(place.saveState()) for place in places),
            )
        except StudioError as error:
            self._bridge.crashed.emit(error)

    # --- connections ---------------------------------------------------------------------------

    def _connect(self) -> None:
        for source in (self.audition, self.takes, self.library_panel, self.drag_out, self._bridge):
            source.failed.connect(self.show_error)
        self.audition.device_changed.connect(self._device_changed)
        self.audition.sound_changed.connect(self._mark_row)
        self.audition.sound_grew.connect(self._mark_row)
        self.audition.playing_changed.connect(self._mark_row)
        self.transport.play_pressed.connect(self.play_or_stop)
        self.generate_panel.generate_requested.connect(self.generate)
        self.generate_panel.model_changed.connect(self._prepare_model)
        self.takes.stored.connect(self._take_stored)
        self.browser.query_changed.connect(self._search)
        self.browser.table_wanted.connect(self.library_panel.focus_table)
        self.browser.import_requested.connect(self.choose_imports)
        panel = self.library_panel
        panel.said.connect(self.status_line.show_event)
        panel.tags_known.connect(self.browser.set_tags)
        panel.selection_changed.connect(self._selection_changed)
        panel.model.query_failed.connect(lambda error: self.browser.show_fault(error_line(error)))
        panel.model.refreshed.connect(lambda: self.browser.show_fault(None))
        panel.table.row_reached.connect(lambda record: self.audition.show(record, play=True))
        panel.table.load_requested.connect(self._load)
        panel.table.drag_requested.connect(self._drag_rows)
        panel.table.menu_requested.connect(self._show_menu)
        self.waveform_panel.drag_requested.connect(self._drag_sound)
        self.drag_out.left.connect(
            lambda count: self.status_line.show_event(f"Dragged out {count_text(count, 'file')}")
        )
        self.drag_out.copied.connect(
            lambda count: self.status_line.show_event(
                f"Copied {count_text(count, 'file')}; paste in another program"
            )
        )

    def _bind_keys(self) -> None:
        panel = self.library_panel
        actions: dict[str, Callable[[], None]] = {
            "play": self.play_or_stop,
            "panic": self.panic,
            "loop": lambda: self.audition.set_loop(not self.audition.loop),
            "generate": self.generate,
            "generate_again": self.generate_again,
            "search": self.browser.focus_search,
            "favourite": panel.toggle_favourite,
            "tag": panel.table.edit_tags,
            "delete": panel.delete,
            "undo": panel.undo,
            "redo": panel.redo,
            "import": self.choose_imports,
            "zoom_selection": self.waveform_panel.view.zoom_to_selection,
            "copy_file": self.copy_files,
            "export": self.export,
            "zone_browser": self.browser.focus_search,
            "zone_waveform": lambda: self.waveform_panel.view.setFocus(
                Qt.FocusReason.ShortcutFocusReason
            ),
            "zone_library": panel.focus_table,
            "zone_generate": self.generate_panel.focus_prompt,
            "help": self.key_overlay.toggle,
            "quit": self.close,
        }
        for key in KEYS:
            if key.scope != "window":
                continue
            for sequence in key.sequences:
                shortcut = QShortcut(QKeySequence(sequence), self)
                shortcut.setAutoRepeat(False)
                if key.action == "rate":
                    shortcut.activated.connect(lambda rating=int(sequence): panel.rate(rating))
                else:
                    shortcut.activated.connect(actions[key.action])

    # --- what keys and buttons do --------------------------------------------------------------

    def show_error(self, error: StudioError) -> None:
        """Say what went wrong in the banner."""
        retry = self.audition.open_device if error is self.audition.device_error else None
        self.banner.show_error(error_line(error), retry)

    def play_or_stop(self) -> None:
        """Play or stop; with an empty waveform, load the current row."""
        record = self.library_panel.table.current_record()
        if self.audition.sound is None and record is not None:
            self.audition.show(record, play=True)
        else:
            self.audition.toggle()

    def panic(self) -> None:
        """Close what is on top, or stop all sound."""
        if self.banner.message is not None and not self.audition.playing:
            self.banner.dismiss()
        self.audition.stop()

    def generate(self) -> None:
        """Make what the panel says."""
        panel = self.generate_panel
        queued = self.takes.generate(
            panel.request(), panel.count, play=panel.play_new_check.isChecked()
        )
        if queued:
            self.banner.dismiss()
            panel.prepare_next()

    def generate_again(self) -> None:
        """Make what the panel says, of a new seed even when the seed is locked."""
        self.generate_panel.roll_seed()
        self.generate()

    def choose_imports(self) -> None:
        """Ask for audio files and import them."""
        names, _ = QFileDialog.getOpenFileNames(
            self, "Import audio files", "", f"Audio ({_AUDIO_SUFFIXES});;All files (*)"
        )
        self.import_files([Path(name) for name in names])

    def import_files(self, files: list[Path]) -> None:
        """Take files into the library."""
        if files:
            self.status_line.show_event(f"Importing {count_text(len(files), 'file')}...")
            self._bridge.watch(
                self._workstation.import_files(files), self._imported, self.show_error
            )

    def copy_files(self) -> None:
        """Copy the selected sounds as files; the sound of the waveform when none is selected."""
        self.drag_out.copy([record.id for record in self._chosen()])

    def export(self) -> None:
        """Ask where to, and export the selected sounds."""
        records = self._chosen()
        if not records:
            self.status_line.show_event("Select a sound to export")
            return
        dialog = ExportDialog(records, self._workstation.paths.exports_dir, self)
        if dialog.exec() == QDialog.DialogCode.Accepted:
            self._export_to(records, dialog.folder)

    def _export_to(self, records: list[SampleRecord], folder: Path | None) -> None:
        ids = [record.id for record in records]
        workstation = self._workstation

        def write() -> list[Path]:
            files = workstation.export_for_drag(ids)
            return files if folder is None else copy_to(files, folder)

        def done(files: list[Path]) -> None:
            words = files[0].name if len(files) == 1 else count_text(len(files), "file")
            self.status_line.show_event(f"Exported {words} to {files[0].parent}")

        self._bridge.run("sound", write, done, self.show_error)

    def _chosen(self) -> list[SampleRecord]:
        selected = self.library_panel.table.selected_records()
        sound = self.audition.sound
        if not selected and sound is not None and sound.record is not None:
            return [sound.record]
        return selected

    # --- news ----------------------------------------------------------------------------------

    def _search(self, query: str) -> None:
        self.library_panel.model.set_query(query)

    def _load(self, record: SampleRecord) -> None:
        self.audition.show(record, play=True)

    def _take_stored(self, record: SampleRecord, shown: bool) -> None:
        if shown or not self.audition.playing:
            self.library_panel.select_when_listed(record.id)
        if not shown and not self.audition.playing and self.audition.sound is None:
            self.audition.show(record, play=False)

    def _imported(self, report: ImportReport) -> None:
        words = f"Imported {count_text(len(report.change.ids), 'file')}"
        if report.duplicates:
            words += f", {len(report.duplicates)} already there"
        self.status_line.show_event(words)
        if report.skipped:
            first = report.skipped[0]
            more = len(report.skipped) - 1
            self.banner.show_error(
                f"{first.path.name} was not imported: {first.reason}"
                + (f" ({more} more were left out.)" if more else "")
            )
        if report.change.ids:
            self.library_panel.select_when_listed(report.change.ids[0])

    def _selection_changed(self) -> None:
        panel = self.library_panel
        self.status_line.show_selection(len(panel.table.selected_ids()), panel.model.total)

    def _mark_row(self, *_args: object) -> None:
        delegate, sound = self.library_panel.table.row_delegate, self.audition.sound
        shown = sound.record.id if sound and sound.record else None
        delegate.shown_id = shown
        delegate.playing_id = shown if self.audition.playing else None
        self.library_panel.table.viewport().update()

    def _device_changed(self) -> None:
        error = self.audition.device_error
        if error is None and self._device_banner is not None:
            if self.banner.message == self._device_banner:
                self.banner.dismiss()
            self._device_banner = None
        elif error is not None:
            self._device_banner = error_line(error)

    _device_banner: str | None = None

    def _prepare_model(self, model: str) -> None:
        self._workstation.warm_up(model)

    # --- drags ---------------------------------------------------------------------------------

    def _drag_rows(self, ids: list[int]) -> None:
        model, table = self.library_panel.model, self.library_panel.table
        rows = [model.row_of(sample_id) for sample_id in ids]
        records = [model.record(row) for row in rows if row is not None]
        self.drag_out.drag(table, records, table.end_drag)

    def _drag_sound(self, source: QWidget) -> None:
        sound: Sound | None = self.audition.sound
        if sound is not None and sound.record is not None:
            self.drag_out.drag(source, [sound.record], self.waveform_panel.end_drag)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Files from elsewhere may be dropped; our own drags may not come back."""
        if event.source() is None and _dropped_files(event):
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()

    def dropEvent(self, event: QDropEvent) -> None:
        """Import what was dropped."""
        files = _dropped_files(event)
        if files:
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()
            self.import_files(files)

    # --- menu ----------------------------------------------------------------------------------

    def _show_menu(self, place: object) -> None:
        panel = self.library_panel
        records = panel.table.selected_records()
        if not records:
            return
        menu = QMenu(self)
        menu.setObjectName("library_menu")

        def add(text: str, call: Callable[[], object], action: str = "") -> None:
            item = menu.addAction(f"{text}\t{key_for(action).label}" if action else text)
            item.triggered.connect(lambda: call())

        add("Favourite", panel.toggle_favourite, "favourite")
        add("Tags...", panel.table.edit_tags, "tag")
        menu.addSeparator()
        if len(records) == 1 and records[0].recipe_json:
            add("Use its settings and seed", lambda: self._use_recipe(records[0]))
        add("Copy file", self.copy_files, "copy_file")
        add("Export...", self.export, "export")
        if len(records) == 1:
            add("Show in its folder", lambda: self._reveal(records[0]))
        menu.addSeparator()
        if any(record.deleted_at for record in records):
            add("Restore from the bin", panel.restore)
        else:
            add("Move to the bin", panel.delete, "delete")
        menu.exec(place)
        menu.deleteLater()

    def _use_recipe(self, record: SampleRecord) -> None:
        try:
            request = self._workstation.recipe(record)
        except StudioError as error:
            self.show_error(error)
            return
        if request is not None:
            self.generate_panel.show_request(request)
            self.status_line.show_event(f"The panel has the settings of {record.name}")

    def _reveal(self, record: SampleRecord) -> None:
        folder = self._workstation.path(record).parent
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))

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
        self.audition.stop()
        self._save_choices()
        super().closeEvent(event)
        QApplication.quit()


def _dropped_files(event: QDropEvent) -> list[Path]:
    return [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]


def _encoded(state: QByteArray) -> str:
    return base64.b64encode(state.data()).decode()


def _decoded(text: str) -> QByteArray:
    try:
        return QByteArray(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return QByteArray()
