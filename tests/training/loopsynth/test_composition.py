from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from studio.training.loopsynth.composition import (
    Composition,
    draw_composition,
    split_of,
)


@pytest.fixture(scope="module")
def drawn() -> list[Composition]:
    return [draw_composition(seed) for seed in range(1_000)]


def test_splits_share_no_patterns(drawn: list[Composition]) -> None:
    held_out = [draw_composition(seed, split="validation") for seed in range(60)]
    train = {(one.drums, one.bass, one.stabs, one.arp) for one in drawn}
    assert not train & {(one.drums, one.bass, one.stabs, one.arp) for one in held_out}
    assert {split_of(one.pattern_hash) for one in held_out} == {"validation"}
    assert {split_of(one.pattern_hash) for one in drawn} == {"train"}


def test_a_sixteenth_of_pattern_hashes_is_held_out() -> None:
    hashes = [f"{place * 2**32 // 1600:08x}00000000" for place in range(1600)]
    assert Counter(map(split_of, hashes)) == {"train": 1500, "validation": 100}


def test_the_pattern_hash_ignores_sound_key_and_grid(drawn: list[Composition]) -> None:
    one = drawn[0]
    other = replace(one, kit=(one.kit + 1) % 32, root=(one.root + 5) % 12, grid=one.grid + 1)
    assert other.pattern_hash == one.pattern_hash
    assert replace(one, drums=()).pattern_hash != one.pattern_hash


def test_nearly_every_loop_has_patterns_of_its_own(drawn: list[Composition]) -> None:
    assert len({one.pattern_hash for one in drawn}) > 0.97 * len(drawn)


def test_kinds_of_loop_come_in_the_intended_shares(drawn: list[Composition]) -> None:
    rhythmic = [one for one in drawn if one.genre != "ambient"]
    shares = Counter((bool(one.bass), bool(one.stabs)) for one in rhythmic)
    total = len(rhythmic)
    assert shares[False, False] / total == pytest.approx(0.40, abs=0.06)
    assert shares[True, False] / total == pytest.approx(0.35, abs=0.06)
    assert shares[True, True] / total == pytest.approx(0.25, abs=0.06)
    assert 0.03 < 1 - total / len(drawn) < 0.08


def test_genres_mostly_keep_to_their_own_tempos(drawn: list[Composition]) -> None:
    jungle = Counter(one.grid in (4, 5) for one in drawn if one.genre == "jungle")
    assert 0.8 < jungle[True] / jungle.total() < 0.97
    assert {one.grid for one in drawn} == set(range(4, 13))


def test_two_bars_are_drawn_only_where_they_fit_and_bring_something_new(
    drawn: list[Composition],
) -> None:
    fitting = [one for one in drawn if one.grid <= 8]
    two = [one for one in drawn if one.bars == 2]
    assert {one.grid for one in two} == {4, 5, 6, 7, 8}
    assert len(two) / len(fitting) == pytest.approx(0.45, abs=0.06)
    assert not any(one.repeats_its_first_bar for one in two)


def test_keys_cover_all_roots_and_are_mostly_minor(drawn: list[Composition]) -> None:
    assert {one.root for one in drawn} == set(range(12))
    assert 0.1 < sum(one.major for one in drawn) / len(drawn) < 0.4


def test_pitched_notes_of_the_first_bar_belong_to_the_key(drawn: list[Composition]) -> None:
    scales = {False: {0, 2, 3, 5, 7, 8, 10}, True: {0, 2, 4, 5, 7, 9, 11}}
    for one in drawn:
        notes = [semitones for step, _, semitones in one.bass if step < 16]
        notes += [note for step, chord in one.stabs if step < 16 for note in chord]
        notes += [note for step, note in one.arp if step < 16]
        assert {note % 12 for note in notes} <= scales[one.major]


def test_swing_needs_a_late_sixteenth_to_be_heard(drawn: list[Composition]) -> None:
    for one in drawn:
        hits = {step for _, levels in one.drums for step, level in enumerate(levels) if level}
        hits |= {note[0] for line in (one.bass, one.stabs, one.arp) for note in line}
        assert one.swung == (one.swing_frames > 0 and any(step % 2 for step in hits))
        assert one.swing_frames < one.grid / 2
