"""Texts of people made fit for the library: names, tags, keys, search text.

Owns normalisation and what can be read from a name. It stores and queries nothing.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePath
from typing import Final

from studio.core.errors import InputError

MAX_NAME_CHARACTERS: Final = 120
MAX_TAG_CHARACTERS: Final = 40

_TONICS: Final = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_ACCIDENTALS: Final = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}
_KEY: Final = re.compile(r"([A-Ga-g])([#♯b♭]?)\s*(M|m|min|minor|maj|major|)", re.ASCII)
_KEY_WORDS: Final = re.compile(
    r"(?<![^\W_])(?<!#)[A-G][#b]?(?:m|[ -]?(?:min|maj)(?:or)?)(?![^\W_])(?!#)"
)
_TEMPO: Final = re.compile(r"(?<![0-9.])([0-9]{2,3}(?:\.[0-9]{1,3})?)[ _-]?bpm(?![a-z])", re.I)
_BARE_TEMPO: Final = re.compile(r"(?<=[_ \-\[(])([0-9]{2,3})(?=[_ \-\])]|$)|^([0-9]{2,3})(?=[_ -])")
_BARS: Final = re.compile(r"(?<![0-9.])([0-9]{1,2})[ _-]?bars?(?![a-z])", re.I)
_BEFORE_FACT: Final = r"(?:(?<![^\W_])(?:in|at|in the key of)\s+)?"
_AFTER_FACT: Final = r"(?:\s+of(?![^\W_]))?"
_NAMED_TEMPI: Final = (40.0, 300.0)
_BARE_TEMPI: Final = (60.0, 200.0)


def clean_text(text: str) -> str:
    """One printable line: no control characters, no lone surrogates, single spaces."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    text = "".join(" " if unicodedata.category(c) in {"Cc", "Zl", "Zp"} else c for c in text)
    return " ".join(text.split())


def fold(text: str) -> str:
    """Text as it is compared in a search: no case, no accents, single spaces."""
    plain = unicodedata.normalize("NFKD", clean_text(text)).casefold()
    plain = unicodedata.normalize("NFKD", plain)
    return " ".join("".join(c for c in plain if not unicodedata.combining(c)).split())


def normal_tag(tag: str) -> str:
    """A tag as it is stored: lower case, composed, single spaces, no leading `#`.

    Raises:
        InputError: Longer than 40 characters, or nothing left of it.
    """
    normal = unicodedata.normalize("NFC", clean_text(tag)).lower().replace('"', "")
    normal = " ".join(normal.lstrip("#").split())
    if not normal:
        raise InputError("A tag needs at least one letter or digit: type a word.")
    if len(normal) > MAX_TAG_CHARACTERS:
        raise InputError(
            f"The tag {normal[:20]}... is longer than {MAX_TAG_CHARACTERS} characters: "
            "use a shorter word."
        )
    return normal


def normal_name(name: str) -> str:
    """A name as it is stored: one line, at most 120 characters.

    Raises:
        InputError: Nothing left of it.
    """
    normal = unicodedata.normalize("NFC", clean_text(name))[:MAX_NAME_CHARACTERS].rstrip()
    if not normal:
        raise InputError("A sound needs a name: type at least one character.")
    return normal


def readable_name(prompt: str, *, most_characters: int = 40) -> str:
    """A short name from a prompt: its first words, without tempo, bars and key."""
    text = without_facts(clean_text(prompt))
    name = ""
    for word in text.replace(",", " ").replace(";", " ").split():
        longer = f"{name} {word}".strip()
        if len(longer) > most_characters:
            break
        name = longer
    name = name or text[:most_characters].strip()
    return name[:1].upper() + name[1:] if name else "Loop"


def without_facts(text: str) -> str:
    """A name without the tempo, bars and key that it states, so that they are not said twice."""
    for pattern in (_TEMPO, _BARS, _KEY_WORDS):
        around = _BEFORE_FACT + pattern.pattern + _AFTER_FACT
        text = re.sub(around, " ", text, flags=pattern.flags)
    return " ".join(text.split()).strip(" ,;-_")


def key_class(key: str) -> int | None:
    """A key as a number 0-23: semitones above C, plus 12 when minor; None when it is none.

    "Am", "A minor" and "amin" are one key, and so are "A#m" and "Bbm".
    """
    found = _KEY.fullmatch(key.strip())
    if found is None:
        return None
    tonic, accidental, mode = found.groups()
    semitone = (_TONICS[tonic.lower()] + _ACCIDENTALS[accidental]) % 12
    return semitone + (12 if mode in {"m", "min", "minor"} else 0)


def tempo_from_name(name: str) -> float | None:
    """The tempo that a file name states (`Break_174bpm`, `Loop_120_Am`), in bpm.

    A bare number counts only between separators and from 60 to 200, and only when it is the one
    such number in the name.
    """
    stem = PurePath(name).stem
    named = {float(value) for value in _TEMPO.findall(stem)}
    named = {value for value in named if _NAMED_TEMPI[0] <= value <= _NAMED_TEMPI[1]}
    if not named:
        bare = {float(inner or first) for inner, first in _BARE_TEMPO.findall(stem)}
        named = {value for value in bare if _BARE_TEMPI[0] <= value <= _BARE_TEMPI[1]}
    return named.pop() if len(named) == 1 else None


def bars_from_name(name: str) -> int | None:
    """The bars that a file name states (`Break_174bpm_2bar`)."""
    found = {int(value) for value in _BARS.findall(PurePath(name).stem)} - {0}
    return found.pop() if len(found) == 1 else None


def key_from_name(name: str) -> str | None:
    """The key that a file name states with its mode (`Bass_Am_2bar`, `Pad C#min`)."""
    words = re.split(r"[_\s\-()\[\],]+", PurePath(name).stem)
    keys = [word for word in words if _KEY_WORDS.fullmatch(word)]
    classes = {key_class(word) for word in keys}
    return keys[0] if len(classes) == 1 else None
