from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QMessageBox, QPushButton, QWidget

from studio.core.errors import CancelledError, ModelError
from studio.models.hub.download import Licence
from studio.ui.licence_dialog import LicenceDialog
from studio.ui.models_dialog import ModelsDialog
from tests.ui.conftest import made_up_model

SMALL, MELODY = "facebook/musicgen-small", "facebook/musicgen-melody"


@pytest.fixture
def dialog(models, qtbot):
    made = ModelsDialog(models)
    qtbot.addWidget(made)
    with qtbot.waitSignal(models.changed):
        made.bring_up()
    return made


def row(dialog, name):
    table = dialog.table
    place = table._names.index(name)
    return [table.item(place, column).text() for column in range(table.columnCount())]


def enabled(dialog):
    buttons = (dialog.get_button, dialog.use_button, dialog.remove_button)
    return tuple(button.isEnabled() for button in buttons)


def question(dialog, qtbot, name):
    qtbot.waitUntil(lambda: dialog.findChild(QWidget, name) is not None)
    return dialog.findChild(QWidget, name)


def begin_download(dialog, qtbot):
    dialog.table.select(SMALL)
    dialog.get_button.click()
    question(dialog, qtbot, "licence_dialog").accept_button.click()
    qtbot.waitUntil(lambda: SMALL in dialog._rows)
    return dialog._rows[SMALL]


def test_every_model_stands_there_with_its_facts(dialog):
    assert row(dialog, "house") == ["house", "words", "32 kHz mono", "100 MB", "MIT", "built in"]
    assert row(dialog, SMALL)[3:] == ["2.4 GB", "CC-BY-NC-4.0", ""]
    assert row(dialog, MELODY)[1] == "words, melody"
    assert row(dialog, MELODY)[5] == "yes"
    assert row(dialog, "someone/micro")[1] == "no prompt"
    assert row(dialog, "t5-base")[1:3] == ["part of others", ""]


def test_what_can_be_done_follows_from_the_selected_model(dialog):
    for name, expected in (
        ("house", (False, True, False)),
        (SMALL, (True, False, False)),
        (MELODY, (False, True, True)),
        ("t5-base", (True, False, False)),
    ):
        dialog.table.select(name)
        assert enabled(dialog) == expected
    assert dialog.place_label.text() == "Not on this computer"
    dialog.table.select(MELODY)
    assert "melody" in dialog.place_label.text()


def test_an_adapter_is_listed_with_its_base_and_can_only_be_removed(dialog, shelf, models, qtbot):
    shelf.entries.append(
        made_up_model("crackle", kind="adapter", base="house", registered=True, path=Path("/a"))
    )
    with qtbot.waitSignal(models.changed):
        models.read()
    assert row(dialog, "crackle")[1] == "changes house"
    dialog.table.select("crackle")
    assert enabled(dialog) == (False, False, True)


def test_the_keyboard_reaches_everything(dialog, qtbot):
    assert dialog.table.focusPolicy() & Qt.FocusPolicy.TabFocus
    qtbot.keyClick(dialog.table, Qt.Key.Key_Down)
    assert dialog.table.selected_name() == SMALL
    for button in dialog.findChildren(QPushButton):
        assert button.focusPolicy() & Qt.FocusPolicy.TabFocus
        assert not button.autoDefault()


def test_using_a_model_tells_its_name_and_closes(dialog, qtbot):
    dialog.table.select(MELODY)
    with qtbot.waitSignal(dialog.chosen) as chosen:
        dialog.use_button.click()
    assert chosen.args == [MELODY]
    assert not dialog.isVisible()


def test_enter_on_a_model_uses_it_or_asks_for_its_licence(dialog, qtbot):
    dialog.table.select(SMALL)
    dialog.table.model_activated.emit()
    question(dialog, qtbot, "licence_dialog").reject()
    dialog.table.select(MELODY)
    with qtbot.waitSignal(dialog.chosen):
        qtbot.keyClick(dialog.table, Qt.Key.Key_Return)


def test_getting_a_model_shows_its_licence_first(dialog, shelf, qtbot):
    dialog.table.select(SMALL)
    dialog.get_button.click()
    asked = question(dialog, qtbot, "licence_dialog")
    assert "CC-BY-NC-4.0" in asked.words.text()
    assert "no commercial use" in asked.words.text()
    asked.reject()
    QApplication.processEvents()
    assert shelf.fetching == {}


def test_a_download_shows_how_far_it_is_and_arrives(dialog, shelf, models, qtbot):
    download = begin_download(dialog, qtbot)
    assert download.text == "Asking what there is to fetch"
    assert enabled(dialog)[0] is False
    with qtbot.waitSignal(models.download_changed):
        shelf.fetching[SMALL].progress(590_000_000, 2_360_000_000)
    assert download.text.startswith("590 MB of 2.4 GB")
    assert row(dialog, SMALL)[5] == "25%"
    with qtbot.waitSignal(models.changed):
        shelf.arrive(SMALL)
    assert dialog._rows == {}
    assert row(dialog, SMALL)[5] == "yes"


def test_a_download_is_stopped_at_its_button(dialog, shelf, qtbot):
    download = begin_download(dialog, qtbot)
    fetching = shelf.fetching[SMALL]
    download._cancel.click()
    assert fetching.cancelled()
    fetching.future.set_exception(CancelledError("Cancelled."))
    qtbot.waitUntil(lambda: dialog._rows == {})
    assert dialog.banner.message is None
    assert dialog.get_button.isEnabled()


def test_a_fault_is_a_banner_in_the_dialog(dialog, shelf, qtbot):
    begin_download(dialog, qtbot)
    shelf.fetching[SMALL].future.set_exception(ModelError("The Hub cannot be reached; try again."))
    qtbot.waitUntil(lambda: dialog.banner.message is not None)
    assert dialog.banner.message == "The Hub cannot be reached; try again."


def test_a_folder_is_added_and_selected(dialog, models, qtbot, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "studio.ui.models_dialog.QFileDialog.getExistingDirectory", lambda *_: str(tmp_path)
    )
    dialog.add_button.click()
    qtbot.waitUntil(lambda: dialog.table.selected_name() == tmp_path.name)
    assert row(dialog, tmp_path.name)[5] == "added"
    assert enabled(dialog) == (False, True, True)


def test_a_folder_that_is_no_model_is_a_banner(dialog, shelf, qtbot, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "studio.ui.models_dialog.QFileDialog.getExistingDirectory", lambda *_: str(tmp_path)
    )
    shelf.fault = ModelError("There is no config.json in it; choose another folder.")
    dialog.add_button.click()
    qtbot.waitUntil(lambda: dialog.banner.message is not None)
    assert "config.json" in dialog.banner.message


def test_removing_asks_first(dialog, models, qtbot):
    dialog.table.select(MELODY)
    dialog.remove_button.click()
    box = question(dialog, qtbot, "models_remove_dialog")
    assert box.text() == f"Delete {MELODY} from this computer?"
    box.button(QMessageBox.StandardButton.Cancel).click()
    QApplication.processEvents()
    assert not models.is_gone(MELODY)
    qtbot.waitUntil(lambda: dialog.findChild(QWidget, "models_remove_dialog") is None)
    dialog.remove_button.click()
    question(dialog, qtbot, "models_remove_dialog")
    dialog.findChild(QPushButton, "models_remove_confirm_button").click()
    qtbot.waitUntil(lambda: models.is_gone(MELODY))
    assert row(dialog, MELODY)[5] == ""


def test_an_added_model_is_only_taken_off_the_list(dialog, shelf, models, qtbot, tmp_path):
    shelf.entries.append(made_up_model("mine", registered=True, path=tmp_path))
    with qtbot.waitSignal(models.changed):
        models.read()
    dialog.table.select("mine")
    dialog.remove_button.click()
    box = question(dialog, qtbot, "models_remove_dialog")
    assert box.informativeText() == "Its folder stays as it is."
    dialog.findChild(QPushButton, "models_remove_confirm_button").click()
    qtbot.waitUntil(lambda: models.entry("mine") is None)


def test_the_questions_are_in_the_manual(repository, qtbot):
    manual = (repository / "docs" / "window.md").read_text(encoding="utf-8")
    asked = LicenceDialog(made_up_model(SMALL), Licence(name="MIT", url="https://example.org/x"))
    qtbot.addWidget(asked)
    assert "commercial" not in asked.words.text()
    names = {widget.objectName() for widget in (asked, *asked.findChildren(QWidget))}
    names |= {"models_remove_dialog", "models_remove_confirm_button"}
    assert {name for name in names if name and f"`{name}`" not in manual} == set()
