"""Takes from takes, by hand: a part made anew, an extension, and a row that is continued."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from studio.generation.request import GenerationRequest
from studio.library.library import Library
from tests.end_to_end.program import Studio
from tests.end_to_end.screen import Screen
from tests.end_to_end.steps import generate, press_generate, type_prompt

pytestmark = pytest.mark.end_to_end

# Frames about a border that may belong to either side: the mouse is not that exact.
_MARGIN = 8


def test_a_take_is_revised_extended_and_continued(
    studio: Studio, screen: Screen, photograph: Callable[[str], None]
) -> None:
    studio.open()
    type_prompt(studio, screen, "174 bpm jungle break")
    generate(studio, screen)
    studio.wait_for(lambda: studio.status()["rows"] == 1, "the first take")

    # Select from the middle to the end, and make that anew.
    x, y, width, height = studio.widgets()["waveform_view"]
    middle = y + height // 2
    screen.drag((x + width // 2, middle), (x + width - 4, middle))
    screen.key("a")
    studio.wait_for(lambda: studio.status()["rows"] == 2, "the revised take")
    photograph("1-anew")

    # Twice as long.
    screen.key("e")
    studio.wait_for(lambda: studio.status()["rows"] == 3, "the extended take")
    photograph("2-extended")

    # A row dropped on the field is what the next take begins with.
    first = min(row["id"] for row in studio.rows())
    screen.click(studio.place("advanced_toggle"))
    screen.drag(studio.row(first), studio.place("continue_button"))
    studio.wait_for(lambda: "continue_clear_button" in studio.widgets(), "the dropped row")
    photograph("3-dropped")
    screen.click(studio.place("bars_combo"))
    screen.key("ctrl+a")
    screen.type("4")
    press_generate(studio, screen)
    studio.wait_for(lambda: studio.status()["rows"] == 4, "the continued take")
    photograph("4-continued")
    assert studio.status()["banner"] is None
    assert studio.quit() == 0

    with Library.open(studio.data_dir) as library:
        ids = sorted(row["id"] for row in studio.rows())
        records = [library.get(sample_id) for sample_id in ids]
        codes = [library.codes(sample_id) for sample_id in ids]
    assert [record.bars for record in records] == [2, 2, 4, 4]
    requests = [GenerationRequest.from_json(record.recipe_json or "") for record in records]
    original, anew, extended, continued = codes
    assert original is not None
    assert anew is not None
    assert extended is not None
    assert continued is not None
    kept = original.shape[1] // 2 - _MARGIN
    assert np.array_equal(anew[:, :kept], original[:, :kept])
    assert not np.array_equal(anew, original)
    assert requests[1].seed != requests[0].seed
    kept = anew.shape[1] - _MARGIN
    assert np.array_equal(extended[:, :kept], anew[:, :kept])
    assert requests[3].continue_file is not None
    source = requests[3].source
    assert source is not None
    kept = source.frames - _MARGIN
    assert np.array_equal(continued[:, :kept], source.array[:, :kept])
