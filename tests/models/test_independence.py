"""What a take may depend on: its own condition and seed, not its neighbours, not its length."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from studio.models.backend import Condition, Sampling
from studio.models.native_backend.backend import NativeBackend
from tests.models.reference import WORDS

TAKES = 16
Ours = Callable[[str], NativeBackend]


def _prompt(words: int) -> str:
    return " ".join(WORDS[(words * 3 + i) % len(WORDS)] for i in range(words))


def _conditions(name: str, *, negative: bool) -> list[Condition]:
    """Sixteen that differ in length, some empty, some beyond one block of text."""
    random = np.random.default_rng(6)
    conditions = []
    for take in range(TAKES):
        melody = random.integers(0, 12, 1 + 2 * take, dtype=np.int8)
        conditions.append(
            Condition(
                text="" if take in (3, 8) else _prompt(1 + take * take // 5),
                negative=_prompt(1 + take % 3) if negative and take % 4 != 1 else "",
                melody=melody if "melody" in name and take % 5 != 2 else None,
            )
        )
    return [Condition()] * TAKES if name == "unconditional" else conditions


def _codes(
    backend: NativeBackend, conditions: list[Condition], seeds: list[int], **options: Any
) -> NDArray[np.int64]:
    options = {"frames": 12, "sampling": Sampling(top_k=12, guidance=2.0), **options}
    return np.stack(list(backend.steps(conditions, seeds=seeds, **options)), axis=-1)


@pytest.mark.parametrize("name", ["mono", "stereo", "melody", "stereo melody", "unconditional"])
@pytest.mark.parametrize("case", ["unguided", "guided", "negative"])
def test_a_take_is_the_same_alone_and_among_others(ours: Ours, name: str, case: str) -> None:
    backend = ours(name)
    conditions = _conditions(name, negative=case == "negative")
    sampling = Sampling(top_k=12, guidance=1.0 if case == "unguided" else 2.5)
    seeds = list(range(100, 100 + TAKES))
    together = _codes(backend, conditions, seeds, sampling=sampling)
    for take in range(TAKES):
        alone = _codes(
            backend, conditions[take : take + 1], seeds[take : take + 1], sampling=sampling
        )
        np.testing.assert_array_equal(together[take], alone[0])


@pytest.mark.parametrize("name", ["mono", "stereo", "melody"])
def test_a_continued_take_is_the_same_alone_and_among_others(ours: Ours, name: str) -> None:
    backend = ours(name)
    conditions = _conditions(name, negative=True)[:5]
    shape = (5, backend.info.codebooks, 9)
    prefix = np.random.default_rng(1).integers(0, backend.info.codebook_size, shape)
    together = _codes(backend, conditions, [1, 2, 3, 4, 5], prefix=prefix)
    for take in range(5):
        one = slice(take, take + 1)
        alone = _codes(backend, conditions[one], [take + 1], prefix=prefix[one])
        np.testing.assert_array_equal(together[one], alone)


@pytest.mark.parametrize("name", ["mono", "stereo", "melody", "stereo melody", "unconditional"])
@pytest.mark.parametrize("known", [0, 1, 7])
def test_a_longer_take_begins_with_the_same_codes(ours: Ours, name: str, known: int) -> None:
    backend = ours(name)
    conditions = _conditions(name, negative=True)[:2]
    shape = (2, backend.info.codebooks, known)
    prefix = np.random.default_rng(1).integers(0, backend.info.codebook_size, shape)
    for frames in (1, 2, 15):
        short = _codes(backend, conditions, [8, 9], frames=frames, prefix=prefix)
        long = _codes(backend, conditions, [8, 9], frames=2 * frames, prefix=prefix)
        np.testing.assert_array_equal(short, long[..., :frames])


def test_a_closed_end_knows_that_it_is_the_end(ours: Ours) -> None:
    backend = ours("mono")
    conditions, seeds = _conditions("mono", negative=False), list(range(TAKES))
    opened = _codes(backend, conditions, seeds)
    closed = _codes(backend, conditions, seeds, closed=True)
    settled = 12 - (backend.info.codebooks - 1)
    np.testing.assert_array_equal(opened[..., :settled], closed[..., :settled])
    assert (opened[..., settled:] != closed[..., settled:]).any()


@pytest.mark.parametrize("name", ["mono", "stereo"])
def test_a_take_that_goes_on_goes_on_as_if_it_had_never_stopped(ours: Ours, name: str) -> None:
    backend = ours(name)
    conditions = _conditions(name, negative=True)[4:5]
    whole = _codes(backend, conditions, [7], frames=40)
    rest = _codes(backend, conditions, [7], frames=15, prefix=whole[..., :25])
    np.testing.assert_array_equal(rest, whole[..., 25:])


def test_the_rest_of_a_batch_goes_on_where_it_was_left(ours: Ours) -> None:
    backend = ours("melody")
    conditions = _conditions("melody", negative=False)[:3]
    steps = backend.steps(conditions, frames=900, seeds=[1, 2, 3], sampling=Sampling(top_k=12))
    begun = np.stack(list(islice(steps, 5)), axis=-1)
    whole = _codes(backend, conditions, [1, 2, 3], sampling=Sampling(top_k=12))
    np.testing.assert_array_equal(begun, whole[..., :5])
