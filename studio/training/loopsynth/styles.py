"""Owns what each genre tends to: tempos, basses, chords, melodies, swing, echo, mastering."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

_FAST: Final = (4, 5)
_CLUB: Final = (5, 6, 7)


@dataclass(frozen=True, kw_only=True)
class GenreStyle:
    """What loops of a genre are drawn from.

    Attributes:
        weight: Share of loops.
        tempo_bpm: What a prompt means that names no tempo.
        grids: Usual codec frames to a sixteenth.
        basses: Families of its basses.
        stabs: Families of its chords.
        melodies: Families of its arpeggios and leads.
        pads: Families of its pads.
        lead: Chance that a melody is a lead line and no arpeggio.
        swing: Chance of late odd sixteenths.
        echo: Chance of echoes on chords and melody.
        room: Chance that the drums stand in a room.
        pumping: Chance that everything ducks under the kick.
        major: Chance of a major key.
        drive: Saturation of the master.
    """

    weight: float
    tempo_bpm: float
    grids: tuple[int, ...]
    basses: tuple[str, ...]
    stabs: tuple[str, ...]
    melodies: tuple[str, ...] = ("bell", "glass", "saw", "soft", "lead", "chip")
    pads: tuple[str, ...] = ("warm", "strings", "sweep")
    lead: float = 0.4
    swing: float = 0.0
    echo: float = 0.12
    room: float = 0.1
    pumping: float = 0.0
    major: float = 0.42
    drive: float = 1.15


STYLES: Final[Mapping[str, GenreStyle]] = MappingProxyType(
    {
        "jungle": GenreStyle(
            weight=0.1,
            tempo_bpm=168,
            grids=_FAST,
            basses=("sub", "reese", "wobble", "808bass"),
            stabs=("rave", "dub", "piano", "vox", "skank"),
            melodies=("bell", "glass", "soft", "flute", "harp"),
            pads=("warm", "strings", "choir"),
            swing=0.2,
            echo=0.25,
            room=0.3,
        ),
        "dnb": GenreStyle(
            weight=0.1,
            tempo_bpm=174,
            grids=_FAST,
            basses=("sub", "reese", "growl", "wobble", "fmbass"),
            stabs=("rave", "epiano", "brass", "vox", "house"),
            melodies=("lead", "saw", "glass", "soft", "fm"),
            pads=("strings", "sweep", "choir"),
            pumping=0.1,
            drive=1.35,
        ),
        "techno": GenreStyle(
            weight=0.1,
            tempo_bpm=132,
            grids=_CLUB,
            basses=("acid", "sub", "pluck", "fmbass", "growl"),
            stabs=("dub", "rave", "house", "brass"),
            melodies=("saw", "fm", "glass", "soft", "chip"),
            pads=("warm", "sweep", "glassy"),
            lead=0.15,
            echo=0.35,
            room=0.2,
            pumping=0.3,
            drive=1.35,
        ),
        "house": GenreStyle(
            weight=0.09,
            tempo_bpm=124,
            grids=_CLUB,
            basses=("sub", "acid", "pluck", "organbass", "slap", "fmbass"),
            stabs=("house", "organ", "piano", "epiano", "brass"),
            melodies=("marimba", "soft", "saw", "flute", "fm"),
            swing=0.4,
            pumping=0.35,
            major=0.5,
        ),
        "hiphop": GenreStyle(
            weight=0.08,
            tempo_bpm=90,
            grids=(7, 8, 9),
            basses=("sub", "pluck", "808bass", "slap"),
            stabs=("epiano", "piano", "brass", "orchestra", "organ"),
            melodies=("bell", "harp", "flute", "marimba", "lead"),
            pads=("strings", "choir", "warm"),
            swing=0.5,
            major=0.45,
            drive=1.25,
        ),
        "dub": GenreStyle(
            weight=0.07,
            tempo_bpm=72,
            grids=(8, 9, 10, 11),
            basses=("sub", "organbass", "slap"),
            stabs=("skank", "dub", "organ", "piano"),
            melodies=("flute", "harp", "soft", "lead"),
            lead=0.8,
            swing=0.2,
            echo=0.75,
            room=0.4,
        ),
        "electro": GenreStyle(
            weight=0.07,
            tempo_bpm=128,
            grids=_CLUB,
            basses=("acid", "pluck", "reese", "fmbass"),
            stabs=("orchestra", "vox", "brass", "house"),
            melodies=("chip", "saw", "fm", "lead", "glass"),
            swing=0.1,
        ),
        "ambient": GenreStyle(
            weight=0.05,
            tempo_bpm=80,
            grids=(7, 8, 9, 10, 11, 12),
            basses=("sub",),
            stabs=("epiano", "piano", "vox", "dub"),
            melodies=("bell", "glass", "soft", "harp", "marimba", "flute"),
            pads=("warm", "strings", "choir", "glassy", "sweep"),
            echo=0.6,
            room=0.5,
            major=0.5,
            drive=1.0,
        ),
        "garage": GenreStyle(
            weight=0.06,
            tempo_bpm=132,
            grids=(5, 6),
            basses=("sub", "organbass", "reese", "pluck", "wobble"),
            stabs=("organ", "house", "epiano", "vox"),
            melodies=("marimba", "bell", "soft", "fm"),
            swing=0.75,
            pumping=0.15,
        ),
        "trap": GenreStyle(
            weight=0.05,
            tempo_bpm=140,
            grids=(5, 6, 10, 11),
            basses=("808bass", "sub"),
            stabs=("orchestra", "brass", "piano", "vox"),
            melodies=("bell", "flute", "harp", "glass", "lead"),
            pads=("choir", "strings", "warm"),
            lead=0.6,
            drive=1.35,
        ),
        "breakbeat": GenreStyle(
            weight=0.05,
            tempo_bpm=134,
            grids=(5, 6, 7),
            basses=("acid", "reese", "sub", "slap"),
            stabs=("rave", "piano", "house", "orchestra"),
            room=0.25,
            drive=1.3,
        ),
        "footwork": GenreStyle(
            weight=0.04,
            tempo_bpm=160,
            grids=_FAST,
            basses=("sub", "808bass", "reese"),
            stabs=("vox", "epiano", "house", "organ"),
            melodies=("soft", "glass", "chip", "fm"),
        ),
        "lofibeats": GenreStyle(
            weight=0.04,
            tempo_bpm=82,
            grids=(8, 9, 10),
            basses=("sub", "slap", "organbass"),
            stabs=("epiano", "piano", "epiano"),
            melodies=("harp", "bell", "flute", "soft", "marimba"),
            swing=0.6,
            room=0.2,
            major=0.55,
            drive=1.0,
        ),
        "reggaeton": GenreStyle(
            weight=0.04,
            tempo_bpm=94,
            grids=(7, 8, 9),
            basses=("sub", "808bass", "pluck"),
            stabs=("piano", "brass", "skank", "vox"),
            melodies=("flute", "marimba", "harp", "lead", "fm"),
        ),
        "dubstep": GenreStyle(
            weight=0.03,
            tempo_bpm=140,
            grids=(5, 10, 11),
            basses=("wobble", "growl", "sub", "reese"),
            stabs=("vox", "skank", "dub", "orchestra"),
            pads=("warm", "choir", "sweep"),
            echo=0.3,
            room=0.25,
            drive=1.5,
        ),
        "trance": GenreStyle(
            weight=0.03,
            tempo_bpm=138,
            grids=(5, 6),
            basses=("pluck", "acid", "sub"),
            stabs=("rave", "piano", "house"),
            melodies=("saw", "lead", "glass", "soft"),
            pads=("sweep", "strings", "warm"),
            lead=0.3,
            echo=0.4,
            pumping=0.6,
            drive=1.35,
        ),
    }
)
