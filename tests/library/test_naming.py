from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.core.errors import InputError
from studio.library.naming import (
    bars_from_name,
    clean_text,
    fold,
    key_class,
    key_from_name,
    normal_name,
    normal_tag,
    readable_name,
    tempo_from_name,
    without_facts,
)


@pytest.mark.parametrize(
    ("name", "tempo_bpm"),
    [
        ("Break_174bpm.wav", 174.0),
        ("174 BPM break.wav", 174.0),
        ("break-92.5bpm-loop.wav", 92.5),
        ("Loop_120_Am.wav", 120.0),
        ("128 house.wav", 128.0),
        ("house (128).wav", 128.0),
        ("Name_140bpm_Cmin_4bar.wav", 140.0),
        ("kick_01.wav", None),
        ("808 kick.wav", None),
        ("kick808.wav", None),
        ("loop_120_140.wav", None),
        ("loop_120bpm_140bpm.wav", None),
        ("take 2024.wav", None),
        ("break_9bpm.wav", None),
        ("break_999bpm.wav", None),
        ("1174bpm.wav", None),
        ("", None),
    ],
)
def test_a_tempo_is_read_from_a_name_or_not_at_all(name: str, tempo_bpm: float | None) -> None:
    assert tempo_from_name(name) == tempo_bpm


@pytest.mark.parametrize(
    ("name", "bars", "key"),
    [
        ("Name_140bpm_Cmin_4bar.wav", 4, "Cmin"),
        ("Jungle-break_174bpm_F#m_2bar.wav", 2, "F#m"),
        ("bass Am 8 bars.wav", 8, "Am"),
        ("Pad_Bbmaj.wav", None, "Bbmaj"),
        ("A day in C.wav", None, None),
        ("Am_Dm.wav", None, None),
        ("0bar.wav", None, None),
    ],
)
def test_bars_and_key_are_read_from_a_name(name: str, bars: int | None, key: str | None) -> None:
    assert (bars_from_name(name), key_from_name(name)) == (bars, key)


@pytest.mark.parametrize(
    ("names", "number"),
    [
        (("C", "c", "Cmaj", "C major", "CM", "B#"), 0),
        (("Am", "am", "A minor", "Amin"), 21),
        (("A#m", "Bbm", "B♭m", "bbm"), 22),
        (("F#", "Gb", "G♭ major"), 6),
        (("B", "Cb"), 11),
        (("", "H", "Hm", "Amx", "A##", "minor"), None),
    ],
)
def test_all_names_of_a_key_are_one(names: tuple[str, ...], number: int | None) -> None:
    assert [key_class(name) for name in names] == [number] * len(names)


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("174 bpm jungle break, dark reese bass", "Jungle break dark reese bass"),
        ("2 bars of dub techno in Am, 120bpm", "Dub techno"),
        ("warm pad", "Warm pad"),
        ("174 bpm", "Loop"),
        ("", "Loop"),
        ("word " * 40, "Word word word word word word word word"),
        ("x" * 200, "X" + "x" * 39),
        ("a\nb\x00c", "A b c"),
    ],
)
def test_a_prompt_gives_a_short_name(prompt: str, name: str) -> None:
    assert readable_name(prompt) == name


@pytest.mark.parametrize(
    ("name", "rest"),
    [
        ("Jungle break_174bpm_Am_2bar", "Jungle break"),
        ("Jungle break 174 BPM C# minor 2 bars", "Jungle break"),
        ("174bpm_amen", "amen"),
        ("Ambient bars", "Ambient bars"),
        ("techno, acid bass in F# minor", "techno, acid bass"),
        ("house in A minor with stabs at 124 bpm", "house with stabs"),
        ("strings in the key of Bb minor", "strings"),
        ("back in the dub", "back in the dub"),
        ("Satin Am", "Satin"),
    ],
)
def test_facts_are_taken_out_of_a_name(name: str, rest: str) -> None:
    assert without_facts(name) == rest


@pytest.mark.parametrize(
    ("tag", "normal"),
    [(" Dark ", "dark"), ("#Break", "break"), ("drum  &\tbass", "drum & bass"), ("ÉTÉ", "été")],
)
def test_tags_are_normalised(tag: str, normal: str) -> None:
    assert normal_tag(tag) == normal
    assert normal_tag(normal) == normal


def test_an_empty_name_or_tag_is_refused() -> None:
    for nothing in ("", " ", "\n\x00"):
        with pytest.raises(InputError):
            normal_name(nothing)
        with pytest.raises(InputError):
            normal_tag(nothing)


@settings(max_examples=100, deadline=None)
@given(text=st.text(alphabet=st.characters(), max_size=40))
def test_any_text_becomes_one_storable_line(text: str) -> None:
    for made in (clean_text(text), fold(text), readable_name(text)):
        made.encode("utf-8")
        assert made == made.strip()
        assert not any(ord(character) < 32 for character in made)
    assert fold(fold(text)) == fold(text)
    tempo_from_name(text)
    key_from_name(text)
    bars_from_name(text)
