from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QValidator
from PySide6.QtWidgets import QApplication, QPushButton, QWidget

from studio.generation.request import MAX_SEED
from studio.ui.controls import ReturnClicks, SeedField, restyle


@pytest.fixture
def field(qtbot):
    made = SeedField()
    qtbot.addWidget(made)
    return made


def test_a_seed_can_be_larger_than_an_int_of_c(field, qtbot):
    qtbot.keyClicks(field, str(MAX_SEED))
    field.lineEdit().setText("")
    qtbot.keyClicks(field.lineEdit(), str(MAX_SEED))
    assert field.seed() == MAX_SEED


@pytest.mark.parametrize("text", ["-1", "1.5", "abc", str(MAX_SEED + 1), "٣"])
def test_what_is_no_seed_cannot_be_typed(field, text):
    assert field.validate(text, 0)[0] == QValidator.State.Invalid


def test_typing_and_stepping_say_that_a_person_did_it(field, qtbot):
    with qtbot.waitSignal(field.seed_typed):
        field.lineEdit().setText("")
        qtbot.keyClicks(field.lineEdit(), "7")
    with qtbot.waitSignal(field.seed_typed):
        field.stepBy(1)
    assert field.seed() == 8


def test_rolling_is_not_typing_and_gives_another_seed(field, qtbot):
    with qtbot.assertNotEmitted(field.seed_typed):
        seeds = set()
        for _ in range(5):
            field.roll()
            seeds.add(field.seed())
    assert len(seeds) == 5


def test_stepping_stops_at_zero(field):
    field.set_seed(1)
    field.stepBy(-5)
    assert field.seed() == 0


def test_enter_presses_the_focused_button(qtbot, qapp):
    clicks = ReturnClicks()
    qapp.installEventFilter(clicks)
    try:
        button = QPushButton("Go")
        qtbot.addWidget(button)
        with qtbot.waitSignal(button.clicked):
            qtbot.keyClick(button, Qt.Key.Key_Return)
    finally:
        QApplication.instance().removeEventFilter(clicks)


def test_restyle_applies_a_property_that_the_stylesheet_asks_for(qtbot):
    widget = QWidget()
    qtbot.addWidget(widget)
    restyle(widget, "fault", True)
    assert widget.property("fault") is True
