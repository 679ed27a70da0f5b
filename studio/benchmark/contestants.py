"""Our own models as contestants.

Owns which precisions can be had here, the loading of each by the ordinary door, and one turn of
the decoder. What is compared with them lives beside.

Letters in shapes: B takes, K codebooks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Protocol

import torch

from studio.benchmark.asking import GUIDANCE, TOP_K
from studio.benchmark.machine import available_memory_bytes
from studio.benchmark.result import LeftOut
from studio.benchmark.traffic import NUMBER_BYTES
from studio.core.errors import ModelError
from studio.generation.loading import LoadedModel, load_model
from studio.models.backend import Condition, Sampling
from studio.models.bundle import open_bundle
from studio.models.native_backend.gang import threads_for
from studio.models.selection import BACKENDS, PRECISIONS_OF
from studio.models.shelf.shelf import ModelShelf

PLAIN_MLX = "plain-mlx"
_MEMORY_MARGIN = 1.25


class Rival(Protocol):
    """Whoever can make codes."""

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    def threads_for(self, streams: int) -> int:
        """Processor threads that it decodes so many streams with."""
        ...

    def decode(self, condition: Condition, *, batch: int, frames: int, guided: bool) -> float:
        """Make codes for `batch` takes and give the seconds it took."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Contestant:
    """A model of ours, in memory.

    Attributes:
        backend: What computes it.
        precision: Of its weights.
        model: The model.
        torch_threads: Processor threads that torch had when it was loaded.
    """

    backend: str
    precision: str
    model: LoadedModel
    torch_threads: int

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"{self.backend} {self.precision}"

    def decode(self, condition: Condition, *, batch: int, frames: int, guided: bool) -> float:
        """Make codes for `batch` takes and give the seconds it took."""
        self.take_threads()
        sampling = Sampling(top_k=TOP_K, guidance=GUIDANCE if guided else 1.0)
        started = time.perf_counter()
        steps = self.model.backend.steps(
            [condition] * batch, frames=frames, seeds=range(batch), sampling=sampling
        )
        for _ in steps:
            pass
        return time.perf_counter() - started

    def threads_for(self, streams: int) -> int:
        """Processor threads that it decodes so many streams with."""
        if self.backend == "native":
            return threads_for(self.model.backend.info.parameters, streams)
        return self.torch_threads

    def take_threads(self) -> None:
        """Give torch the threads that it had for this model, whoever had a turn before."""
        torch.set_num_threads(self.torch_threads)


def device_of(backend: str) -> str:
    """Where a backend computes, as torch calls it: whose memory it waits for."""
    if backend != "torch":
        return "cpu"
    from studio.models.torch_backend.device import pick_device

    return str(pick_device())


def offered(
    backend: str, precisions: Sequence[str] | None
) -> tuple[tuple[str, ...], list[LeftOut]]:
    """Which of the wanted precisions there are, None wanting all, and which there are not.

    Raises:
        ModelError: There is no such backend.
    """
    if backend not in BACKENDS:
        raise ModelError(f"There is no backend {backend!r}; choose one of {', '.join(BACKENDS)}.")
    able = PRECISIONS_OF[backend]
    if precisions is None:
        return able, []
    missing = [
        LeftOut(what=f"{backend} {name}", why=f"not offered; there are {', '.join(able)}")
        for name in precisions
        if name not in able
    ]
    return tuple(name for name in precisions if name in able), missing


def load_contestants(
    folder: Path,
    backend: str,
    precisions: Sequence[str],
    shelf: ModelShelf,
    tell: Callable[[str], None],
) -> tuple[list[Contestant], list[LeftOut]]:
    """Load the model in every precision, as far as memory goes.

    Raises:
        ModelError: It can be loaded in none.
    """
    loaded: list[Contestant] = []
    left_out: list[LeftOut] = []
    fault: ModelError | None = None
    for precision in precisions:
        name = f"{backend} {precision}"
        lacking = lacking_memory(folder, precision)
        if lacking is not None:
            left_out.append(LeftOut(what=name, why=lacking))
            continue
        tell(f"loading {name}")
        try:
            model = load_model(str(folder), shelf=shelf, backend=backend, precision=precision)
        except ModelError as error:
            fault = error
            left_out.append(LeftOut(what=name, why=error.user_message))
            continue
        loaded.append(
            Contestant(
                backend=backend,
                precision=precision,
                model=model,
                torch_threads=torch.get_num_threads(),
            )
        )
    if not loaded:
        raise fault or ModelError(
            "Nothing is left to measure: "
            + "; ".join(f"{out.what} ({out.why})" for out in left_out)
            + "."
        )
    return loaded, left_out


def lacking_memory(folder: Path, precision: str) -> str | None:
    """Why a model in this precision would not fit into the memory that is free; None if it does."""
    available = available_memory_bytes()
    numbers = sum(prod(entry.shape) for entry in open_bundle(folder).entries.values())
    wanted = numbers * NUMBER_BYTES.get(precision, NUMBER_BYTES["float32"]) * _MEMORY_MARGIN
    if available is None or wanted <= available:
        return None
    return f"it needs {wanted / 1e9:.1f} GB of memory, {available / 1e9:.1f} GB are available"
