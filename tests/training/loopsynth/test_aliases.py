from __future__ import annotations

import pytest

from studio.training.loopsynth.aliases import ALIASES
from studio.training.loopsynth.captions import vocabulary


def test_aliases_mean_vocabulary_words_only() -> None:
    words = set(vocabulary())
    for phrase, meaning in ALIASES.items():
        assert set(meaning.split()) <= words, phrase


def test_aliases_are_normalised_and_never_hide_a_vocabulary_word() -> None:
    for phrase in ALIASES:
        assert phrase == " ".join(phrase.lower().split())
        assert phrase
    assert not set(ALIASES) & set(vocabulary())


@pytest.mark.parametrize(
    ("phrase", "meaning"),
    [
        ("drum and bass", "dnb"),
        ("d&b", "dnb"),
        ("hip-hop", "hiphop"),
        ("breakbeat", "break"),
        ("amen", "jungle break"),
        ("303", "acid"),
        ("gritty", "dusty"),
        ("no drums", "nodrums"),
        ("drums only", "drumsonly"),
        ("four on the floor", "fourfloor"),
        ("a minor", "key:am"),
        ("bb minor", "key:a#m"),
        ("f sharp minor", "key:f#m"),
        ("f#m", "key:f#m"),
        ("e flat major", "key:d#"),
        ("c maj", "key:c"),
        ("drums", ""),
        ("no swing", ""),
    ],
)
def test_what_producers_type_is_understood(phrase: str, meaning: str) -> None:
    assert ALIASES[phrase] == meaning


def test_no_alias_asks_for_two_genres_or_contradicts_itself() -> None:
    genres = {"jungle", "dnb", "techno", "house", "hiphop", "dub", "electro", "ambient"}
    for phrase, meaning in ALIASES.items():
        words = set(meaning.split())
        assert len(words & genres) <= 1, phrase
        assert not {"dark", "bright"} <= words
        assert not ("drumsonly" in words and words & {"bass", "stabs", "pad", "arp", "nodrums"})
