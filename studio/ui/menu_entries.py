"""Entries of context menus.

Owns how an entry shows its key, or why it cannot be chosen. What it does is given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtWidgets import QMenu

from studio.ui.keys import key_for


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why something cannot be done now.

    Attributes:
        brief: A few words, for the place of the key in a menu.
        sentence: What is the matter and what to do.
    """

    brief: str
    sentence: str


def add_entry(
    menu: QMenu,
    text: str,
    call: Callable[[], object],
    action: str = "",
    *,
    refusal: Refusal | None = None,
) -> None:
    """Add an entry with the key of `action`; with a refusal it is greyed out and says why."""
    beside = key_for(action).label if action else ""
    if refusal is not None:
        beside = refusal.brief
    item = menu.addAction(f"{text}\t{beside}" if beside else text)
    item.triggered.connect(lambda: call())
    if refusal is not None:
        menu.setToolTipsVisible(True)
        item.setToolTip(refusal.sentence)
        item.setEnabled(False)
