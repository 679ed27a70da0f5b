"""Owns how a drum pattern is drawn from a genre's groove and varied; no sounds, no time grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from studio.training.loopsynth.groove import Groove
from studio.training.loopsynth.grooves import GROOVES
from studio.training.loopsynth.timing import STEPS_PER_BAR

DrumPattern = tuple[tuple[str, tuple[int, ...]], ...]
"""Voices with their level on each sixteenth.

0 is silent, 1 a ghost note, 2 plain, 3 an accent, `ROLL` two or three hits within the sixteenth.
"""

ROLL: Final = 4
_LEVELS: Final = {".": 0, "g": 1, "o": 2, "x": 3, "r": ROLL}
_FILLS: Final = (
    "........x.x.xoxo",
    "........x..x..xx",
    "........xxx.x.x.",
    "........x.xx.x.x",
    "............xoxx",
    "............x.xx",
    "............xxxo",
    "..........x.xxxx",
    "........o.o.oxox",
    "..........g.goxx",
    "............x.rx",
    "........x...oorr",
    "..............xr",
    "........x.o.x.rr",
    "............rrrr",
    "....x..xx..xx.xx",
)
_FILL_VOICES: Final = (
    ("snare",),
    ("tom",),
    ("snare", "tom"),
    ("snare", "kick"),
    ("tom", "tom", "conga"),
    ("snare", "snare", "perc"),
    ("clap",),
)


def parse_pattern(written: str) -> list[int]:
    """The levels of a written pattern, one for each character."""
    return [_LEVELS[character] for character in written]


def draw_drums(
    rng: np.random.Generator, genre: str, bars: int, *, fill: bool = False, rolls: bool = False
) -> DrumPattern:
    """A drum pattern of ``bars`` bars in the style of ``genre``.

    The second bar answers the first; a third repeats the first with small changes and a fourth
    answers that.

    Args:
        rng: Source of every choice.
        genre: A key of ``GROOVES``.
        bars: One, two or four.
        fill: Whether the last bar ends in a fill (not in a single bar).
        rolls: Whether the time grid can carry rolls.
    """
    groove = GROOVES[genre]
    played = [_draw_bar(rng, groove)]
    for place in range(1, bars):
        bar = {voice: list(levels) for voice, levels in played[0].items()}
        if fill and place == bars - 1:
            _play_fill(rng, bar, rolls=rolls)
        elif place % 2:
            _vary(rng, groove, bar)
        else:
            _mutate(rng, bar)
        if place >= bars // 2 and "crash" in bar:
            bar["crash"] = [0] * STEPS_PER_BAR
        played.append(bar)
    if rolls and rng.random() < groove.rolls:
        _roll(rng, played[-1])
    return _frozen(played)


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


def _roll(rng: np.random.Generator, bar: dict[str, list[int]]) -> None:
    """Turn one or two hits of the hats, or a ghost of the snare, into rolls."""
    voice = "hat" if "hat" in bar and rng.random() < 0.75 else "snare"
    levels = bar.get(voice)
    if levels is None:
        return
    loudest = 3 if voice == "hat" else 2
    free = [step for step in range(3, STEPS_PER_BAR) if 0 < levels[step] <= loudest]
    for step in rng.permutation(free)[: int(rng.integers(1, 4))]:
        levels[step] = ROLL


def _layer(bar: dict[str, list[int]], voice: str, written: str) -> None:
    levels = parse_pattern(written)
    before = bar.get(voice, [0] * STEPS_PER_BAR)
    bar[voice] = [max(pair) for pair in zip(before, levels, strict=True)]


def _hit(bar: dict[str, list[int]], voices: Sequence[str], step: int) -> bool:
    return any(bar[voice][step] for voice in voices if voice in bar)


def _mutate(rng: np.random.Generator, bar: dict[str, list[int]]) -> None:
    """Small changes that leave the downbeat and the backbeat in place."""
    for voice in ("hat", "ride", "openhat", "shaker"):
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
        if rng.random() < 0.2:
            for step in range(2, STEPS_PER_BAR, 4):
                levels[step] = 1 if levels[step] == 2 else levels[step]
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


def _play_fill(rng: np.random.Generator, bar: dict[str, list[int]], *, rolls: bool) -> None:
    written = parse_pattern(_FILLS[rng.integers(len(_FILLS))])
    start = next(step for step, level in enumerate(written) if level)
    for voice in ("kick", "snare", "clap"):
        if voice in bar:
            bar[voice][start:] = [0] * (STEPS_PER_BAR - start)
    for step in range(start, STEPS_PER_BAR):
        if written[step] == ROLL and not rolls:
            written[step] = 2
        if written[step] in (2, 3) and rng.random() < 0.12:
            written[step] = 5 - written[step]
    voices = _FILL_VOICES[rng.integers(len(_FILL_VOICES))]
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
