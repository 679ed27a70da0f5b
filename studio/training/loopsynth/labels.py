"""Owns the facts a loop is labelled with; neither words nor sounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from studio.training.loopsynth.timing import STEPS_PER_BAR

GENRES: Final = ("jungle", "dnb", "techno", "house", "hiphop", "dub", "electro", "ambient")
ROOTS: Final = ("c", "c#", "d", "d#", "e", "f", "f#", "g", "g#", "a", "a#", "b")
KEYS: Final = tuple(root + mode for mode in ("m", "") for root in ROOTS)

Tone = Literal["dark", "", "bright"]
Density = Literal["sparse", "medium", "busy"]
Beat = Literal["", "break", "fourfloor", "halftime"]


@dataclass(frozen=True, kw_only=True)
class LoopLabels:
    """What is true of one loop.

    Attributes:
        seed: Seed the loop was drawn with.
        genre: One of ``GENRES``.
        grid: Codec frames to a sixteenth.
        bars: Length in bars of 4/4.
        kit_character: Character of the drum kit, None without drums.
        kit: Number of the drum kit, None without drums.
        voices: Drum voices that sound.
        beat: Kind of drum pattern, "" when it is none of the named ones.
        bass: Family of the bass patch, None without bass.
        bass_colour: Tone of the bass patch.
        stab: Family of the chord-stab patch, None without stabs.
        pad: Number of the pad patch, None without pad.
        arp: Family of the arpeggio patch, None without arpeggio.
        key: Key such as "am" or "c", None when nothing pitched but drums sounds.
        swing: Whether odd sixteenths come late.
        fill: Whether the last bar ends in a drum fill.
        echo: Whether chords or arpeggio repeat in echoes.
        tone: Measured balance of the whole loop: treble-poor, in between, treble-rich.
        density: How many sixteenths have an onset.
        speed: Speed word of the grid.
        period_frames: Codec frames of one period.
        onset_frames: Frames at which something starts, sorted, each once.
        pattern_hash: Hash of the drum, bass and chord patterns, which decides the split.
    """

    seed: int
    genre: str
    grid: int
    bars: int
    kit_character: str | None
    kit: int | None
    voices: tuple[str, ...]
    beat: Beat
    bass: str | None
    bass_colour: Tone
    stab: str | None
    pad: int | None
    arp: str | None
    key: str | None
    swing: bool
    fill: bool
    echo: bool
    tone: Tone
    density: Density
    speed: str
    period_frames: int
    onset_frames: tuple[int, ...]
    pattern_hash: str


def density_of(onset_frames: tuple[int, ...], bars: int) -> Density:
    """The density word for onsets spread over ``bars`` bars."""
    share = len(onset_frames) / (bars * STEPS_PER_BAR)
    return "sparse" if share < 0.6 else "busy" if share > 0.82 else "medium"


_SPEEDS: Final = {4: "very fast", 5: "fast", 6: "driving", 7: "steady", 8: "steady", 9: "slow"}


def speed_of(grid: int) -> str:
    """The speed word for a grid."""
    return _SPEEDS.get(grid, "very slow")
