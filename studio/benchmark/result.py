"""What a run of the benchmark gives.

Owns the frozen values of the report and their way into JSON. Nothing is measured here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from studio.benchmark.machine import Machine
from studio.benchmark.rounds import Spread


@dataclass(frozen=True, kw_only=True)
class DecoderFigure:
    """One contestant at one load of the decoder.

    Attributes:
        contestant: Backend and precision, such as "native int8" or "transformers float32".
        batch: Takes at once.
        guided: Whether each take has the second stream of guidance.
        threads: Processor threads.
        steps_per_second: Steps of the whole batch.
        times_real_time: Seconds of sound, of all takes together, made in a second.
        gain: Sound a second over that of the same contestant at the first batch of the run; None
            for that one itself.
        step_bytes: What a step must read at least; None for contestants that are not ours.
        limit_share: Steps a second over the most that the memory's reading speed allows.
        ratios: Steps a second over those of each other contestant that the run is held against.
    """

    contestant: str
    batch: int
    guided: bool
    threads: int
    steps_per_second: Spread
    times_real_time: Spread
    gain: Spread | None = None
    step_bytes: float | None = None
    limit_share: Spread | None = None
    ratios: Mapping[str, Spread] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class FidelityFigure:
    """What a precision costs a model on its own music.

    Attributes:
        contestant: Backend and precision.
        codes: How many codes were predicted.
        nats: Mean Kullback-Leibler divergence of the next code's distribution from that of
            float32, in nats a code.
        equal_share: Part of the codes whose likeliest value is the same, 0 to 1.
    """

    contestant: str
    codes: int
    nats: float
    equal_share: float


@dataclass(frozen=True, kw_only=True)
class CodecFigure:
    """One way of the codec.

    Attributes:
        contestant: Whose codec.
        work: "decode", "streamed decode" or "encode".
        times_real_time: Seconds of sound in a second.
        ratios: Speed over that of others doing the same, by name.
        whole_cost: Of a streamed decode: its time over that of the whole decode.
    """

    contestant: str
    work: str
    times_real_time: Spread
    ratios: Mapping[str, Spread] = field(default_factory=dict)
    whole_cost: Spread | None = None


@dataclass(frozen=True, kw_only=True)
class TakeFigure:
    """Whole takes through the engine, request to finished sound.

    Attributes:
        contestant: Backend and precision.
        batch: Takes at once.
        first_sound_seconds: From the request to the first sound of the first take.
        times_real_time: Seconds of sound, of all takes together, made in a second.
    """

    contestant: str
    batch: int
    first_sound_seconds: Spread
    times_real_time: Spread


@dataclass(frozen=True, kw_only=True)
class ProcessFigure:
    """A process that starts, makes one take, and lets go of the model.

    Attributes:
        contestant: Backend and precision.
        start_seconds: From the start of the process until our code was imported.
        load_seconds: Until the model was in memory, after that.
        first_sound_seconds: Until the first sound, after that.
        cold_start_seconds: All three.
        before_bytes: Resident memory before the model was loaded.
        loaded_bytes: After.
        peak_bytes: The most that was ever resident.
        unloaded_bytes: After the model was let go of.
    """

    contestant: str
    start_seconds: Spread
    load_seconds: Spread
    first_sound_seconds: Spread
    cold_start_seconds: Spread
    before_bytes: int | None
    loaded_bytes: int | None
    peak_bytes: int | None
    unloaded_bytes: int | None


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Something that was asked for and not measured, and why."""

    what: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that one run found.

    Attributes:
        machine: Where.
        model: Its name; `parameters` its numbers, codec not counted.
        parameters: See `model`.
        seconds: Length of the sound that each turn made.
        rounds: Turns of each contestant.
        read_bytes_per_second: Measured reading speed of the memory, by number of threads.
        decoder: Figures of the decoder.
        fidelity: What each precision costs.
        codec: Of the codec.
        takes: Of whole takes.
        processes: Of fresh processes.
        left_out: What was not measured.
        others_share: Part of the processors that other programs took meanwhile.
        warnings: Reasons not to trust the absolute figures.
    """

    machine: Machine
    model: str
    parameters: int
    seconds: float
    rounds: int
    read_bytes_per_second: Mapping[int, Spread]
    decoder: tuple[DecoderFigure, ...]
    fidelity: tuple[FidelityFigure, ...]
    codec: tuple[CodecFigure, ...]
    takes: tuple[TakeFigure, ...]
    processes: tuple[ProcessFigure, ...]
    left_out: tuple[LeftOut, ...]
    others_share: float | None
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)
