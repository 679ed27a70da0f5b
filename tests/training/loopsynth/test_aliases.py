from __future__ import annotations

import pytest

from studio.training.loopsynth import phrases
from studio.training.loopsynth.aliases import ALIASES
from studio.training.loopsynth.captions import vocabulary
from studio.training.loopsynth.labels import GENRES


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
        ("breakbeats", "breakbeat"),
        ("two step", "garage"),
        ("lo-fi hip hop", "lofibeats"),
        ("rhodes", "epiano stabs"),
        ("one-shot", "oneshot"),
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
    genres = set(GENRES)
    for phrase, meaning in ALIASES.items():
        words = set(meaning.split())
        assert len(words & genres) <= 1, phrase
        assert not {"dark", "bright"} <= words
        assert not ("drumsonly" in words and words & {"bass", "stabs", "pad", "arp", "nodrums"})


def test_no_phrase_is_written_twice_with_two_meanings() -> None:
    groups = (
        phrases.GENRE_PHRASES,
        phrases.BEAT_PHRASES,
        phrases.KIT_PHRASES,
        phrases.VOICE_PHRASES,
        phrases.BASS_PHRASES,
        phrases.MUSIC_PHRASES,
        phrases.LOOP_PHRASES,
    )
    written = [
        " ".join(phrase.split())
        for group in groups
        for line in group.values()
        for phrase in line.split(",")
    ]
    assert len(written) == len(set(written))
