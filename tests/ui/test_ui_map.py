from __future__ import annotations

import json

import pytest

from studio.ui.ui_map import UiMap


@pytest.fixture
def read_map(window, tmp_path, add_takes, qtbot):
    add_takes(3)
    made = window()
    path = tmp_path / "map.json"
    made.ui_map = UiMap(made, path)
    qtbot.waitUntil(path.exists)

    def read():
        return json.loads(path.read_text())

    return made, read


def test_widgets_and_rows_are_where_they_are_on_the_screen(read_map, qtbot):
    made, read = read_map
    places = read()["widgets"]
    assert {
        "prompt_edit", "tempo_spin", "bars_combo", "key_combo", "seed_spin", "generate_button",
        "search_box", "library_table", "play_button", "loop_button", "waveform_view",
        "row:1", "row:2", "row:3", "favourite:1",
    } <= places.keys()  # fmt: skip
    assert "banner" not in places
    assert "drag_handle" not in places
    x, y, width, height = places["generate_button"]
    button = made.generate_panel.fields.generate_button
    assert (width, height) == (button.width(), button.height())
    assert button.mapFromGlobal(button.mapToGlobal(button.rect().center())).x() < width
    corner = button.mapToGlobal(button.rect().topLeft())
    assert (x, y) == (corner.x(), corner.y())


def test_the_status_follows_a_take(read_map, qtbot):
    made, read = read_map
    made.commands.generate()
    qtbot.waitUntil(lambda: read()["status"]["rows"] == 4)
    qtbot.waitUntil(lambda: read()["status"]["first_sound_ms"] is not None)
    status = read()["status"]
    assert status["playing"] is True
    assert status["selected_ids"] == [4]
    assert status["jobs"] == []
    assert status["max_stall_ms"] >= 0
    assert "drag_handle" in read()["widgets"]


def test_the_banner_is_in_it(read_map, qtbot):
    made, read = read_map
    made.banner.show_error("Something is missing.")
    qtbot.waitUntil(lambda: read()["status"]["banner"] == "Something is missing.")
    assert "banner_close" in read()["widgets"]
