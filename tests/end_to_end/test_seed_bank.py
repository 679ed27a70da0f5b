"""A take that comes with the program goes into another one, by hand."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.program import Studio
from tests.end_to_end.screen import Screen
from tests.end_to_end.steps import drag_from

pytestmark = pytest.mark.end_to_end


def test_a_row_of_a_bank_is_heard_and_dragged_out_and_stays_in_the_library(
    silent_studio: Studio,
    screen: Screen,
    drop_target: Callable[[], dict[str, Any] | None],
    photograph: Callable[[str], None],
) -> None:
    studio = silent_studio
    studio.open()
    screen.key("ctrl+b")
    studio.wait_for(lambda: "seedbank_count" in studio.widgets(), "the takes of a bank")
    some_row = studio.place("seedbank_table")
    screen.click(some_row)
    time.sleep(1)
    photograph("1-heard")
    dropped = drag_from(studio, screen, some_row, drop_target)
    photograph("2-dropped")
    studio.wait_for(lambda: studio.status()["rows"] == 1, "the take in the library")
    (row,) = studio.rows()
    assert dropped.read_bytes() == Path(row["path"]).read_bytes()
    assert dropped != Path(row["path"])
    assert f"{row['bpm']:g}bpm" in dropped.name
    screen.click(studio.place("seedbank_close_button"))
    studio.wait_for(lambda: "seedbank_dialog" not in studio.widgets(), "the dialog to close")
    screen.click(studio.place("search_box"))
    assert studio.quit() == 0
