from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.audio.peaks import BASE_FRAMES, PeakPyramid, frames_per_bin


def noise(channels: int, frames: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.uniform(-1, 1, (channels, frames)).astype(np.float32)


def expected_columns(
    samples: np.ndarray, start: int, end: int, columns: int, size: int
) -> tuple[list[float], list[float], list[float]]:
    """The definition, column by column: each takes in the whole of every bin it touches."""
    lowest, highest, rms = [], [], []
    for column in range(columns):
        left = start + column * (end - start) / columns
        right = start + (column + 1) * (end - start) / columns
        first = int(np.floor(left / size))
        last = max(int(np.ceil(right / size)), first + 1)
        part = samples[:, max(first * size, 0) : max(last * size, 0)]
        if left >= samples.shape[1] or part.size == 0:
            part = np.zeros((1, 1))
        lowest.append(part.min())
        highest.append(part.max())
        rms.append(np.sqrt(np.mean(np.square(part, dtype=np.float64))))
    return lowest, highest, rms


@settings(max_examples=120, deadline=None)
@given(
    frames=st.integers(0, 9000),
    channels=st.integers(1, 2),
    cuts=st.lists(st.integers(0, 9000), max_size=6),
    start=st.integers(-500, 9000),
    length=st.integers(1, 12000),
    columns=st.integers(1, 60),
)
def test_a_view_of_a_growing_sound_is_that_of_its_samples(
    frames: int, channels: int, cuts: list[int], start: int, length: int, columns: int
) -> None:
    samples = noise(channels, frames)
    pyramid = PeakPyramid(channels)
    for piece in np.split(samples, sorted(min(cut, frames) for cut in cuts), axis=1):
        pyramid.append(piece)
    assert pyramid.frames == frames
    size = frames_per_bin(pyramid.span(start, start + length, columns)[0])
    shown = pyramid.view(start, start + length, columns)
    wanted = expected_columns(samples, start, start + length, columns, size)
    for name, got, want in zip(("min", "max", "rms"), shown, wanted, strict=True):
        assert got.dtype == np.float32
        assert got.shape == (columns,)
        assert np.allclose(got, want, atol=1e-6), name


def test_growing_in_parts_equals_building_at_once() -> None:
    samples = noise(2, 300_000)
    whole = PeakPyramid.from_samples(samples)
    grown = PeakPyramid(2)
    for start in range(0, 300_000, 7_777):
        grown.append(samples[:, start : start + 7_777])
    assert grown.level_count == whole.level_count
    for start, end in ((0, 300_000), (1234, 250_001), (299_000, 301_000), (5000, 5100)):
        for a, b in zip(whole.view(start, end, 313), grown.view(start, end, 313), strict=True):
            assert np.allclose(a, b, atol=1e-7)


def test_no_peak_is_lost_at_any_zoom() -> None:
    samples = np.zeros((1, 1_000_000), dtype=np.float32)
    samples[0, 777_777] = 1.0
    pyramid = PeakPyramid.from_samples(samples)
    for columns in (1, 10, 999, 1400, 40_000):
        assert pyramid.view(0, 1_000_000, columns)[1].max() == 1.0


def test_ten_minutes_cost_a_view_a_few_bins_a_column() -> None:
    frames, columns = 600 * 48_000, 1_400
    silence = np.broadcast_to(np.float32(0), (1, 480_000))
    pyramid = PeakPyramid(1)
    for _ in range(frames // silence.shape[1]):
        pyramid.append(silence)
    spans = [frames, frames // 2, frames // 7, frames // 100, 200_000, 89_600, 89_599, 1400, 20]
    for length in spans:
        for start in (0, 12_345_678):
            level, first, last = pyramid.span(start, start + length, columns)
            assert last - first <= (6 if level >= 0 else BASE_FRAMES) * columns
            assert (level == -1) == (length < BASE_FRAMES * columns)


def test_a_part_already_given_may_be_reused_by_its_owner() -> None:
    buffer = np.full((1, 100), 0.5, dtype=np.float32)
    pyramid = PeakPyramid(1)
    pyramid.append(buffer)
    buffer[:] = 0.0
    pyramid.append(buffer)
    assert pyramid.view(0, 100, 10)[1].min() == 0.5


def test_a_wrong_shape_is_refused() -> None:
    pyramid = PeakPyramid(2)
    with pytest.raises(ValueError, match="frames"):
        pyramid.append(np.zeros((1, 10), dtype=np.float32))
    with pytest.raises(ValueError, match="columns"):
        pyramid.view(0, 10, 0)
    with pytest.raises(ValueError, match="channel"):
        PeakPyramid(0)
