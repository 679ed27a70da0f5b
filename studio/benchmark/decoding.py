"""The decoder's speed, ours beside others', turn by turn.

Owns the loads (takes at once, guided or not), the turns, and what a step must read. Each turn of
ours is followed by a reading of the memory's speed with the same threads, so that the limit was
measured in the same moment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from studio.benchmark.bandwidth import ReadingSpeed
from studio.benchmark.contestants import Contestant, Rival
from studio.benchmark.result import DecoderFigure
from studio.benchmark.rounds import Spread, ratio, take_turns
from studio.benchmark.traffic import Load, step_bytes
from studio.models.backend import Condition
from studio.models.language_config import DecoderConfig

_WARM_UP_FRAMES = 4


@dataclass(frozen=True, kw_only=True)
class Case:
    """One load of the decoder.

    Attributes:
        batch: Takes at once.
        guided: Whether each has a second stream.
    """

    batch: int
    guided: bool

    def __str__(self) -> str:
        takes = f"{self.batch} take{'s' if self.batch > 1 else ''}"
        return f"{takes}, {'' if self.guided else 'un'}guided"


@dataclass(frozen=True, kw_only=True)
class Work:
    """What everybody does, whatever the load.

    Attributes:
        condition: What every take is made under.
        config: Sizes of the decoder.
        frames: Codec frames of each take.
        rounds: Turns of each contestant at each load.
        text_tokens: Length of the text that the layers attend to; 0 without one.
        prefix_steps: Places that stand before the tokens.
    """

    condition: Condition
    config: DecoderConfig
    frames: int
    rounds: int
    text_tokens: int
    prefix_steps: int

    @property
    def steps(self) -> int:
        """Steps of the decoder."""
        return self.frames + max(self.config.delays)

    def load(self, case: Case) -> Load:
        """What the steps have to read."""
        conditioned = bool(self.condition.text) or self.condition.melody is not None
        return Load(
            streams=case.batch * (2 if case.guided and conditioned else 1),
            attending=case.batch if self.text_tokens else 0,
            texts=1 if self.text_tokens else 0,
            text_tokens=self.text_tokens,
            past=range(self.prefix_steps + 1, self.prefix_steps + self.steps + 1),
        )


@dataclass(frozen=True, kw_only=True)
class _Turn:
    """Steps a second of one turn, and the memory's speed right after it."""

    speed: float
    bytes_per_second: float


def measure_decoder(
    ours: Sequence[Contestant],
    rivals: Sequence[Rival],
    cases: Sequence[Case],
    work: Work,
    *,
    reading: ReadingSpeed,
    tell: Callable[[str], None],
) -> tuple[list[DecoderFigure], dict[int, list[float]]]:
    """Let everybody make the same number of codes in turn, at every load.

    Args:
        ours: Our own contestants.
        rivals: Those they are held against.
        cases: The loads; throughput is held against the first of the same guidance.
        work: What each take is.
        reading: Measures the memory.
        tell: Given one line before each turn.

    Returns:
        The figures, load by load, ours first, and the reading speeds in bytes a second, by
        threads.
    """
    everyone: list[Rival] = [*ours, *rivals]

    def turn(case: Case, one: Rival, frames: int) -> _Turn:
        seconds = one.decode(work.condition, batch=case.batch, frames=frames, guided=case.guided)
        threads = one.threads_for(work.load(case).streams)
        return _Turn(speed=work.steps / seconds, bytes_per_second=reading.measure(threads))

    entries = {_label(one, case): (case, one) for case in cases for one in everyone}
    for label, (case, one) in entries.items():
        tell(f"decoder: warming up {label}")
        turn(case, one, _WARM_UP_FRAMES)
    turns = take_turns(
        {label: partial(turn, case, one, work.frames) for label, (case, one) in entries.items()},
        work.rounds,
        lambda done, label: tell(f"decoder: round {done + 1} of {work.rounds}, {label}"),
    )
    figures = []
    readings: dict[int, list[float]] = {}
    for label, (case, one) in entries.items():
        speeds = readings.setdefault(one.threads_for(work.load(case).streams), [])
        speeds.extend(each.bytes_per_second for each in turns[label])
        alone = next(first for first in cases if first.guided == case.guided)
        figures.append(
            _figure(
                one,
                case,
                work,
                turns[label],
                frame_rate=ours[0].model.backend.info.frame_rate,
                alone=None if alone == case else turns[_label(one, alone)],
                alone_batch=alone.batch,
                rivals={other.name: turns[_label(other, case)] for other in rivals},
            )
        )
    return figures, readings


def _label(one: Rival, case: Case) -> str:
    return f"{one.name}, {case}"


def _figure(
    one: Rival,
    case: Case,
    work: Work,
    turns: Sequence[_Turn],
    *,
    frame_rate: float,
    alone: Sequence[_Turn] | None,
    alone_batch: int,
    rivals: Mapping[str, Sequence[_Turn]],
) -> DecoderFigure:
    speeds = [each.speed for each in turns]
    sound = case.batch * work.frames / work.steps / frame_rate
    read = None
    if isinstance(one, Contestant):
        remembered = one.model.backend.info.cache_bytes
        read = step_bytes(work.config, one.backend, one.precision, remembered, work.load(case))
    limit_share, gain = None, None
    if read is not None:
        limit_share = Spread.of([each.speed * read / each.bytes_per_second for each in turns])
    if alone is not None:
        before = [each.speed * alone_batch for each in alone]
        gain = ratio([speed * case.batch for speed in speeds], before)
    return DecoderFigure(
        contestant=one.name,
        batch=case.batch,
        guided=case.guided,
        threads=one.threads_for(work.load(case).streams),
        steps_per_second=Spread.of(speeds),
        times_real_time=Spread.of([speed * sound for speed in speeds]),
        gain=gain,
        step_bytes=read,
        limit_share=limit_share,
        ratios={
            name: ratio(speeds, [each.speed for each in theirs])
            for name, theirs in rivals.items()
            if isinstance(one, Contestant)
        },
    )
