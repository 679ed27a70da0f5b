from __future__ import annotations

from studio.benchmark.rounds import Spread, ratio, take_turns


def test_contestants_alternate() -> None:
    order: list[str] = []
    told: list[tuple[int, str]] = []

    def turn(name: str) -> int:
        order.append(name)
        return len(order)

    results = take_turns(
        {"a": lambda: turn("a"), "b": lambda: turn("b")}, 3, lambda *now: told.append(now)
    )
    assert order == ["a", "b", "a", "b", "a", "b"]
    assert results == {"a": [1, 3, 5], "b": [2, 4, 6]}
    assert told == [(0, "a"), (0, "b"), (1, "a"), (1, "b"), (2, "a"), (2, "b")]


def test_a_spread_is_the_median_between_the_extremes() -> None:
    assert Spread.of([5.0, 1.0, 2.0]) == Spread(median=2.0, low=1.0, high=5.0)


def test_a_moment_that_slows_everybody_does_not_change_the_ratio() -> None:
    quiet_then_busy = ([10.0, 2.0, 10.0], [5.0, 1.0, 5.0])
    assert ratio(*quiet_then_busy) == Spread(median=2.0, low=2.0, high=2.0)
