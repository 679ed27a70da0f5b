"""Whole takes through the engine, as every face of the product makes them.

Owns the turns from a request to the first sound and to the finished take, on a warm engine. The
decoder, the codec and everything between them are in these figures.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from studio.benchmark.contestants import Contestant
from studio.benchmark.result import TakeFigure
from studio.benchmark.rounds import Spread, take_turns
from studio.core.errors import InputError
from studio.generation.engine import Engine
from studio.generation.request import Chunk, GenerationRequest


@dataclass(frozen=True, kw_only=True)
class _Made:
    first_sound_seconds: float
    seconds: float
    sound_seconds: float


def measure_takes(
    contestants: Sequence[Contestant],
    request: GenerationRequest,
    *,
    batch: int,
    rounds: int,
    tell: Callable[[str], None],
) -> list[TakeFigure]:
    """Make `batch` takes of `request` at once, contestant by contestant.

    Args:
        contestants: Our models.
        request: Of the first take; the others have the next seeds.
        batch: Takes at once.
        rounds: Turns of each.
        tell: Given one line before each turn.
    """
    takes = f"whole takes, {batch} at once"
    engines = {one.name: (one, _engine(one)) for one in contestants}
    for one, engine in engines.values():
        tell(f"{takes}: warming up {one.name}")
        one.take_threads()
        engine.warm_up(request.model)
    turns = take_turns(
        {
            name: partial(_make, engine, one, request.seeds(batch))
            for name, (one, engine) in engines.items()
        },
        rounds,
        lambda done, name: tell(f"{takes}: round {done + 1} of {rounds}, {name}"),
    )
    return [
        TakeFigure(
            contestant=name,
            batch=batch,
            first_sound_seconds=Spread.of([each.first_sound_seconds for each in made]),
            times_real_time=Spread.of([each.sound_seconds / each.seconds for each in made]),
        )
        for name, made in turns.items()
    ]


def _engine(contestant: Contestant) -> Engine:
    return Engine(lambda name, precision=None, adapters=(): contestant.model)


def _make(engine: Engine, contestant: Contestant, requests: Sequence[GenerationRequest]) -> _Made:
    contestant.take_threads()
    heard: list[float] = []

    def hear(place: int, chunk: Chunk) -> None:
        if not heard and chunk.samples.shape[1]:
            heard.append(time.perf_counter())

    started = time.perf_counter()
    takes = engine.generate_many(requests, batch=len(requests), on_chunk=hear)
    finished = time.perf_counter()
    if not heard:
        raise InputError("The takes are too short to be heard; give more --seconds.")
    return _Made(
        first_sound_seconds=heard[0] - started,
        seconds=finished - started,
        sound_seconds=sum(take.clip.duration_seconds for take in takes),
    )
