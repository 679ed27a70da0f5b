from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.ui.timeline import MIN_VISIBLE_FRAMES, Timeline


def timeline(whole_frames: int = 100_000, width: int = 1000) -> Timeline:
    made = Timeline()
    made.whole_frames, made.width = whole_frames, width
    made.show_whole()
    return made


@given(
    st.integers(1, 10**8),
    st.lists(st.tuples(st.sampled_from(["zoom", "scroll"]), st.floats(0.2, 3), st.floats(0, 1000))),
)
def test_the_visible_stretch_never_leaves_the_sound(whole_frames, moves):
    line = timeline(whole_frames)
    for move, amount, x in moves:
        if move == "zoom":
            line.zoom(amount, x)
        else:
            line.scroll(amount - 1.5)
        assert 0 <= line.start_frame < line.end_frame <= whole_frames * (1 + 1e-9)


def test_zoom_keeps_the_frame_under_the_pointer():
    line = timeline()
    before = line.frame_at(300)
    line.zoom(0.5, 300)
    assert line.frame_at(300) == pytest.approx(before)
    assert line.end_frame - line.start_frame == pytest.approx(50_000)


def test_zoom_ends_at_a_few_samples():
    line = timeline()
    for _ in range(100):
        line.zoom(0.5, 500)
    assert line.end_frame - line.start_frame == pytest.approx(MIN_VISIBLE_FRAMES)


def test_zooming_out_ends_at_the_whole_sound():
    line = timeline()
    line.show(10_000, 20_000)
    assert not line.shows_whole
    line.zoom(1000, 0)
    assert line.shows_whole


def test_a_frame_comes_back_from_its_position():
    line = timeline()
    line.show(20_000, 30_000)
    assert line.frame_at(line.x_of(23_456)) == pytest.approx(23_456)


def test_close_to_a_grid_line_the_pointer_snaps_to_it():
    line = timeline()
    assert line.snapped(104, 10_000, 6) == 10_000
    assert line.snapped(112, 10_000, 6) == 11_200
    assert line.snapped(104, 10_000, -1) == 10_400


def test_without_a_tempo_only_the_ends_attract():
    line = timeline()
    assert line.snapped(3, None, 6) == 0
    assert line.snapped(997, None, 6) == 100_000
    assert line.snapped(104, None, 6) == 10_400
