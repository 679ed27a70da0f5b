from __future__ import annotations

from itertools import islice

import pytest

from studio.benchmark.house.bank_prompts import bank_requests, near_tempo, spelt_out
from studio.models.prompting import PromptTemplate
from studio.training.house import house_template


@pytest.fixture(scope="module")
def template() -> PromptTemplate:
    return house_template()


@pytest.mark.parametrize("genre", ["jungle", "lofibeats", "ambient"])
def test_prompts_name_their_genre_and_are_understood(template: PromptTemplate, genre: str) -> None:
    requests = list(islice(bank_requests(template, genre), 12))
    for request in requests:
        known, unknown = template.match_words(request.prompt)
        assert known[0] == genre
        assert len(known) + (request.key is not None) >= 4
        assert not unknown
        assert (request.model, request.bars) == ("house", 2)
    assert len({request.seed for request in requests}) == 12
    assert len({request.prompt for request in requests}) > 9


def test_the_same_requests_come_every_time(template: PromptTemplate) -> None:
    once, again = (list(islice(bank_requests(template, "dub"), 5)) for _ in range(2))
    assert once == again


@pytest.mark.parametrize(
    ("grid_bpm", "usual_bpm", "tempo_bpm"),
    [(187.5, 174.0, 176.0), (150.0, 168.0, 159.0), (125.0, 124.0, 124.0), (62.5, None, 62.0)],
)
def test_tempos_are_whole_and_near_the_grid(
    grid_bpm: float, usual_bpm: float | None, tempo_bpm: float
) -> None:
    assert near_tempo(grid_bpm, usual_bpm) == tempo_bpm


@pytest.mark.parametrize(
    ("words", "prompt"),
    [
        (["house", "housechord", "stabs", "swing"], "house, house chords, swing"),
        (["trance", "crisp", "drumsonly", "tom"], "trance, drums only, tom, crisp"),
        (["hiphop", "ghosts", "key:am"], "hip hop, ghost notes"),
    ],
)
def test_words_are_spelt_as_people_do(
    template: PromptTemplate, words: list[str], prompt: str
) -> None:
    assert spelt_out(words, template) == prompt
