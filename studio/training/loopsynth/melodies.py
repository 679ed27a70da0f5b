"""Owns the bass lines, chord rhythms and arpeggios of each genre; no sounds, no time grid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from studio.training.loopsynth.timing import STEPS_PER_BAR

BassLine = tuple[tuple[int, int, int], ...]
"""Notes as (first sixteenth, length in sixteenths, semitones above the root)."""

StabLine = tuple[tuple[int, tuple[int, ...]], ...]
"""Chords as (sixteenth, semitones above the root)."""

ArpLine = tuple[tuple[int, int], ...]
"""Notes as (sixteenth, semitones above the root)."""

_BASS_RHYTHMS: Final[Mapping[str, tuple[str, ...]]] = {
    "jungle": ("x.......x.......", "x..x......x.....", "x.....x...x..x..", "x.........x...x."),
    "dnb": ("x.........x.....", "x.....x...x.....", "x...............", "x..x..x.....x..."),
    "techno": ("..x...x...x...x.", "x.xxx.xxx.xxx.xx", ".xxx.xxx.xxx.xxx", "x..x..x..x..x.x."),
    "house": ("..x...x...x...x.", "x..x..x...x..x..", "x.....x...x.....", "x..x...x..x...x."),
    "electro": ("x.x..x.xx.x..x.x", "x..x..x.x.x.....", "xxxxxxxxxxxxxxxx", "x.xx..x.x.xx..x."),
    "hiphop": ("x..x...x..x.....", "x.....x...x.....", "x.........x..x..", "x......xx......."),
    "dub": ("x.....x.....x...", "x...x.....x.....", "....x.x...x.x...", "x..x..x.....x.x."),
    "ambient": ("x...............", "x.......x.......", "x.........x....."),
}
_STAB_RHYTHMS: Final[Mapping[str, tuple[str, ...]]] = {
    "dub": ("..x...x...x...x.", "....x.......x...", "..xx..xx..xx..xx", "....x.....x.x..."),
    "house": ("..x...x...x...x.", "x..x..x...x.....", "...x..x....x..x.", "x..x...x..x...x."),
}
_PLAIN_STAB_RHYTHMS: Final = (
    "x..x..x.........",
    "x.....x.........",
    "..x.......x.....",
    "....x......x....",
    "x..x..x...x..x..",
    "...x......x.....",
)
_CHORDS: Final = {
    False: ((0, 3, 7), (0, 3, 7, 10), (0, 3, 7, 14), (-5, 0, 3)),
    True: ((0, 4, 7), (0, 4, 7, 11), (0, 4, 7, 14), (-5, 0, 4)),
}
_SHIFTS: Final = {False: (3, 5, -2, -4), True: (5, 7, -3, 2)}
"""Second-bar transpositions whose chord still belongs to the key."""


def _hits(written: str) -> list[int]:
    return [step for step, character in enumerate(written) if character == "x"]


def _varied(rng: np.random.Generator, steps: list[int], chance: float) -> list[int]:
    """The rhythm with, sometimes, one hit dropped or added."""
    kept = list(steps)
    if len(kept) > 2 and rng.random() < chance:
        del kept[int(rng.integers(1, len(kept)))]
    if rng.random() < chance:
        kept = sorted({*kept, int(rng.integers(1, STEPS_PER_BAR))})
    return kept


def draw_shift(rng: np.random.Generator, bars: int, *, major: bool) -> int:
    """Semitones by which bass and chords move in the second bar (0 in about half of loops)."""
    if bars == 1 or rng.random() < 0.5:
        return 0
    return int(rng.choice(_SHIFTS[major]))


def draw_bass(
    rng: np.random.Generator, genre: str, bars: int, *, major: bool, shift: int
) -> BassLine:
    """A bass line; its second bar is moved by ``shift`` and may answer with other notes."""
    rhythms = _BASS_RHYTHMS[genre]
    steps = _varied(rng, _hits(rhythms[rng.integers(len(rhythms))]), 0.35)
    scale = np.array([0, 0, 0, 0, 7, 12, 4 if major else 3, 9 if major else 10, -5])
    degrees = rng.choice(scale, STEPS_PER_BAR)
    degrees[steps[0]] = 0
    starts: list[tuple[int, int]] = []
    for bar in range(bars):
        if bar and rng.random() < 0.4:
            steps = _varied(rng, steps, 0.6)
            degrees[8:] = rng.choice(scale, 8)
        move = shift if bar else 0
        starts += [(bar * STEPS_PER_BAR + step, int(degrees[step]) + move) for step in steps]
    total = bars * STEPS_PER_BAR
    line = []
    for index, (step, semitones) in enumerate(starts):
        following = starts[index + 1][0] if index + 1 < len(starts) else total + starts[0][0]
        line.append((step, min(following - step, 8), semitones))
    return tuple(line)


def draw_stabs(
    rng: np.random.Generator, genre: str, bars: int, *, major: bool, shift: int
) -> StabLine:
    """A chord rhythm with one chord a bar; the second bar is moved by ``shift``."""
    rhythms = _STAB_RHYTHMS.get(genre, _PLAIN_STAB_RHYTHMS)
    steps = _varied(rng, _hits(rhythms[rng.integers(len(rhythms))]), 0.3)
    chords = _CHORDS[major]
    chord = chords[rng.integers(len(chords))]
    line = []
    for bar in range(bars):
        if bar and rng.random() < 0.35:
            steps = _varied(rng, steps, 0.6)
        notes = tuple(note + (shift if bar else 0) for note in chord)
        line += [(bar * STEPS_PER_BAR + step, notes) for step in steps]
    return tuple(line)


def draw_arp(rng: np.random.Generator, bars: int, *, major: bool, shift: int) -> ArpLine:
    """A plucked figure on a regular pulse of the chord's notes over two octaves."""
    chord = (0, 4, 7, 11) if major else (0, 3, 7, 10)
    ladder = np.array([*chord, *(note + 12 for note in chord[:3])])
    every = int(rng.choice([1, 2, 2, 3]))
    steps = [step for step in range(0, STEPS_PER_BAR, every) if step == 0 or rng.random() < 0.88]
    length = int(rng.integers(3, 7))
    figure = rng.choice(ladder, length)
    figure[0] = 0
    line = []
    for bar in range(bars):
        move = shift if bar else 0
        for index, step in enumerate(steps):
            line.append((bar * STEPS_PER_BAR + step, int(figure[index % length]) + move))
    return tuple(line)
