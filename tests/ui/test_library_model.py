from __future__ import annotations

import pytest
from PySide6.QtCore import QItemSelectionModel, Qt

from studio.library.records import Change
from studio.ui import library_model
from studio.ui.library_columns import Column
from studio.ui.library_model import LibraryModel
from studio.ui.library_table import LibraryTable


@pytest.fixture
def model(workstation, bridge, monkeypatch):
    monkeypatch.setattr(library_model, "PAGE_ROWS", 10)
    made = LibraryModel(workstation, bridge)
    workstation.subscribe(bridge.hear_change)
    return made


@pytest.fixture
def table(model, qtbot):
    made = LibraryTable(model, lambda: ["dark", "drums"])
    qtbot.addWidget(made)
    made.resize(900, 300)
    made.show()
    return made


def read(qtbot, model, query=""):
    with qtbot.waitSignal(model.refreshed):
        model.set_query(query)


def texts(model, column):
    return [model.index(row, column).data() for row in range(model.rowCount())]


def test_only_a_page_is_read_and_more_on_demand(model, add_takes, qtbot):
    add_takes(23)
    read(qtbot, model)
    assert (model.rowCount(), model.total) == (10, 23)
    assert model.canFetchMore()
    for expected in (20, 23):
        with qtbot.waitSignal(model.refreshed):
            model.fetchMore()
        assert model.rowCount() == expected
    assert not model.canFetchMore()
    assert texts(model, Column.SEED) == [str(seed) for seed in range(23, 0, -1)]


def test_a_second_page_is_not_asked_for_while_the_first_is_on_its_way(model, add_takes, qtbot):
    add_takes(23)
    read(qtbot, model)
    model.fetchMore()
    assert not model.canFetchMore()
    qtbot.waitUntil(lambda: model.rowCount() == 20)


def test_the_newest_query_wins(model, add_takes, qtbot):
    add_takes(3)
    add_takes(1, prompt="thunder")
    for query in ("loop", "number", "thunder"):
        model.set_query(query)
    qtbot.waitUntil(lambda: texts(model, Column.NAME) == ["Thunder"])
    qtbot.wait(30)
    assert model.rowCount() == 1


def test_a_query_that_makes_no_sense_keeps_the_rows(model, add_takes, qtbot):
    add_takes(2)
    read(qtbot, model)
    with qtbot.waitSignal(model.query_failed) as failed:
        model.set_query("bpm:fast")
    assert "bpm" in failed.args[0].user_message
    assert model.rowCount() == 2


def test_sorting_by_a_column(model, add_takes, qtbot):
    add_takes(1, tempo_bpm=174.0)
    add_takes(1, tempo_bpm=92.5)
    add_takes(1, tempo_bpm=120.0)
    with qtbot.waitSignal(model.refreshed):
        model.sort(Column.TEMPO, Qt.SortOrder.AscendingOrder)
    assert texts(model, Column.TEMPO) == ["92.5", "120", "174"]
    with qtbot.waitSignal(model.refreshed):
        model.sort(Column.TEMPO, Qt.SortOrder.DescendingOrder)
    assert texts(model, Column.TEMPO) == ["174", "120", "92.5"]


def test_a_new_sound_appears_and_the_selection_stays(model, table, workstation, add_takes, qtbot):
    ids = add_takes(3)
    read(qtbot, model)
    table.select_id(ids[1])
    new = add_takes(1, prompt="thunder")
    with qtbot.waitSignal(model.rowsInserted):
        model.take_in(Change(ids=tuple(new)))
    assert model.record(0).id == new[0]
    assert table.selected_ids() == [ids[1]]


def test_a_changed_sound_changes_its_row_only(model, workstation, add_takes, qtbot):
    ids = add_takes(3)
    read(qtbot, model)
    with qtbot.waitSignal(model.dataChanged) as changed:
        workstation.set_favourite([ids[1]], True)
    assert changed.args[0].row() == changed.args[1].row() == model.row_of(ids[1])
    assert model.record(model.row_of(ids[1])).favourite


def test_a_deleted_sound_leaves(model, workstation, add_takes, qtbot):
    ids = add_takes(3)
    read(qtbot, model)
    with qtbot.waitSignal(model.rowsRemoved):
        workstation.delete([ids[0]])
    qtbot.waitUntil(lambda: not model.reading)
    assert model.row_of(ids[0]) is None
    assert model.total == 2


def test_the_selection_survives_another_order(model, table, add_takes, qtbot):
    ids = add_takes(8)
    read(qtbot, model)
    for sample_id in (ids[2], ids[5]):
        flags = QItemSelectionModel.SelectionFlag
        index = model.index(model.row_of(sample_id), 0)
        table.selectionModel().select(index, flags.Select | flags.Rows)
    with qtbot.waitSignal(model.modelReset):
        model.sort(Column.SEED, Qt.SortOrder.AscendingOrder)
    assert sorted(table.selected_ids()) == [ids[2], ids[5]]


def test_an_empty_library_is_told_from_an_empty_result(model, add_takes, qtbot):
    read(qtbot, model)
    assert model.library_is_empty
    add_takes(1)
    read(qtbot, model, "nothing like this")
    assert model.rowCount() == 0
    assert not model.library_is_empty


def test_what_another_program_wrote_is_read(model, add_takes, qtbot):
    read(qtbot, model)
    add_takes(2)
    with qtbot.waitSignal(model.refreshed):
        model.take_in(Change(everything=True))
    assert model.rowCount() == 2


def test_cells_say_what_is_known(model, add_takes, qtbot):
    add_takes(1, key="Am", tags=("dark", "drums"))
    read(qtbot, model)
    row = [model.index(0, column).data() for column in Column]
    assert row[:-1] == [
        "", "Loop number 1", "", "120", "Am", "1", "2.00 s", "dark, drums", "1", "house"
    ]  # fmt: skip
    assert model.headerData(Column.TEMPO, Qt.Orientation.Horizontal) == "Tempo"
    tooltip = model.index(0, Column.NAME).data(Qt.ItemDataRole.ToolTipRole)
    assert tooltip == "loop number 1"
