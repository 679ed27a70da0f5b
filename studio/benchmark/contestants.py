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

from studio.benchmark.machine import available_memory_bytes
from studio.benchmark.result import LeftOut
from studio.benchmark.traffic import NUMBER_BYTES
from studio.core.errors import ModelError
from studio.generation.loading import LoadedModel, load_model
from studio.generation.planning import plan_render
from studio.generation.request import GenerationRequest
from studio.models.backend import Condition, Sampling
from studio.models.bundle import open_bundle
from studio.models.selection import BACKENDS, PRECISIONS_OF
from studio.models.shelf.shelf import ModelShelf

PROMPT = "warm dusty piano chords over brushed drums and an upright bass"
TEMPO_PROMPT = "174 bpm jungle break, dark reese bass"
GUIDANCE = 3.0
TOP_K = 250
PLAIN_MLX = "plain-mlx"
_MEMORY_MARGIN = 1.25


class Rival(Protocol):
    """Whoever can make codes."""

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    @property
    def threads(self) -> int:
        """Processor threads it was given."""
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
        threads: Processor threads it was given.
    """

    backend: str
    precision: str
    model: LoadedModel
    threads: int

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"{self.backend} {self.precision}"

    def decode(self, condition: Condition, *, batch: int, frames: int, guided: bool) -> float:
        """Make codes for `batch` takes and give the seconds it took."""
        torch.set_num_threads(self.threads)
        sampling = Sampling(top_k=TOP_K, guidance=GUIDANCE if guided else 1.0)
        started = time.perf_counter()
        steps = self.model.backend.steps(
            [condition] * batch, frames=frames, seeds=range(batch), sampling=sampling
        )
        for _ in steps:
            pass
        return time.perf_counter() - started


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
                threads=torch.get_num_threads(),
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


def usual_request(folder: Path, model: LoadedModel, frames: int) -> GenerationRequest:
    """What a person would ask of this model, `frames` codec frames long."""
    prompt = PROMPT if model.template is None else TEMPO_PROMPT
    return GenerationRequest(
        prompt=prompt if model.backend.info.has_text else "",
        model=str(folder),
        max_steps=frames,
        guidance=GUIDANCE,
        top_k=TOP_K,
    )


def usual_condition(folder: Path, model: LoadedModel, frames: int) -> Condition:
    """The condition that such a request ends in, the model's own text template applied."""
    request = usual_request(folder, model, frames).checked()
    return plan_render(request, model.backend.info, model.template).condition
