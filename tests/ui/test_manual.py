"""`docs/window.md` names every key, gesture and control."""

from __future__ import annotations

import re

import pytest
from PySide6.QtWidgets import QComboBox, QLineEdit, QPlainTextEdit, QWidget

from studio.ui.keys import KEYS, MOUSE
from studio.ui.library_columns import TITLES

_UNNAMED = re.compile(
    r"|qt_.*|.*_splitter|.*_panel|.*_area|main_window|key_overlay|.*:\d+|((models|train|seedbank)_)?banner_text"
)


@pytest.fixture
def manual(repository):
    return (repository / "docs" / "window.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.action)
def test_every_key_is_in_the_manual(key, manual):
    assert f"| {key.label} | {key.meaning} |" in manual


@pytest.mark.parametrize(("where", "gesture", "meaning"), MOUSE)
def test_every_gesture_is_in_the_manual(where, gesture, meaning, manual):
    assert f"| {where} | {gesture} | {meaning} |" in manual


@pytest.mark.parametrize("title", [title for title in TITLES.values() if title])
def test_every_column_is_in_the_manual(title, manual):
    columns = re.search(r"Columns: (.*?);", manual, re.DOTALL)
    assert title.lower() in columns[1]


def test_every_named_control_of_the_window_is_in_the_manual(window, manual):
    made = window()
    names = {widget.objectName() for widget in made.findChildren(QWidget)}
    named = {name for name in names if not _UNNAMED.fullmatch(name)}
    missing = {name for name in named if f"`{name}`" not in manual}
    assert missing == set()
    assert len(named) > 40


def test_every_field_that_takes_text_has_a_name_for_screen_readers(window):
    made = window()
    fields = [
        field
        for kind in (QLineEdit, QPlainTextEdit, QComboBox)
        for field in made.findChildren(kind)
        if field.objectName() and not field.objectName().startswith("qt_")
    ]
    assert fields
    assert [field.objectName() for field in fields if not field.accessibleName()] == []
