"""Owns how a loop is drawn: genre, grid, patterns, patches and split; makes no sound."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from studio.core.errors import TrainingError
from studio.training.loopsynth.basses import BASS_COUNT, bass_family
from studio.training.loopsynth.chords import ARP_COUNT, PAD_COUNT, STAB_COUNT
from studio.training.loopsynth.drumming import DrumPattern, draw_drums
from studio.training.loopsynth.drums import KIT_COUNT
from studio.training.loopsynth.labels import GENRES
from studio.training.loopsynth.melodies import (
    ArpLine,
    BassLine,
    StabLine,
    draw_arp,
    draw_bass,
    draw_shift,
    draw_stabs,
)
from studio.training.loopsynth.timing import GRIDS, STEPS_PER_BAR, bars_allowed

Split = Literal["train", "validation"]
SPLITS: Final[tuple[Split, ...]] = ("train", "validation")

_GENRE_WEIGHTS: Final[Mapping[str, float]] = {
    "jungle": 0.17,
    "dnb": 0.16,
    "techno": 0.15,
    "house": 0.14,
    "hiphop": 0.13,
    "electro": 0.11,
    "dub": 0.09,
    "ambient": 0.05,
}
_NATIVE_GRIDS: Final[Mapping[str, tuple[int, ...]]] = {
    "jungle": (4, 5),
    "dnb": (4, 5),
    "techno": (5, 6, 7),
    "house": (5, 6, 7),
    "electro": (5, 6, 7),
    "hiphop": (7, 8, 9),
    "dub": (8, 9, 10, 11),
    "ambient": (7, 8, 9, 10, 11, 12),
}
_BASS_FAMILIES: Final[Mapping[str, tuple[str, ...]]] = {
    "jungle": ("sub", "reese"),
    "dnb": ("sub", "reese"),
    "techno": ("acid", "sub", "pluck"),
    "house": ("sub", "acid", "pluck"),
    "electro": ("acid", "pluck", "reese"),
    "hiphop": ("sub", "pluck"),
    "dub": ("sub",),
    "ambient": ("sub",),
}
_SWING_CHANCE: Final = {"hiphop": 0.5, "house": 0.4, "jungle": 0.2, "dub": 0.2, "electro": 0.1}
_ECHO_CHANCE: Final = {"dub": 0.7, "ambient": 0.6, "techno": 0.35}
_VALIDATION_SHARE: Final = 1 / 16


@dataclass(frozen=True, kw_only=True)
class Composition:
    """Everything that decides how one loop sounds.

    Attributes:
        genre: One of ``GENRES``.
        grid: Codec frames to a sixteenth.
        bars: Length in bars.
        kit: Drum kit number (unused when ``drums`` is empty).
        drums: Drum pattern, empty without drums.
        bass_patch: Bass patch number (unused when ``bass`` is empty).
        bass: Bass line, empty without bass.
        stab_patch: Stab patch number (unused when ``stabs`` is empty).
        stabs: Chord stabs, empty without.
        arp_patch: Arpeggio patch number (unused when ``arp`` is empty).
        arp: Arpeggio, empty without.
        pad_patch: Pad patch number, None without pad.
        root: Pitch class of the key, 0 = C.
        major: Whether the key is major.
        shift: Semitones by which pitched parts move in the second bar.
        swing_frames: Codec frames by which odd sixteenths come late.
        fill: Whether the last bar ends in a drum fill.
        echo: Whether stabs or arpeggio have echoes.
        gains: Linear gains of bass, stabs and arpeggio.
    """

    genre: str
    grid: int
    bars: int
    kit: int
    drums: DrumPattern
    bass_patch: int
    bass: BassLine
    stab_patch: int
    stabs: StabLine
    arp_patch: int
    arp: ArpLine
    pad_patch: int | None
    root: int
    major: bool
    shift: int
    swing_frames: int
    fill: bool
    echo: bool
    gains: tuple[float, float, float]

    @property
    def swung(self) -> bool:
        """Whether something sounds on a late sixteenth."""
        return self.swing_frames > 0 and any(step % 2 for step, _ in self._hits())

    @property
    def repeats_its_first_bar(self) -> bool:
        """Whether a second bar brings nothing new."""
        bars: list[set[tuple[int, object]]] = [set(), set()]
        for step, what in self._hits():
            bars[step // STEPS_PER_BAR].add((step % STEPS_PER_BAR, what))
        return self.bars == 2 and bars[0] == bars[1]

    def _hits(self) -> Iterator[tuple[int, object]]:
        for voice, levels in self.drums:
            yield from ((step, (voice, level)) for step, level in enumerate(levels) if level)
        yield from ((step, ("bass", semitones)) for step, _, semitones in self.bass)
        yield from ((step, ("stab", chord)) for step, chord in self.stabs)
        yield from ((step, ("arp", semitones)) for step, semitones in self.arp)

    @property
    def pattern_hash(self) -> str:
        """Hash of the patterns alone: not of sounds, key, grid or levels."""
        patterns = repr((self.drums, self.bass, self.stabs, self.arp))
        return hashlib.sha256(patterns.encode()).hexdigest()[:16]


def split_of(pattern_hash: str) -> Split:
    """The split to which every loop with these patterns belongs."""
    share = int(pattern_hash[:8], 16) / 2**32
    return "validation" if share < _VALIDATION_SHARE else "train"


def draw_composition(
    seed: int,
    *,
    split: Split = "train",
    genre: str | None = None,
    grid: int | None = None,
    bars: int | None = None,
) -> Composition:
    """Draw a loop of the given split; the same arguments give the same loop.

    Args:
        seed: Not negative.
        split: Which side of the pattern split the loop must lie on.
        genre: Fix the genre.
        grid: Fix the codec frames to a sixteenth.
        bars: Fix the length.

    Raises:
        TrainingError: The split, genre, grid or length is not one the synthesiser has.
    """
    _check(seed, split, genre, grid, bars)
    rng = np.random.default_rng([seed, SPLITS.index(split)])
    drawn_genre = str(rng.choice(list(_GENRE_WEIGHTS), p=list(_GENRE_WEIGHTS.values())))
    genre = genre or drawn_genre
    native = _NATIVE_GRIDS[genre]
    if grid is None:
        fitting = [g for g in (native if rng.random() < 0.85 else GRIDS) if _fits(g, bars)]
        fitting = fitting or [g for g in GRIDS if _fits(g, bars)]
        grid = int(rng.choice(fitting))
    if bars is None:
        bars = 2 if 2 in bars_allowed(grid) and rng.random() < 0.45 else 1
    while True:
        composition = _draw(rng, genre, grid, bars)
        if split_of(composition.pattern_hash) == split and not composition.repeats_its_first_bar:
            return composition


def _fits(grid: int, bars: int | None) -> bool:
    return bars is None or bars in bars_allowed(grid)


def _check(seed: int, split: str, genre: str | None, grid: int | None, bars: int | None) -> None:
    if seed < 0:
        raise TrainingError(f"The loop seed {seed} is negative; use 0 or more.")
    if split not in SPLITS:
        raise TrainingError(f"There is no split {split!r}; use one of {', '.join(SPLITS)}.")
    if genre is not None and genre not in GENRES:
        raise TrainingError(f"There is no genre {genre!r}; use one of {', '.join(GENRES)}.")
    if grid is not None and grid not in GRIDS:
        raise TrainingError(f"There is no grid {grid}; use {GRIDS[0]} to {GRIDS[-1]}.")
    if bars is not None and bars not in bars_allowed(grid or GRIDS[0]):
        raise TrainingError(f"Loops of {bars} bars do not fit this grid; use one bar.")


def _draw(rng: np.random.Generator, genre: str, grid: int, bars: int) -> Composition:
    kind = rng.random()
    ambient = genre == "ambient"
    with_drums = not ambient or rng.random() < 0.6
    with_bass = rng.random() < 0.5 if ambient else kind >= 0.4
    with_stabs = not ambient and kind >= 0.75
    with_arp = ambient or (
        with_bass and not with_stabs and genre in ("techno", "electro", "house") and kind < 0.47
    )
    with_pad = rng.random() < (0.5 if ambient else 0.12 if with_bass else 0.0)
    fill = with_drums and not ambient and bars == 2 and bool(rng.random() < 0.45)
    major = bool(rng.random() < (0.35 if genre in ("house", "ambient", "hiphop") else 0.15))
    shift = draw_shift(rng, bars, major=major)
    families = _BASS_FAMILIES[genre]
    patches = [patch for patch in range(BASS_COUNT) if bass_family(patch) in families]
    swung = grid >= 5 and rng.random() < _SWING_CHANCE.get(genre, 0.0)
    return Composition(
        genre=genre,
        grid=grid,
        bars=bars,
        kit=int(rng.integers(KIT_COUNT)),
        drums=draw_drums(rng, genre, bars, fill=fill) if with_drums else (),
        bass_patch=int(rng.choice(patches)),
        bass=draw_bass(rng, genre, bars, major=major, shift=shift) if with_bass else (),
        stab_patch=int(rng.integers(STAB_COUNT)),
        stabs=draw_stabs(rng, genre, bars, major=major, shift=shift) if with_stabs else (),
        arp_patch=int(rng.integers(ARP_COUNT)),
        arp=draw_arp(rng, bars, major=major, shift=shift) if with_arp else (),
        pad_patch=int(rng.integers(PAD_COUNT)) if with_pad else None,
        root=int(rng.integers(12)),
        major=major,
        shift=shift,
        swing_frames=(2 if grid >= 9 else 1) if swung else 0,
        fill=fill,
        echo=(with_stabs or with_arp) and bool(rng.random() < _ECHO_CHANCE.get(genre, 0.12)),
        gains=(
            float(rng.choice([0.22, 0.27, 0.32])),
            float(rng.choice([0.9, 1.05, 1.25])),
            float(rng.choice([0.45, 0.6])),
        ),
    )
