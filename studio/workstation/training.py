"""Trainings of a library: one at a time, each in a process of its own.

Owns starting, steering and ending that process, where its files lie, and the listing of what
came out among the models. It never imports torch. A training whose program ends goes on later
from its last checkpoint.
"""

from __future__ import annotations

import contextlib
import json
import logging
import multiprocessing
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from studio.core.errors import CancelledError, InputError, StorageError, TrainingError
from studio.core.storage import shown_path
from studio.models.shelf.shelf import ModelEntry
from studio.training.workshop.events import Planned
from studio.training.workshop.plan import TrainingPlan
from studio.workstation.models import Models
from studio.workstation.training_child import (
    Done,
    Failed,
    FromChild,
    Order,
    SizeMeasured,
    TrainingEvent,
    Word,
    run_training,
)
from studio.workstation.training_request import (
    REQUEST_FILE,
    TrainingRequest,
    kept_request,
)

_LOG = logging.getLogger(__name__)
_END_SECONDS = 10.0
_LAST_LINE_BYTES = 4096
_Result = TypeVar("_Result")
_Target = Callable[[Connection, Connection, Order], None]
TrainingListener = Callable[[TrainingEvent], None]


@dataclass(frozen=True, kw_only=True)
class StoppedTraining:
    """A run that can go on.

    Attributes:
        request: What was asked.
        step: The last one that its log knows of; 0 before the first.
    """

    request: TrainingRequest
    step: int


class TrainingJob(Generic[_Result]):
    """Work in a training process.

    Attributes:
        request: What was asked.
        future: Its result, or a `StudioError`; `CancelledError` after `stop`.
    """

    def __init__(self, request: TrainingRequest) -> None:
        self.request = request
        self.future: Future[_Result] = Future()
        self.future.set_running_or_notify_cancel()
        self._lock = threading.Lock()
        self._to_child: Connection | None = None
        self._child: SpawnProcess | None = None

    @property
    def pid(self) -> int | None:
        """Process number of the child, None before and after."""
        with self._lock:
            return None if self._child is None else self._child.pid

    def pause(self) -> None:
        """Let it save its state and wait after its next step."""
        self._say("pause")

    def go_on(self) -> None:
        """Let it go on after a pause."""
        self._say("go on")

    def stop(self) -> None:
        """Let it save its state and end; the same request goes on from there."""
        self._say("stop")

    def kill(self) -> None:
        """End it at once; the last checkpoint stays."""
        with self._lock:
            if self._child is not None and self._child.is_alive():
                self._child.kill()

    def _say(self, word: Literal["pause", "go on", "stop"]) -> None:
        with self._lock, contextlib.suppress(OSError):
            if self._to_child is not None:
                self._to_child.send(Word(say=word))

    def _begin(self, target: _Target, order: Order) -> Connection:
        """Start the child; its messages come from the result."""
        context = multiprocessing.get_context("spawn")
        # Two one-way pipes: a two-way one would be a socket, and no socket is ever opened.
        inbox, to_child = context.Pipe(duplex=False)
        from_child, outbox = context.Pipe(duplex=False)
        child = context.Process(
            target=target, args=(inbox, outbox, order), name="studio-training", daemon=True
        )
        try:
            child.start()
        except OSError as error:
            to_child.close()
            from_child.close()
            raise TrainingError(
                f"The training could not start ({error.strerror or error}); close other programs."
            ) from error
        finally:
            # Only the child may hold its ends, so that each side notices the other's death.
            inbox.close()
            outbox.close()
        with self._lock:
            self._child, self._to_child = child, to_child
        return from_child

    def _end(self) -> int | None:
        """Give back pipe and process; its exit status."""
        with self._lock:
            child, self._child = self._child, None
            pipe, self._to_child = self._to_child, None
        if child is None:
            return None
        child.join(_END_SECONDS)
        if child.is_alive():
            child.kill()
            child.join()
        status = child.exitcode
        child.close()
        if pipe is not None:
            pipe.close()
        return status


class Trainings:
    """Starts trainings, one at a time.

    Args:
        models_dir: The library's folder of models; results and work folders lie below it.
        models: Where a result is listed.
        log_file: Where the child logs; None logs nothing.
        target: Another main function of the child, for tests.
    """

    def __init__(
        self,
        models_dir: Path,
        models: Models,
        *,
        log_file: Path | None = None,
        target: _Target = run_training,
    ) -> None:
        self._models_dir = models_dir
        self._models = models
        self._log_file = log_file
        self._target = target
        self._lock = threading.Lock()
        self._running: TrainingJob[Any] | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def plan(
        self, request: TrainingRequest, listener: TrainingListener
    ) -> TrainingJob[TrainingPlan]:
        """Hear a folder and measure this machine; the job's future tells what a run will be.

        Args:
            request: What to train.
            listener: Told how far it is, on a background thread.

        Raises:
            InputError: The request is impossible.
            TrainingError: Another training runs.
        """
        job: TrainingJob[TrainingPlan] = TrainingJob(request.checked())
        plans: list[TrainingPlan] = []

        def hear(event: TrainingEvent) -> None:
            if isinstance(event, Planned):
                plans.append(event.plan)
            listener(event)

        self._start(job, "plan", hear, lambda: plans[0])
        return job

    def train(
        self, request: TrainingRequest, listener: TrainingListener
    ) -> TrainingJob[ModelEntry]:
        """Train; the job's future gives the result's entry when it stands among the models.

        A job that was stopped, or whose program ended, goes on when the same request is made
        again.

        Args:
            request: What to train.
            listener: Told everything that happens, on a background thread.

        Raises:
            InputError: The request is impossible, or its name is taken.
            TrainingError: Another training runs.
            StorageError: The work folder cannot be made.
        """
        request = request.checked()
        out, place = self._out(request.name), self._place(request.name)
        self._check_free(request.name, out)
        job: TrainingJob[ModelEntry] = TrainingJob(request)
        try:
            for folder in (out.parent, place):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"The folder {shown_path(place)} cannot be made ({error.strerror or error}): free"
                " some space."
            ) from error

        def listed() -> ModelEntry:
            entry = self._models.add(out, request.name)
            _tidy(place)
            return entry

        def begin() -> None:
            request.keep(place)

        self._start(job, "run", listener, listed, before=begin)
        return job

    def measure_sizes(
        self, request: TrainingRequest, listener: TrainingListener
    ) -> TrainingJob[dict[str, SizeMeasured]]:
        """Measure every size with the codec of `request`; the figures are remembered.

        Raises:
            TrainingError: A training runs.
        """
        job: TrainingJob[dict[str, SizeMeasured]] = TrainingJob(request)

        def hear(event: TrainingEvent) -> None:
            if isinstance(event, SizeMeasured):
                self._models.measurements.note(
                    _size_question(event.name, request.codec),
                    {
                        "training_steps_per_second": event.training_steps_per_second,
                        "times_real_time": event.times_real_time,
                    },
                )
            listener(event)

        self._start(job, "sizes", hear, lambda: self.sizes(request.codec))
        return job

    def sizes(self, codec: str) -> dict[str, SizeMeasured]:
        """What `measure_sizes` found out on this machine for a codec."""
        found = {}
        prefix, suffix = _size_question("|", codec).split("|")
        for question, figures in self._models.measurements.known().items():
            if question.startswith(prefix) and question.endswith(suffix):
                name = question[len(prefix) : len(question) - len(suffix)]
                found[name] = SizeMeasured(
                    name=name,
                    training_steps_per_second=figures.get("training_steps_per_second", 0.0),
                    times_real_time=figures.get("times_real_time", 0.0),
                )
        return found

    def stopped(self) -> tuple[StoppedTraining, ...]:
        """Runs that were stopped and can go on, sorted by name."""
        found = []
        for work in sorted(self._places().glob("*"), key=lambda path: path.name.casefold()):
            request = kept_request(work)
            running = self._running is not None and self._running.request.name == work.name
            if request is not None and not running:
                found.append(StoppedTraining(request=request, step=_last_step(work)))
        return tuple(found)

    def forget(self, name: str) -> None:
        """Delete what a run has kept; the sounds it heard are not touched.

        Raises:
            TrainingError: It runs.
            StorageError: It cannot be deleted.
        """
        with self._lock:
            if self._running is not None and self._running.request.name == name:
                raise TrainingError(f"The training of {name} runs: stop it first.")
        work = self._place(name)
        if kept_request(work) is None:
            return
        try:
            shutil.rmtree(work)
        except OSError as error:
            raise StorageError(
                f"{shown_path(work)} cannot be deleted ({error.strerror or error})."
            ) from error

    def close(self) -> None:
        """Stop what runs, its state saved; end it anyway after a while. Idempotent."""
        with self._lock:
            self._closed = True
            job, thread = self._running, self._thread
        if job is not None:
            job.stop()
        if thread is not None:
            thread.join(_END_SECONDS)
            if thread.is_alive() and job is not None:
                job.kill()
                thread.join(_END_SECONDS)

    # --- inside --------------------------------------------------------------------------------

    def _out(self, name: str) -> Path:
        return self._models_dir / "trained" / name

    def _places(self) -> Path:
        return self._models_dir / "training"

    def _place(self, name: str) -> Path:
        return self._places() / name

    def _check_free(self, name: str, out: Path) -> None:
        taken = {entry.name.casefold() for entry in self._models.entries()}
        if name.casefold() in taken:
            raise InputError(f"There is a model {name} already; choose another name.")
        there = out.parent.glob("*") if out.parent.is_dir() else ()
        if any(path.name != name and path.name.casefold() == name.casefold() for path in there):
            raise InputError(f"There is a folder {name} already; choose another name.")

    def _start(
        self,
        job: TrainingJob[_Result],
        work: Literal["plan", "run", "sizes"],
        listener: TrainingListener,
        result: Callable[[], _Result],
        before: Callable[[], None] | None = None,
    ) -> None:
        with self._lock:
            if self._closed:
                raise TrainingError("The library is closed; start the program again.")
            if self._running is not None:
                raise TrainingError("A training runs already: wait for it, or stop it first.")
            self._running = job
        name = job.request.name
        order = Order(
            work=work,
            request=job.request,
            out=self._out(name),
            place=self._place(name),
            models_dir=self._models_dir,
            log_file=self._log_file,
        )
        try:
            if before is not None:
                before()
            from_child = job._begin(self._target, order)
        except BaseException:
            with self._lock:
                self._running = None
            raise
        thread = threading.Thread(
            target=self._follow,
            args=(job, from_child, listener, result),
            name="studio-training",
            daemon=True,
        )
        self._thread = thread
        thread.start()

    def _follow(
        self,
        job: TrainingJob[_Result],
        from_child: Connection,
        listener: TrainingListener,
        result: Callable[[], _Result],
    ) -> None:
        outcome: Done | Failed | None = None
        with from_child, contextlib.suppress(EOFError, OSError):
            while outcome is None:
                message: FromChild = from_child.recv()
                if isinstance(message, Done | Failed):
                    outcome = message
                else:
                    _tell(listener, message)
        status = job._end()
        with self._lock:
            self._running = None
        if outcome is None:
            job.future.set_exception(_obituary(status, closed=self._closed))
        elif isinstance(outcome, Failed):
            job.future.set_exception(outcome.error)
        else:
            _settle(job.future, result)


def _settle(future: Future[_Result], result: Callable[[], _Result]) -> None:
    try:
        value = result()
    except BaseException as error:  # noqa: BLE001 - it is raised where the future is read
        future.set_exception(error)
    else:
        future.set_result(value)


def _tidy(work: Path) -> None:
    """Delete what a finished run needs no more: its request, and what takes most of the room."""
    for file in (work / REQUEST_FILE, *work.glob("*.pt")):
        with contextlib.suppress(OSError):
            file.unlink(missing_ok=True)


def _tell(listener: TrainingListener, event: TrainingEvent) -> None:
    try:
        listener(event)
    except Exception:  # noqa: BLE001 # a view's bug must not lose the training
        _LOG.exception("A listener failed on %s", type(event).__name__)


def _obituary(status: int | None, *, closed: bool) -> CancelledError | TrainingError:
    if closed:
        return CancelledError("Training stopped; it goes on from its last checkpoint.")
    how = "no answer" if status is None else f"exit status {status}"
    if status is not None and status < 0:
        how = f"signal {-status}, perhaps too little memory"
    return TrainingError(
        f"The training stopped ({how}); its last checkpoint is kept: press Start to go on."
    )


def _size_question(name: str, codec: str) -> str:
    return f"training size {name} with the codec of {codec}"


def _last_step(work: Path) -> int:
    """The step of the last whole line of a run's losses."""
    try:
        with (work / "losses.jsonl").open("rb") as stream:
            end = stream.seek(0, 2)
            stream.seek(max(0, end - _LAST_LINE_BYTES))
            lines = stream.read().splitlines()
    except OSError:
        return 0
    for line in reversed(lines):
        with contextlib.suppress(ValueError, KeyError, TypeError):
            return int(json.loads(line)["step"])
    return 0
