"""A process of its own that starts, makes one take and lets go of the model.

Owns the cold start as a person has it, and the engine process's memory: both would be spoilt by
what this process holds already.
"""

from __future__ import annotations

import itertools
import multiprocessing
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

from studio.benchmark.result import ProcessFigure
from studio.benchmark.rounds import Spread
from studio.core.errors import EngineError, StudioError
from studio.generation.memory import give_back_memory
from studio.generation.request import Chunk

_END_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class FreshTake:
    """What the process shall do.

    Attributes:
        folder: The bundle.
        models_dir: Where the digests of large files are remembered; None for nowhere.
        backend: What computes.
        precision: Of the weights.
        frames: Codec frames of the take.
    """

    folder: Path
    models_dir: Path | None
    backend: str
    precision: str
    frames: int


@dataclass(frozen=True, kw_only=True)
class _Memory:
    before: int | None
    loaded: int | None
    peak: int | None = None
    unloaded: int | None = None


@dataclass(frozen=True, kw_only=True)
class _Run:
    start: float
    load: float
    first_sound: float
    memory: _Memory


def measure_process(name: str, take: FreshTake, runs: int) -> ProcessFigure:
    """Start the process `runs` times, one after another, and once before, which is not counted.

    What is compiled and packed once and kept on this machine is then there.

    Raises:
        StudioError: As the engine in it raised it; EngineError when it ended without an answer.
    """
    _run(take)
    done = [_run(take) for _ in range(runs)]
    totals = [run.start + run.load + run.first_sound for run in done]
    return ProcessFigure(
        contestant=name,
        start_seconds=Spread.of([run.start for run in done]),
        load_seconds=Spread.of([run.load for run in done]),
        first_sound_seconds=Spread.of([run.first_sound for run in done]),
        cold_start_seconds=Spread.of(totals),
        before_bytes=_middle([run.memory.before for run in done]),
        loaded_bytes=_middle([run.memory.loaded for run in done]),
        peak_bytes=_middle([run.memory.peak for run in done]),
        unloaded_bytes=_middle([run.memory.unloaded for run in done]),
    )


def _run(take: FreshTake) -> _Run:
    context = multiprocessing.get_context("spawn")
    inbox, outbox = context.Pipe(duplex=False)
    child = context.Process(target=_serve, args=(outbox, take), name="studio-bench", daemon=True)
    started = time.perf_counter()
    try:
        with _deaf_to_interrupts():
            child.start()
        outbox.close()
        times = [started]
        for _ in range(3):
            _heard(inbox)
            times.append(time.perf_counter())
        memory = _heard(inbox)
        assert isinstance(memory, _Memory)
        child.join(_END_SECONDS)
    finally:
        # Closed before, the pipe would be its last complaint.
        if child.is_alive():
            child.kill()
        child.join()
        inbox.close()
    start, load, first_sound = (late - early for early, late in itertools.pairwise(times))
    return _Run(start=start, load=load, first_sound=first_sound, memory=memory)


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Ctrl+C is this process's to answer; one that starts in here never hears of it.

    This one answers afterwards, when the other has read what it shall do: the mask, which the
    other inherits, holds back only what is sent to this thread.
    """
    alone = threading.current_thread() is threading.main_thread()
    if not alone or not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # its start, in the midst of ours, would lift the mask
    heard: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        signal.signal(signal.SIGINT, handler or signal.default_int_handler)
    if heard:
        raise KeyboardInterrupt


def _heard(inbox: Connection) -> object:
    try:
        message: object = inbox.recv()
    except (EOFError, OSError):
        raise EngineError(
            "A process that was measured ended without an answer; perhaps there is too little"
            " memory for this model."
        ) from None
    if isinstance(message, StudioError):
        raise message
    return message


def _serve(outbox: Connection, take: FreshTake) -> None:
    """Main function of the process."""
    try:
        memory = _make(outbox, take)
        give_back_memory()
        outbox.send(replace(memory, peak=peak_bytes(), unloaded=resident_bytes()))
    except StudioError as error:
        outbox.send(error)


def _make(outbox: Connection, take: FreshTake) -> _Memory:
    """Load, make the takes and let go of all that, by returning."""
    from studio.benchmark.asking import usual_request
    from studio.generation.engine import Engine
    from studio.generation.loading import load_model
    from studio.models.shelf.shelf import ModelShelf

    outbox.send("imported")
    before = resident_bytes()
    model = load_model(
        str(take.folder),
        shelf=ModelShelf(take.models_dir),
        backend=take.backend,
        precision=take.precision,
    )
    outbox.send("loaded")
    loaded = resident_bytes()
    heard: list[int] = []

    def hear(chunk: Chunk) -> None:
        if not heard and chunk.samples.shape[1]:
            heard.append(chunk.done_steps)
            outbox.send("heard")

    request = usual_request(take.folder, model, take.frames)
    Engine(lambda name, precision=None, adapters=(): model).generate(request, hear)
    return _Memory(before=before, loaded=loaded)


def resident_bytes() -> int | None:
    """Memory that this process occupies now; None where the system does not say."""
    return _status("VmRSS")


def peak_bytes() -> int | None:
    """The most memory that this process has ever occupied; None where the system does not say."""
    known = _status("VmHWM")
    if known is not None or sys.platform == "win32":
        return known
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _status(field: str) -> int | None:
    try:
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def _middle(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return round(median(known)) if known else None
