from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMenu, QPushButton, QWidget

from studio.core.errors import InputError
from studio.generation.request import MAX_SEED
from studio.ui.audition import Audition
from studio.ui.seedbank_dialog import SeedBankDialog
from studio.ui.seedbank_model import TITLES, Column
from studio.ui.speaker import Speaker
from studio.ui.takes import Takes
from tests.ui.banks import TAKES, click, heard


@pytest.fixture
def audition(workstation, bridge):
    speaker = Speaker(workstation, bridge, volume_db=-6)
    return Audition(workstation, bridge, speaker, loop=True)


@pytest.fixture
def takes(workstation, bridge, audition, models):
    return Takes(workstation, bridge, audition, models)


@pytest.fixture
def open_dialog(workstation, bridge, audition, takes, engine, qtbot):
    engine.pause_seconds = 0.001

    def opened():
        made = SeedBankDialog(workstation, bridge, audition, takes)
        qtbot.addWidget(made)
        made.bring_up()
        qtbot.waitExposed(made)
        qtbot.waitUntil(lambda: made.shelf.names is not None)
        names = made.shelf.names
        qtbot.waitUntil(lambda: all(made.shelf.bank(n) or made.shelf.fault(n) for n in names))
        return made

    return opened


@pytest.fixture
def dialog(bank_folder, open_dialog):
    return open_dialog()


def banks(dialog):
    table = dialog.banks
    return [
        [table.item(row, column).text() for column in (0, 1)] for row in range(table.rowCount())
    ]


def cells(dialog, column):
    rows = dialog.table.rows
    return [rows.index(row, column).data() for row in range(rows.rowCount())]


def test_the_banks_stand_there_with_their_takes_and_the_first_is_open(dialog):
    assert banks(dialog) == [["jungle", "4"], ["techno", "1"]]
    assert dialog.banks.selected_name() == "jungle"
    header = [dialog.table.rows.headerData(c, Qt.Orientation.Horizontal) for c in Column]
    assert header == list(TITLES.values())
    shown = [tuple(cells(dialog, column)[row] for column in Column) for row in range(4)]
    assert shown == [
        ("1", "dark jungle break, reese bass", "174", "2", "Am", "7"),
        ("2", "amen break, ragga stabs", "170", "1", "F#m", str(MAX_SEED)),
        ("3", "haunted pads over rolling drums", "92.5", "2", "C", "30"),
        ("4", "texture without a beat", "", "", "", "4"),
    ]
    assert dialog.count_label.text() == "4 takes"


def test_another_bank_shows_its_takes(dialog):
    dialog.banks.select("techno")
    assert cells(dialog, Column.NUMBER) == ["1"]
    assert dialog.count_label.text() == "1 take"


@pytest.mark.parametrize(
    ("column", "numbers"),
    [(Column.PROMPT, "2134"), (Column.TEMPO, "4321"), (Column.KEY, "4132"), (Column.SEED, "4132")],
)
def test_a_heading_sorts_by_what_the_column_means(dialog, column, numbers):
    header = dialog.table.horizontalHeader()
    place = header.sectionViewportPosition(column) + 8
    click_at = header.rect().topLeft()
    click_at.setX(place)
    click_at.setY(8)
    QTest.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=click_at)
    assert "".join(cells(dialog, Column.NUMBER)) == numbers
    QTest.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=click_at)
    assert "".join(cells(dialog, Column.NUMBER)) == numbers[::-1]


@pytest.mark.parametrize(
    ("typed", "numbers"),
    [
        ("BREAK", "12"),
        ("break bass", "1"),
        ("174", "1"),
        ("170bpm", "2"),
        ("key:c", "3"),
        ("bars:2", "13"),
        ("seed:7", "1"),
        ("polka", ""),
    ],
)
def test_the_filter_takes_words_tempo_and_key(dialog, qtbot, typed, numbers):
    dialog.filter_box.setFocus()
    qtbot.keyClicks(dialog.filter_box, typed)
    assert "".join(cells(dialog, Column.NUMBER)) == numbers
    assert dialog.count_label.text() == f"{len(numbers)} of 4"
    qtbot.keyClick(dialog.filter_box, Qt.Key.Key_Escape)
    assert dialog.filter_box.text() == ""
    assert dialog.count_label.text() == "4 takes"
    assert dialog.isVisible()


def test_a_space_in_the_filter_is_a_space(dialog, audition, qtbot):
    qtbot.keyClick(dialog.table, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(dialog.filter_box.hasFocus)
    qtbot.keyClicks(dialog.filter_box, "l break")
    assert dialog.filter_box.text() == "l break"
    assert not audition.playing
    qtbot.keyClick(dialog.filter_box, Qt.Key.Key_Down)
    assert dialog.table.hasFocus()


def test_arrow_keys_play_takes_in_a_loop_and_leave_the_library_alone(
    dialog, audition, player, workstation, engine, qtbot
):
    for take in TAKES[:2]:
        qtbot.keyClick(dialog.table, Qt.Key.Key_Down)
        qtbot.waitUntil(lambda take=take: heard(audition, take))
    qtbot.waitUntil(lambda: player.clip is audition.sound.clip)
    assert player.loop is True
    assert engine.coded == list(TAKES[:2])
    assert workstation.search() == []
    assert dialog.table.marks.shown == TAKES[1]
    assert dialog.table.marks.playing
    assert dialog.state_label.text() == ""


def test_a_click_plays_and_what_was_heard_before_comes_back_at_once(
    dialog, audition, engine, qtbot
):
    click(dialog, 2)
    qtbot.waitUntil(lambda: heard(audition, TAKES[2]))
    first = audition.sound
    click(dialog, 0)
    qtbot.waitUntil(lambda: heard(audition, TAKES[0]))
    click(dialog, 2)
    assert audition.sound is first
    assert audition.playing
    assert len(engine.coded) == 2


def test_of_takes_passed_quickly_only_the_last_is_heard(dialog, audition, engine, qtbot):
    engine.hold.clear()
    shown = []
    audition.sound_changed.connect(shown.append)
    for _ in range(3):
        qtbot.keyClick(dialog.table, Qt.Key.Key_Down)
    qtbot.waitUntil(lambda: dialog.state_label.text() == "Waiting")
    engine.hold.set()
    qtbot.waitUntil(lambda: heard(audition, TAKES[2]))
    assert [sound.seed for sound in shown] == [30]
    assert dialog.state_label.text() == ""
    assert dialog.banner.message is None


def test_a_sound_from_elsewhere_is_not_replaced_by_a_take_that_comes_late(
    dialog, audition, engine, workstation, add_takes, qtbot
):
    record = workstation.get(add_takes(1)[0])
    engine.hold.clear()
    qtbot.keyClick(dialog.table, Qt.Key.Key_Down)
    audition.show(record, play=True)
    qtbot.waitUntil(lambda: audition.sound is not None)
    assert dialog.hearing.coming_state is None
    engine.hold.set()
    qtbot.waitUntil(lambda: not engine._turn.locked())
    assert audition.sound.record == record
    assert dialog.table.marks.shown is None


def test_space_stops_and_plays_and_escape_stops_before_it_closes(dialog, audition, qtbot):
    click(dialog, 0)
    qtbot.waitUntil(lambda: heard(audition, TAKES[0]))
    for playing in (False, True):
        qtbot.keyClick(dialog.table, Qt.Key.Key_Space)
        assert audition.playing is playing
        assert dialog.table.marks.playing is playing
    qtbot.keyClick(dialog.table, Qt.Key.Key_Escape)
    assert not audition.playing
    assert dialog.isVisible()
    qtbot.keyClick(dialog.table, Qt.Key.Key_Escape)
    assert not dialog.isVisible()


def test_space_plays_the_row_when_the_waveform_has_something_else(
    dialog, audition, workstation, add_takes, qtbot
):
    click(dialog, 1)
    qtbot.waitUntil(lambda: heard(audition, TAKES[1]))
    audition.show(workstation.get(add_takes(1)[0]), play=False)
    qtbot.waitUntil(lambda: audition.sound.record is not None)
    dialog.hearing.stop()
    qtbot.keyClick(dialog.table, Qt.Key.Key_Space)
    assert heard(audition, TAKES[1])


def test_left_and_right_go_between_banks_and_takes(dialog, qtbot):
    qtbot.keyClick(dialog.table, Qt.Key.Key_Left)
    assert dialog.banks.hasFocus()
    qtbot.keyClick(dialog.banks, Qt.Key.Key_Down)
    assert dialog.banks.selected_name() == "techno"
    qtbot.keyClick(dialog.banks, Qt.Key.Key_Right)
    assert dialog.table.hasFocus()


def test_the_loop_key_works_here_too(dialog, audition, qtbot):
    qtbot.keyClick(dialog.table, Qt.Key.Key_L)
    assert audition.loop is False


def test_closing_gives_up_what_is_on_its_way(dialog, audition, engine, qtbot):
    engine.hold.clear()
    qtbot.keyClick(dialog.table, Qt.Key.Key_Down)
    assert dialog.hearing.coming_state is not None
    dialog.close()
    assert dialog.hearing.coming_state is None
    engine.hold.set()
    qtbot.waitUntil(lambda: not engine._turn.locked())
    assert audition.sound is None


def test_enter_puts_the_selected_takes_into_the_library(dialog, takes, engine, workstation, qtbot):
    dialog.table.selectAll()
    assert dialog.count_label.text() == "4 takes, 4 selected"
    with qtbot.waitSignals([takes.stored] * 4):
        qtbot.keyClick(dialog.table, Qt.Key.Key_Return)
        assert len(takes.all) == 4
        assert dialog.state_label.text() == "Adding 4 takes"
    records = workstation.search()
    assert sorted(record.seed for record in records) == [4, 7, 30, MAX_SEED]
    by_seed = {record.seed: workstation.recipe(record) for record in records}
    assert all(by_seed[take.request.seed] == take.request for take in TAKES)
    assert engine.coded == list(TAKES)
    assert dialog.state_label.text() == "Added 4 takes to the library"


def test_a_take_that_plays_becomes_the_library_s_when_it_is_added(
    dialog, audition, takes, workstation, qtbot
):
    click(dialog, 0)
    qtbot.waitUntil(lambda: heard(audition, TAKES[0]))
    with qtbot.waitSignal(takes.stored):
        dialog.add_button.click()
    (record,) = workstation.search()
    assert audition.sound.record == record
    assert audition.playing


def test_a_take_that_cannot_be_added_says_why_and_can_be_tried_again(
    dialog, takes, engine, workstation, qtbot
):
    click(dialog, 3)
    qtbot.waitUntil(lambda: dialog.hearing.shown == TAKES[3])
    engine.fault = InputError("These codes were made by another house than the one here.")
    dialog.add_button.click()
    qtbot.waitUntil(lambda: dialog.banner.message is not None)
    assert dialog.banner.message == "These codes were made by another house than the one here."
    with qtbot.waitSignal(takes.stored):
        dialog.banner.findChild(QPushButton, "seedbank_banner_retry").click()
    assert engine.coded[-1] == TAKES[3]
    assert takes.all == []


def test_codes_of_another_model_are_a_banner(dialog, audition, engine, qtbot):
    engine.fault = InputError("These codes were made by another house than the one here.")
    qtbot.keyClick(dialog.table, Qt.Key.Key_Down)
    qtbot.waitUntil(lambda: dialog.banner.message is not None)
    assert dialog.banner.message == "These codes were made by another house than the one here."
    assert audition.sound is None
    assert dialog.hearing.coming_state is None
    qtbot.keyClick(dialog.table, Qt.Key.Key_Down)
    assert dialog.banner.message is None
    qtbot.waitUntil(lambda: heard(audition, TAKES[1]))


def test_prompt_and_seed_of_one_take_are_handed_on(dialog, qtbot):
    assert not dialog.use_button.isEnabled()
    click(dialog, 1)
    with qtbot.waitSignal(dialog.recipe_chosen) as chosen:
        dialog.use_button.click()
    assert chosen.args == [TAKES[1].request, "amen break, ragga stabs"]
    click(dialog, 2, Qt.KeyboardModifier.ControlModifier)
    assert not dialog.use_button.isEnabled()
    assert dialog.add_button.isEnabled()


def test_the_menu_has_what_the_buttons_do(dialog, qtbot, audition):
    click(dialog, 0)
    dialog._show_menu(dialog.pos())
    menu = dialog.findChild(QMenu, "seedbank_menu")
    texts = [action.text() for action in menu.actions()]
    assert texts == ["Play or stop\tSpace", "Add to library\tEnter", "Use prompt and seed"]
    with qtbot.waitSignal(dialog.recipe_chosen):
        menu.actions()[2].trigger()
    menu.close()


def test_a_damaged_bank_is_named_and_the_others_work(bank_folder, open_dialog, qtbot):
    whole = (bank_folder / "jungle.npz").read_bytes()
    (bank_folder / "broken.npz").write_bytes(whole[: len(whole) // 2])
    dialog = open_dialog()
    assert banks(dialog)[0] == ["broken", "damaged"]
    assert "broken.npz" in dialog.banner.message
    assert "\n" not in dialog.banner.message
    dialog.banks.select("jungle")
    assert dialog.banner.message is None
    assert dialog.table.rows.rowCount() == 4
    (bank_folder / "broken.npz").write_bytes(whole)
    dialog.bring_up()
    qtbot.waitUntil(lambda: ["broken", "4"] in banks(dialog))
    assert dialog.banks.selected_name() == "jungle"


def test_without_banks_it_says_so(tmp_path, monkeypatch, open_dialog):
    monkeypatch.setattr("studio.generation.seed_bank.banks_dir", lambda: tmp_path / "none")
    dialog = open_dialog()
    assert dialog.table._empty_words[0] == "There are no seed banks"
    assert dialog.count_label.isHidden()
    assert not dialog.add_button.isEnabled()


def test_the_same_take_in_two_banks_is_made_once(dialog, audition, engine, qtbot):
    click(dialog, 0)
    qtbot.waitUntil(lambda: heard(audition, TAKES[0]))
    dialog.banks.select("techno")
    click(dialog, 0)
    assert len(engine.coded) == 1
    assert dialog.table.marks.shown == TAKES[0]


def test_the_keyboard_reaches_everything(dialog):
    for button in dialog.findChildren(QPushButton):
        assert button.focusPolicy() & Qt.FocusPolicy.TabFocus
        assert not button.autoDefault()
    for table in (dialog.banks, dialog.table):
        assert table.focusPolicy() & Qt.FocusPolicy.TabFocus


def test_the_window_opens_it_by_key_button_and_model_box(window, bank_folder, qtbot):
    made = window()
    dialog = made.seedbank_dialog
    box = made.generate_panel.fields.model_combo

    def from_the_box():
        box.activated.emit(box.findText("Seed banks..."))

    ways = (
        lambda: qtbot.keyClick(made, Qt.Key.Key_B, Qt.KeyboardModifier.ControlModifier),
        made.browser.findChild(QPushButton, "seedbanks_button").click,
        from_the_box,
    )
    for way in ways:
        made.activateWindow()
        way()
        qtbot.waitUntil(dialog.isVisible)
        assert not dialog.isModal()
        dialog.close()
    assert box.chosen == "house"


def test_a_take_of_a_bank_fills_the_panel_and_is_listed_when_it_is_added(
    window, bank_folder, qtbot, workstation
):
    made = window()
    dialog = made.seedbank_dialog
    dialog.bring_up()
    qtbot.waitUntil(lambda: dialog.table.rows.rowCount() == 4)
    qtbot.keyClick(dialog.table, Qt.Key.Key_Down)
    dialog.use_button.click()
    asked = made.generate_panel.request()
    assert (asked.prompt, asked.seed, asked.tempo_bpm, asked.bars, asked.key) == (
        "dark jungle break, reese bass", 7, 174.0, 2, "Am",
    )  # fmt: skip
    qtbot.waitUntil(lambda: heard(made.audition, TAKES[0]))
    assert made.commands.extend_refusal(None).brief == "not in the library"
    with qtbot.waitSignal(made.takes.stored):
        dialog.add_button.click()
    qtbot.waitUntil(lambda: made.library_panel.model.total == 1)
    assert made.commands.extend_refusal(made.audition.sound.record) is None


def test_a_fault_while_adding_is_told_once(window, bank_folder, qtbot, engine):
    made = window()
    dialog = made.seedbank_dialog
    dialog.bring_up()
    qtbot.waitUntil(lambda: dialog.table.rows.rowCount() == 4)
    dialog.table.selectRow(0)
    engine.fault = InputError("These codes were made by another house than the one here.")
    with qtbot.waitSignal(made.takes.take_failed):
        dialog.add_button.click()
    assert dialog.banner.message is not None
    assert made.banner.message is None


def test_every_part_is_in_the_manual(dialog, repository):
    manual = (repository / "docs" / "window.md").read_text(encoding="utf-8")
    names = {widget.objectName() for widget in (dialog, *dialog.findChildren(QWidget))}
    named = {name for name in names if name.startswith("seedbank") and "_text" not in name}
    assert len(named) > 10
    assert {name for name in named | {"seedbank_menu"} if f"`{name}`" not in manual} == set()
