"""The queue in front of the engine, and the one thread that works through it.

Owns the order of jobs, their states and their futures. It never imports torch: the engine lives
in a child process (`process.py`).
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections import deque
from dataclasses import dataclass

from studio.core.errors import CancelledError, EngineError, StudioError
from studio.generation.coded_take import CodedTake
from studio.generation.engine_child import EngineOptions, Heard, WarmUp
from studio.generation.jobs import Job, JobState, JobView, Listener, Progress
from studio.generation.process import EngineProcess
from studio.generation.request import GenerationRequest, Take

_LOG = logging.getLogger(__name__)
_CANCELLED = "Cancelled; the takes that were finished are kept."


@dataclass(eq=False)
class _Entry:
    job: Job
    listener: Listener | None
    coded: CodedTake | None = None
    state: JobState = "queued"
    done_steps: int = 0
    total_steps: int = 0
    cancelled: bool = False


class GenerationWorker:
    """Runs generation jobs one after another, in order.

    The engine process starts with the first job or `warm_up`, keeps its model between jobs, and
    is started anew after a crash. Listeners and future callbacks run on the worker's thread (on
    the caller's for a job that is cancelled while it waits).

    Args:
        options: For the engine process.
        process: Another engine process, for tests.
    """

    def __init__(
        self,
        *,
        options: EngineOptions | None = None,
        process: EngineProcess | None = None,
    ) -> None:
        self._process = process or EngineProcess(options=options)
        self._changed = threading.Condition()
        self._queue: deque[_Entry] = deque()
        self._running: _Entry | None = None
        self._warm: WarmUp | None = None
        self._warming_up = False
        self._closed = False
        self._numbers = itertools.count(1)
        self._thread: threading.Thread | None = None

    def submit(
        self,
        request: GenerationRequest,
        listener: Listener | None = None,
        coded: CodedTake | None = None,
    ) -> Job:
        """Queue a request; returns at once.

        Args:
            request: What to make.
            listener: Told every `Progress` of this job.
            coded: The same take as it was made before; then only its sound is made.

        Raises:
            InputError: The request is impossible; nothing was queued.
            EngineError: The worker is closed.
        """
        request = request.checked()
        job = Job(id=next(self._numbers), request=request, on_cancel=self.cancel)
        job.future.set_running_or_notify_cancel()  # only `cancel` ends it, not the future's own
        entry = _Entry(job=job, listener=listener, coded=coded)
        with self._changed:
            is_next = self._warming_up and not self._queue
        self._tell(entry, "loading" if is_next else "queued")
        with self._changed:
            self._refuse_when_closed()
            self._queue.append(entry)
            self._wake()
        return job

    def warm_up(self, model: str, precision: str | None = None) -> None:
        """Load a model while nobody waits. A fault is logged, and reported by the next job."""
        with self._changed:
            self._refuse_when_closed()
            self._warm = WarmUp(model=model, precision=precision)
            self._wake()

    def jobs(self) -> tuple[JobView, ...]:
        """The running job and the waiting ones, in the order of their turn."""
        with self._changed:
            entries = ([self._running] if self._running else []) + list(self._queue)
            return tuple(
                JobView(
                    id=entry.job.id,
                    request=entry.job.request,
                    state=entry.state,
                    done_steps=entry.done_steps,
                    total_steps=entry.total_steps,
                )
                for entry in entries
            )

    def cancel(self, job_id: int) -> None:
        """Take a waiting job off the queue, or stop the running one; others are ignored."""
        with self._changed:
            waiting = next((e for e in self._queue if e.job.id == job_id), None)
            if waiting is not None:
                self._queue.remove(waiting)
            elif self._running is not None and self._running.job.id == job_id:
                self._running.cancelled = True
                self._process.cancel(job_id)
        if waiting is not None:
            self._fail(waiting, CancelledError(_CANCELLED))

    def move(self, job_id: int, position: int) -> None:
        """Give a waiting job another place in the queue, 0 being the next; others are ignored."""
        with self._changed:
            entry = next((e for e in self._queue if e.job.id == job_id), None)
            if entry is not None:
                self._queue.remove(entry)
                self._queue.insert(max(0, position), entry)

    def engine_pid(self) -> int | None:
        """Process number of the engine, None while none runs."""
        return self._process.pid

    def close(self) -> None:
        """Cancel everything and end the engine process and the thread. Idempotent."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            waiting = list(self._queue)
            self._queue.clear()
            if self._running is not None:
                self._running.cancelled = True
            self._changed.notify_all()
        for entry in waiting:
            self._fail(entry, CancelledError(_CANCELLED))
        self._process.end()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self._process.release()

    # --- the worker's thread -------------------------------------------------------------------

    def _wake(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="generation", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise EngineError("The engine is closed; start the program again.")

    def _work(self) -> None:
        while True:
            with self._changed:
                while not (self._closed or self._queue or self._warm is not None):
                    self._changed.wait()
                if self._closed:
                    return
                entry = self._queue.popleft() if self._queue else None
                self._running = entry
                warm, self._warm = (self._warm, None) if entry is None else (None, self._warm)
            if entry is not None:
                self._run(entry)
            elif warm is not None:
                self._load(warm)

    def _load(self, wanted: WarmUp) -> None:
        self._warming_up = True
        try:
            self._process.warm_up(wanted.model, wanted.precision)
        except StudioError as error:
            _LOG.warning("Warming up %s: %s", wanted.model, error.user_message)
        finally:
            self._warming_up = False

    def _run(self, entry: _Entry) -> None:
        try:
            take = self._process.generate(
                entry.job.id,
                entry.job.request,
                lambda heard: self._hear(entry, heard),
                lambda: entry.cancelled,
                entry.coded,
            )
        except StudioError as error:
            self._finish(entry)
            if entry.cancelled and not isinstance(error, CancelledError):
                error = CancelledError(_CANCELLED)
            self._fail(entry, error)
        except Exception as error:  # noqa: BLE001 # the queue goes on after a bug
            _LOG.exception("Job %d", entry.job.id)
            self._finish(entry)
            self._fail(entry, EngineError(f"The engine failed ({error}); the log says more."))
        else:
            self._finish(entry)
            self._succeed(entry, take)

    def _hear(self, entry: _Entry, heard: Heard) -> None:
        with self._changed:
            entry.done_steps, entry.total_steps = heard.done_steps, heard.total_steps
        self._tell(entry, heard.state, heard)

    def _finish(self, entry: _Entry) -> None:
        with self._changed:
            if self._running is entry:
                self._running = None

    def _succeed(self, entry: _Entry, take: Take) -> None:
        entry.done_steps = entry.total_steps = int(take.codes.shape[1])
        entry.job.future.set_result(take)
        self._tell(entry, "done")

    def _fail(self, entry: _Entry, error: StudioError) -> None:
        entry.job.future.set_exception(error)
        self._tell(
            entry, "cancelled" if isinstance(error, CancelledError) else "failed", None, error
        )

    def _tell(
        self,
        entry: _Entry,
        state: JobState,
        heard: Heard | None = None,
        error: StudioError | None = None,
    ) -> None:
        entry.state = state
        if entry.listener is None:
            return
        chunk = heard.chunk if heard else None
        if chunk is not None and not chunk.samples.shape[1]:
            chunk = None
        try:
            entry.listener(
                Progress(
                    job_id=entry.job.id,
                    state=state,
                    done_steps=entry.done_steps,
                    total_steps=entry.total_steps,
                    chunk=chunk,
                    error=error,
                )
            )
        except Exception:  # noqa: BLE001 # a listener's bug is not the job's
            _LOG.exception("The listener of job %d failed", entry.job.id)
