"""The window-wide shortcuts.

Owns making them from the table in `keys`. What they do is given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QWidget

from studio.ui.keys import KEYS


def bind_keys(
    window: QWidget, actions: Mapping[str, Callable[[], object]], rate: Callable[[int], object]
) -> None:
    """Bind every key of the scope "window".

    Args:
        window: Where they work.
        actions: What each key's action does; "rate" is not among them.
        rate: Given the number that was pressed.

    Raises:
        KeyError: A key's action is missing.
    """
    for key in KEYS:
        for sequence in key.sequences if key.scope == "window" else ():
            shortcut = QShortcut(QKeySequence(sequence), window)
            shortcut.setAutoRepeat(False)
            if key.action == "rate":
                shortcut.activated.connect(lambda rating=int(sequence): rate(rating))
            else:
                shortcut.activated.connect(actions[key.action])
