from __future__ import annotations

import pytest

from studio.benchmark.house.prompts import (
    NEAR_PROMPT,
    VOICES,
    key_prompts,
    tempo_prompts,
    voice_prompts,
)
from studio.editing.key import parse_key
from studio.models.prompting import PromptTemplate, key_in, tempo_in
from studio.training.house import house_template


@pytest.fixture(scope="module")
def template() -> PromptTemplate:
    return house_template()


def test_tempos_cover_the_promised_range_in_two_and_four_bars() -> None:
    asked = tempo_prompts(1_000)
    tempos = [one.tempo_bpm for one in asked]
    assert (min(tempos), max(tempos)) == (60.0, 200.0)
    assert len(set(tempos)) == len(tempos) >= 26
    assert {one.bars for one in asked} == {2, 4}
    for one in asked:
        assert tempo_in(one.prompt) == one.tempo_bpm


def test_fewer_prompts_are_spread_over_all() -> None:
    few = [one.tempo_bpm for one in tempo_prompts(5)]
    assert len(few) == 5
    assert max(few) > 150
    assert min(few) < 80


def test_keys_are_read_back_from_the_prompts() -> None:
    asked = key_prompts(1_000)
    assert len(asked) == 96 == 2 * len({one.prompt for one in asked})
    assert len({one.key for one in asked}) == 12
    for one in asked:
        assert key_in(one.prompt) == parse_key(one.key or "")


def test_every_word_of_every_prompt_is_known(template: PromptTemplate) -> None:
    asked = [*tempo_prompts(99), *key_prompts(99), *voice_prompts(template, 3)]
    for prompt in [*(one.prompt for one in asked), NEAR_PROMPT]:
        known, unknown = template.match_words(prompt)
        assert known
        assert unknown == (), prompt


def test_a_prompt_for_a_voice_asks_for_that_voice(template: PromptTemplate) -> None:
    asked = voice_prompts(template, 2)
    assert [one.voice for one in asked] == [voice for voice in VOICES for _ in range(2)]
    for one in asked:
        assert one.voice in template.match_words(one.prompt)[0]


def test_voices_that_the_model_has_no_word_for_are_not_asked(template: PromptTemplate) -> None:
    small = PromptTemplate.from_dict({**template.to_dict(), "words": ["house", "clap"]})
    assert {one.voice for one in voice_prompts(small, 4)} == {"clap"}
