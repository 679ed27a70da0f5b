"""Owns how compositions are drawn from a seed: genre, grid, patterns, patches; makes no sound."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import numpy as np

from studio.core.errors import TrainingError
from studio.training.loopsynth.basses import BASS_COUNT, BASS_FAMILIES, bass_family
from studio.training.loopsynth.chords import STAB_COUNT, STAB_FAMILIES, stab_family
from studio.training.loopsynth.composition import (
    RISER_SHAPES,
    SPLITS,
    Composition,
    Split,
    drums_part,
    line_part,
    split_of_part,
    stabs_part,
)
from studio.training.loopsynth.drumming import draw_drums
from studio.training.loopsynth.drums import KIT_COUNT, VOICES
from studio.training.loopsynth.labels import GENRES, Kind
from studio.training.loopsynth.melodies import (
    chord,
    draw_arp,
    draw_bass,
    draw_lead,
    draw_progression,
    draw_stabs,
)
from studio.training.loopsynth.pads import PAD_COUNT, PAD_FAMILIES, pad_family
from studio.training.loopsynth.plucks import PLUCK_COUNT, PLUCK_FAMILIES, pluck_family
from studio.training.loopsynth.styles import STYLES
from studio.training.loopsynth.timing import BARS, GRIDS, STEPS_PER_BAR, bars_allowed

KINDS: Final[tuple[Kind, ...]] = ("loop", "oneshot", "riser")
_KIND_SHARES: Final = (0.9, 0.07, 0.03)
_DRUMS_ONLY, _WITH_BASS, _WITH_STABS, _WITH_MELODY, _WITHOUT_DRUMS = 0.2, 0.3, 0.56, 0.78, 0.87
_FROM_ELSEWHERE: Final = 0.2
"""Share of voices that are not usual for a genre, so that a word speaks for itself."""

_TWO_BARS_SHARE: Final = 0.5
_LAGS: Final = ((0, 0, 0, -80, 96, 176), (0, 0, 0, -64, 80), (0, 0, 0, 64), (0, 0, 0, 128))
"""Samples by which backbeat, tops, bass and chords may be late: less than a third of a frame."""

_TOUCH: Final = (0.84, 0.92, 1.0, 1.0, 1.06)
_SHOT_GRIDS: Final = (5, 6, 8)
_PITCHED_SHOTS: Final = ("bass", "stabs", "melody")
_HELD_MELODIES: Final = ("lead", "flute")
_Line = TypeVar("_Line")


def draw_composition(
    seed: int,
    *,
    split: Split = "train",
    genre: str | None = None,
    grid: int | None = None,
    bars: int | None = None,
    kind: Kind | None = "loop",
) -> Composition:
    """Draw a loop of the given split; the same arguments give the same loop.

    Args:
        seed: Not negative.
        split: Which side of the pattern split every part of the loop must lie on.
        genre: Fix the genre.
        grid: Fix the codec frames to a sixteenth.
        bars: Fix the length.
        kind: What is drawn; None draws that too.

    Raises:
        TrainingError: The split, genre, grid, length or kind is not one the synthesiser has.
    """
    _check(seed, split, genre, grid, bars, kind)
    rng = np.random.default_rng([seed, SPLITS.index(split)])
    drawn_kind: Kind = KINDS[int(rng.choice(3, p=_KIND_SHARES))]
    weights = np.array([STYLES[name].weight for name in GENRES])
    drawn_genre = GENRES[int(rng.choice(len(GENRES), p=weights / weights.sum()))]
    genre = genre or drawn_genre
    kind = kind or drawn_kind
    if kind == "oneshot":
        bars, grid = bars or 1, grid or int(rng.choice(_SHOT_GRIDS))
    if grid is None:
        native = STYLES[genre].grids if rng.random() < 0.85 else GRIDS
        fitting = [g for g in native if bars is None or bars in bars_allowed(g)]
        grid = int(rng.choice(fitting or [g for g in GRIDS if bars in bars_allowed(g)]))
    if bars is None:
        bars = 2 if rng.random() < _TWO_BARS_SHARE else 1
    draw = {"loop": _draw_loop, "oneshot": _draw_shot, "riser": _draw_riser}[kind]
    while True:
        composition = draw(rng, genre, grid, bars, split)
        in_split = all(split_of_part(part) == split for part in composition.parts)
        if in_split and not (kind == "loop" and composition.repeats_itself):
            return composition


def _check(
    seed: int, split: str, genre: str | None, grid: int | None, bars: int | None, kind: str | None
) -> None:
    if seed < 0:
        raise TrainingError(f"The loop seed {seed} is negative; use 0 or more.")
    if split not in SPLITS:
        raise TrainingError(f"There is no split {split!r}; use one of {', '.join(SPLITS)}.")
    if genre is not None and genre not in GENRES:
        raise TrainingError(f"There is no genre {genre!r}; use one of {', '.join(GENRES)}.")
    if grid is not None and grid not in GRIDS:
        raise TrainingError(f"There is no grid {grid}; use {GRIDS[0]} to {GRIDS[-1]}.")
    if bars is not None and bars not in bars_allowed(grid or GRIDS[0]):
        lengths = ", ".join(map(str, BARS))
        raise TrainingError(f"Loops of {bars} bars do not fit this grid; use fewer of {lengths}.")
    if kind is not None and kind not in KINDS:
        raise TrainingError(f"There is no kind {kind!r}; use one of {', '.join(KINDS)}.")


@dataclass(frozen=True, kw_only=True)
class _Layers:
    """Which parts a loop has."""

    drums: bool
    bass: bool
    stabs: bool
    melody: bool
    pad: bool


def _draw_layers(rng: np.random.Generator, genre: str) -> _Layers:
    kind, other, pad = rng.random(3).tolist()
    if genre == "ambient":
        melody = other < 0.75
        return _Layers(
            drums=kind < 0.5, bass=0.3 < kind < 0.75, stabs=not melody, melody=melody, pad=pad < 0.7
        )
    without_drums = kind >= _WITHOUT_DRUMS
    chords = _WITH_BASS <= kind < _WITH_STABS or (kind >= _WITH_MELODY and other < 0.55)
    melody = _WITH_STABS <= kind < _WITH_MELODY or (kind >= _WITH_MELODY and other >= 0.45)
    return _Layers(
        drums=not without_drums,
        bass=_DRUMS_ONLY <= kind < _WITH_MELODY or (without_drums and other < 0.6),
        stabs=chords,
        melody=melody,
        pad=kind >= _WITH_BASS and pad < (0.45 if without_drums else 0.25),
    )


def _drawn_in(split: Split, draw: Callable[[], _Line], part: Callable[[_Line], str]) -> _Line:
    """Draw a line until what it plays in its first bar belongs to the split."""
    while True:
        line = draw()
        played = part(line)
        if not played or split_of_part(played) == split:
            return line


def _patch(
    rng: np.random.Generator,
    count: int,
    family: Callable[[int], str],
    usual: Sequence[str],
    every: Sequence[str],
) -> int:
    wanted = every if rng.random() < _FROM_ELSEWHERE else usual
    return int(rng.choice([patch for patch in range(count) if family(patch) in wanted]))


def _draw_silence(
    rng: np.random.Generator, genre: str, grid: int, bars: int, *, lead: bool
) -> Composition:
    """A loop with everything but its patterns."""
    style = STYLES[genre]
    melodies, all_melodies = (
        tuple(name for name in names if lead or name not in _HELD_MELODIES)
        for names in (style.melodies, PLUCK_FAMILIES)
    )
    return Composition(
        kind="loop",
        genre=genre,
        grid=grid,
        bars=bars,
        kit=int(rng.integers(KIT_COUNT)),
        drums=(),
        bass_patch=_patch(rng, BASS_COUNT, bass_family, style.basses, BASS_FAMILIES),
        bass=(),
        stab_patch=_patch(rng, STAB_COUNT, stab_family, style.stabs, STAB_FAMILIES),
        stabs=(),
        melody_patch=_patch(rng, PLUCK_COUNT, pluck_family, melodies, all_melodies),
        melody=(),
        lead=False,
        pad_patch=None,
        progression=(0,) * (2 * bars),
        root=int(rng.integers(12)),
        major=bool(rng.random() < style.major),
        swing_frames=0,
        lags=(0, 0, 0, 0),
        touch=(1.0,) * STEPS_PER_BAR,
        fill=False,
        echo_steps=0,
        room=False,
        pumping=False,
        riser="",
        gains=(
            float(rng.choice([0.18, 0.22, 0.26])),
            float(rng.choice([1.0, 1.2, 1.4])),
            float(rng.choice([0.5, 0.62])),
        ),
        drive=style.drive * float(rng.choice([0.9, 1.0, 1.15])),
    )


def _draw_loop(
    rng: np.random.Generator, genre: str, grid: int, bars: int, split: Split
) -> Composition:
    style = STYLES[genre]
    layers = _draw_layers(rng, genre)
    lead = layers.melody and bool(rng.random() < style.lead)
    loop = _draw_silence(rng, genre, grid, bars, lead=lead)
    major = loop.major
    progression = draw_progression(rng, bars, major=major)
    fill = layers.drums and genre != "ambient" and bars > 1 and bool(rng.random() < 0.45)
    loop = replace(loop, progression=progression, fill=fill, lead=lead)
    if layers.drums:
        rolls = grid % 2 == 0 or grid % 3 == 0
        drums = _drawn_in(
            split, lambda: draw_drums(rng, genre, bars, fill=fill, rolls=rolls), drums_part
        )
        loop = replace(loop, drums=drums, room=bool(rng.random() < style.room))
    if layers.bass:
        bass = _drawn_in(
            split,
            lambda: draw_bass(rng, genre, progression, major=major),
            lambda line: line_part("bass", line),
        )
        loop = replace(loop, bass=bass)
    if layers.stabs:
        stabs = _drawn_in(
            split, lambda: draw_stabs(rng, genre, progression, major=major), stabs_part
        )
        loop = replace(loop, stabs=stabs)
    if layers.melody:
        tune = draw_lead if lead else draw_arp
        melody = _drawn_in(
            split,
            lambda: tune(rng, progression, major=major),
            lambda line: line_part("melody", line),
        )
        loop = replace(loop, melody=melody)
    if layers.pad:
        pad_patch = _patch(rng, PAD_COUNT, pad_family, style.pads, PAD_FAMILIES)
        loop = replace(loop, pad_patch=pad_patch)
    swung = grid >= 5 and rng.random() < style.swing
    echoing = bool(loop.stabs or loop.melody) and rng.random() < style.echo
    pumping = layers.drums and bool(loop.bass or loop.stabs or loop.melody)
    late = [int(rng.choice(choices)) for choices in _LAGS]
    return replace(
        loop,
        swing_frames=(2 if grid >= 9 else 1) if swung else 0,
        lags=(late[0], late[1], late[2], late[3]),
        touch=tuple(float(gain) for gain in rng.choice(_TOUCH, STEPS_PER_BAR)),
        echo_steps=int(rng.choice([3, 3, 3, 4, 6])) if echoing else 0,
        pumping=pumping and bool(rng.random() < style.pumping),
    )


def _draw_shot(
    rng: np.random.Generator, genre: str, grid: int, bars: int, split: Split
) -> Composition:
    """A single hit of any voice on the first sixteenth."""
    del split
    shot = replace(
        _draw_silence(rng, genre, grid, bars, lead=bool(rng.random() < 0.5)), kind="oneshot"
    )
    pitched = rng.random() < 0.35
    what = str(rng.choice(_PITCHED_SHOTS if pitched else VOICES))
    if what == "bass":
        return replace(shot, bass=((0, int(rng.choice([2, 4, 8])), 0),))
    if what == "stabs":
        notes = chord(0, int(rng.integers(5)), major=shot.major)
        return replace(shot, stabs=((0, notes),))
    if what == "melody":
        return replace(shot, melody=((0, 4, 0),))
    levels = (3, *(0,) * (bars * STEPS_PER_BAR - 1))
    return replace(shot, drums=((what, levels),), room=bool(rng.random() < 0.15))


def _draw_riser(
    rng: np.random.Generator, genre: str, grid: int, bars: int, split: Split
) -> Composition:
    del split
    riser = _draw_silence(rng, genre, grid, bars, lead=False)
    shape = str(rng.choice(RISER_SHAPES))
    riser = replace(riser, kind="riser", riser=shape)
    if shape != "snare":
        return riser
    last = STEPS_PER_BAR * bars
    levels = [0] * last
    for step in range(last):
        left = last - step
        every = 4 if left > last // 2 else 2 if left > last // 4 else 1
        levels[step] = (2 if step < last // 2 else 3) if step % every == 0 else 0
    return replace(riser, drums=(("snare", tuple(levels)),))
