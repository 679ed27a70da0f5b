from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.core.errors import ModelError
from studio.models.prompting import PromptTemplate, key_in, tempo_in


def small_template() -> PromptTemplate:
    return PromptTemplate(
        words=("jungle", "dnb", "reese", "darkbass", "bass", "dark", "key:am", "key:f#m", "dub"),
        genres=("jungle", "dnb", "dub"),
        aliases={"drum and bass": "dnb", "dark reese bass": "darkbass reese"},
        grids=(4, 5, 6, 8, 12),
        context_frames=272,
        frame_rate=50.0,
    )


@pytest.mark.parametrize(
    ("prompt", "tempo"),
    [
        ("174 bpm jungle", 174.0),
        ("jungle at 87.5BPM", 87.5),
        ("120-bpm house", 120.0),
        ("jungle 174", None),
        ("1740 bpm", None),
        ("", None),
    ],
)
def test_tempo_is_read_only_where_the_prompt_names_it(prompt: str, tempo: float | None) -> None:
    assert tempo_in(prompt) == tempo


@pytest.mark.parametrize(
    ("prompt", "key"),
    [
        ("dark loop in A minor", "Am"),
        ("F#m reese", "F#m"),
        ("bb major pads", "A#"),
        ("a dark loop", None),
        ("give me a break", None),
    ],
)
def test_key_is_read_only_where_the_prompt_names_it(prompt: str, key: str | None) -> None:
    assert key_in(prompt) == key


def test_phrases_win_over_words_and_the_genre_comes_first() -> None:
    known, unknown = small_template().match_words("dark reese bass, drum and bass with kazoo!")
    assert known == ("dnb", "darkbass", "reese")
    assert unknown == ("kazoo",)


def test_tempo_key_and_length_are_no_unknown_words() -> None:
    known, unknown = small_template().match_words("174 bpm jungle loop, 2 bars, in F# minor")
    assert (known, unknown) == (("jungle",), ())


def test_nearest_grid_stretches_least() -> None:
    template = small_template()
    assert template.nearest_grid(187.5) == 4
    assert template.nearest_grid(174) == 4
    assert template.nearest_grid(160) == 5
    assert template.nearest_grid(60) == 12


def test_ruler_token_j_stands_at_frame_j_times_grid() -> None:
    ruler = small_template().ruler(8)
    assert ruler[0] == "r8_0"
    assert len(ruler) == 272 // 8 + 1


def test_plan_holds_the_grid_the_period_the_words_and_the_ruler() -> None:
    plan = small_template().plan(prompt="dub bass in A minor", tempo_bpm=95, bars=2, key=None)
    tokens = plan.text.split()
    assert tokens[:2] == ["g8", "l2"]
    assert tokens[2:5] == ["dub", "bass", "key:am"]
    assert tokens[5:] == small_template().ruler(8)
    assert plan.key == "Am"
    assert plan.bar_frames == 128
    assert plan.grid_tempo_bpm == pytest.approx(93.75)


def test_two_bar_periods_are_used_only_where_they_fit() -> None:
    template = small_template()
    assert template.period_bars(2, 8) == 2
    assert template.period_bars(2, 12) == 1
    assert template.period_bars(3, 4) == 1


@given(st.text(max_size=200), st.floats(60, 200), st.integers(1, 64))
def test_any_prompt_becomes_text_of_known_tokens(prompt: str, tempo: float, bars: int) -> None:
    template = small_template()
    plan = template.plan(prompt=prompt, tempo_bpm=tempo, bars=bars, key=None)
    assert set(plan.text.split()) <= set(template.vocabulary())
    assert 0.8 < plan.grid_tempo_bpm / tempo < 1.25


def test_template_survives_its_file() -> None:
    template = replace(small_template(), key_interval=4)
    assert PromptTemplate.from_dict(template.to_dict()) == template


def test_a_file_without_an_interval_says_the_key_once() -> None:
    stored = small_template().to_dict()
    del stored["key_interval"]
    assert PromptTemplate.from_dict(stored).key_interval == 0


@pytest.mark.parametrize(
    "fault",
    [
        {"grids": []},
        {"grids": [0]},
        {"grids": "four"},
        {"aliases": ["x"]},
        {"frame_rate": -1},
        {"context_frames": 10**9},
        {"words": None},
        {"key_interval": -1},
        {"key_interval": "beat"},
    ],
)
def test_broken_template_files_are_refused(fault: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match=r"prompting\.json"):
        PromptTemplate.from_dict(small_template().to_dict() | fault)


def test_the_key_is_said_along_the_ruler_where_the_template_wants_it() -> None:
    spread = replace(small_template(), key_interval=4)
    told = spread.text(["jungle", "key:am", "dark"], grid=8, period_bars=1).split()
    assert told[:5] == ["g8", "l1", "jungle", "dark", "key:am"]
    places = [place for place, token in enumerate(told) if token == "key:am"]
    assert [told[place + 1] for place in places] == spread.ruler(8)[::4]
    assert [t for t in told if t.startswith("r")] == spread.ruler(8)
    assert spread.text(["jungle"], grid=8, period_bars=1) == small_template().text(
        ["jungle"], grid=8, period_bars=1
    )


def test_of_several_keys_the_asked_one_is_said_along_the_ruler() -> None:
    spread = replace(small_template(), key_interval=4)
    told = spread.plan(prompt="jungle, f#m", tempo_bpm=170, bars=2, key="Am").text.split()
    assert "key:f#m" not in told
    assert told.count("key:am") == len(spread.ruler(4)[::4])


def test_a_genre_has_its_usual_tempo() -> None:
    template = replace(small_template(), tempos={"dnb": 174.0, "dub": 72.0})
    assert template.usual_tempo_bpm("reese, drum and bass") == 174.0
    assert template.usual_tempo_bpm("jungle") is None
    assert PromptTemplate.from_dict(template.to_dict()) == template


@pytest.mark.parametrize("tempo_bpm", [0, 1e9, float("nan"), "fast"])
def test_a_senseless_tempo_is_refused(tempo_bpm: object) -> None:
    values = small_template().to_dict() | {"tempos": {"dub": tempo_bpm}}
    with pytest.raises(ModelError, match=r"prompting\.json"):
        PromptTemplate.from_dict(values)
