"""What the embedded model is asked for while it is measured.

Owns prompts as a producer types them, none of which was used while tuning; it judges nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from studio.models.prompting import PromptTemplate

TEMPOS_BPM: Final = (
    (60.0, 71.5, 83.0, 94.5, 106.0, 117.5, 129.0, 140.5, 152.0, 163.5, 175.0, 186.5, 200.0),
    (63.5, 75.0, 86.5, 98.0, 109.5, 121.0, 132.5, 144.0, 155.5, 167.0, 178.5, 190.0, 195.5),
)
"""Spread over the promised range, mostly far from any grid; of two bars and of four."""

LENGTHS_IN_BARS: Final = (2, 4)
_RHYTHMS: Final = (
    "rolling jungle drums with a deep sub",
    "tight dnb drums, dark reese bass",
    "techno with rides and acid",
    "swung house beat, claps",
    "lazy hip hop drums, plucked bass",
    "roomy dub drums with rim shots",
    "electro beat, metallic kit",
    "busy breakbeat, heavy drums",
    "drums only, dusty",
)
_TONAL: Final = (
    "house with organ stabs and a pad in {key}",
    "techno, dub chords with echo, {key}",
    "jungle with rave stabs, {key}",
    "ambient arp with a warm pad, {key}",
)
_KEYS: Final = (
    "A minor",
    "C major",
    "F# minor",
    "E major",
    "D minor",
    "G major",
    "Bb minor",
    "B major",
    "E minor",
    "Ab major",
    "G minor",
    "D major",
)
_GENRES: Final = ("house", "jungle", "techno", "hiphop", "electro", "dub")
_PHRASES: Final = {
    "clap": "with claps",
    "openhat": "with open hats",
    "ride": "with a ride cymbal",
    "tom": "with toms",
    "rim": "with rimshots",
    "crash": "with crash cymbals",
    "shaker": "with shakers",
    "conga": "with congas",
    "cowbell": "with cowbells",
    "perc": "with percussion",
    "bass": "with a bass line",
    "sub": "with sub bass",
    "reese": "with a reese bass",
    "acid": "with a 303",
    "stabs": "with chord stabs",
    "organ": "with organ chords",
    "rave": "with rave stabs",
    "piano": "with a house piano",
    "pad": "with lush pads",
    "arp": "with an arpeggio",
    "lead": "with a lead melody",
    "drumsonly": "drums only",
    "nodrums": "without drums",
}
VOICES: Final = tuple(_PHRASES)
"""Caption words of what can be heard, or not, in a loop."""

NEAR_PROMPT: Final = "jungle break with a deep sub, 187.5 bpm"
NEAR_GENRE, NEAR_GRID = "jungle", 4


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One prompt and what it must lead to.

    Attributes:
        prompt: As typed.
        bars: Length.
        tempo_bpm: Asked tempo.
        key: Asked key as typed, None when none was asked.
        voice: Caption word of the voice that must be heard, None when none was asked.
    """

    prompt: str
    bars: int
    tempo_bpm: float
    key: str | None = None
    voice: str | None = None


def tempo_prompts(count: int) -> list[Asked]:
    """Up to 26 prompts over 60 to 200 bpm, of two and of four bars in turn."""
    asked: list[Asked] = []
    for place in range(len(TEMPOS_BPM[0])):
        for bars, tempos in zip(LENGTHS_IN_BARS, TEMPOS_BPM, strict=True):
            words = _RHYTHMS[len(asked) % len(_RHYTHMS)]
            tempo = tempos[place]
            asked.append(Asked(prompt=f"{words}, {tempo:g} bpm", bars=bars, tempo_bpm=tempo))
    return _spread(asked, count)


def key_prompts(count: int) -> list[Asked]:
    """Up to 96: 48 tonal prompts in twelve keys, half of them minor, each asked twice."""
    tempos = (124.0, 132.0, 170.0, 84.0)
    asked = [
        Asked(prompt=written.format(key=key) + f", {tempo:g} bpm", bars=2, tempo_bpm=tempo, key=key)
        for key in _KEYS
        for written, tempo in zip(_TONAL, tempos, strict=True)
    ]
    return _spread(asked * 2, count)


def voice_prompts(template: PromptTemplate, each: int) -> list[Asked]:
    """`each` prompts for every voice that the model knows a word for."""
    known = [voice for voice in VOICES if voice in template.words]
    tempos = (122.0, 168.0, 134.0, 92.0, 126.0, 78.0)
    asked: list[Asked] = []
    for place, voice in enumerate(known):
        for turn in range(each):
            genre = (place + turn) % len(_GENRES)
            prompt = f"{_GENRES[genre]} {_PHRASES[voice]}, {tempos[genre]:g} bpm"
            asked.append(Asked(prompt=prompt, bars=2, tempo_bpm=tempos[genre], voice=voice))
    return asked


def _spread(asked: Sequence[Asked], count: int) -> list[Asked]:
    """At most `count` of them, evenly over the whole list."""
    if count >= len(asked):
        return list(asked)
    return [asked[place * len(asked) // count] for place in range(count)]
