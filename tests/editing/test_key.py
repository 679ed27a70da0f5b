from __future__ import annotations

import pytest

from studio.editing.key import PITCH_CLASSES, parse_key


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("Am", "Am"),
        ("a minor", "Am"),
        ("Bb minor", "A#m"),
        ("F#m", "F#m"),
        ("g♭", "F#"),
        ("C", "C"),
        ("D# major", "D#"),
        ("Eb maj", "D#"),
        ("b min", "Bm"),
        (" e_min ", "Em"),
        ("E#", "F"),
    ],
)
def test_written_keys_have_one_stored_form(written: str, stored: str) -> None:
    assert parse_key(written) == stored


@pytest.mark.parametrize("text", ["", "H", "Amm", "loop", "A minor chord", "7", "#", "Cm7"])
def test_what_is_no_key_is_none(text: str) -> None:
    assert parse_key(text) is None


def test_every_stored_form_reads_back_as_itself() -> None:
    for pitch in PITCH_CLASSES:
        assert parse_key(pitch) == pitch
        assert parse_key(pitch + "m") == pitch + "m"
