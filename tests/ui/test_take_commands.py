from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QContextMenuEvent
from PySide6.QtWidgets import QApplication, QMenu

from studio.core.errors import ModelError

RATE = 32_000
BAR = 64_000  # frames of a bar at 120 bpm


@pytest.fixture
def made(window, add_takes, qtbot):
    """A window with one take of one bar at 120 bpm in the waveform, silent."""
    (sample_id,) = add_takes(1)
    made = window()
    select(made, qtbot, sample_id)
    made.audition.show(made._workstation.get(sample_id), play=False)
    qtbot.waitUntil(lambda: made.audition.sound is not None)
    qtbot.waitUntil(lambda: made.models.entries != ())
    return made


def select(made, qtbot, sample_id):
    """Select a row that may be new to the table."""
    made.library_panel.model.refresh()
    qtbot.waitUntil(lambda: made.library_panel.table.select_id(sample_id))


def press(qtbot, made, key):
    made.library_panel.focus_table()
    qtbot.keyClick(QApplication.focusWidget() or made, key)


def entries(made, name):
    """The entries of the menu that is open: text to (beside, action)."""
    menu = made.findChildren(QMenu, name)[-1]
    found = {}
    for action in menu.actions():
        text, _, beside = action.text().partition("\t")
        found[text] = (beside, action)
    menu.hide()
    return found


def row_entries(made):
    made.menus.show_for_rows(QPoint(0, 0))
    return entries(made, "library_menu")


def waveform_entries(made):
    view = made.waveform_panel.view
    event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, QPoint(5, 5), QPoint(5, 5))
    QApplication.sendEvent(view, event)
    return entries(made, "waveform_menu")


def test_extending_doubles_the_loop_and_the_new_take_plays_and_is_selected(
    made, qtbot, player, workstation
):
    with qtbot.waitSignal(made.takes.stored) as stored:
        press(qtbot, made, Qt.Key.Key_E)
    record = stored.args[0]
    assert (record.bars, record.frames, record.seed) == (2, 2 * BAR, 1)
    request = workstation.recipe(record)
    assert request.source.frames == 40
    assert request.from_seconds == 2.0
    assert made.audition.sound.record == record
    assert player.voice is not None
    qtbot.waitUntil(lambda: made.library_panel.table.selected_ids() == [record.id])
    assert workstation.count() == 2


def test_the_selected_part_is_made_anew_from_another_seed(made, qtbot, workstation):
    made.audition.set_region(BAR // 4, BAR // 2, final=True)
    with qtbot.waitSignal(made.takes.stored) as stored:
        press(qtbot, made, Qt.Key.Key_A)
    request = workstation.recipe(stored.args[0])
    assert (request.from_seconds, request.to_seconds) == (0.5, 1.0)
    assert request.source.frames == 40
    assert request.seed != 1
    assert stored.args[0].frames == BAR


def test_a_part_that_reaches_the_end_has_no_end(made, qtbot, workstation):
    made.audition.set_region(BAR // 2, BAR, final=True)
    with qtbot.waitSignal(made.takes.stored) as stored:
        press(qtbot, made, Qt.Key.Key_A)
    assert workstation.recipe(stored.args[0]).to_seconds is None


def test_without_a_selection_nothing_is_made_and_the_status_says_why(made, qtbot):
    with qtbot.waitSignal(made.commands.said) as said, qtbot.assertNotEmitted(made.takes.added):
        press(qtbot, made, Qt.Key.Key_A)
    assert "drag over the part" in said.args[0]


def test_takes_are_not_played_when_new_takes_are_not(made, qtbot, player):
    made.generate_panel.fields.play_new_check.setChecked(False)
    shown = made.audition.sound
    with qtbot.waitSignal(made.takes.stored):
        made.commands.extend()
    assert made.audition.sound is shown
    assert player.calls.count("stream") == 0


def test_the_menu_of_a_row_extends_it_and_makes_a_part_anew(made, qtbot, workstation):
    found = row_entries(made)
    assert found["Extend"][0] == "E"
    beside, action = found["Make the selected part anew"]
    assert beside == "select a part first"
    assert not action.isEnabled()
    assert "drag over the part" in action.toolTip()
    made.audition.set_region(0, BAR // 2, final=True)
    found = row_entries(made)
    beside, action = found["Make the selected part anew"]
    assert (beside, action.isEnabled()) == ("A", True)
    with qtbot.waitSignal(made.takes.stored):
        found["Extend"][1].trigger()
    assert workstation.count() == 2


def test_a_part_is_selected_in_the_waveforms_own_take_only(made, add_takes, qtbot):
    (other,) = add_takes(1)
    made.audition.set_region(0, BAR // 2, final=True)
    select(made, qtbot, other)
    assert row_entries(made)["Make the selected part anew"][0] == "select a part first"


def test_the_menu_of_the_waveform_has_the_commands_of_its_sound(made, qtbot, workstation):
    made.audition.set_region(0, BAR // 2, final=True)
    found = waveform_entries(made)
    assert [text for text in found if text] == [
        "Play or stop",
        "Zoom to the selection",
        "Extend",
        "Make the selected part anew",
        "Copy file",
        "Export...",
    ]
    with qtbot.waitSignal(made.takes.stored):
        found["Make the selected part anew"][1].trigger()
    assert workstation.count() == 2


def test_an_empty_waveform_has_no_menu(window):
    made = window()
    event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, QPoint(5, 5), QPoint(5, 5))
    QApplication.sendEvent(made.waveform_panel.view, event)
    assert made.findChild(QMenu, "waveform_menu") is None
    assert made.commands.extend_refusal(None).brief == "no sound"


def test_an_import_cannot_be_extended_and_the_menu_says_so(made, add_takes, qtbot):
    (imported,) = add_takes(1, recipe_json=None, model=None, codes=None)
    select(made, qtbot, imported)
    beside, action = row_entries(made)["Extend"]
    assert beside == "imported"
    assert not action.isEnabled()


def test_a_take_whose_model_is_gone_cannot_be_extended(made, add_takes, qtbot):
    (orphan,) = add_takes(1, model="facebook/musicgen-small")
    select(made, qtbot, orphan)
    beside, action = row_entries(made)["Extend"]
    assert beside == "model is gone"
    assert "facebook/musicgen-small" in action.toolTip()


def test_a_take_that_is_still_being_made_is_left_alone(made, engine, qtbot):
    engine.pause_seconds = 0.05
    made.commands.generate()
    qtbot.waitUntil(lambda: made.audition.sound is not None and made.audition.sound.growing)
    assert made.commands.extend_refusal(None).brief == "not finished"
    with qtbot.waitSignal(made.commands.said) as said, qtbot.assertNotEmitted(made.takes.added):
        made.commands.extend()
    assert said.args == ["The take is still being made."]


def test_what_the_workstation_refuses_is_a_banner(made, qtbot, monkeypatch, workstation):
    def refuse(*_arguments, **_options):
        raise ModelError("The model house is broken; install again.")

    monkeypatch.setattr(workstation, "extend", refuse)
    made.commands.extend()
    assert made.banner.message == "The model house is broken; install again."


def test_a_recipe_that_cannot_be_read_is_a_banner(made, add_takes, workstation):
    (broken,) = add_takes(1, recipe_json="{")
    made.commands.use_recipe(workstation.get(broken))
    assert made.banner.message.startswith("This is not a stored recipe")
