"""The window-wide shortcuts.

Owns making them from the table in `keys`. What they do is given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QWidget

from studio.ui.keys import KEYS, key_for


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
        if key.scope != "window":
            continue
        if key.action == "rate":
            for sequence in key.sequences:
                _bind(window, sequence, partial(rate, int(sequence)))
        else:
            bind_key(window, key.action, actions[key.action])


def bind_key(window: QWidget, action: str, call: Callable[[], object]) -> None:
    """Bind the keys of one action in a window, such as a dialog that shares it with the main one.

    Raises:
        KeyError: No key has that action.
    """
    for sequence in key_for(action).sequences:
        _bind(window, sequence, call)


def _bind(window: QWidget, sequence: str, call: Callable[[], object]) -> None:
    shortcut = QShortcut(QKeySequence(sequence), window)
    shortcut.setAutoRepeat(False)
    shortcut.activated.connect(call)
