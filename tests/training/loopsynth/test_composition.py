from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from studio.training.loopsynth.basses import bass_family
from studio.training.loopsynth.chords import stab_family
from studio.training.loopsynth.composition import Composition, split_of_part
from studio.training.loopsynth.drawing import draw_composition
from studio.training.loopsynth.labels import GENRES
from studio.training.loopsynth.styles import STYLES


@pytest.fixture(scope="module")
def drawn() -> list[Composition]:
    return [draw_composition(seed) for seed in range(1_000)]


def _first_bars(one: Composition) -> set[tuple[object, ...]]:
    """What each part plays in its first bar."""
    bars: set[tuple[object, ...]] = set()
    if one.drums:
        bars.add(("drums", *((voice, levels[:16]) for voice, levels in one.drums)))
    for name, line in (("bass", one.bass), ("melody", one.melody)):
        if played := tuple((step, note) for step, _, note in line if step < 16):
            bars.add((name, *played))
    if chords := tuple((step, notes) for step, notes in one.stabs if step < 16):
        bars.add(("stabs", *chords))
    return bars


def test_no_part_of_a_held_out_loop_is_played_in_training(drawn: list[Composition]) -> None:
    held_out = [draw_composition(seed, split="validation") for seed in range(300)]
    trained = set().union(*(_first_bars(one) for one in drawn))
    assert not trained & set().union(*(_first_bars(one) for one in held_out))
    for one in held_out:
        assert {split_of_part(part) for part in one.parts} <= {"validation"}
    for one in drawn:
        assert {split_of_part(part) for part in one.parts} <= {"train"}


@pytest.mark.parametrize("kind", ["oneshot", "riser"])
def test_single_hits_and_risers_of_the_splits_differ_too(kind: str) -> None:
    train = {part for seed in range(200) for part in draw_composition(seed, kind=kind).parts}
    held_out = {
        part
        for seed in range(40)
        for part in draw_composition(seed, kind=kind, split="validation").parts
    }
    assert not train & held_out


def test_a_sixteenth_of_parts_is_held_out() -> None:
    hashes = [f"{place * 2**32 // 1600:08x}00000000" for place in range(1600)]
    assert Counter(map(split_of_part, hashes)) == {"train": 1500, "validation": 100}


def test_the_pattern_hash_ignores_sound_key_and_grid(drawn: list[Composition]) -> None:
    one = next(one for one in drawn if one.drums)
    other = replace(one, kit=(one.kit + 1) % 96, root=(one.root + 5) % 12, grid=one.grid + 1)
    assert other.pattern_hash == one.pattern_hash
    assert other.parts == one.parts
    assert replace(one, drums=()).pattern_hash != one.pattern_hash


def test_nearly_every_loop_has_patterns_of_its_own(drawn: list[Composition]) -> None:
    assert len({one.pattern_hash for one in drawn}) > 0.97 * len(drawn)


def test_kinds_of_loop_come_in_the_intended_shares(drawn: list[Composition]) -> None:
    rhythmic = [one for one in drawn if one.genre != "ambient"]
    total = len(rhythmic)
    plain = sum(not (one.bass or one.stabs or one.melody or one.pad_patch) for one in rhythmic)
    assert plain / total == pytest.approx(0.2, abs=0.05)
    assert sum(not one.drums for one in rhythmic) / total == pytest.approx(0.13, abs=0.04)
    assert sum(bool(one.stabs) for one in rhythmic) / total == pytest.approx(0.38, abs=0.05)
    assert sum(bool(one.melody) for one in rhythmic) / total == pytest.approx(0.34, abs=0.05)
    assert all(one.drums or one.bass or one.stabs or one.melody for one in drawn)


def test_every_genre_is_drawn_about_as_often_as_it_should_be(drawn: list[Composition]) -> None:
    counts = Counter(one.genre for one in drawn)
    assert set(counts) == set(GENRES) == set(STYLES)
    assert sum(style.weight for style in STYLES.values()) == pytest.approx(1.0)
    assert counts["jungle"] / len(drawn) == pytest.approx(0.1, abs=0.03)


def test_a_training_bank_also_holds_single_hits_and_risers() -> None:
    kinds = Counter(draw_composition(seed, kind=None).kind for seed in range(1_500))
    assert kinds["oneshot"] / 1_500 == pytest.approx(0.07, abs=0.02)
    assert kinds["riser"] / 1_500 == pytest.approx(0.03, abs=0.015)


def test_genres_mostly_keep_to_their_own_tempos(drawn: list[Composition]) -> None:
    jungle = Counter(one.grid in (4, 5) for one in drawn if one.genre == "jungle")
    assert 0.8 < jungle[True] / jungle.total() < 0.97
    assert {one.grid for one in drawn} == set(range(4, 13))


def test_later_bars_are_drawn_only_where_they_fit_and_bring_something_new(
    drawn: list[Composition],
) -> None:
    two = [one for one in drawn if one.bars == 2]
    assert {one.grid for one in two} == set(range(4, 13))
    assert len(two) / len(drawn) == pytest.approx(0.5, abs=0.06)
    four = [draw_composition(seed, bars=4) for seed in range(100)]
    assert {one.grid for one in four} == {4, 5, 6}
    assert not any(one.repeats_itself for one in two + four)


def test_keys_cover_all_roots_and_both_modes(drawn: list[Composition]) -> None:
    assert {one.root for one in drawn} == set(range(12))
    assert sum(one.major for one in drawn) / len(drawn) == pytest.approx(0.44, abs=0.05)


def test_pitched_notes_belong_to_the_key(drawn: list[Composition]) -> None:
    scales = {False: {0, 2, 3, 5, 7, 8, 10}, True: {0, 2, 4, 5, 7, 9, 11}}
    for one in drawn:
        notes = [semitones for _, _, semitones in (*one.bass, *one.melody)]
        notes += [note for _, chord in one.stabs for note in chord]
        assert {note % 12 for note in notes} <= scales[one.major]


def test_a_voice_is_now_and_then_not_of_its_genre(drawn: list[Composition]) -> None:
    for part, family, usual in (
        ("stabs", lambda one: stab_family(one.stab_patch), lambda style: style.stabs),
        ("bass", lambda one: bass_family(one.bass_patch), lambda style: style.basses),
    ):
        voiced = [one for one in drawn if getattr(one, part)]
        foreign = [one for one in voiced if family(one) not in usual(STYLES[one.genre])]
        assert 0.04 < len(foreign) / len(voiced) < 0.2


def test_swing_needs_a_late_sixteenth_to_be_heard(drawn: list[Composition]) -> None:
    for one in drawn:
        hits = {step for _, levels in one.drums for step, level in enumerate(levels) if level}
        hits |= {note[0] for line in (one.bass, one.stabs, one.melody) for note in line}
        assert one.swung == (one.swing_frames > 0 and any(step % 2 for step in hits))
        assert one.swing_frames < one.grid / 2


def test_nothing_is_late_by_more_than_a_third_of_a_codec_frame(drawn: list[Composition]) -> None:
    late = {lag for one in drawn for lag in one.lags}
    assert len(late) > 4
    assert max(map(abs, late)) < 640 / 3
