"""What the native decoder does in each step: compiled calls, new memory, phases, bytes handed over.

Counts are the same on every machine and every day, times are not.
"""

from __future__ import annotations

import gc
import inspect
import sys
import tracemalloc
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher
from numpy.typing import NDArray

from studio.models.backend import Condition, MusicBackend, Sampling

_PACKAGE = "studio.models.native_backend."
_KERNELS = f"{_PACKAGE}kernels."
PASS = "run_pass"


@dataclass(frozen=True, kw_only=True, eq=False)
class Pass:
    """One call of the kernel that runs the layers, by one thread.

    Attributes:
        given: Its arguments by name.
        places: Of each row, as they were.
        texts: Which text each row attends to, and how long that is.
    """

    given: dict[str, Any]
    places: NDArray[np.int64]
    texts: NDArray[np.int64]

    @property
    def weight_bytes(self) -> int:
        """Of the matrices that this pass has to multiply with, scales included."""
        (_, qkv, out, cross_query, cross_out, inner, outer), (_, *last) = (
            self.given["blocks"],
            self.given["output"],
        )
        matrices = [qkv, out, inner, outer, last]
        if self.given["rows_with_text"]:
            matrices += [cross_query, cross_out]
        return sum(_weight_bytes(*matrix) for matrix in matrices)

    @property
    def past_bytes(self) -> int:
        """Of the keys and values of the past that its rows look at."""
        return sum(_looked_at(self.given["memory"], int(place) + 1) for place in self.places)

    @property
    def text_bytes(self) -> int:
        """Of the keys and values of the texts, each once."""
        attending = self.texts[: self.given["rows_with_text"]]
        lengths = {int(text): int(length) for text, length in attending}
        return sum(_looked_at(self.given["text_memory"], each) for each in lengths.values())

    def lasting(self) -> dict[str, list[int]]:
        """Where everything lies that should stay where it is, from step to step."""
        names = ("blocks", "output", "memory", "text_memory", "buffers", "rooms", "counters")
        return {name: [one.ctypes.data for one in _arrays(self.given[name])] for name in names}


@dataclass(kw_only=True, eq=False)
class Step:
    """What happened between one frame and the next.

    Attributes:
        calls: Compiled functions that Python called, and how often.
        passes: The calls of the layers.
        pieces: How many pieces of each phase were done, in the order of the phases.
        claims: How many were asked for, by all threads.
        peak_bytes: The most memory that Python and numpy held above what they held before.
        kept_bytes: What of it they hold still.
        kept_blocks: In how many blocks.
    """

    calls: Counter[str] = field(default_factory=Counter)
    passes: list[Pass] = field(default_factory=list)
    pieces: list[int] = field(default_factory=list)
    claims: list[int] = field(default_factory=list)
    peak_bytes: int = 0
    kept_bytes: int = 0
    kept_blocks: int = 0


def count_steps(
    backend: MusicBackend, conditions: Sequence[Condition], *, guidance: float, frames: int
) -> list[Step]:
    """The work before the first frame is known, and that of each step after it."""
    sampling = Sampling(guidance=guidance)
    recorder = _Recorder()
    steps = []
    with recorder.recording():
        made = backend.steps(
            conditions, frames=frames, seeds=range(len(conditions)), sampling=sampling
        )
        for _ in made:
            recorder.step.pieces, recorder.step.claims = recorder.counted()
            steps.append(recorder.step)
            recorder.step = Step()
    return steps


def measure_memory(
    backend: MusicBackend, conditions: Sequence[Condition], *, guidance: float, frames: int
) -> list[Step]:
    """The new memory of the steps, nothing else counted: what counts would be counted too."""
    sampling = Sampling(guidance=guidance)
    steps = []
    made = backend.steps(conditions, frames=frames, seeds=range(len(conditions)), sampling=sampling)
    next(made)
    gc.collect()
    tracemalloc.start()
    try:
        before, blocks = tracemalloc.get_traced_memory()[0], sys.getallocatedblocks()
        for _ in made:
            blocks_now, (now, peak) = sys.getallocatedblocks(), tracemalloc.get_traced_memory()
            step = Step(
                peak_bytes=peak - before,
                kept_bytes=now - before,
                kept_blocks=blocks_now - blocks,
            )
            steps.append(step)
            tracemalloc.reset_peak()
            before, blocks = tracemalloc.get_traced_memory()[0], sys.getallocatedblocks()
    finally:
        tracemalloc.stop()
    return steps


class _Recorder:
    """Stands between Python and the compiled functions that the backend's modules have."""

    def __init__(self) -> None:
        self.step = Step()

    @contextmanager
    def recording(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for name, module in list(sys.modules.items()):
                if not name.startswith(_PACKAGE) or name.startswith(_KERNELS):
                    continue
                for attribute, value in list(vars(module).items()):
                    if isinstance(value, Dispatcher):
                        patch.setattr(module, attribute, self._between(attribute, value))
            yield

    def counted(self) -> tuple[list[int], list[int]]:
        """Pieces done and claimed in each phase of the last pass that took place."""
        counters = self.step.passes[-1].given["counters"]
        ran = counters[counters[:, 0] > 0]
        return ran[:, 1].tolist(), ran[:, 0].tolist()

    def _between(self, name: str, compiled: Dispatcher) -> Any:
        signature = inspect.signature(compiled.py_func)

        def called(*arguments: Any) -> Any:
            self.step.calls[name] += 1
            if name == PASS:
                given = dict(signature.bind(*arguments).arguments)
                self.step.passes.append(
                    Pass(given=given, places=given["places"].copy(), texts=given["texts"].copy())
                )
            return compiled(*arguments)

        return called


def _weight_bytes(weights: NDArray[Any], scales: NDArray[Any]) -> int:
    floats = weights.dtype in (np.float32, np.uint16)
    return int(weights.nbytes) + (0 if floats else int(scales.nbytes))


def _looked_at(memory: tuple[NDArray[Any], NDArray[Any]], places: int) -> int:
    """Bytes of so many places of one stream, or one text, in all layers."""
    keys, values = memory
    panel = keys.shape[-1]
    read = keys[:, 0, :, : -(-places // panel)].nbytes + values[:, 0, :, :, :places].nbytes
    return int(read)


def _arrays(value: object) -> Iterator[NDArray[Any]]:
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _arrays(part)
