"""The context menus of the library and of the waveform.

Owns which command stands behind which entry. The menus' looks are in `library_menu` and
`waveform_menu`.
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, QPoint
from PySide6.QtWidgets import QMenu, QWidget

from studio.ui.audition import Audition
from studio.ui.drag_out import DragOut
from studio.ui.file_actions import FileActions
from studio.ui.library_menu import RowActions, row_menu
from studio.ui.library_panel import LibraryPanel
from studio.ui.take_commands import TakeCommands
from studio.ui.waveform_menu import WaveformActions, waveform_menu
from studio.ui.waveform_panel import WaveformPanel


class ContextMenus(QObject):
    """Shows a menu where it is asked for.

    Args:
        library: Asks for the menu of its selected rows.
        waveform: Asks for the menu of its sound.
        commands: Takes from takes.
        files: Export, and showing a file's folder.
        drag_out: Copies files.
        audition: Has the waveform's sound.
        play_or_stop: Of the window.
        window: The menus' parent.
    """

    def __init__(
        self,
        *,
        library: LibraryPanel,
        waveform: WaveformPanel,
        commands: TakeCommands,
        files: FileActions,
        drag_out: DragOut,
        audition: Audition,
        play_or_stop: Callable[[], object],
        window: QWidget,
    ) -> None:
        super().__init__(window)
        self._library = library
        self._waveform = waveform
        self._commands = commands
        self._files = files
        self._drag_out = drag_out
        self._audition = audition
        self._play_or_stop = play_or_stop
        self._window = window
        library.table.menu_requested.connect(self.show_for_rows)
        waveform.view.menu_requested.connect(self.show_for_waveform)

    def show_for_rows(self, place: QPoint) -> None:
        """What can be done with the selected rows."""
        panel, commands = self._library, self._commands
        records = panel.table.selected_records()
        if not records:
            return
        actions = RowActions(
            favourite=panel.toggle_favourite,
            tag=panel.table.edit_tags,
            use_recipe=commands.use_recipe,
            extend=commands.extend,
            extend_refusal=commands.extend_refusal,
            regenerate=lambda _record: commands.regenerate(),
            regenerate_refusal=commands.regenerate_refusal,
            copy=lambda: self._drag_out.copy([record.id for record in records]),
            export=lambda: self._files.export(records),
            reveal=self._files.reveal,
            delete=panel.delete,
            restore=panel.restore,
        )
        _pop_up(row_menu(records, actions, self._window), place)

    def show_for_waveform(self, place: QPoint) -> None:
        """What can be done with the sound in the waveform."""
        sound, commands = self._audition.sound, self._commands
        record = None if sound is None else sound.record
        known = [] if record is None else [record]
        actions = WaveformActions(
            play=self._play_or_stop,
            zoom=self._waveform.view.zoom_to_selection,
            extend=commands.extend,
            extend_refusal=commands.extend_refusal(record),
            regenerate=commands.regenerate,
            regenerate_refusal=commands.regenerate_refusal(record),
            copy=(lambda: self._drag_out.copy([each.id for each in known])) if known else None,
            export=(lambda: self._files.export(known)) if known else None,
        )
        _pop_up(waveform_menu(actions, self._window), place)


def _pop_up(menu: QMenu, place: QPoint) -> None:
    menu.aboutToHide.connect(menu.deleteLater)
    menu.popup(place)
