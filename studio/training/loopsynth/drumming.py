"""Owns how a drum pattern is drawn from a genre's groove and varied; no sounds, no time grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from studio.training.loopsynth.grooves import GROOVES, Groove
from studio.training.loopsynth.timing import STEPS_PER_BAR

DrumPattern = tuple[tuple[str, tuple[int, ...]], ...]
"""Voices with their level (0 silent, 1 ghost, 2 plain, 3 accent) on each sixteenth."""

_LEVELS: Final = {".": 0, "g": 1, "o": 2, "x": 3}
_FILLS: Final = (
    "........x.x.xoxo",
    "........x..x..xx",
    "........xxx.x.x.",
    "........x.xx.x.x",
    "............xoxx",
    "............x.xx",
    "............xxxo",
    "..........x.xxxx",
)


def parse_pattern(written: str) -> list[int]:
    """The levels of a written pattern, one for each character."""
    return [_LEVELS[character] for character in written]


def draw_drums(
    rng: np.random.Generator, genre: str, bars: int, *, fill: bool = False
) -> DrumPattern:
    """A drum pattern of ``bars`` bars in the style of ``genre``.

    Args:
        rng: Source of every choice.
        genre: A key of ``GROOVES``.
        bars: One or two; a second bar repeats the first with changes.
        fill: Whether the last bar ends in a fill (two bars only).
    """
    groove = GROOVES[genre]
    first = _draw_bar(rng, groove)
    if bars == 1:
        return _frozen([first])
    second = {voice: list(levels) for voice, levels in first.items()}
    if fill:
        _play_fill(rng, second)
    else:
        _vary(rng, groove, second)
    return _frozen([first, second])


def _draw_bar(rng: np.random.Generator, groove: Groove) -> dict[str, list[int]]:
    bar: dict[str, list[int]] = {}
    kick, backbeat_voice, backbeat = groove.cores[rng.integers(len(groove.cores))]
    _layer(bar, "kick", kick)
    _layer(bar, backbeat_voice, backbeat)
    if rng.random() < 0.93:
        _layer(bar, *groove.tops[rng.integers(len(groove.tops))])
    for chance, voice, patterns in groove.extras:
        if rng.random() < chance:
            _layer(bar, voice, patterns[rng.integers(len(patterns))])
    for step in range(1, STEPS_PER_BAR, 2):
        if rng.random() < groove.ghosts and not _hit(bar, ("kick", "snare", "clap"), step):
            bar.setdefault("snare", [0] * STEPS_PER_BAR)[step] = 1
    _mutate(rng, bar)
    return bar


def _layer(bar: dict[str, list[int]], voice: str, written: str) -> None:
    levels = parse_pattern(written)
    before = bar.get(voice, [0] * STEPS_PER_BAR)
    bar[voice] = [max(pair) for pair in zip(before, levels, strict=True)]


def _hit(bar: dict[str, list[int]], voices: Sequence[str], step: int) -> bool:
    return any(bar[voice][step] for voice in voices if voice in bar)


def _mutate(rng: np.random.Generator, bar: dict[str, list[int]]) -> None:
    """Small changes that leave the downbeat and the backbeat in place."""
    for voice in ("hat", "ride", "openhat"):
        levels = bar.get(voice)
        if levels is None:
            continue
        hits = [step for step in range(1, STEPS_PER_BAR) if levels[step]]
        if hits and rng.random() < 0.3:
            levels[hits[rng.integers(len(hits))]] = 0
        if voice != "openhat" and rng.random() < 0.3:
            levels[int(rng.integers(STEPS_PER_BAR))] = int(rng.integers(1, 3))
        if voice != "openhat" and rng.random() < 0.25:
            for step in range(0, STEPS_PER_BAR, 4):
                levels[step] = 3 if levels[step] else 0
    kick = bar["kick"]
    if any(kick) and rng.random() < 0.3:
        step = int(rng.choice([3, 6, 7, 9, 10, 11, 13, 14, 15]))
        if not _hit(bar, ("snare", "clap"), step):
            kick[step] = 0 if kick[step] else 2
    snare = bar.get("snare")
    if snare is not None and rng.random() < 0.3:
        step = int(rng.choice([1, 3, 5, 7, 9, 11, 13, 15]))
        if not kick[step] and snare[step] < 2:
            snare[step] = 1 - snare[step]


def _vary(rng: np.random.Generator, groove: Groove, bar: dict[str, list[int]]) -> None:
    """Make a second bar that answers the first: another core, a chop, or small changes."""
    kind = rng.random()
    if kind < 0.35:
        kick, voice, backbeat = groove.cores[rng.integers(len(groove.cores))]
        if voice in bar:
            bar["kick"], bar[voice] = parse_pattern(kick), parse_pattern(backbeat)
    elif kind < 0.6 and groove.ghosts > 0.03:
        length = int(rng.choice([2, 4]))
        source = int(rng.choice([0, 4, 8]))
        for levels in bar.values():
            levels[8:] = levels[source : source + length] * (8 // length)
    _mutate(rng, bar)
    if rng.random() < 0.3 and "openhat" in bar:
        bar["openhat"][14] = 3


def _play_fill(rng: np.random.Generator, bar: dict[str, list[int]]) -> None:
    written = parse_pattern(_FILLS[rng.integers(len(_FILLS))])
    start = next(step for step, level in enumerate(written) if level)
    for voice in ("kick", "snare", "clap"):
        if voice in bar:
            bar[voice][start:] = [0] * (STEPS_PER_BAR - start)
    for step in range(start, STEPS_PER_BAR):
        if written[step] and rng.random() < 0.12:
            written[step] = 5 - written[step]
    voices = (("snare",), ("tom",), ("snare", "tom"), ("snare", "kick"))[rng.integers(4)]
    for step in range(start, STEPS_PER_BAR):
        voice = voices[(step // 2) % len(voices)]
        if written[step]:
            bar.setdefault(voice, [0] * STEPS_PER_BAR)[step] = written[step]


def _frozen(bars: Sequence[dict[str, list[int]]]) -> DrumPattern:
    voices = sorted({voice for bar in bars for voice in bar})
    silent = [0] * STEPS_PER_BAR
    pattern = []
    for voice in voices:
        levels = tuple(level for bar in bars for level in bar.get(voice, silent))
        if any(levels):
            pattern.append((voice, levels))
    return tuple(pattern)
