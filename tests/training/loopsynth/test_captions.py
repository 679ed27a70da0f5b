from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from studio.training.loopsynth.captions import caption, vocabulary
from studio.training.loopsynth.labels import LoopLabels
from studio.training.loopsynth.render import render_loop

_HOLDS: dict[str, Callable[[LoopLabels], bool]] = {
    "crisp": lambda one: one.kit_character == "bright",
    "nodrums": lambda one: not one.voices,
    "drumsonly": lambda one: bool(one.voices) and one.key is None and one.bass is None,
    "bass": lambda one: one.bass is not None,
    "darkbass": lambda one: one.bass_colour == "dark",
    "brightbass": lambda one: one.bass_colour == "bright",
    "stabs": lambda one: one.stab is not None,
    "housechord": lambda one: one.stab == "house",
    "dubchord": lambda one: one.stab == "dub",
    "organ": lambda one: one.stab == "organ",
    "rave": lambda one: one.stab == "rave",
    "arp": lambda one: one.arp is not None,
    "bell": lambda one: one.arp == "bell",
    "glass": lambda one: one.arp == "glass",
    "sawarp": lambda one: one.arp == "saw",
    "softarp": lambda one: one.arp == "soft",
    "pad": lambda one: one.pad is not None,
    "minor": lambda one: one.key is not None and one.key.endswith("m"),
    "major": lambda one: one.key is not None and not one.key.endswith("m"),
    "swing": lambda one: one.swing,
    "fill": lambda one: one.fill,
    "echo": lambda one: one.echo,
    "dark": lambda one: one.tone == "dark",
    "bright": lambda one: one.tone == "bright",
    "break": lambda one: one.beat == "break" and one.genre == "jungle",
    "fourfloor": lambda one: one.beat == "fourfloor" and "kick" in one.voices,
    "halftime": lambda one: one.beat == "halftime",
}


def _holds(word: str, labels: LoopLabels) -> bool:
    if word in _HOLDS:
        return _HOLDS[word](labels)
    if word.startswith("key:"):
        return labels.key == word.removeprefix("key:")
    facts = {labels.genre, labels.kit_character, labels.bass, labels.density, *labels.voices}
    return word in facts | {labels.speed.replace(" ", "")}


@pytest.fixture(scope="module")
def labels() -> list[LoopLabels]:
    return [render_loop(seed).labels for seed in range(500)]


def test_captions_are_true_and_made_of_the_vocabulary(labels: list[LoopLabels]) -> None:
    words = set(vocabulary())
    rng = np.random.default_rng(1)
    for one in labels:
        for _ in range(4):
            written = caption(one, rng).split(" ")
            assert written[0] == one.genre
            assert len(set(written)) == len(written)
            assert set(written) <= words
            for word in written:
                assert _holds(word, one), (word, one)


def test_every_word_of_the_vocabulary_is_used(labels: list[LoopLabels]) -> None:
    rng = np.random.default_rng(2)
    used = {word for one in labels for _ in range(8) for word in caption(one, rng).split()}
    assert used == set(vocabulary())


def test_captions_of_one_loop_differ_in_words_and_order(labels: list[LoopLabels]) -> None:
    rng = np.random.default_rng(3)
    written = {caption(labels[0], rng) for _ in range(200)}
    assert len(written) > 15
    assert len({frozenset(one.split()) for one in written}) < len(written)


def test_the_same_generator_writes_the_same_caption(labels: list[LoopLabels]) -> None:
    first, second = (caption(labels[1], np.random.default_rng(9)) for _ in range(2))
    assert first == second


def test_vocabulary_words_are_single_lower_case_and_unique() -> None:
    words = vocabulary()
    assert len(set(words)) == len(words)
    assert all(word == word.lower() and len(word.split()) == 1 for word in words)
