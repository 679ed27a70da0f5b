from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from studio.audio.clip import AudioClip
from studio.core.errors import CancelledError, EngineError, InputError, StudioError
from studio.generation.coded_take import CodedTake
from studio.generation.engine_child import Heard
from studio.generation.jobs import Progress
from studio.generation.request import Chunk, GenerationRequest, Take
from studio.generation.worker import GenerationWorker

WAIT = 20.0


def take_of(request: GenerationRequest) -> Take:
    return Take(
        request=request,
        clip=AudioClip(samples=np.zeros((1, 640), dtype=np.float32), sample_rate=32000),
        codes=np.zeros((4, 1), dtype=np.int64),
        model_hash="ab" * 32,
        tempo_bpm=None,
        bars=None,
        key=None,
        seconds_taken=0.0,
    )


class HeldProcess:
    """Stands for the engine process; each job waits until the test lets it go."""

    pid = None

    def __init__(self) -> None:
        self.started: list[int] = []
        self.coded: list[CodedTake | None] = []
        self.warmed: list[str] = []
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.failure: Exception | None = None
        self.stopped = threading.Event()

    def generate(
        self,
        job_id: int,
        request: GenerationRequest,
        hear: Callable[[Heard], None],
        cancelled: Callable[[], bool],
        coded: CodedTake | None = None,
    ) -> Take:
        self.started.append(job_id)
        self.coded.append(coded)
        self.begun.release()
        chunk = Chunk(
            start_frame=0, samples=np.zeros((1, 9), dtype=np.float32), done_steps=1, total_steps=2
        )
        hear(Heard(state="running", done_steps=1, total_steps=2, chunk=chunk))
        while not self.go.acquire(timeout=0.01):
            if self.stopped.is_set():
                raise EngineError("The engine stopped (signal 9).")
            if cancelled():
                raise CancelledError("Cancelled.")
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        return take_of(request)

    def warm_up(self, model: str, precision: str | None = None) -> None:
        self.warmed.append(model)
        raise EngineError("no such model")

    def cancel(self, job_id: int) -> None:
        pass

    def end(self) -> None:
        self.stopped.set()

    def release(self) -> None:
        pass


@pytest.fixture
def process() -> HeldProcess:
    return HeldProcess()


@pytest.fixture
def worker(process: HeldProcess) -> Iterator[GenerationWorker]:
    worker = GenerationWorker(process=process)
    yield worker
    worker.close()
    assert not [t for t in threading.enumerate() if t.name == "generation"]


def request(prompt: str = "break", **values: object) -> GenerationRequest:
    return GenerationRequest(prompt=prompt, **values)


def test_jobs_run_one_after_another_in_order(
    worker: GenerationWorker, process: HeldProcess
) -> None:
    jobs = [worker.submit(request(seed=seed)) for seed in range(3)]
    assert process.begun.acquire(timeout=WAIT)
    assert [(view.id, view.state) for view in worker.jobs()] == [
        (1, "running"),
        (2, "queued"),
        (3, "queued"),
    ]
    for _ in jobs:
        process.go.release()
    assert [job.future.result(WAIT).request.seed for job in jobs] == [0, 1, 2]
    assert process.started == [1, 2, 3]
    assert worker.jobs() == ()


def test_codes_that_are_known_reach_the_process(
    worker: GenerationWorker, process: HeldProcess
) -> None:
    coded = CodedTake.of(take_of(request(seed=3)))
    jobs = [worker.submit(coded.request, coded=coded), worker.submit(request(seed=4))]
    process.go.release(2)
    assert [job.future.result(WAIT).request.seed for job in jobs] == [3, 4]
    assert process.coded == [coded, None]


def test_a_waiting_job_can_be_taken_off_the_queue(
    worker: GenerationWorker, process: HeldProcess
) -> None:
    heard: list[Progress] = []
    worker.submit(request())
    second = worker.submit(request(), heard.append)
    third = worker.submit(request())
    assert process.begun.acquire(timeout=WAIT)
    second.cancel()
    with pytest.raises(CancelledError):
        second.future.result(0)
    assert [progress.state for progress in heard] == ["queued", "cancelled"]
    process.go.release(2)
    third.future.result(WAIT)
    assert process.started == [1, 3]


def test_the_running_job_can_be_cancelled_and_the_next_one_runs(
    worker: GenerationWorker, process: HeldProcess
) -> None:
    first, second = worker.submit(request()), worker.submit(request())
    assert process.begun.acquire(timeout=WAIT)
    first.cancel()
    with pytest.raises(CancelledError):
        first.future.result(WAIT)
    process.go.release()
    assert second.future.result(WAIT)


def test_a_waiting_job_can_go_first(worker: GenerationWorker, process: HeldProcess) -> None:
    jobs = [worker.submit(request()) for _ in range(3)]
    assert process.begun.acquire(timeout=WAIT)
    worker.move(3, 0)
    assert [view.id for view in worker.jobs()] == [1, 3, 2]
    process.go.release(3)
    for job in jobs:
        job.future.result(WAIT)
    assert process.started == [1, 3, 2]


def test_a_listener_hears_every_state_with_its_sound(
    worker: GenerationWorker, process: HeldProcess
) -> None:
    heard: list[Progress] = []
    finished = threading.Event()

    def listen(progress: Progress) -> None:
        heard.append(progress)
        if progress.state == "done":
            finished.set()

    process.go.release()
    worker.submit(request(), listen)
    assert finished.wait(WAIT)
    assert [progress.state for progress in heard] == ["queued", "running", "done"]
    assert heard[1].chunk is not None
    assert (heard[1].done_steps, heard[1].total_steps) == (1, 2)


@pytest.mark.parametrize(
    ("failure", "message"),
    [(EngineError("The engine stopped."), "engine stopped"), (ZeroDivisionError("x"), "failed")],
)
def test_a_failed_job_says_why_and_the_next_one_runs(
    worker: GenerationWorker, process: HeldProcess, failure: Exception, message: str
) -> None:
    heard: list[Progress] = []
    process.failure = failure
    process.go.release(2)
    first, second = worker.submit(request(), heard.append), worker.submit(request())
    with pytest.raises(StudioError, match=message):
        first.future.result(WAIT)
    assert second.future.result(WAIT)
    assert heard[-1].state == "failed"
    assert heard[-1].error is first.future.exception()


def test_a_listener_that_fails_does_not_harm_the_job(
    worker: GenerationWorker, process: HeldProcess
) -> None:
    def listen(progress: Progress) -> None:
        raise ValueError(progress)

    process.go.release()
    assert worker.submit(request(), listen).future.result(WAIT)


def test_an_impossible_request_never_enters_the_queue(worker: GenerationWorker) -> None:
    with pytest.raises(InputError):
        worker.submit(request(bars=1000))
    assert worker.jobs() == ()


def test_a_fault_while_warming_up_is_left_to_the_next_job(
    worker: GenerationWorker, process: HeldProcess
) -> None:
    worker.warm_up("house")
    process.go.release()
    assert worker.submit(request()).future.result(WAIT)


def test_a_job_that_waits_for_the_warm_up_says_that_the_model_is_being_loaded(
    worker: GenerationWorker, process: HeldProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    warming, warm = threading.Event(), threading.Event()

    def warm_up(model: str, precision: str | None = None) -> None:
        warming.set()
        assert warm.wait(WAIT)

    monkeypatch.setattr(process, "warm_up", warm_up)
    worker.warm_up("house")
    assert warming.wait(WAIT)
    first, _ = worker.submit(request()), worker.submit(request())
    assert [job.state for job in worker.jobs()] == ["loading", "queued"]
    warm.set()
    process.go.release()
    process.go.release()
    assert first.future.result(WAIT)


def test_closing_cancels_what_waits_and_what_runs(
    worker: GenerationWorker, process: HeldProcess
) -> None:
    running, waiting = worker.submit(request()), worker.submit(request())
    assert process.begun.acquire(timeout=WAIT)
    worker.close()
    for job in (running, waiting):
        with pytest.raises(CancelledError):
            job.future.result(0)
    with pytest.raises(EngineError):
        worker.submit(request())
