"""The library table with its model, and what is done to its selected sounds.

Owns the connection between table, model and the workstation's writes. Keys and menus call its
methods; results come back as changes.
"""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from studio.library.records import Change, SampleRecord
from studio.ui.audition import Audition
from studio.ui.bridge import Bridge
from studio.ui.facts import count_text
from studio.ui.keys import key_for
from studio.ui.library_model import LibraryModel
from studio.ui.library_table import LibraryTable
from studio.workstation.workstation import Workstation


class LibraryPanel(QWidget):
    """Rows, and favourite, rating, tags, delete, undo for them.

    Signals:
        said(str): Something that was done, for the status line.
        tags_known(tuple): The tags in use, after they may have changed.
        failed(StudioError): Something could not be done.
        selection_changed(): Other sounds are selected or listed.
    """

    said = Signal(str)
    tags_known = Signal(tuple)
    failed = Signal(object)
    selection_changed = Signal()

    def __init__(
        self, workstation: Workstation, bridge: Bridge, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("library_panel")
        self._workstation = workstation
        self._bridge = bridge
        self._tags: tuple[str, ...] = ()
        self._wanted_id: int | None = None
        self._audition: Audition | None = None
        self.model = LibraryModel(workstation, bridge, self)
        self.table = LibraryTable(self.model, lambda: self._tags)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.table)
        self.table.favourite_clicked.connect(
            lambda record: self._write(workstation.set_favourite([record.id], not record.favourite))
        )
        self.table.rating_clicked.connect(self._rate_clicked)
        self.table.row_delegate.tags_edited.connect(self._tags_edited)
        self.table.selection_changed.connect(self.selection_changed)
        self.model.refreshed.connect(self._refreshed)
        bridge.changed.connect(lambda _change: self.read_tags())

    # --- showing -------------------------------------------------------------------------------

    def select_when_listed(self, sample_id: int) -> None:
        """Select a sound as soon as its row has been read."""
        self._wanted_id = None if self.table.select_id(sample_id) else sample_id

    def mark_what_is_heard(self, audition: Audition) -> None:
        """From now on, mark the row of the sound in the waveform."""
        self._audition = audition
        audition.speaker.playing_changed.connect(self._mark_row)
        audition.sound_changed.connect(self._mark_row)
        audition.sound_grew.connect(self._mark_row)

    def _mark_row(self, *_news: object) -> None:
        if self._audition is not None:
            sound = self._audition.sound
            shown_id = sound.record.id if sound and sound.record else None
            self.table.mark_shown(shown_id, playing=self._audition.playing)

    def read_tags(self) -> None:
        """Look up the tags in use."""
        self._bridge.run("query", self._workstation.all_tags, self._take_tags)

    def _take_tags(self, tags: list[str]) -> None:
        self._tags = tuple(tags)
        self.tags_known.emit(self._tags)

    def _refreshed(self) -> None:
        if self._wanted_id is not None and self.table.select_id(self._wanted_id):
            self._wanted_id = None
        self.selection_changed.emit()

    # --- doing ---------------------------------------------------------------------------------

    def toggle_favourite(self) -> None:
        """Mark the selected sounds, or unmark them when all are marked."""
        records = self.table.selected_records()
        if records:
            mark = not all(record.favourite for record in records)
            self._write(self._workstation.set_favourite(_ids(records), mark))

    def rate(self, rating: int) -> None:
        """Rate the selected sounds."""
        ids = self.table.selected_ids()
        if ids:
            self._write(self._workstation.set_rating(ids, rating))

    def delete(self) -> None:
        """Move the selected sounds to the bin, and select the next one."""
        records = self.table.selected_records()
        if not records:
            return
        rows = [self.model.row_of(record.id) or 0 for record in records]
        after = max(rows) + 1
        follower = after if after < self.model.rowCount() else min(rows) - 1
        if 0 <= follower < self.model.rowCount():
            self.table.select_id(self.model.record(follower).id)
        words = records[0].name if len(records) == 1 else count_text(len(records))
        back = f"{key_for('undo').label} brings it back"
        self._write(self._workstation.delete(_ids(records)), f"Moved {words} to the bin. {back}")

    def restore(self) -> None:
        """Bring the selected sounds back from the bin."""
        ids = self.table.selected_ids()
        if ids:
            self._write(self._workstation.restore(ids), f"Restored {count_text(len(ids))}")

    def undo(self) -> None:
        """Take the last edit back."""
        label = self._workstation.undo_label
        words = f"Undid: {label}" if label else "Nothing to undo"
        self._write(self._workstation.undo(), words)

    def redo(self) -> None:
        """Do again what was taken back."""
        label = self._workstation.redo_label
        words = f"Did again: {label}" if label else "Nothing to redo"
        self._write(self._workstation.redo(), words)

    def _rate_clicked(self, record: SampleRecord, rating: int) -> None:
        new = 0 if record.rating == rating else rating
        self._write(self._workstation.set_rating([record.id], new))

    def _tags_edited(self, typed: list[str]) -> None:
        """Add to every selected sound, and take from it, what was changed on the current one."""
        current = self.table.current_record()
        if current is None:
            return
        ids = self.table.selected_ids() or [current.id]
        if current.id not in ids or len(ids) == 1:
            self._write(self._workstation.set_tags([current.id], typed))
            return
        lowered = {tag.lower() for tag in typed}
        added = [tag for tag in typed if tag.lower() not in current.tags]
        removed = [tag for tag in current.tags if tag not in lowered]
        if added:
            self._write(self._workstation.add_tags(ids, added))
        if removed:
            self._write(self._workstation.remove_tags(ids, removed))

    def _write(self, future: Future[Change], words: str = "") -> None:
        def done(_change: Any) -> None:
            if words:
                self.said.emit(words)

        self._bridge.watch(future, done, self.failed.emit)

    def focus_table(self) -> None:
        """Go to the table, to its first row when none is selected."""
        self.table.setFocus(Qt.FocusReason.ShortcutFocusReason)
        if not self.table.selectionModel().hasSelection() and self.model.rowCount():
            self.table.select_id(self.model.record(0).id)


def _ids(records: list[SampleRecord]) -> list[int]:
    return [record.id for record in records]
