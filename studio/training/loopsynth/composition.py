"""Owns what decides how a loop sounds, and which split it belongs to; draws and renders nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from studio.training.loopsynth.drumming import ROLL, DrumPattern
from studio.training.loopsynth.labels import Kind
from studio.training.loopsynth.melodies import BassLine, Melody, Progression, StabLine
from studio.training.loopsynth.timing import STEPS_PER_BAR

Split = Literal["train", "validation"]
SPLITS: Final[tuple[Split, ...]] = ("train", "validation")
RISER_SHAPES: Final = ("noise", "tone", "gated", "snare")
_VALIDATION_SHARE: Final = 1 / 16


@dataclass(frozen=True, kw_only=True)
class Composition:
    """Everything that decides how one loop sounds.

    Attributes:
        kind: A loop, a single hit, or a riser.
        genre: One of ``GENRES``; of no meaning for a single hit.
        grid: Codec frames to a sixteenth.
        bars: Length in bars.
        kit: Drum kit number (unused when ``drums`` is empty).
        drums: Drum pattern, empty without drums.
        bass_patch: Bass patch number (unused when ``bass`` is empty).
        bass: Bass line, empty without bass.
        stab_patch: Stab patch number (unused when ``stabs`` is empty).
        stabs: Chords, empty without.
        melody_patch: Melodic patch number (unused when ``melody`` is empty).
        melody: Arpeggio or lead, empty without.
        lead: Whether the melody is a lead.
        pad_patch: Pad patch number, None without pad.
        progression: Degree of each half bar.
        root: Pitch class of the key, 0 = C.
        major: Whether the key is major.
        swing_frames: Codec frames by which odd sixteenths come late.
        lags: Samples by which backbeat, tops, bass and chords are late throughout.
        touch: Gain of each sixteenth of the bar.
        fill: Whether the last bar ends in a drum fill.
        echo_steps: Delay of the echoes in sixteenths, 0 without.
        room: Whether the drums stand in a room.
        pumping: Whether everything ducks under the kick.
        riser: One of ``RISER_SHAPES`` for a riser, "" otherwise.
        gains: Linear gains of bass, stabs and melody.
        drive: Saturation of the master.
    """

    kind: Kind
    genre: str
    grid: int
    bars: int
    kit: int
    drums: DrumPattern
    bass_patch: int
    bass: BassLine
    stab_patch: int
    stabs: StabLine
    melody_patch: int
    melody: Melody
    lead: bool
    pad_patch: int | None
    progression: Progression
    root: int
    major: bool
    swing_frames: int
    lags: tuple[int, int, int, int]
    touch: tuple[float, ...]
    fill: bool
    echo_steps: int
    room: bool
    pumping: bool
    riser: str
    gains: tuple[float, float, float]
    drive: float

    @property
    def swung(self) -> bool:
        """Whether something sounds on a late sixteenth."""
        return self.swing_frames > 0 and any(step % 2 for step, _ in self._hits())

    @property
    def rolling(self) -> bool:
        """Whether a drum rolls."""
        return any(ROLL in levels for _, levels in self.drums)

    @property
    def repeats_itself(self) -> bool:
        """Whether a later half brings nothing new."""
        half = self.bars * STEPS_PER_BAR // 2
        halves: list[set[tuple[int, object]]] = [set(), set()]
        for step, what in self._hits():
            halves[step // half].add((step % half, what))
        return self.bars > 1 and halves[0] == halves[1]

    @property
    def _shot_patch(self) -> tuple[str, int]:
        if self.bass:
            return "bass", self.bass_patch
        return ("stab", self.stab_patch) if self.stabs else ("melody", self.melody_patch)

    def _hits(self) -> Iterator[tuple[int, object]]:
        for voice, levels in self.drums:
            yield from ((step, (voice, level)) for step, level in enumerate(levels) if level)
        yield from ((step, ("bass", semitones)) for step, _, semitones in self.bass)
        yield from ((step, ("stab", notes)) for step, notes in self.stabs)
        yield from ((step, ("melody", semitones)) for step, _, semitones in self.melody)

    @property
    def pattern_hash(self) -> str:
        """Hash of the patterns alone: not of sounds, key, grid or levels."""
        return _hash((self.kind, self.drums, self.bass, self.stabs, self.melody))

    @property
    def parts(self) -> tuple[str, ...]:
        """Hashes of what the first bar of each part plays; two splits share none of them."""
        if self.kind == "oneshot":
            drums = tuple(voice for voice, _ in self.drums)
            sound = self.kit if drums else (self.root, self._shot_patch)
            return (_hash((self.kind, drums, sound)),)
        if self.kind == "riser":
            return (_hash((self.kind, self.riser, self.root, self.kit, self.gains)),)
        found = (
            drums_part(self.drums),
            line_part("bass", self.bass),
            stabs_part(self.stabs),
            line_part("melody", self.melody),
        )
        return tuple(part for part in found if part)


def drums_part(drums: DrumPattern) -> str:
    """Hash of a drum pattern's first bar, "" when there is none."""
    bar = tuple((voice, levels[:STEPS_PER_BAR]) for voice, levels in drums)
    return _hash(("drums", bar)) if bar else ""


def line_part(name: str, line: BassLine) -> str:
    """Hash of where and what a line plays in its first bar, "" when it plays nothing."""
    bar = tuple((step, note) for step, _, note in line if step < STEPS_PER_BAR)
    return _hash((name, bar)) if bar else ""


def stabs_part(stabs: StabLine) -> str:
    """Hash of the chords of the first bar, "" when there are none."""
    bar = tuple((step, notes) for step, notes in stabs if step < STEPS_PER_BAR)
    return _hash(("stabs", bar)) if bar else ""


def _hash(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:16]


def split_of_part(part: str) -> Split:
    """The split to which every loop with this part belongs."""
    share = int(part[:8], 16) / 2**32
    return "validation" if share < _VALIDATION_SHARE else "train"
