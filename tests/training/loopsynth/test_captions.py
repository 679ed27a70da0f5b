from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from studio.training.loopsynth.captions import ARP_WORDS, caption, true_words, vocabulary
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
    "arp": lambda one: one.arp is not None and not one.lead,
    "lead": lambda one: one.arp is not None and one.lead,
    "sawarp": lambda one: one.arp == "saw",
    "softarp": lambda one: one.arp == "soft",
    "fmpluck": lambda one: one.arp == "fm",
    "synthlead": lambda one: one.arp == "lead",
    "pad": lambda one: one.pad is not None,
    "warmpad": lambda one: one.pad == "warm",
    "glasspad": lambda one: one.pad == "glassy",
    "sweeppad": lambda one: one.pad == "sweep",
    "minor": lambda one: one.key is not None and one.key.endswith("m"),
    "major": lambda one: one.key is not None and not one.key.endswith("m"),
    "swing": lambda one: one.swing,
    "fill": lambda one: one.fill,
    "roll": lambda one: one.roll,
    "ghosts": lambda one: one.ghosts and "snare" in one.voices,
    "pump": lambda one: one.pumping and "kick" in one.voices,
    "echo": lambda one: one.echo,
    "dark": lambda one: one.tone == "dark",
    "bright": lambda one: one.tone == "bright",
    "break": lambda one: one.beat == "break" and one.genre in ("jungle", "breakbeat"),
    "fourfloor": lambda one: one.beat == "fourfloor" and "kick" in one.voices,
    "halftime": lambda one: one.beat == "halftime",
    "dembow": lambda one: one.genre == "reggaeton",
    "oneshot": lambda one: one.kind == "oneshot",
    "riser": lambda one: one.kind == "riser",
}


def _holds(word: str, labels: LoopLabels) -> bool:
    if word in _HOLDS:
        return _HOLDS[word](labels)
    if word.startswith("key:"):
        return labels.key == word.removeprefix("key:")
    facts = {labels.genre, labels.kit_character, labels.bass, labels.density, *labels.voices}
    return word in facts | {
        labels.speed.replace(" ", ""),
        labels.stab,
        labels.arp,
        labels.pad,
    }


@pytest.fixture(scope="module")
def labels() -> list[LoopLabels]:
    return [render_loop(seed, kind=None).labels for seed in range(1_200)]


def test_captions_are_true_and_made_of_the_vocabulary(labels: list[LoopLabels]) -> None:
    words = set(vocabulary())
    rng = np.random.default_rng(1)
    for one in labels:
        for _ in range(4):
            written = caption(one, rng).split(" ")
            assert written[0] == (one.genre or "oneshot")
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
    rich = next(one for one in labels if one.bass is not None and len(one.voices) > 3)
    written = {caption(rich, rng) for _ in range(200)}
    assert len(written) > 15
    assert len({frozenset(one.split()) for one in written}) < len(written)


def test_the_same_generator_writes_the_same_caption(labels: list[LoopLabels]) -> None:
    first, second = (caption(labels[1], np.random.default_rng(9)) for _ in range(2))
    assert first == second


def test_vocabulary_words_are_single_lower_case_and_unique() -> None:
    words = vocabulary()
    assert len(set(words)) == len(words)
    assert all(word == word.lower() and len(word.split()) == 1 for word in words)


def test_a_caption_of_a_single_hit_names_it(labels: list[LoopLabels]) -> None:
    rng = np.random.default_rng(4)
    hits = [one for one in labels if one.kind == "oneshot"]
    assert len(hits) > 40
    for one in hits:
        written = set(caption(one, rng).split())
        sounds = {*one.voices, "bass", "stabs", *ARP_WORDS.values()}
        assert written & sounds
        assert not written & {"sparse", "medium", "busy", "drumsonly", "nodrums"}


def test_true_words_hold_every_word_a_caption_may_use(labels: list[LoopLabels]) -> None:
    rng = np.random.default_rng(5)
    for one in labels[:200]:
        assert set(caption(one, rng).split()) <= true_words(one) | {"oneshot"}
