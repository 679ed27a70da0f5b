"""The engine process, seen from the program that started it.

Owns starting, feeding and ending one child process that holds the model. It never imports torch,
uses the "spawn" method only, and lets one thread at a time wait for results.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from studio.core.errors import EngineError
from studio.generation.coded_take import CodedTake
from studio.generation.engine_child import (
    Cancel,
    EngineOptions,
    Failed,
    FromChild,
    Generate,
    Heard,
    ToChild,
    WarmUp,
    run_engine,
)
from studio.generation.request import GenerationRequest, Take

_END_SECONDS = 5.0


class EngineProcess:
    """A child process with an engine; started at the first use and again after a crash.

    `generate` and `warm_up` belong to one thread; `cancel` and `kill` may come from any.

    Args:
        options: For the child.
        target: Another main function of the child, for tests.
    """

    def __init__(
        self,
        *,
        options: EngineOptions | None = None,
        target: Callable[[Connection, Connection, EngineOptions], None] = run_engine,
    ) -> None:
        self._options = options or EngineOptions()
        self._target = target
        self._lock = threading.RLock()
        self._child: SpawnProcess | None = None
        self._to_child: Connection | None = None
        self._from_child: Connection | None = None
        self._ended = False

    @property
    def pid(self) -> int | None:
        """Process number of the child, None while none runs."""
        with self._lock:
            return None if self._child is None else self._child.pid

    def generate(
        self,
        job_id: int,
        request: GenerationRequest,
        hear: Callable[[Heard], None],
        cancelled: Callable[[], bool],
        coded: CodedTake | None = None,
    ) -> Take:
        """Run one job and wait for it.

        Args:
            job_id: For `cancel`.
            request: What to make.
            hear: Told every step forward.
            cancelled: Whether `cancel` was called before the child knew the job.
            coded: The same take as it was made before; then only its sound is made.

        Raises:
            StudioError: As the engine raised it; EngineError when the child stopped.
        """
        self._send(Generate(job_id=job_id, request=request, coded=coded))
        if cancelled():
            self.cancel(job_id)
        take = self._wait(hear)
        if take is None:
            raise EngineError("The engine answered out of turn; press Generate again.")
        return take

    def warm_up(self, model: str, precision: str | None = None) -> None:
        """Have a model loaded; waits.

        Raises:
            StudioError: As the engine raised it; EngineError when the child stopped.
        """
        self._send(WarmUp(model=model, precision=precision))
        self._wait(lambda heard: None)

    def cancel(self, job_id: int) -> None:
        """Ask the child to stop a job before its next step."""
        with self._lock, contextlib.suppress(OSError):
            if self._to_child is not None:
                self._to_child.send(Cancel(job_id=job_id))

    def end(self) -> None:
        """Stop the child for good; whoever waits gets an EngineError. Idempotent."""
        with self._lock:
            self._ended = True
            child = self._child
            if child is not None and child.pid is not None:
                child.kill()

    def release(self) -> None:
        """Give back the pipes and the process entry, after `end` and the waiting thread's end."""
        self._reap()

    def _send(self, message: ToChild) -> None:
        """Start the child where needed and give it a message."""
        with self._lock:
            if self._ended:
                raise EngineError("The engine is closed; start the program again.")
            if self._child is None or not self._child.is_alive():
                self._reap()
                self._start()
            assert self._to_child is not None  # _start made it
            with contextlib.suppress(OSError):  # a dead child is noticed by _wait
                self._to_child.send(message)

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        # Two one-way pipes: a two-way one would be a socket, and no socket is ever opened.
        inbox, to_child = context.Pipe(duplex=False)
        from_child, outbox = context.Pipe(duplex=False)
        child = context.Process(
            target=self._target,
            args=(inbox, outbox, self._options),
            name="studio-engine",
            daemon=True,
        )
        try:
            child.start()
        except OSError as error:
            to_child.close()
            from_child.close()
            raise EngineError(
                f"The engine could not start ({error.strerror or error}); close other programs."
            ) from error
        finally:
            # Only the child may hold its ends, so that each side notices the other's death.
            inbox.close()
            outbox.close()
        self._child, self._to_child, self._from_child = child, to_child, from_child

    def _wait(self, hear: Callable[[Heard], None]) -> Take | None:
        assert self._from_child is not None  # only called after _send
        while True:
            try:
                message: FromChild = self._from_child.recv()
            except (EOFError, OSError):
                raise EngineError(self._obituary()) from None
            if isinstance(message, Heard):
                hear(message)
            elif isinstance(message, Failed):
                raise message.error
            else:
                return message.take

    def _obituary(self) -> str:
        child = self._child
        status = None
        if child is not None:
            child.join(_END_SECONDS)
            status = child.exitcode
        self._reap()
        if status is None:
            how = "no answer"
        elif status < 0:
            how = f"signal {-status}"
            if -status == getattr(signal, "SIGKILL", None):
                how += ", perhaps too little memory"
        else:
            how = f"exit status {status}"
        return f"The engine stopped ({how}); your takes are kept; press Generate again."

    def _reap(self) -> None:
        with self._lock:
            child, self._child = self._child, None
            pipes = (self._to_child, self._from_child)
            self._to_child = self._from_child = None
        for pipe in pipes:
            if pipe is not None:
                pipe.close()
        if child is not None:
            child.join(_END_SECONDS)
            if child.is_alive():
                child.kill()
                child.join()
            child.close()
