from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.core.errors import InputError
from studio.generation.request import GenerationRequest, stored_key
from studio.models.codes import CodeSequence

CODES = CodeSequence.from_array(np.arange(12).reshape(4, 3))


@pytest.mark.parametrize(
    ("values", "named", "allowed"),
    [
        ({"tempo_bpm": 500}, "tempo", "60 to 200"),
        ({"tempo_bpm": 59.9}, "tempo", "60 to 200"),
        ({"tempo_bpm": math.nan}, "tempo", "60 to 200"),
        ({"tempo_bpm": math.inf}, "tempo", "60 to 200"),
        ({"tempo_bpm": "fast"}, "tempo", "60 to 200"),
        ({"tempo_bpm": True}, "tempo", "60 to 200"),
        ({"bars": 0}, "bars", "1 to 64"),
        ({"bars": 65}, "bars", "1 to 64"),
        ({"bars": 1.5}, "bars", "1 to 64"),
        ({"duration_seconds": 0.0}, "duration", "0.1 to 600"),
        ({"duration_seconds": 1e9}, "duration", "0.1 to 600"),
        ({"max_steps": 0}, "max steps", "1 to 30000"),
        ({"max_steps": 10**9}, "max steps", "1 to 30000"),
        ({"seed": -1}, "seed", "0 to"),
        ({"seed": 2**63}, "seed", "0 to"),
        ({"seed": 1.0}, "seed", "0 to"),
        ({"key": "H"}, "key", "Am"),
        ({"key": ""}, "key", "Am"),
        ({"top_k": -1}, "top-k", "0 to"),
        ({"top_p": 1.1}, "top-p", "0 to 1"),
        ({"temperature": 0.0}, "temperature", "0.01 to 10"),
        ({"temperature": math.nan}, "temperature", "0.01 to 10"),
        ({"guidance": -1.0}, "guidance", "0 to 20"),
        ({"prompt": "x" * 2001}, "prompt", "2000"),
        ({"prompt": None}, "prompt", "2000"),
        ({"prompt": "caf\udce9"}, "prompt", "UTF-8"),
        ({"model": " "}, "model", "house"),
        ({"negative": None}, "negative prompt", "2000"),
        ({"negative": "x" * 100_000}, "negative prompt", "2000"),
        ({"melody": "0z"}, "melody", "0 to b"),
        ({"melody": ""}, "melody", "pitch classes"),
        ({"melody": "0" * 4801}, "melody", "4800"),
        ({"melody_file": ""}, "melody", "audio file"),
        ({"continue_file": 3}, "sound", "audio file"),
        ({"continue_seconds": 2.0}, "continue", "name one"),
        ({"continue_file": "a.wav", "continue_seconds": -1.0}, "continue", "0.1 to 600"),
        ({"from_seconds": 1.0}, "codes", "give them"),
        ({"source": CODES, "from_seconds": -1.0}, "start of the new part", "0 to 600"),
        ({"source": CODES, "from_seconds": 2.0, "to_seconds": 2.0}, "new part", "after its start"),
        ({"source": CODES, "to_seconds": math.nan}, "end of the new part", "0 to 600"),
        ({"bars": 2, "max_steps": 100}, "bars and max steps", "one length"),
        ({"duration_seconds": 2.0, "max_steps": 100}, "duration and max steps", "one length"),
    ],
)
def test_an_impossible_value_is_named_in_one_line(
    values: dict[str, Any], named: str, allowed: str
) -> None:
    with pytest.raises(InputError) as caught:
        GenerationRequest(**{"prompt": "break", **values}).checked()
    assert named in caught.value.user_message
    assert allowed in caught.value.user_message
    assert "\n" not in caught.value.user_message


def test_every_value_at_its_limits_is_taken() -> None:
    low = GenerationRequest(prompt="", seed=0, tempo_bpm=60, bars=1, temperature=0.01, top_k=0)
    high = GenerationRequest(
        prompt="x" * 2000, seed=2**63 - 1, tempo_bpm=200.0, bars=64, top_p=1.0, guidance=20
    )
    assert low.checked() == low
    assert high.checked() == high


def test_a_key_gets_its_stored_form() -> None:
    assert GenerationRequest(prompt="", key="Bb minor").checked().key == "A#m"
    assert stored_key("c major") == "C"


def test_the_tempo_of_the_request_wins_over_the_one_in_the_prompt() -> None:
    assert GenerationRequest(prompt="174 bpm break").named_tempo_bpm() == 174
    assert GenerationRequest(prompt="174 bpm break", tempo_bpm=120.0).named_tempo_bpm() == 120
    assert GenerationRequest(prompt="break").named_tempo_bpm() is None


def test_a_tempo_in_the_prompt_that_cannot_be_made_is_refused() -> None:
    with pytest.raises(InputError, match=r"tempo in the prompt .* 60 to 200 bpm, not 900"):
        GenerationRequest(prompt="900 bpm break").named_tempo_bpm()


def test_seeds_count_up_from_the_first() -> None:
    requests = GenerationRequest(prompt="break", seed=7).seeds(3)
    assert [request.seed for request in requests] == [7, 8, 9]
    assert requests[0] == GenerationRequest(prompt="break", seed=7)


@pytest.mark.parametrize("count", [0, -1, 1001])
def test_an_impossible_count_is_refused(count: int) -> None:
    with pytest.raises(InputError, match="count"):
        GenerationRequest(prompt="break").seeds(count)


def test_seeds_may_not_run_over_the_highest() -> None:
    with pytest.raises(InputError, match="seed"):
        GenerationRequest(prompt="break", seed=2**63 - 1).seeds(2)


@given(
    st.builds(
        GenerationRequest,
        prompt=st.text(max_size=50),
        seed=st.integers(0, 2**63 - 1),
        tempo_bpm=st.none() | st.floats(60, 200),
        bars=st.none() | st.integers(1, 64),
        temperature=st.none() | st.floats(0.01, 10),
        adapters=st.lists(st.tuples(st.text(min_size=1), st.floats(-4, 4)), max_size=3).map(tuple),
        negative=st.text(max_size=20),
        melody=st.none() | st.text("0123456789ab", min_size=1, max_size=40),
        source=st.none()
        | st.integers(0, 2**15 - 1).map(lambda n: CodeSequence.from_array(CODES.array * 0 + n)),
    )
)
def test_a_recipe_survives_json(recipe: GenerationRequest) -> None:
    assert GenerationRequest.from_json(recipe.to_json()) == recipe


@pytest.mark.parametrize("source", ["", "4:", "4:!!!!", "x:eJwDAAAAAAE=", "0:eJwDAAAAAAE=", 3])
def test_damaged_codes_in_a_recipe_are_refused(source: object) -> None:
    with pytest.raises(InputError):
        GenerationRequest.from_json(json.dumps({"prompt": "a", "source": source}))


def test_a_recipe_from_before_there_were_adapters_has_none() -> None:
    assert GenerationRequest.from_json('{"prompt": "a", "seed": 3}').adapters == ()


@pytest.mark.parametrize("adapters", [3, ["dusty"], [["dusty"]], [["a", 1, 2]], {"a": 1}])
def test_damaged_adapters_in_a_recipe_are_refused(adapters: object) -> None:
    with pytest.raises(InputError):
        GenerationRequest.from_json(json.dumps({"prompt": "a", "adapters": adapters})).checked()


@pytest.mark.parametrize(
    ("adapters", "words"),
    [
        ((("dusty", 4.5),), "strength of the adapter 'dusty' must be from -4 to 4, not 4.5"),
        ((("dusty", float("nan")),), "strength of the adapter 'dusty' must be"),
        ((("dusty", "much"),), "strength of the adapter 'dusty' must be"),
        ((("  ", 1.0),), "An adapter is a name and its strength"),
        ((("a\0b", 1.0),), "An adapter is a name and its strength"),
        (("dusty",), "An adapter is a name and its strength"),
        ((("a", 1.0),) * 9, "8 adapters are the most at once, not 9"),
    ],
)
def test_impossible_adapters_are_refused(adapters: Any, words: str) -> None:
    with pytest.raises(InputError) as raised:
        GenerationRequest(prompt="a", adapters=adapters).checked()
    assert words in raised.value.user_message


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", '{"prompt": "a"', '"x"'])
def test_what_is_no_recipe_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="not a stored recipe"):
        GenerationRequest.from_json(text)


def test_fields_of_a_newer_version_are_ignored() -> None:
    assert GenerationRequest.from_json('{"prompt": "a", "mood": 3}').prompt == "a"
