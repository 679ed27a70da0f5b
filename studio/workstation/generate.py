"""From a request to a sample in the library.

Owns the way of one take: engine, then library writer, then the row. It knows neither how sound
is made nor how rows are written.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

from studio.core.errors import EngineError, StudioError
from studio.generation.coded_take import CodedTake
from studio.generation.jobs import Job, Listener, Progress
from studio.generation.request import GenerationRequest, Take
from studio.generation.worker import GenerationWorker
from studio.library.library import Library
from studio.library.records import Change, NewSample, SampleRecord


class TakeJob:
    """One queued take on its way into the library.

    Attributes:
        id: Number of the job, as in `Progress.job_id` and `Workstation.jobs()`.
        request: What was asked.
        future: The sample's record once it is stored, None for a take that is not saved; or a
            `StudioError`, `CancelledError` after `cancel`.
    """

    def __init__(self, job: Job, future: Future[SampleRecord | None]) -> None:
        self.id = job.id
        self.request = job.request
        self.future = future
        self._job = job

    @classmethod
    def stored(cls, request: GenerationRequest, record: SampleRecord) -> TakeJob:
        """The finished job of a take that is in the library; no worker knows its number."""
        future: Future[SampleRecord | None] = Future()
        future.set_result(record)
        return cls(Job(id=-record.id, request=request, on_cancel=_nothing_to_cancel), future)

    @property
    def take(self) -> Take | None:
        """The finished take with its sound; None until then, and for a failed job."""
        done = self._job.future
        if not done.done() or done.exception() is not None:
            return None
        return done.result()

    def cancel(self) -> None:
        """Stop: at once while it waits, within one decoder step while it runs."""
        self._job.cancel()


class TakeSaver:
    """Leads finished takes into one library.

    Args:
        library: Where takes go.
        publish: Told every change that a stored take makes.
    """

    def __init__(self, library: Library, publish: Callable[[Change], None]) -> None:
        self._library = library
        self._publish = publish

    def submit(
        self,
        worker: GenerationWorker,
        request: GenerationRequest,
        listener: Listener | None,
        *,
        save: bool,
        coded: CodedTake | None = None,
    ) -> TakeJob:
        """Queue a request; see `Workstation.generate`."""
        tell = listener or _ignore

        def forward(progress: Progress) -> None:
            if not (save and progress.state == "done"):
                tell(progress)

        future: Future[SampleRecord | None] = Future()
        future.set_running_or_notify_cancel()
        job = worker.submit(request, forward, coded)

        def finished(done: Future[Take]) -> None:
            error = done.exception()
            if error is not None:
                future.set_exception(error)
            elif not save:
                future.set_result(None)
            else:
                self._store(done.result(), job.id, tell, future)

        job.future.add_done_callback(finished)
        return TakeJob(job, future)

    def save(self, take: Take) -> Future[SampleRecord]:
        """Store a take; the future gives its record, or a `StudioError`."""
        record: Future[SampleRecord] = Future()
        record.set_running_or_notify_cancel()

        def stored(done: Future[Change]) -> None:
            try:
                change = done.result()
                found = self._library.get(change.ids[0])
            except Exception as error:  # noqa: BLE001 # whatever it is, it belongs to the waiter
                record.set_exception(error)
                return
            record.set_result(found)
            self._publish(change)

        try:
            self._library.add_take(new_sample(take)).add_done_callback(stored)
        except StudioError as error:  # the library is closed
            record.set_exception(error)
        return record

    def _store(
        self, take: Take, job_id: int, tell: Listener, future: Future[SampleRecord | None]
    ) -> None:
        steps = int(take.codes.shape[1])

        def stored(done: Future[SampleRecord]) -> None:
            error = done.exception()
            if error is None:
                future.set_result(done.result())
                tell(Progress(job_id=job_id, state="done", done_steps=steps, total_steps=steps))
                return
            future.set_exception(error)
            known = (
                error
                if isinstance(error, StudioError)
                else EngineError(f"The take could not be stored ({error}); see the log.")
            )
            tell(Progress(job_id=job_id, state="failed", error=known))

        tell(Progress(job_id=job_id, state="saving", done_steps=steps, total_steps=steps))
        self.save(take).add_done_callback(stored)


def new_sample(take: Take) -> NewSample:
    """What the library keeps of a take: sound, codes, facts and the whole recipe."""
    request = take.request
    return NewSample(
        clip=take.clip,
        codes=take.codes,
        tempo_bpm=take.tempo_bpm,
        bars=take.bars,
        key=take.key,
        prompt=request.prompt,
        model=request.model,
        model_hash=take.model_hash,
        seed=request.seed,
        recipe_json=request.to_json(),
    )


def _nothing_to_cancel(job_id: int) -> None:
    """Of a job that was done from the start."""


def _ignore(progress: Progress) -> None:
    """Used when nobody listens."""
