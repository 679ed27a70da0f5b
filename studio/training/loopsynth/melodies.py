"""Owns the bass lines, chord rhythms, arpeggios and leads of each genre; no sounds, no grid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from studio.training.loopsynth.timing import STEPS_PER_BAR

BassLine = tuple[tuple[int, int, int], ...]
"""Notes as (first sixteenth, length in sixteenths, semitones above the root)."""

StabLine = tuple[tuple[int, tuple[int, ...]], ...]
"""Chords as (sixteenth, semitones above the root)."""

Melody = BassLine
"""Notes of an arpeggio or a lead, as in a bass line."""

Progression = tuple[int, ...]
"""The scale degree, in semitones above the root, of each half bar; the first bar is on 0."""

_BASS_RHYTHMS: Final[Mapping[str, tuple[str, ...]]] = {
    "jungle": ("x.......x.......", "x..x......x.....", "x.....x...x..x..", "x.........x...x."),
    "dnb": ("x.........x.....", "x.....x...x.....", "x...............", "x..x..x.....x..."),
    "techno": ("..x...x...x...x.", "x.xxx.xxx.xxx.xx", ".xxx.xxx.xxx.xxx", "x..x..x..x..x.x."),
    "house": ("..x...x...x...x.", "x..x..x...x..x..", "x.....x...x.....", "x..x...x..x...x."),
    "electro": ("x.x..x.xx.x..x.x", "x..x..x.x.x.....", "xxxxxxxxxxxxxxxx", "x.xx..x.x.xx..x."),
    "hiphop": ("x..x...x..x.....", "x.....x...x.....", "x.........x..x..", "x......xx......."),
    "dub": ("x.....x.....x...", "x...x.....x.....", "....x.x...x.x...", "x..x..x.....x.x."),
    "ambient": ("x...............", "x.......x.......", "x.........x....."),
    "garage": ("x..x......x..x..", "x.....x....x..x.", "..x..x....x..x..", "x..x..x..x....x."),
    "trap": ("x.........x.....", "x.....x.........", "x..x......x.....", "x.......x.x....."),
    "breakbeat": ("x..x..x...x.....", "x.x...x...x..x..", "x.....x.x...x...", "x..x...x..x..x.."),
    "footwork": ("x..x..x.........", "x.....x..x......", "x..x..x.x..x..x.", "x..........x..x."),
    "lofibeats": ("x.....x...x.....", "x..x......x..x..", "x.......x.......", "x......x..x....."),
    "reggaeton": ("x..x..x.x..x..x.", "x.....x.x.....x.", "x..x..x.x.......", "x.......x..x..x."),
    "dubstep": ("x...............", "x.......x.......", "x..x..x.x.......", "x.....x...x....."),
    "trance": ("..x...x...x...x.", ".xxx.xxx.xxx.xxx", "..xx..xx..xx..xx", "x.xxx.xxx.xxx.xx"),
}
_STAB_RHYTHMS: Final[Mapping[str, tuple[str, ...]]] = {
    "dub": ("..x...x...x...x.", "....x.......x...", "..xx..xx..xx..xx", "....x.....x.x..."),
    "house": ("..x...x...x...x.", "x..x..x...x.....", "...x..x....x..x.", "x..x...x..x...x."),
    "reggaeton": ("x..x..x.x..x..x.", "..x...x...x...x.", "x..x..x........."),
    "garage": ("x..x......x..x..", "..x..x..x.......", "...x..x....x..x.", "x.....x..x......"),
    "lofibeats": ("x.......x.......", "x.....x...x.....", "x..x......x.....", "x.........x....."),
    "trance": ("x..x..x..x..x.x.", "..x...x...x...x.", "x.xx.xx.x.xx.xx."),
}
_PLAIN_STAB_RHYTHMS: Final = (
    "x..x..x.........",
    "x.....x.........",
    "..x.......x.....",
    "....x......x....",
    "x..x..x...x..x..",
    "...x......x.....",
    "x.......x..x....",
)
_SCALES: Final = {False: (0, 2, 3, 5, 7, 8, 10), True: (0, 2, 4, 5, 7, 9, 11)}
_DEGREES: Final[Mapping[bool, tuple[int, ...]]] = {False: (-4, -2, -4, 5), True: (5, 7)}
_COLOURS: Final = ((), (12,), (10,), (14,), (-5,))
"""What a chord holds beside its triad: nothing, the octave, a seventh, a ninth, the fifth below."""

_COLOUR_SHARES: Final = (0.4, 0.3, 0.12, 0.1, 0.08)

_LEAD_RHYTHMS: Final = (
    "x.....x.x...x...",
    "x...x...x.x.....",
    "x..x..x.....x...",
    "x.......x...x.x.",
    "x...x.x...x.....",
    "x.x...x.x.......",
)


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


def _degree(semitones: int, scale: tuple[int, ...]) -> int:
    return scale.index(semitones % 12)


def triad(degree: int, *, major: bool) -> tuple[int, ...]:
    """The key's own triad on a degree given in semitones above the root."""
    scale = _SCALES[major]
    place = _degree(degree, scale)
    above = [scale[(place + step) % 7] + 12 * ((place + step) // 7) for step in (0, 2, 4)]
    return tuple(note + degree - above[0] for note in above)


def chord(degree: int, colour: int, *, major: bool) -> tuple[int, ...]:
    """The triad on a degree with one of the colours 0 to 4, all notes from the key."""
    notes = triad(degree, major=major)
    scale = _SCALES[major]
    added = []
    for interval in _COLOURS[colour]:
        note = notes[0] + interval
        added.append(note if note % 12 in scale else note + 1)
    return tuple(sorted({*notes, *added}))


def draw_progression(rng: np.random.Generator, bars: int, *, major: bool) -> Progression:
    """The degree of each half bar: the key note in the first bar, and most of the time."""
    choices = _DEGREES[major]
    other = int(choices[rng.integers(len(choices))])
    if bars == 1 or rng.random() < 0.4:
        return (0,) * (2 * bars)
    turn = (0, other) if rng.random() < 0.6 else (other, 0)
    if bars == 2:
        return (0, 0, *turn)
    return (0, 0, 0, 0, 0, 0, *turn) if rng.random() < 0.4 else (0, 0, other, other, 0, 0, *turn)


def degree_at(progression: Progression, step: int) -> int:
    """The degree that holds at a sixteenth."""
    return progression[step // (STEPS_PER_BAR // 2)]


def _bars(progression: Progression) -> range:
    return range(len(progression) // 2)


def _within(semitones: int, degree: int, *, major: bool) -> int:
    """An interval of the tonic chord moved to a degree, kept in the key."""
    note = semitones + degree
    return note if note % 12 in _SCALES[major] else note + (1 if major else -1)


def draw_bass(
    rng: np.random.Generator, genre: str, progression: Progression, *, major: bool
) -> BassLine:
    """A bass line on the key note and its chord; later bars follow the progression."""
    rhythms = _BASS_RHYTHMS[genre]
    steps = _varied(rng, _hits(rhythms[rng.integers(len(rhythms))]), 0.35)
    third, other = (4, 7) if major else (3, 10)
    ladder = np.array([0, 0, 0, 0, 0, 0, 12, 12, 7, third, other, -5])
    degrees = rng.choice(ladder, STEPS_PER_BAR)
    degrees[steps[0]] = 0
    starts: list[tuple[int, int]] = []
    for bar in _bars(progression):
        if bar and rng.random() < 0.4:
            steps = _varied(rng, steps, 0.6)
            degrees[8:] = rng.choice(ladder, 8)
        for step in steps:
            place = bar * STEPS_PER_BAR + step
            degree = degree_at(progression, place)
            starts.append((place, _within(int(degrees[step]), degree, major=major)))
    return _held(starts, STEPS_PER_BAR * len(_bars(progression)), 8)


def _held(starts: list[tuple[int, int]], total: int, longest: int) -> BassLine:
    """Notes that last until the next one."""
    line = []
    for index, (step, note) in enumerate(starts):
        following = starts[index + 1][0] if index + 1 < len(starts) else total + starts[0][0]
        line.append((step, min(following - step, longest), note))
    return tuple(line)


def draw_stabs(
    rng: np.random.Generator, genre: str, progression: Progression, *, major: bool
) -> StabLine:
    """A chord rhythm on the chords of the progression."""
    rhythms = _STAB_RHYTHMS.get(genre, _PLAIN_STAB_RHYTHMS)
    steps = _varied(rng, _hits(rhythms[rng.integers(len(rhythms))]), 0.3)
    colour = int(rng.choice(len(_COLOURS), p=_COLOUR_SHARES))
    line = []
    for bar in _bars(progression):
        if bar and rng.random() < 0.35:
            steps = _varied(rng, steps, 0.6)
        for step in steps:
            place = bar * STEPS_PER_BAR + step
            line.append((place, chord(degree_at(progression, place), colour, major=major)))
    return tuple(line)


def draw_arp(rng: np.random.Generator, progression: Progression, *, major: bool) -> Melody:
    """A figure on a regular pulse of the chord's notes over two octaves."""
    every = int(rng.choice([1, 2, 2, 3]))
    steps = [step for step in range(0, STEPS_PER_BAR, every) if step == 0 or rng.random() < 0.88]
    length = int(rng.integers(3, 7))
    rungs = rng.choice(7, length, p=[0.26, 0.22, 0.16, 0.06, 0.14, 0.1, 0.06])
    rungs[0] = 0
    seventh = int(rng.choice([1, 1, 2]))
    line = []
    for bar in _bars(progression):
        if bar and rng.random() < 0.3:
            rungs[-1] = int(rng.integers(1, 7))
        for index, step in enumerate(steps):
            place = bar * STEPS_PER_BAR + step
            notes = chord(degree_at(progression, place), seventh, major=major)
            ladder = (*notes[:3], notes[-1], *(note + 12 for note in notes[:3]))
            line.append((place, every, ladder[rungs[index % length]]))
    return tuple(line)


def draw_lead(rng: np.random.Generator, progression: Progression, *, major: bool) -> Melody:
    """A tune: chord notes on strong places, scale steps between, back to the key note."""
    scale = _SCALES[major]
    steps = _varied(rng, _hits(_LEAD_RHYTHMS[rng.integers(len(_LEAD_RHYTHMS))]), 0.4)
    starts: list[tuple[int, int]] = []
    place = 7
    for bar in _bars(progression):
        if bar and rng.random() < 0.5:
            steps = _varied(rng, steps, 0.6)
        for index, step in enumerate(steps):
            degree = degree_at(progression, bar * STEPS_PER_BAR + step)
            tones = {note % 12 for note in triad(degree, major=major)}
            move = int(rng.choice([-2, -1, -1, 1, 1, 2])) if index or bar else 0
            place = int(np.clip(place + move, 4, 13))
            if step % 4 == 0:
                while scale[place % 7] not in tones:
                    place += 1 if place < 13 else -2
            note = scale[place % 7] + 12 * (place // 7) - 12
            starts.append((bar * STEPS_PER_BAR + step, note))
    starts[0] = (starts[0][0], 0)
    return _held(starts, STEPS_PER_BAR * len(_bars(progression)), 6)
