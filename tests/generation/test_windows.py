from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.core.errors import ModelError
from studio.generation.windows import Window, slide


def places(windows: tuple[Window, ...]) -> list[tuple[int, int, int]]:
    return [(each.first_frame, each.prefix_frames, each.new_frames) for each in windows]


def test_long_form_moves_thirty_second_windows_by_eighteen() -> None:
    assert places(slide(3000, 1500)) == [(0, 0, 1500), (900, 600, 900), (1800, 600, 600)]


def test_windows_of_a_bar_model_begin_at_whole_bars_and_keep_a_period_in_sight() -> None:
    windows = slide(1000, 256, bar_frames=64, period_frames=128)
    assert all(window.first_frame % 64 == 0 for window in windows)
    assert all(window.prefix_frames >= 128 for window in windows[1:])


def test_a_period_that_fills_the_window_still_leaves_a_way_forward() -> None:
    windows = slide(268, 256, bar_frames=128, period_frames=256)
    assert places(windows) == [(0, 0, 256), (128, 128, 12)]


def test_a_bar_longer_than_the_window_is_refused() -> None:
    with pytest.raises(ModelError, match="too short"):
        slide(400, 100, bar_frames=144, period_frames=144)


@given(
    st.integers(1, 5000),
    st.integers(150, 1500),
    st.none() | st.tuples(st.integers(64, 149), st.integers(1, 2)),
    st.floats(0, 1),
)
def test_windows_cover_the_take_once_and_fit_the_model(
    frames: int, window_frames: int, bar: tuple[int, int] | None, share_known: float
) -> None:
    bar_frames = bar[0] if bar else None
    period_frames = bar[0] * bar[1] if bar else None
    known = min(frames - 1, int(share_known * frames))
    whole = slide(frames, window_frames, bar_frames=bar_frames, period_frames=period_frames)
    windows = slide(
        frames, window_frames, known=known, bar_frames=bar_frames, period_frames=period_frames
    )
    made = known
    for first, prefix, new in places(windows):
        assert first + prefix == made
        assert new > 0
        assert prefix + new <= window_frames
        assert first in [window.first_frame for window in whole]
        made += new
    assert made == frames
