from __future__ import annotations

import threading
import time

import pytest

from studio.generation.lanes import Lane, lane_pool

WAIT = 10


def test_a_lane_keeps_its_order_while_another_goes_on() -> None:
    with lane_pool(2) as pool:
        slow: Lane[int] = Lane(pool)
        quick: Lane[int] = Lane(pool)
        gate = threading.Event()
        slow.add(lambda: 0 if gate.wait(WAIT) else -1)
        for number in range(1, 50):
            slow.add(lambda number=number: number)
            quick.add(lambda number=number: number)
        quick.wait()
        assert list(quick.results()) == list(range(1, 50))
        assert list(slow.results()) == []
        gate.set()
        slow.wait()
        assert list(slow.results()) == list(range(50))


def test_a_failure_is_raised_where_results_are_asked_for() -> None:
    done: list[int] = []
    with lane_pool(1) as pool:
        lane: Lane[None] = Lane(pool)
        lane.add(lambda: done.append(1))
        lane.add(lambda: [][0])
        lane.add(lambda: done.append(2))
        lane.wait()
        with pytest.raises(IndexError):
            list(lane.results())
    assert done == [1]


def test_whoever_leaves_early_leaves_no_thread_behind() -> None:
    def leave() -> None:
        with lane_pool(1) as pool:
            Lane[None](pool).add(lambda: time.sleep(0.05))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        leave()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("sound")]


def test_without_threads_a_task_is_done_at_once() -> None:
    with lane_pool(0) as pool:
        lane: Lane[str] = Lane(pool)
        lane.add(threading.current_thread().name.upper)
        lane.wait()
        assert list(lane.results()) == [threading.current_thread().name.upper()]
