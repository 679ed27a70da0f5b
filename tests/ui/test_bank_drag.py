from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QDrag
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from studio.core.errors import InputError
from studio.generation.request import MAX_SEED
from studio.ui.seedbank_model import Column
from tests.ui.banks import TAKES, click, heard


@pytest.fixture
def dragged(monkeypatch):
    """The files of each drag."""
    seen = []

    def run(drag, actions):
        seen.append([Path(url.toLocalFile()) for url in drag.mimeData().urls()])
        return Qt.DropAction.CopyAction

    monkeypatch.setattr(QDrag, "exec", run)
    return seen


def drag_rows(dialog, row, dragged, qtbot):
    viewport = dialog.table.viewport()
    place = dialog.table.visualRect(dialog.table.rows.index(row, Column.PROMPT)).center()
    QTest.mousePress(viewport, Qt.MouseButton.LeftButton, pos=place)
    far = place + QPoint(QApplication.startDragDistance() + 20, 0)

    def moves():
        QTest.mouseMove(viewport, far)
        return bool(dragged)

    qtbot.waitUntil(moves)
    QTest.mouseRelease(viewport, Qt.MouseButton.LeftButton, pos=far)


def open_bank_in(made, qtbot):
    made.seedbank_dialog.bring_up()
    qtbot.waitUntil(lambda: made.seedbank_dialog.table.rows.rowCount() == 4)
    return made.seedbank_dialog


def test_a_row_is_dragged_out_as_a_file_of_the_library_that_stays(
    window, bank_folder, qtbot, dragged, workstation
):
    made = window()
    dialog = open_bank_in(made, qtbot)
    drag_rows(dialog, 1, dragged, qtbot)
    (record,) = workstation.search()
    assert record.seed == MAX_SEED
    assert [file.read_bytes() for file in dragged[0]] == [workstation.path(record).read_bytes()]
    assert workstation.paths.exports_dir in dragged[0][0].parents


def test_dragging_the_same_take_again_adds_nothing(
    window, bank_folder, qtbot, dragged, workstation
):
    made = window()
    dialog = open_bank_in(made, qtbot)
    drag_rows(dialog, 1, dragged, qtbot)
    first = dragged.pop()
    drag_rows(dialog, 1, dragged, qtbot)
    assert dragged == [first]
    assert workstation.count() == 1


def test_selected_takes_are_dragged_together(window, bank_folder, qtbot, dragged, workstation):
    made = window()
    dialog = open_bank_in(made, qtbot)
    click(dialog, 0)
    click(dialog, 2, Qt.KeyboardModifier.ControlModifier)
    drag_rows(dialog, 2, dragged, qtbot)
    assert len(dragged[0]) == 2
    assert sorted(record.seed for record in workstation.search()) == [7, 30]


def test_a_take_in_the_waveform_is_dragged_from_there(
    window, bank_folder, qtbot, dragged, workstation
):
    made = window()
    dialog = open_bank_in(made, qtbot)
    click(dialog, 0)
    qtbot.waitUntil(lambda: heard(made.audition, TAKES[0]))

    def moves():
        made.waveform_panel.drag_requested.emit(made.waveform_panel.handle)
        return bool(dragged)

    qtbot.waitUntil(moves)
    assert [record.seed for record in workstation.search()] == [7]


def test_a_take_that_cannot_be_made_ends_the_drag(window, bank_folder, qtbot, dragged, engine):
    made = window()
    dialog = open_bank_in(made, qtbot)
    click(dialog, 0)
    qtbot.waitUntil(lambda: heard(made.audition, TAKES[0]))
    asked = len(engine.coded)
    engine.fault = InputError("These codes were made by another house than the one here.")
    viewport = dialog.table.viewport()
    place = dialog.table.visualRect(dialog.table.rows.index(0, Column.PROMPT)).center()
    QTest.mousePress(viewport, Qt.MouseButton.LeftButton, pos=place)
    far = place + QPoint(QApplication.startDragDistance() + 20, 0)
    with qtbot.waitSignal(made.takes.take_failed):
        QTest.mouseMove(viewport, far)
    for step in range(5):
        QTest.mouseMove(viewport, far + QPoint(step, 0))
    assert dialog.banner.message is not None
    assert dragged == []
    assert len(engine.coded) == asked + 1
    QTest.mouseRelease(viewport, Qt.MouseButton.LeftButton, pos=far)
