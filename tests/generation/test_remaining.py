from __future__ import annotations

import pytest

from studio.generation.remaining import RemainingTime, clock


def test_nothing_is_said_before_it_can_be_known() -> None:
    remaining = RemainingTime()
    assert remaining.update(0, 100, now=10.0) is None
    assert remaining.update(1, 100, now=10.1) is None
    assert remaining.update(0, 100, now=10.2) is None


def test_a_steady_job_is_told_to_the_second() -> None:
    remaining = RemainingTime()
    told = [remaining.update(step, 100, now=step / 10) for step in range(101)]
    assert all(
        seconds == pytest.approx((100 - step) / 10)
        for step, seconds in enumerate(told)
        if seconds is not None
    )
    assert told[50] is not None
    assert told[100] == 0.0


def test_a_slow_beginning_is_forgotten() -> None:
    remaining = RemainingTime()
    remaining.update(0, 1000, now=0.0)
    remaining.update(1, 1000, now=60.0)
    for step in range(1, 120):
        last = remaining.update(1 + step, 1000, now=60 + step / 10)
    assert last == pytest.approx((1000 - 120) / 10, rel=0.01)


def test_a_job_that_stands_still_says_nothing_false() -> None:
    remaining = RemainingTime()
    for second in range(30):
        last = remaining.update(5, 10, now=float(second))
    assert last is None


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.2, "0 s"), (59.4, "59 s"), (125, "2:05"), (3725, "1:02:05")]
)
def test_durations_are_shown_as_people_read_them(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown
