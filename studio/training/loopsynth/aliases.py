"""Owns the table from what producers type to caption words; no parsing."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from studio.training.loopsynth.labels import ROOTS
from studio.training.loopsynth.phrases import (
    BASS_PHRASES,
    BEAT_PHRASES,
    GENRE_PHRASES,
    KIT_PHRASES,
    LEAVABLE,
    LOOP_PHRASES,
    MUSIC_PHRASES,
    VOICE_PHRASES,
)

_GROUPS: Final = (
    GENRE_PHRASES
    | BEAT_PHRASES
    | KIT_PHRASES
    | VOICE_PHRASES
    | BASS_PHRASES
    | MUSIC_PHRASES
    | LOOP_PHRASES
)
_FLATS: Final = {"db": "c#", "eb": "d#", "gb": "f#", "ab": "g#", "bb": "a#"}


def _phrases(written: str) -> list[str]:
    return [" ".join(phrase.split()) for phrase in written.split(",")]


def _key_aliases() -> dict[str, str]:
    names = {root: root for root in ROOTS} | _FLATS
    names |= {root.replace("#", " sharp"): root for root in ROOTS if "#" in root}
    names |= {f"{flat[0]} flat": root for flat, root in _FLATS.items()}
    aliases: dict[str, str] = {}
    for name, root in names.items():
        for mode in ("m", "min", "-min", " min", "minor", "-minor", " minor"):
            aliases[name + mode] = f"key:{root}m"
        for mode in ("maj", "-maj", " maj", "major", "-major", " major"):
            aliases[name + mode] = f"key:{root}"
    return aliases


def _word_aliases() -> dict[str, str]:
    aliases = {phrase: words for words, written in _GROUPS.items() for phrase in _phrases(written)}
    for thing in _phrases(LEAVABLE):
        aliases |= {f"no {thing}": "", f"without {thing}": ""}
    return aliases


ALIASES: Final[Mapping[str, str]] = MappingProxyType(_word_aliases() | _key_aliases())
"""Lower-case phrases and the caption words they stand for, with single spaces between words.

Match the longest phrase first: "dark reese" before "dark". A phrase that stands for "" is
understood and adds nothing: every kit has a kick, and swing is absent unless asked for.
"""
