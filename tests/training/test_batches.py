from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from studio.training.batches import step_batches

CONTEXT = 400
PERIODS = np.random.default_rng(5).choice([64, 80, 128, 160, 320, 384], 1_000).tolist()


@pytest.fixture
def round_of_steps() -> list[tuple[list[int], int]]:
    """Steps until every loop was heard once."""
    steps: list[tuple[list[int], int]] = []
    heard = 0
    for step in step_batches(PERIODS, 6, CONTEXT, np.random.default_rng(0)):
        steps.append(step)
        heard += len(step[0])
        if heard >= len(PERIODS):
            return steps
    raise AssertionError("the steps never end")


def test_every_loop_is_heard_once_a_round(round_of_steps: list[tuple[list[int], int]]) -> None:
    assert sorted(place for chosen, _ in round_of_steps for place in chosen) == list(range(1_000))


def test_each_is_heard_whole_and_a_little_more(
    round_of_steps: list[tuple[list[int], int]],
) -> None:
    for chosen, frames in round_of_steps:
        assert frames <= CONTEXT
        for place in chosen:
            assert frames >= min(CONTEXT, PERIODS[place] + 32)


def test_no_step_is_more_work_than_one_of_the_whole_context(
    round_of_steps: list[tuple[list[int], int]],
) -> None:
    assert max(len(chosen) * frames for chosen, frames in round_of_steps) <= 6 * CONTEXT
    whole = sum(len(chosen) for chosen, frames in round_of_steps if frames == CONTEXT)
    assert 0.1 < whole / len(PERIODS) < 0.5
    assert len(round_of_steps) < 0.75 * len(PERIODS) / 6


def test_a_single_loop_comes_again_and_again() -> None:
    steps = list(islice(step_batches([80], 6, CONTEXT, np.random.default_rng(0)), 3))
    assert steps == [([0], 112)] * 3


def test_some_loops_come_more_often_than_others() -> None:
    rounds = [2, 1, 3]
    heard: list[int] = []
    for chosen, _ in step_batches([80, 90, 100], 6, CONTEXT, np.random.default_rng(0), rounds):
        heard += chosen
        if len(heard) >= 6:
            break
    assert sorted(heard) == [0, 0, 1, 2, 2, 2]
