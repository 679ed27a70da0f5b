"""The menu of the selected rows.

Owns its entries and their order; what they do is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtWidgets import QMenu, QWidget

from studio.library.records import SampleRecord
from studio.ui.keys import key_for


@dataclass(frozen=True, kw_only=True)
class RowActions:
    """What can be done with rows.

    Attributes:
        favourite: Switch the favourite mark.
        tag: Edit the tags.
        use_recipe: Take over settings and seed of one sound.
        copy: Copy the files.
        export: Export.
        reveal: Show the folder of one sound.
        delete: Move to the bin.
        restore: Bring back from the bin.
    """

    favourite: Callable[[], object]
    tag: Callable[[], object]
    use_recipe: Callable[[SampleRecord], object]
    copy: Callable[[], object]
    export: Callable[[], object]
    reveal: Callable[[SampleRecord], object]
    delete: Callable[[], object]
    restore: Callable[[], object]


def row_menu(records: Sequence[SampleRecord], actions: RowActions, parent: QWidget) -> QMenu:
    """The menu for these rows, at least one."""
    menu = QMenu(parent)
    menu.setObjectName("library_menu")

    def add(text: str, call: Callable[[], object], action: str = "") -> None:
        item = menu.addAction(f"{text}\t{key_for(action).label}" if action else text)
        item.triggered.connect(lambda: call())

    only = records[0] if len(records) == 1 else None
    add("Favourite", actions.favourite, "favourite")
    add("Tags...", actions.tag, "tag")
    menu.addSeparator()
    if only is not None and only.recipe_json:
        add("Use its settings and seed", lambda: actions.use_recipe(only))
    add("Copy file", actions.copy, "copy_file")
    add("Export...", actions.export, "export")
    if only is not None:
        add("Show in its folder", lambda: actions.reveal(only))
    menu.addSeparator()
    if any(record.deleted_at for record in records):
        add("Restore from the bin", actions.restore)
    else:
        add("Move to the bin", actions.delete, "delete")
    return menu
