"""The engine's side of the engine process.

Owns the child's main loop and the messages on the pipe. It contains no Qt and no sound, never
writes a file except the log, and ends with its parent, however that ends.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import signal
import sys
import threading
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal

from studio.core.errors import EngineError, StudioError
from studio.core.log import start_logging
from studio.generation.coded_take import CodedTake
from studio.generation.engine import Engine
from studio.generation.loading import load_model
from studio.generation.request import Chunk, GenerationRequest, Take
from studio.models.shelf.shelf import ModelShelf

_LOG = logging.getLogger(__name__)
_NICENESS = 5


@dataclass(frozen=True, kw_only=True)
class Generate:
    """Parent to child: make a take.

    Attributes:
        job_id: For `Cancel`.
        request: What to make.
        coded: The same take as it was made before; then only its sound is made.
    """

    job_id: int
    request: GenerationRequest
    coded: CodedTake | None = None


@dataclass(frozen=True, kw_only=True)
class WarmUp:
    """Parent to child: have this model ready."""

    model: str
    precision: str | None = None


@dataclass(frozen=True, kw_only=True)
class Cancel:
    """Parent to child: stop this job before its next step."""

    job_id: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Heard:
    """Child to parent: a job went forward."""

    state: Literal["loading", "running"]
    done_steps: int = 0
    total_steps: int = 0
    chunk: Chunk | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Finished:
    """Child to parent: the take, or None at the end of a warm-up."""

    take: Take | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Failed:
    """Child to parent: the job or warm-up ended without a result."""

    error: StudioError


ToChild = Generate | WarmUp | Cancel
FromChild = Heard | Finished | Failed


def physical_cores() -> int:
    """Processor cores that this process may use, hyper-threads counted once."""
    try:
        allowed = os.sched_getaffinity(0)
    except AttributeError:
        logical = os.cpu_count() or 2
        return logical if sys.platform == "darwin" else max(1, logical // 2)
    siblings = set()
    for cpu in allowed:
        topology = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        try:
            siblings.add(topology.read_text())
        except OSError:
            siblings.add(str(cpu))
    return max(1, len(siblings))


def limit_threads(threads: int | None = None) -> None:
    """Set the number of processor threads of an engine that this process will load.

    It has to happen before the engine's libraries are imported, so every face of the product
    calls this. `OMP_NUM_THREADS` of the person wins.

    Args:
        threads: None takes one for each physical core.
    """
    os.environ.setdefault("OMP_NUM_THREADS", str(threads or physical_cores()))


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """What the child has to know before its first message.

    Attributes:
        log_file: Where it logs; None logs nothing.
        threads: Processor threads; None takes one for each physical core.
        models_dir: The folder of the models that a person has added; None for none.
    """

    log_file: Path | None = None
    threads: int | None = None
    models_dir: Path | None = None


def run_engine(inbox: Connection, outbox: Connection, options: EngineOptions) -> None:
    """Main function of the engine process; returns never or at the parent's end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is the parent's to answer
    limit_threads(options.threads)
    if hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(_NICENESS)
    if options.log_file is not None:
        start_logging(options.log_file)
    load = partial(load_model, shelf=ModelShelf(options.models_dir))
    _Child(inbox, outbox, Engine(load)).serve()


class _Child:
    def __init__(self, inbox: Connection, outbox: Connection, engine: Engine) -> None:
        self._inbox = inbox
        self._outbox = outbox
        self._engine = engine
        self._work: queue.SimpleQueue[Generate | WarmUp] = queue.SimpleQueue()
        self._cancelled: set[int] = set()

    def serve(self) -> None:
        threading.Thread(target=self._listen, name="inbox", daemon=True).start()
        while True:
            message = self._work.get()
            try:
                if isinstance(message, WarmUp):
                    self._engine.warm_up(message.model, message.precision)
                    self._send(Finished(take=None))
                else:
                    self._send(Finished(take=self._generate(message)))
            except StudioError as error:
                self._send(Failed(error=error))
            except Exception as error:  # noqa: BLE001 # a bug must not end the process silently
                _LOG.exception("The engine failed on %s", message)
                self._send(
                    Failed(
                        error=EngineError(
                            f"The engine failed ({type(error).__name__}: {error}); "
                            "your takes are kept, the log says more."
                        )
                    )
                )

    def _generate(self, message: Generate) -> Take:
        state: Literal["loading", "running"] = "running"
        request = message.request
        if not self._engine.is_loaded(request.model, request.precision, request.adapters):
            state = "loading"
        self._send(Heard(state=state))

        def forward(chunk: Chunk) -> None:
            self._send(
                Heard(
                    state="running",
                    done_steps=chunk.done_steps,
                    total_steps=chunk.total_steps,
                    chunk=chunk,
                )
            )

        def cancelled() -> bool:
            return message.job_id in self._cancelled

        try:
            if message.coded is not None:
                return self._engine.resound(message.coded, forward, cancelled)
            return self._engine.generate(request, forward, cancelled)
        finally:
            self._cancelled.discard(message.job_id)

    def _listen(self) -> None:
        while True:
            try:
                message: ToChild = self._inbox.recv()
            except (EOFError, OSError):
                os._exit(0)  # the parent is gone, however it ended
            if isinstance(message, Cancel):
                self._cancelled.add(message.job_id)
            else:
                self._work.put(message)

    def _send(self, message: FromChild) -> None:
        try:
            self._outbox.send(message)
        except OSError:
            os._exit(0)
