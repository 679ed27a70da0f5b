from __future__ import annotations

from collections import Counter

import pytest
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QLabel, QWidget

from studio.ui.key_overlay import KeyOverlay
from studio.ui.keys import KEYS, MOUSE, key_for, tooltip


def test_every_action_and_every_window_key_is_there_once():
    actions = Counter(key.action for key in KEYS)
    sequences = Counter(s for key in KEYS if key.scope == "window" for s in key.sequences)
    assert set(actions.values()) == {1}
    assert set(sequences.values()) == {1}


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.action)
def test_every_sequence_is_one_that_qt_understands(key):
    for sequence in key.sequences:
        parsed = QKeySequence(sequence)
        assert parsed.count() == 1
        assert parsed.toString() == sequence


def test_a_tooltip_names_the_key():
    assert tooltip("Search", "search") == "Search  (Ctrl+F or /)"


def test_an_unknown_action_is_a_bug():
    with pytest.raises(KeyError):
        key_for("make coffee")


def test_the_overlay_lists_every_key_and_gesture(qtbot):
    window = QWidget()
    qtbot.addWidget(window)
    overlay = KeyOverlay(window)
    texts = {label.text() for label in overlay.findChildren(QLabel)}
    for key in KEYS:
        assert {key.label, key.meaning} <= texts
    for _, gesture, meaning in MOUSE:
        assert {gesture, meaning} <= texts
