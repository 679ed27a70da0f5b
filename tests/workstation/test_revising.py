from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from studio.audio.clip import AudioClip
from studio.core.errors import InputError, LibraryError
from studio.generation.request import GenerationRequest
from studio.workstation.generate import TakeJob
from studio.workstation.workstation import Workstation

WAIT = 60.0


@pytest.fixture
def take(workstation: Workstation) -> TakeJob:
    job = workstation.generate(
        GenerationRequest(prompt="dub", seed=7, duration_seconds=0.5, tempo_bpm=120.0)
    )
    job.future.result(WAIT)
    return job


def sample_id(job: TakeJob) -> int:
    record = job.future.result(WAIT)
    assert record is not None
    return record.id


def test_an_extended_sample_asks_for_its_codes_and_more(
    workstation: Workstation, take: TakeJob
) -> None:
    longer = workstation.extend(sample_id(take), duration_seconds=3.0)
    assert take.take is not None
    assert longer.request.source is not None
    assert np.array_equal(longer.request.source.array, take.take.codes)
    assert (longer.request.from_seconds, longer.request.duration_seconds) == (0.5, 3.0)
    assert longer.request.seed == 7
    assert sample_id(longer) != sample_id(take)
    assert workstation.recipe(workstation.get(sample_id(longer))) == longer.request


def test_without_a_length_a_sample_doubles(workstation: Workstation, take: TakeJob) -> None:
    assert workstation.extend(sample_id(take)).request.duration_seconds == 1.0
    loop = workstation.generate(GenerationRequest(prompt="dub", tempo_bpm=120.0, bars=2))
    assert workstation.extend(sample_id(loop)).request.bars == 4


def test_a_part_made_anew_has_another_seed_and_the_same_length(
    workstation: Workstation, take: TakeJob
) -> None:
    part = workstation.regenerate(sample_id(take), from_seconds=0.1, to_seconds=0.3).request
    assert (part.from_seconds, part.to_seconds, part.duration_seconds) == (0.1, 0.3, 0.5)
    assert part.seed != 7
    assert workstation.regenerate(sample_id(take), from_seconds=0.1, seed=9).request.seed == 9


def test_what_cannot_be_revised_is_named(
    workstation: Workstation, take: TakeJob, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"already; ask for more than 0\.4 s"):
        workstation.extend(sample_id(take), duration_seconds=0.4)
    with pytest.raises(InputError, match="after its start"):
        workstation.regenerate(sample_id(take), from_seconds=0.3, to_seconds=0.2)
    with pytest.raises(LibraryError):
        workstation.extend(999)
    found = AudioClip(samples=np.full(9000, 0.1, dtype=np.float32), sample_rate=44_100)
    found.save(tmp_path / "found.wav")
    report = workstation.import_files([tmp_path / "found.wav"]).result(WAIT)
    with pytest.raises(InputError, match="was not made here"):
        workstation.extend(report.ids[0])
