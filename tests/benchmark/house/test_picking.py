from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from studio.audio.clip import AudioClip
from studio.benchmark.house.picking import Judge, Judged, unlike
from studio.generation.request import GenerationRequest, Take
from studio.training.loopsynth import SAMPLE_RATE, grid_tempo_bpm, render_loop


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge("jungle")


def take_of_loop(seed: int, genre: str = "jungle") -> Take:
    """A take that sounds as a synthesised loop, and says so truly."""
    loop = render_loop(seed, genre=genre, grid=5)
    key = loop.labels.key
    request = GenerationRequest(
        prompt=f"{genre}, stabs" if loop.labels.tonal else genre,
        seed=seed,
        tempo_bpm=grid_tempo_bpm(5),
        bars=loop.labels.bars,
        key=None if key is None else key[0].upper() + key[1:],
    )
    return Take(
        request=request,
        clip=AudioClip(samples=loop.samples[None], sample_rate=SAMPLE_RATE),
        codes=np.random.default_rng(seed).integers(0, 512, (4, 90)),
        model_hash="ab" * 32,
        tempo_bpm=request.tempo_bpm,
        bars=request.bars,
        key=request.key,
        seconds_taken=0.1,
    )


def one(judge: Judge, take: Take) -> Judged:
    (judged,) = judge.judge([take])
    return judged


def test_loops_of_the_genre_are_good(judge: Judge) -> None:
    judged = judge.judge([take_of_loop(seed) for seed in range(12)])
    assert sum(each.good for each in judged) >= 9
    assert [each.distance for each in judged] == sorted(each.distance for each in judged)


def test_a_take_off_its_tempo_is_not(judge: Judge) -> None:
    takes = [replace(take_of_loop(seed), tempo_bpm=170.0) for seed in range(8)]
    assert sum(each.on_tempo for each in judge.judge(takes)) <= 1


def test_silence_is_not(judge: Judge) -> None:
    take = take_of_loop(1)
    clip = AudioClip(samples=0.001 * take.clip.samples, sample_rate=SAMPLE_RATE)
    judged = one(judge, replace(take, clip=clip))
    assert not judged.loud
    assert not judged.good


def test_a_take_in_another_key_is_not(judge: Judge) -> None:
    tonal = [take for take in map(take_of_loop, range(40)) if "stabs" in take.request.prompt][:8]
    assert len(tonal) == 8
    turned = [replace(take, request=replace(take.request, key=other(take))) for take in tonal]
    assert sum(bool(each.in_key) for each in judge.judge(tonal)) >= 5
    assert not any(each.in_key for each in judge.judge(turned))


def other(take: Take) -> str:
    """A key a tritone away."""
    names = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
    key = take.request.key
    assert key is not None
    root = key.rstrip("m")
    return names[(names.index(root) + 6) % 12] + key[len(root) :]


def test_where_no_chords_were_asked_no_key_is_heard(judge: Judge) -> None:
    take = take_of_loop(2)
    request = replace(take.request, prompt="jungle, drums only", key="Am")
    assert one(judge, replace(take, request=request)).in_key is None


def test_another_genre_is_farther_away(judge: Judge) -> None:
    own = np.median([each.distance for each in judge.judge([take_of_loop(s) for s in range(10)])])
    far = judge.judge([take_of_loop(seed, "ambient") for seed in range(10)])
    assert np.median([each.distance for each in far]) > 1.2 * own


def test_near_copies_are_left_out(judge: Judge) -> None:
    first = one(judge, take_of_loop(3))
    copy = replace(first, take=replace(first.take, codes=first.take.codes.copy()))
    another = one(judge, take_of_loop(4))
    assert unlike([first, copy, another], keep=8) == [first, another]
    assert unlike([first, copy, another], keep=1) == [first]
