"""The menu of the waveform.

Owns its entries and their order; what they do is given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from PySide6.QtWidgets import QMenu, QWidget

from studio.ui.menu_entries import Refusal, add_entry


@dataclass(frozen=True, kw_only=True)
class WaveformActions:
    """What can be done with the sound in the waveform.

    Attributes:
        play: Play or stop.
        zoom: Zoom to the selection, or back.
        extend: Make a longer take of it.
        extend_refusal: Why that cannot be done.
        regenerate: Make its selected part anew.
        regenerate_refusal: Why that cannot be done.
        copy: Copy the file; None while there is none.
        export: Export; None while there is no file.
    """

    play: Callable[[], object]
    zoom: Callable[[], object]
    extend: Callable[[], object]
    extend_refusal: Refusal | None
    regenerate: Callable[[], object]
    regenerate_refusal: Refusal | None
    copy: Callable[[], object] | None
    export: Callable[[], object] | None


def waveform_menu(actions: WaveformActions, parent: QWidget) -> QMenu:
    """The menu for the sound that is shown."""
    menu = QMenu(parent)
    menu.setObjectName("waveform_menu")
    add = partial(add_entry, menu)
    add("Play or stop", actions.play, "play")
    add("Zoom to the selection", actions.zoom, "zoom_selection")
    menu.addSeparator()
    add("Extend", actions.extend, "extend", refusal=actions.extend_refusal)
    add(
        "Make the selected part anew",
        actions.regenerate,
        "regenerate",
        refusal=actions.regenerate_refusal,
    )
    menu.addSeparator()
    if actions.copy is not None:
        add("Copy file", actions.copy, "copy_file")
    if actions.export is not None:
        add("Export...", actions.export, "export")
    return menu
