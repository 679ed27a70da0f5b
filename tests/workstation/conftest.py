"""A workstation whose engine answers at once with a tone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest

from studio.audio.clip import AudioClip
from studio.core.paths import Paths
from studio.core.settings import Settings
from studio.generation.coded_take import CodedTake
from studio.generation.jobs import Job, Listener, Progress
from studio.generation.request import GenerationRequest, Take
from studio.workstation.workstation import Workstation


def tone_take(request: GenerationRequest) -> Take:
    """A take of half a second whose pitch depends on the seed."""
    time = np.arange(16000) / 32000
    samples = 0.5 * np.sin(2 * np.pi * (220 + request.seed) * time)
    return Take(
        request=request,
        clip=AudioClip(samples=samples.astype(np.float32), sample_rate=32000),
        codes=np.full((4, 25), request.seed % 512, dtype=np.int64),
        model_hash="ab" * 32,
        tempo_bpm=request.tempo_bpm,
        bars=request.bars,
        key=request.key,
        seconds_taken=0.1,
    )


class PromptWorker:
    """Stands for the generation worker: every job is done when `submit` returns."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self.cancelled: list[int] = []
        self.failure: BaseException | None = None
        self.warmed: list[str] = []
        self.coded: list[CodedTake | None] = []

    def submit(
        self,
        request: GenerationRequest,
        listener: Listener | None = None,
        coded: CodedTake | None = None,
    ) -> Job:
        self.coded.append(coded)
        request = request.checked()
        job = Job(id=next(self._numbers), request=request, on_cancel=self.cancelled.append)
        if self.failure is not None:
            job.future.set_exception(self.failure)
            return job
        take = tone_take(request)
        job.future.set_result(take)
        if listener is not None:
            listener(Progress(job_id=job.id, state="done", done_steps=25, total_steps=25))
        return job

    def jobs(self) -> tuple[()]:
        return ()

    def warm_up(self, model: str, precision: str | None = None) -> None:
        self.warmed.append(model)

    def close(self) -> None:
        pass


@pytest.fixture
def worker() -> PromptWorker:
    return PromptWorker()


@pytest.fixture
def workstation(paths: Paths, worker: PromptWorker) -> Iterator[Workstation]:
    with Workstation(paths, Settings(), worker=worker) as workstation:
        yield workstation
