"""The codec's speed: decoding whole and streamed, and encoding.

Owns these turns. Sound and codes are drawn from a fixed seed; what they sound like plays no part.

Letters in shapes: K codebooks, C channels, T codec frames, N sample frames.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.benchmark.contestants import Contestant
from studio.benchmark.reference import Reference
from studio.benchmark.result import CodecFigure
from studio.benchmark.rounds import Spread, ratio, take_turns

DECODE, STREAMED, ENCODE = "decode", "streamed decode", "encode"
_PIECE_FRAMES = 25


def measure_codec(
    ours: Contestant,
    references: Sequence[Reference],
    *,
    frames: int,
    rounds: int,
    tell: Callable[[str], None],
) -> list[CodecFigure]:
    """Let every codec work on the same codes and the same sound in turn.

    Args:
        ours: The codec does not depend on the precision of the decoder: one contestant will do.
        references: Held against; of models with one channel only.
        frames: Codec frames of the sound.
        rounds: Turns of each.
        tell: Given one line before each turn.
    """
    info, backend = ours.model.backend.info, ours.model.backend
    chance = np.random.default_rng(0)
    codes = chance.integers(0, info.codebook_size, (1, info.codebooks, frames))
    length = round(frames * info.sample_rate / info.frame_rate)
    audio = chance.uniform(-0.5, 0.5, (1, info.channels, length)).astype(np.float32)

    def alone(work: Callable[[Any], Any], given: NDArray[Any]) -> Callable[[], float]:
        def turn() -> float:
            ours.take_threads()
            return _seconds(lambda: work(given))

        return turn

    def streamed(codes: NDArray[np.int64]) -> None:
        stream = backend.decoder_stream()
        for start in range(0, frames, _PIECE_FRAMES):
            stream.push(codes[0, :, start : start + _PIECE_FRAMES])
        stream.finish()

    contestants: dict[tuple[str, str], Callable[[], float]] = {
        (ours.backend, DECODE): alone(backend.decode, codes),
        (ours.backend, STREAMED): alone(streamed, codes),
        (ours.backend, ENCODE): alone(backend.encode, audio),
    }
    if info.channels == 1:
        for one in references:
            contestants[one.name, DECODE] = _bound(one.decode_audio, codes)
            contestants[one.name, ENCODE] = _bound(one.encode_audio, audio.astype(np.float32))
    named = {f"{who}: {work}": turn for (who, work), turn in contestants.items()}
    for name, turn in named.items():
        tell(f"codec: warming up {name}")
        turn()
    turns = take_turns(
        named, rounds, lambda done, name: tell(f"codec: round {done + 1} of {rounds}, {name}")
    )
    seconds = frames / info.frame_rate
    figures = []
    for who, work in contestants:
        spent = turns[f"{who}: {work}"]
        own = who == ours.backend
        figures.append(
            CodecFigure(
                contestant=who,
                work=work,
                times_real_time=Spread.of([seconds / each for each in spent]),
                ratios={
                    one.name: ratio(turns[f"{one.name}: {work}"], spent)
                    for one in references
                    if own and (one.name, work) in contestants
                },
                whole_cost=ratio(spent, turns[f"{who}: {DECODE}"]) if work == STREAMED else None,
            )
        )
    return figures


def _bound(work: Callable[[NDArray[Any]], None], given: NDArray[Any]) -> Callable[[], float]:
    return lambda: _seconds(lambda: work(given))


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
