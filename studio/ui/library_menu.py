"""The menu of the selected rows.

Owns its entries and their order; what they do is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from PySide6.QtWidgets import QMenu, QWidget

from studio.library.records import SampleRecord
from studio.ui.menu_entries import Refusal, add_entry

RecordCall = Callable[[SampleRecord], object]
RecordRefusal = Callable[[SampleRecord], Refusal | None]


@dataclass(frozen=True, kw_only=True)
class RowActions:
    """What can be done with rows.

    Attributes:
        favourite: Switch the favourite mark.
        tag: Edit the tags.
        use_recipe: Take over settings and seed of one sound.
        extend: Make a longer take of one sound.
        extend_refusal: Why that cannot be done.
        regenerate: Make the selected part of one sound anew.
        regenerate_refusal: Why that cannot be done.
        copy: Copy the files.
        export: Export.
        reveal: Show the folder of one sound.
        delete: Move to the bin.
        restore: Bring back from the bin.
    """

    favourite: Callable[[], object]
    tag: Callable[[], object]
    use_recipe: RecordCall
    extend: RecordCall
    extend_refusal: RecordRefusal
    regenerate: RecordCall
    regenerate_refusal: RecordRefusal
    copy: Callable[[], object]
    export: Callable[[], object]
    reveal: RecordCall
    delete: Callable[[], object]
    restore: Callable[[], object]


def row_menu(records: Sequence[SampleRecord], actions: RowActions, parent: QWidget) -> QMenu:
    """The menu for these rows, at least one."""
    menu = QMenu(parent)
    menu.setObjectName("library_menu")
    add = partial(add_entry, menu)
    only = records[0] if len(records) == 1 else None
    add("Favourite", actions.favourite, "favourite")
    add("Tags...", actions.tag, "tag")
    menu.addSeparator()
    if only is not None:
        if only.recipe_json:
            add("Use its settings and seed", lambda: actions.use_recipe(only))
        add(
            "Extend",
            lambda: actions.extend(only),
            "extend",
            refusal=actions.extend_refusal(only),
        )
        add(
            "Make the selected part anew",
            lambda: actions.regenerate(only),
            "regenerate",
            refusal=actions.regenerate_refusal(only),
        )
        menu.addSeparator()
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
