"""Owns the facts a loop is labelled with; neither words nor sounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from studio.training.loopsynth.timing import STEPS_PER_BAR

GENRES: Final = (
    "jungle",
    "dnb",
    "techno",
    "house",
    "hiphop",
    "dub",
    "electro",
    "ambient",
    "garage",
    "trap",
    "breakbeat",
    "footwork",
    "lofibeats",
    "reggaeton",
    "dubstep",
    "trance",
)
ROOTS: Final = ("c", "c#", "d", "d#", "e", "f", "f#", "g", "g#", "a", "a#", "b")
KEYS: Final = tuple(root + mode for mode in ("m", "") for root in ROOTS)

Tone = Literal["dark", "", "bright"]
Density = Literal["sparse", "medium", "busy"]
Beat = Literal["", "break", "fourfloor", "halftime", "dembow"]
Kind = Literal["loop", "oneshot", "riser"]


@dataclass(frozen=True, kw_only=True)
class LoopLabels:
    """What is true of one loop.

    Attributes:
        seed: Seed the loop was drawn with.
        genre: One of ``GENRES``; "" for one-shots.
        grid: Codec frames to a sixteenth.
        bars: Length in bars of 4/4.
        kit_character: Character of the drum kit, None without drums.
        kit: Number of the drum kit, None without drums.
        voices: Drum voices that sound.
        beat: Kind of drum pattern, "" when it is none of the named ones.
        bass: Family of the bass patch, None without bass.
        bass_colour: Tone of the bass patch.
        stab: Family of the chord-stab patch, None without stabs.
        pad: Family of the pad patch, None without pad.
        arp: Family of the melodic patch, None without melody.
        key: Key such as "am" or "c", None when nothing pitched but drums sounds.
        swing: Whether odd sixteenths come late.
        fill: Whether the last bar ends in a drum fill.
        echo: Whether chords or melody repeat in echoes.
        tone: Measured balance of the whole loop: treble-poor, in between, treble-rich.
        density: How many sixteenths have an onset.
        speed: Speed word of the grid.
        period_frames: Codec frames of one period.
        onset_frames: Frames at which something starts, sorted, each once.
        pattern_hash: Hash of the drum, bass and chord patterns.
        kind: A loop, a single hit, or a riser.
        lead: Whether the melody is a lead line, not an arpeggio.
        tonal: Whether chords or melody make the key plain to hear.
        roll: Whether drums roll.
        ghosts: Whether a snare plays ghost notes.
        pumping: Whether everything ducks under the kick.
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
    pad: str | None
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
    kind: Kind = "loop"
    lead: bool = False
    tonal: bool = False
    roll: bool = False
    ghosts: bool = False
    pumping: bool = False


def density_of(onset_frames: tuple[int, ...], bars: int) -> Density:
    """The density word for onsets spread over ``bars`` bars."""
    share = len(onset_frames) / (bars * STEPS_PER_BAR)
    return "sparse" if share < 0.6 else "busy" if share > 0.82 else "medium"


_SPEEDS: Final = {4: "very fast", 5: "fast", 6: "driving", 7: "steady", 8: "steady", 9: "slow"}


def speed_of(grid: int) -> str:
    """The speed word for a grid."""
    return _SPEEDS.get(grid, "very slow")
