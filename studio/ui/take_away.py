"""Which sounds leave the window: by drag, as copies, by export.

Owns the choice between the selected rows and the sound in the waveform, and what is said
afterwards. Drags and files are made in `drag_out` and `file_actions`.
"""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from studio.generation.coded_take import CodedTake
from studio.library.records import SampleRecord
from studio.ui.audition import Audition
from studio.ui.bank_drag import BankDrag
from studio.ui.drag_out import DragOut
from studio.ui.facts import count_text
from studio.ui.file_actions import FileActions
from studio.ui.library_panel import LibraryPanel
from studio.ui.seedbank_dialog import SeedBankDialog
from studio.ui.waveform_panel import WaveformPanel


class TakeAway(QObject):
    """Leads what is selected out of the window.

    Signals:
        said(str): What was taken away, for the status line.
    """

    said = Signal(str)

    def __init__(
        self,
        *,
        library: LibraryPanel,
        waveform: WaveformPanel,
        seedbanks: SeedBankDialog,
        audition: Audition,
        drag_out: DragOut,
        bank_drag: BankDrag,
        files: FileActions,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._library = library
        self._waveform = waveform
        self._seedbanks = seedbanks
        self._audition = audition
        self._drag_out = drag_out
        self._bank_drag = bank_drag
        self._files = files
        library.table.drag_requested.connect(self._drag_rows)
        waveform.drag_requested.connect(self._drag_sound)
        seedbanks.table.drag_requested.connect(self._drag_takes)
        drag_out.left.connect(
            lambda count: self.said.emit(f"Dragged out {count_text(count, 'file')}")
        )
        drag_out.copied.connect(
            lambda count: self.said.emit(
                f"Copied {count_text(count, 'file')}; paste in another program"
            )
        )

    def copy(self) -> None:
        """Copy the selected sounds as files; the sound of the waveform when none is selected."""
        self._drag_out.copy([record.id for record in self._chosen()])

    def export(self) -> None:
        """Export the selected sounds; the sound of the waveform when none is selected."""
        self._files.export(self._chosen())

    def _chosen(self) -> list[SampleRecord]:
        return self._library.table.selected_records() or self._shown()

    def _shown(self) -> list[SampleRecord]:
        sound = self._audition.sound
        return [] if sound is None or sound.record is None else [sound.record]

    def _drag_rows(self, ids: list[int]) -> None:
        table = self._library.table
        self._drag_out.drag(table, table.records(ids), table.end_drag)

    def _drag_sound(self, source: QWidget) -> None:
        shown, coded = self._shown(), self._seedbanks.hearing.shown
        if shown:
            self._drag_out.drag(source, shown, self._waveform.end_drag)
        elif coded is not None:
            self._bank_drag.drag(source, [coded], self._waveform.end_drag)

    def _drag_takes(self, takes: list[CodedTake]) -> None:
        table = self._seedbanks.table
        self._bank_drag.drag(table, takes, table.end_drag)
