from __future__ import annotations

import time

import pytest

from studio.models.nearest_words import nearest_word
from studio.models.prompting import PromptTemplate

TEMPLATE = PromptTemplate(
    words=("jungle", "techno", "reese", "dark", "key:am"),
    genres=("jungle", "techno"),
    aliases={"wobble": "reese", "rolling bass": "reese", "bubbly": "dark"},
    grids=(6,),
    context_frames=192,
    frame_rate=50.0,
)


@pytest.mark.parametrize(
    ("word", "nearest"),
    [
        ("jungel", "jungle"),
        ("tekno", "techno"),
        ("wobbly", "wobble"),  # "bubbly" is as like, but begins otherwise
        ("reesy", "reese"),
        ("rollin", "rolling bass"),
        ("flugelhorn", None),
        ("x", None),
        ("keyam", None),
    ],
)
def test_the_nearest_known_word(word: str, nearest: str | None) -> None:
    assert nearest_word(word, TEMPLATE) == nearest


def test_it_is_quick_with_the_words_of_a_large_model() -> None:
    aliases = {f"word{n:04} of many": "dark" for n in range(2000)}
    template = PromptTemplate(**{**TEMPLATE.__dict__, "aliases": aliases})
    began = time.process_time()
    nearest_word("wobbly", template)
    assert time.process_time() - began < 0.5


def test_a_model_without_words_has_none_near() -> None:
    template = PromptTemplate(**{**TEMPLATE.__dict__, "words": (), "aliases": {}})
    assert nearest_word("dark", template) is None
