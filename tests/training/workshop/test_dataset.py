from __future__ import annotations

import math

import numpy as np
import pytest

from studio.training.workshop.dataset import (
    Corpus,
    mostly_described,
    rows_of_step,
    split,
    texts_of_step,
    unigram_nats,
)
from studio.training.workshop.words import Caption


def corpus(
    sounds: list[int], groups: list[int], *, variants: list[int] | None = None, vocabulary: int = 8
) -> Corpus:
    """One segment of 10 frames of 2 codebooks for each entry of `sounds`."""
    rng = np.random.default_rng(0)
    count = len(sounds)
    return Corpus(
        codes=rng.integers(vocabulary, size=(count, 2, 10)).astype(np.int16),
        frames=np.full(count, 10, dtype=np.int32),
        sketches=np.zeros((count, 4), np.float16),
        variants=np.array(variants or [0] * count, dtype=np.int16),
        sounds=np.array(sounds, dtype=np.int32),
        paths=tuple(f"{n}.wav" for n in range(len(groups))),
        captions=tuple(Caption(words=(f"w{n}",)) for n in range(len(groups))),
        groups=np.array(groups),
    )


def test_nearly_equal_sounds_are_on_one_side_of_the_split() -> None:
    groups = [n // 2 * 2 for n in range(40)]
    whole = corpus(list(range(40)), groups)
    for seed in range(5):
        train, held_out = split(whole, 0.1, seed)
        sides = [{groups[s] for s in side.sounds} for side in (train, held_out)]
        assert sides[0].isdisjoint(sides[1])
        assert len(train) + len(held_out) == 40
        assert 2 <= len(held_out) <= 8


def test_the_split_is_the_seeds() -> None:
    whole = corpus(list(range(40)), list(range(40)))
    first = split(whole, 0.2, 1)[1].sounds.tolist()
    assert first == split(whole, 0.2, 1)[1].sounds.tolist()
    assert first != split(whole, 0.2, 2)[1].sounds.tolist()


def test_variations_of_a_held_out_sound_are_on_neither_side() -> None:
    whole = corpus([0, 0, 1, 1, 2, 2], [0, 1, 2], variants=[0, 1] * 3)
    train, held_out = split(whole, 0.3, 0)
    assert held_out.variants.tolist() == [0]
    assert len(train) == 4
    assert int(held_out.sounds[0]) not in train.sounds


def test_one_long_sound_gives_its_end_away() -> None:
    variants = [0] * 10 + [1] * 10
    train, held_out = split(corpus([0] * 20, [0], variants=variants), 0.2, 0)
    assert len(held_out) == 2
    assert train.variants.tolist() == [0] * 8 + [1] * 7


def test_a_single_segment_is_only_trained_on() -> None:
    train, held_out = split(corpus([0], [0]), 0.1, 0)
    assert (len(train), len(held_out)) == (1, 0)
    assert len(split(corpus([0, 1], [0, 1]), 0.1, 0)[1]) == 1
    assert len(split(corpus([0, 1], [0, 1]), 0.0, 0)[1]) == 0


def test_every_segment_is_read_once_in_each_round() -> None:
    read = np.concatenate([rows_of_step(10, 4, step, seed=3) for step in range(5)])
    assert sorted(read[:10]) == list(range(10))
    assert sorted(read[10:]) == list(range(10))
    assert read[:10].tolist() != read[10:].tolist()
    assert len(rows_of_step(3, 8, 0, seed=3)) == 8


def test_what_a_step_reads_does_not_depend_on_the_steps_before() -> None:
    whole = corpus(list(range(6)), list(range(6)))
    rows = rows_of_step(6, 4, 7, seed=3)
    texts = texts_of_step(whole, rows, step=7, seed=3, left_out=0.5)
    assert texts == texts_of_step(whole, rows, step=7, seed=3, left_out=0.5)
    seen: set[str] = set()
    for step in range(30):
        seen |= set(texts_of_step(whole, rows, step=step, seed=3, left_out=0.5))
    assert seen == {"", *(f"w{row}" for row in rows)}


def test_the_baseline_is_the_entropy_of_the_codes() -> None:
    even = corpus([0] * 400, [0], vocabulary=8)
    nats = unigram_nats(even, even, 8)
    assert nats == pytest.approx([math.log(8)] * 2, abs=0.01)
    even.codes[:, 0] = 3
    assert unigram_nats(even, even, 8)[0] < 0.02


def test_padding_does_not_count_in_the_baseline() -> None:
    padded = corpus([0] * 50, [0], vocabulary=4)
    padded.frames[:] = 5
    padded.codes[:, :, 5:] = 7
    assert unigram_nats(padded, padded, 8) == pytest.approx([math.log(4)] * 2, abs=0.1)


def test_text_is_taken_where_most_sounds_have_words_that_differ() -> None:
    assert mostly_described([Caption(words=("kick",)), Caption(words=("snare",))])
    assert not mostly_described([Caption(words=("sounds",))] * 5)
    assert not mostly_described([Caption(words=("kick",)), Caption(words=()), Caption(words=())])
