"""Musical keys as text.

Owns the spelling of keys: what a person may write ("Bb minor", "a#m", "C") and the one form that
the product stores ("A#m", "C"). It detects nothing.
"""

from __future__ import annotations

import re

PITCH_CLASSES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_FLATS = {"Db": "C#", "Eb": "D#", "Gb": "F#", "Ab": "G#", "Bb": "A#", "Cb": "B", "Fb": "E"}
_KEY = re.compile(
    r"(?P<tonic>[A-Ga-g])(?P<accidental>[#b\u266f\u266d]?)[\s_-]*(?P<mode>minor|min|major|maj|m|M)?"
)
_SHARPS = {"E#": "F", "B#": "C"}


def parse_key(text: str) -> str | None:
    """The stored form of a written key, such as "A#m" for "Bb minor"; None when it is no key."""
    match = _KEY.fullmatch(text.strip())
    if match is None:
        return None
    accidental = match["accidental"].replace("\u266f", "#").replace("\u266d", "b")
    tonic = match["tonic"].upper() + accidental
    tonic = _FLATS.get(tonic, _SHARPS.get(tonic, tonic))
    minor = match["mode"] in ("minor", "min", "m")
    return tonic + ("m" if minor else "")
