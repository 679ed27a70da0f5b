from __future__ import annotations

from studio.training.loopsynth.labels import KEYS, density_of, speed_of


def test_density_counts_sixteenths_with_an_onset() -> None:
    assert density_of(tuple(range(8)), 1) == "sparse"
    assert density_of(tuple(range(11)), 1) == "medium"
    assert density_of(tuple(range(15)), 1) == "busy"
    assert density_of(tuple(range(16)), 2) == "sparse"


def test_speed_words_fall_from_very_fast_to_very_slow() -> None:
    words = [speed_of(grid) for grid in range(4, 13)]
    order = ["very fast", "fast", "driving", "steady", "slow", "very slow"]
    assert list(dict.fromkeys(words)) == order


def test_there_are_twelve_minor_and_twelve_major_keys() -> None:
    assert len(set(KEYS)) == 24
    assert {"am", "f#m", "c"} <= set(KEYS)
