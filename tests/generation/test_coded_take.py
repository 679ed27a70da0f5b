from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from studio.core.errors import CancelledError, InputError
from studio.generation.coded_take import CodedTake
from studio.generation.engine import Engine
from studio.generation.loading import LoadedModel
from studio.generation.request import Chunk, GenerationRequest, Take
from studio.generation.revision import extended
from studio.models.codes import CodeSequence
from tests.generation.conftest import ToneBackend


@pytest.fixture
def engine(grid_model: LoadedModel) -> Engine:
    return Engine(lambda name, precision=None, adapters=(): grid_model)


def steps_taken(model: LoadedModel) -> int:
    assert isinstance(model.backend, ToneBackend)
    return model.backend.frames_made


def loop(engine: Engine, **values: Any) -> Take:
    wanted = {"prompt": "dark jungle", "seed": 7, "tempo_bpm": 174.0, "bars": 2, **values}
    return engine.generate(GenerationRequest(**wanted))


def test_its_sound_comes_back_without_a_step(engine: Engine, grid_model: LoadedModel) -> None:
    take = loop(engine)
    before = steps_taken(grid_model)
    chunks: list[Chunk] = []
    again = engine.resound(CodedTake.of(take), chunks.append)
    assert np.array_equal(again.clip.samples, take.clip.samples)
    assert np.array_equal(again.codes, take.codes)
    assert (again.request, again.tempo_bpm, again.bars) == (take.request, 174.0, 2)
    assert steps_taken(grid_model) == before
    assert chunks[-1].done_steps == chunks[-1].total_steps == take.codes.shape[1]


def test_a_take_that_went_on_from_another_comes_back_too(engine: Engine) -> None:
    first = loop(engine)
    longer = engine.generate(
        extended(
            first.request,
            first.codes,
            model_hash=first.model_hash,
            length_seconds=first.clip.duration_seconds,
        )
    )
    again = engine.resound(CodedTake.of(longer))
    assert np.array_equal(again.clip.samples, longer.clip.samples)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_hash": "cd" * 32}, "another tone"),
        ({"codes": CodeSequence.from_array(np.full((4, 155), 64))}, "another tone"),
        ({"codes": CodeSequence.from_array(np.zeros((4, 20), np.int64))}, "not 4 x 20"),
        ({"codes": CodeSequence.from_array(np.zeros((2, 155), np.int64))}, "not 2 x 155"),
    ],
)
def test_codes_that_are_not_the_takes_are_refused(
    engine: Engine, change: dict[str, Any], message: str
) -> None:
    coded = CodedTake.of(loop(engine))
    with pytest.raises(InputError, match=message) as caught:
        engine.resound(replace(coded, **change))
    assert "\n" not in caught.value.user_message


def test_it_can_be_cancelled(engine: Engine) -> None:
    coded = CodedTake.of(loop(engine))
    with pytest.raises(CancelledError):
        engine.resound(coded, cancelled=lambda: True)
