"""The decoder's speed, ours beside others', turn by turn.

Owns the loads (takes at once, guided or not), the turns, and what a step must read. Each turn of
ours is followed by a reading of the memory's speed with the same threads, so that the limit was
measured in the same moment.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from studio.benchmark.bandwidth import ReadingSpeed
from studio.benchmark.contestants import Contestant, Rival
from studio.benchmark.result import DecoderFigure
from studio.benchmark.rounds import Spread, ratio, take_turns
from studio.benchmark.traffic import Load, step_bytes
from studio.models.backend import Condition
from studio.models.language_config import DecoderConfig
from studio.models.streams import TEXT_BLOCK

_WARM_UP_FRAMES = 4


@dataclass(frozen=True, kw_only=True)
class DecoderCase:
    """One load of the decoder.

    Attributes:
        batch: Takes at once.
        guided: Whether each has a second stream.
        frames: Codec frames of each.
        rounds: Turns of each contestant.
    """

    batch: int
    guided: bool
    frames: int
    rounds: int


@dataclass(frozen=True, kw_only=True)
class _Turn:
    seconds: float
    bytes_per_second: float


def measure_decoder(
    ours: Sequence[Contestant],
    rivals: Sequence[Rival],
    case: DecoderCase,
    condition: Condition,
    *,
    config: DecoderConfig,
    text_tokens: int,
    prefix_steps: int,
    reading: ReadingSpeed,
    tell: Callable[[str], None],
) -> tuple[list[DecoderFigure], dict[int, list[float]]]:
    """Let everybody make the same number of codes in turn.

    Args:
        ours: Our own contestants.
        rivals: Those they are held against.
        case: The load.
        condition: What every take is made under.
        config: Sizes of the decoder.
        text_tokens: Length of the text that the layers attend to; 0 without one.
        prefix_steps: Places that stand before the tokens.
        reading: Measures the memory.
        tell: Given one line before each turn.

    Returns:
        The figures, ours first, and the reading speeds in bytes a second, by threads.
    """
    everyone: dict[str, Rival] = {one.name: one for one in ours}
    everyone |= {one.name: one for one in rivals}

    def turn(one: Rival) -> _Turn:
        seconds = one.decode(condition, batch=case.batch, frames=case.frames, guided=case.guided)
        return _Turn(seconds=seconds, bytes_per_second=reading.measure())

    load = f"{case.batch} take{'s' if case.batch > 1 else ''}, {'' if case.guided else 'un'}guided"
    for one in everyone.values():
        tell(f"decoder, {load}: warming up {one.name}")
        one.decode(condition, batch=case.batch, frames=_WARM_UP_FRAMES, guided=case.guided)
    turns = take_turns(
        {name: partial(turn, one) for name, one in everyone.items()},
        case.rounds,
        lambda done, name: tell(f"decoder, {load}: round {done + 1} of {case.rounds}, {name}"),
    )
    steps = case.frames + max(config.delays)
    speeds = {name: [steps / each.seconds for each in one] for name, one in turns.items()}
    sound_per_step = case.batch * case.frames / steps
    streams = case.batch * (2 if case.guided else 1)
    weight = Load(
        streams=streams,
        texts=case.batch if text_tokens else 0,
        text_tokens=-(-text_tokens // TEXT_BLOCK) * TEXT_BLOCK,
        past_steps=prefix_steps + steps / 2,
    )
    figures = []
    readings: dict[int, list[float]] = {}
    for name, one in everyone.items():
        limits = [each.bytes_per_second for each in turns[name]]
        readings.setdefault(one.threads, []).extend(limits)
        read = None
        if isinstance(one, Contestant):
            info = one.model.backend.info
            read = step_bytes(config, one.backend, one.precision, info.cache_bytes, weight)
        rate = ours[0].model.backend.info.frame_rate
        figures.append(
            DecoderFigure(
                contestant=name,
                batch=case.batch,
                guided=case.guided,
                threads=one.threads,
                steps_per_second=Spread.of(speeds[name]),
                times_real_time=Spread.of([s * sound_per_step / rate for s in speeds[name]]),
                step_bytes=read,
                limit_share=None
                if read is None
                else Spread.of(
                    [s * read / limit for s, limit in zip(speeds[name], limits, strict=True)]
                ),
                ratios={
                    other.name: ratio(speeds[name], speeds[other.name])
                    for other in rivals
                    if isinstance(one, Contestant)
                },
            )
        )
    return figures, readings
