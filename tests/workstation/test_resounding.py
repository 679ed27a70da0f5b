from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from studio.core.errors import EngineError, InputError
from studio.generation.coded_take import CodedTake
from studio.generation.request import GenerationRequest
from studio.workstation.workstation import Workstation
from tests.workstation.conftest import tone_take

WAIT = 60.0


@pytest.fixture
def coded() -> CodedTake:
    """A take of a seed bank."""
    request = GenerationRequest(prompt="dark jungle", seed=7, tempo_bpm=174.0, bars=2, key="Am")
    return CodedTake.of(tone_take(request))


def test_a_take_of_a_bank_becomes_a_sample_with_its_recipe(
    workstation: Workstation, worker: Any, coded: CodedTake
) -> None:
    record = workstation.resound(coded).future.result(WAIT)
    assert record is not None
    assert worker.coded == [coded]
    assert (record.prompt, record.seed, record.model) == ("dark jungle", 7, "house")
    assert (record.tempo_bpm, record.bars, record.key) == (174.0, 2, "Am")
    assert record.model_hash == coded.model_hash
    assert workstation.recipe(record) == coded.request
    codes = workstation.codes(record.id)
    assert codes is not None
    assert np.array_equal(codes, coded.codes.array)


def test_a_take_that_the_library_has_is_not_made_again(
    workstation: Workstation, worker: Any, coded: CodedTake
) -> None:
    first = workstation.resound(coded).future.result(WAIT)
    again = workstation.resound(coded)
    assert again.future.result(WAIT) == first
    assert worker.coded == [coded]
    other = replace(coded, request=replace(coded.request, key="C"))
    assert workstation.resound(other).future.result(WAIT) != first
    assert workstation.count() == 2


def test_a_take_in_the_bin_is_made_again(workstation: Workstation, coded: CodedTake) -> None:
    first = workstation.resound(coded).future.result(WAIT)
    assert first is not None
    workstation.delete([first.id]).result(WAIT)
    second = workstation.resound(coded).future.result(WAIT)
    assert second is not None
    assert second.id != first.id


def test_a_new_take_is_made_without_codes(workstation: Workstation, worker: Any) -> None:
    workstation.generate(GenerationRequest(prompt="dub", seed=7)).future.result(WAIT)
    assert worker.coded == [None]


def test_it_can_be_heard_without_being_stored(workstation: Workstation, coded: CodedTake) -> None:
    states: list[str] = []
    job = workstation.resound(coded, lambda progress: states.append(progress.state), save=False)
    assert job.future.result(WAIT) is None
    assert job.take is not None
    assert states == ["done"]
    assert workstation.count() == 0


def test_a_take_that_cannot_be_sounded_leaves_no_sample(
    workstation: Workstation, worker: Any, coded: CodedTake
) -> None:
    worker.failure = EngineError("The engine stopped.")
    with pytest.raises(EngineError):
        workstation.resound(coded).future.result(WAIT)
    assert workstation.count() == 0


def test_an_impossible_recipe_is_not_queued(workstation: Workstation, coded: CodedTake) -> None:
    with pytest.raises(InputError, match="tempo"):
        workstation.resound(replace(coded, request=replace(coded.request, tempo_bpm=9000.0)))
    assert workstation.count() == 0
