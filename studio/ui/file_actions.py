"""Files in and out: import, copy, export, show in the folder.

Owns the dialogs and what is said afterwards. The work is the workstation's; drags are in
`drag_out`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QObject, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QDialog, QFileDialog, QWidget

from studio.library.records import ImportReport, SampleRecord
from studio.ui.bridge import Bridge
from studio.ui.drops import AUDIO_FILTER
from studio.ui.export_dialog import ExportDialog, copy_to
from studio.ui.facts import count_text
from studio.workstation.workstation import Workstation


class FileActions(QObject):
    """Imports and exports.

    Signals:
        said(str): What was done, for the status line.
        failed(StudioError): It could not be done.
        left_out(str): Why some files were not imported.
        imported(int): The first sound that came in.
    """

    said = Signal(str)
    failed = Signal(object)
    left_out = Signal(str)
    imported = Signal(int)

    def __init__(self, workstation: Workstation, bridge: Bridge, window: QWidget) -> None:
        super().__init__(window)
        self._workstation = workstation
        self._bridge = bridge
        self._window = window

    # --- in ------------------------------------------------------------------------------------

    def choose_imports(self) -> None:
        """Ask for audio files and import them."""
        names, _ = QFileDialog.getOpenFileNames(
            self._window, "Import audio files", "", AUDIO_FILTER
        )
        self.import_files([Path(name) for name in names])

    def import_files(self, files: Sequence[Path]) -> None:
        """Take files and folders into the library."""
        if files:
            self.said.emit(f"Importing {count_text(len(files), 'file')}...")
            future = self._workstation.import_files(files)
            self._bridge.watch(future, self._report_import, self.failed.emit)

    def _report_import(self, report: ImportReport) -> None:
        words = f"Imported {count_text(len(report.ids), 'file')}"
        if report.duplicates:
            words += f", {len(report.duplicates):,} already there"
        self.said.emit(words)
        if report.skipped:
            first, more = report.skipped[0], len(report.skipped) - 1
            rest = f" ({more:,} more were left out.)" if more else ""
            self.left_out.emit(f"{first.path.name} was not imported: {first.reason}{rest}")
        known = [*report.ids, *report.duplicates.values()]
        if known:
            self.imported.emit(known[0])

    # --- out -----------------------------------------------------------------------------------

    def export(self, records: Sequence[SampleRecord]) -> None:
        """Ask where to, and export these sounds."""
        if not records:
            self.said.emit("Select a sound to export")
            return
        dialog = ExportDialog(records, self._workstation.paths.exports_dir, self._window)
        if dialog.exec() == QDialog.DialogCode.Accepted:
            self.export_to(records, dialog.folder)
        dialog.deleteLater()

    def export_to(self, records: Sequence[SampleRecord], folder: Path | None) -> None:
        """Export these sounds into a folder; None is the exports folder."""
        ids = [record.id for record in records]
        workstation = self._workstation

        def write() -> list[Path]:
            files = workstation.export_for_drag(ids)
            return files if folder is None else copy_to(files, folder)

        def done(files: list[Path]) -> None:
            words = files[0].name if len(files) == 1 else count_text(len(files), "file")
            self.said.emit(f"Exported {words} to {files[0].parent}")

        self._bridge.run("sound", write, done, self.failed.emit)

    def reveal(self, record: SampleRecord) -> None:
        """Open the folder of a sound's file."""
        folder = self._workstation.path(record).parent
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))
