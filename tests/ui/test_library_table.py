from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from studio.ui.library_columns import Column
from studio.ui.library_delegate import TagEdit, rating_at, split_tags
from studio.ui.library_panel import LibraryPanel


@pytest.fixture
def panel(workstation, bridge, add_takes, qtbot):
    workstation.subscribe(bridge.hear_change)
    made = LibraryPanel(workstation, bridge)
    qtbot.addWidget(made)
    made.resize(900, 300)
    made.show()
    qtbot.waitExposed(made)
    return made


def fill(panel, add_takes, qtbot, count=3, **changes):
    ids = add_takes(count, **changes)
    with qtbot.waitSignal(panel.model.refreshed):
        panel.model.set_query("")
    return ids


def centre(panel, sample_id, column):
    index = panel.model.index(panel.model.row_of(sample_id), column)
    return panel.table.visualRect(index).center()


def press(panel, sample_id, column=Column.NAME, modifiers=Qt.KeyboardModifier.NoModifier):
    place = centre(panel, sample_id, column)
    viewport = panel.table.viewport()
    QTest.mousePress(viewport, Qt.MouseButton.LeftButton, modifiers, place)
    return place


def test_arrow_keys_reach_rows(panel, add_takes, qtbot):
    ids = fill(panel, add_takes, qtbot)
    reached = []
    panel.table.row_reached.connect(lambda record: reached.append(record.id))
    panel.table.setFocus()
    for _ in range(3):
        qtbot.keyClick(panel.table, Qt.Key.Key_Down)
    qtbot.keyClick(panel.table, Qt.Key.Key_Up)
    assert reached == [ids[2], ids[1], ids[0], ids[1]]


def test_selecting_by_program_reaches_nothing(panel, add_takes, qtbot):
    ids = fill(panel, add_takes, qtbot)
    panel.table.setFocus()
    with qtbot.assertNotEmitted(panel.table.row_reached):
        assert panel.table.select_id(ids[0])
    assert panel.table.selected_ids() == [ids[0]]
    assert not panel.table.select_id(99_999)


def test_enter_and_a_double_click_load(panel, add_takes, qtbot):
    ids = fill(panel, add_takes, qtbot)
    panel.table.select_id(ids[0])
    with qtbot.waitSignal(panel.table.load_requested) as loaded:
        qtbot.keyClick(panel.table, Qt.Key.Key_Return)
    assert loaded.args[0].id == ids[0]
    with qtbot.waitSignal(panel.table.load_requested) as loaded:
        place = centre(panel, ids[1], Column.NAME)
        qtbot.mouseClick(panel.table.viewport(), Qt.MouseButton.LeftButton, pos=place)
        qtbot.mouseDClick(panel.table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert loaded.args[0].id == ids[1]


def test_a_click_on_the_star_marks_a_favourite(panel, workstation, add_takes, qtbot):
    ids = fill(panel, add_takes, qtbot)
    with qtbot.waitSignal(panel.model.dataChanged):
        press(panel, ids[1], Column.FAVOURITE)
    assert workstation.get(ids[1]).favourite


def test_a_click_on_a_dot_rates_and_again_clears(panel, workstation, add_takes, qtbot):
    ids = fill(panel, add_takes, qtbot)
    cell = panel.table.visualRect(panel.model.index(panel.model.row_of(ids[0]), Column.RATING))
    third = QPoint(cell.x() + 7 + 25, cell.center().y())
    for expected in (3, 0):
        with qtbot.waitSignal(panel.model.dataChanged):
            qtbot.mousePress(panel.table.viewport(), Qt.MouseButton.LeftButton, pos=third)
        assert workstation.get(ids[0]).rating == expected


@pytest.mark.parametrize(("x", "rating"), [(0, 1), (7, 1), (17, 2), (56, 5), (400, 5)])
def test_every_place_in_the_rating_cell_means_a_rating(x, rating):
    assert rating_at(x) == rating


def test_tags_are_edited_in_place(panel, workstation, add_takes, qtbot):
    ids = fill(panel, add_takes, qtbot, tags=("dark",))
    panel.table.select_id(ids[1])
    assert panel.table.edit_tags()
    editor = panel.table.findChild(TagEdit, "tag_edit")
    assert editor.text() == "dark, "
    assert not editor.hasSelectedText()
    qtbot.keyClicks(editor, "Drums, rain")
    with qtbot.waitSignal(panel.model.dataChanged):
        qtbot.keyClick(editor, Qt.Key.Key_Return)
    assert workstation.get(ids[1]).tags == ("dark", "drums", "rain")


def test_escape_leaves_the_tags_alone(panel, workstation, add_takes, qtbot):
    ids = fill(panel, add_takes, qtbot, tags=("dark",))
    panel.table.select_id(ids[1])
    panel.table.edit_tags()
    editor = panel.table.findChild(TagEdit, "tag_edit")
    qtbot.keyClicks(editor, "drums")
    qtbot.keyClick(editor, Qt.Key.Key_Escape)
    qtbot.wait(30)
    assert workstation.get(ids[1]).tags == ("dark",)


def test_one_edit_tags_every_selected_sound_and_keeps_their_own_tags(
    panel, workstation, add_takes, qtbot
):
    first = fill(panel, add_takes, qtbot, count=1, tags=("own",))
    second = fill(panel, add_takes, qtbot, count=1, tags=("dark",))
    panel.table.selectAll()
    panel.table.setCurrentIndex(panel.model.index(0, Column.NAME))
    panel.table.selectAll()
    panel._tags_edited(["rain"])
    qtbot.waitUntil(lambda: workstation.get(second[0]).tags == ("rain",))
    assert workstation.get(first[0]).tags == ("own", "rain")


def test_typed_tags_are_split_at_commas():
    assert split_tags(" dark, two words,, dark ,") == ["dark", "two words"]


def test_favourite_rating_and_undo(panel, workstation, add_takes, qtbot):
    ids = fill(panel, add_takes, qtbot)
    panel.table.selectAll()
    panel.toggle_favourite()
    panel.rate(4)
    qtbot.waitUntil(lambda: all(workstation.get(i).rating == 4 for i in ids))
    assert all(workstation.get(i).favourite for i in ids)
    panel.undo()
    qtbot.waitUntil(lambda: all(workstation.get(i).rating == 0 for i in ids))
    panel.redo()
    qtbot.waitUntil(lambda: all(workstation.get(i).rating == 4 for i in ids))


def test_deleting_selects_the_follower_and_can_be_undone(panel, workstation, add_takes, qtbot):
    ids = fill(panel, add_takes, qtbot)
    panel.table.select_id(ids[1])
    with qtbot.waitSignal(panel.said) as said:
        panel.delete()
    assert "Ctrl+Z" in said.args[0]
    qtbot.waitUntil(lambda: panel.model.rowCount() == 2)
    assert panel.table.selected_ids() == [ids[0]]
    panel.undo()
    qtbot.waitUntil(lambda: panel.model.rowCount() == 3)


def test_undo_says_when_there_is_nothing(panel, qtbot):
    with qtbot.waitSignal(panel.said) as said:
        panel.undo()
    assert said.args == ["Nothing to undo"]


def test_the_bin_lists_deleted_sounds_and_gives_them_back(panel, workstation, add_takes, qtbot):
    ids = fill(panel, add_takes, qtbot)
    workstation.delete([ids[0]]).result()
    with qtbot.waitSignal(panel.model.refreshed):
        panel.model.set_query("is:deleted")
    qtbot.waitUntil(lambda: panel.model.rowCount() == 1)
    panel.table.selectAll()
    panel.restore()
    qtbot.waitUntil(lambda: panel.model.rowCount() == 0)
    assert workstation.get(ids[0]).deleted_at is None


def drag_from(panel, sample_id):
    place = press(panel, sample_id)
    far = place + QPoint(QApplication.startDragDistance() + 20, 0)
    QTest.mouseMove(panel.table.viewport(), far)
    return place


def test_a_dragged_row_is_the_row_under_the_pointer(panel, add_takes, qtbot):
    ids = fill(panel, add_takes, qtbot)
    panel.table.select_id(ids[0])
    wanted = []
    panel.table.drag_requested.connect(wanted.append)
    drag_from(panel, ids[2])
    assert wanted
    assert wanted[0] == [ids[2]]


def test_a_row_of_a_selection_takes_the_others_along(panel, add_takes, qtbot):
    ids = fill(panel, add_takes, qtbot)
    panel.table.selectAll()
    wanted = []
    panel.table.drag_requested.connect(wanted.append)
    drag_from(panel, ids[1])
    assert sorted(wanted[0]) == sorted(ids)
    assert sorted(panel.table.selected_ids()) == sorted(ids)


def test_a_click_in_a_selection_selects_that_row(panel, add_takes, qtbot):
    ids = fill(panel, add_takes, qtbot)
    panel.table.selectAll()
    place = press(panel, ids[1])
    QTest.mouseRelease(panel.table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert panel.table.selected_ids() == [ids[1]]


def test_empty_tables_name_the_next_key(panel, add_takes, qtbot):
    with qtbot.waitSignal(panel.model.refreshed):
        panel.model.set_query("")
    title, detail = panel.table._empty_words()
    assert title == "Your library is empty"
    assert "Press G" in detail
    add_takes(1)
    with qtbot.waitSignal(panel.model.refreshed):
        panel.model.set_query("nothing like this")
    title, detail = panel.table._empty_words()
    assert title == "Nothing matches"
    assert "Ctrl+F" in detail
    panel.grab()


def test_a_row_that_is_read_later_is_selected_then(panel, add_takes, qtbot):
    fill(panel, add_takes, qtbot)
    new = add_takes(1)
    panel.select_when_listed(new[0])
    assert panel.table.selected_ids() == []
    panel.model.refresh()
    qtbot.waitUntil(lambda: panel.table.selected_ids() == new)
