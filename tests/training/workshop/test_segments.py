from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from studio.audio.files import read_audio
from studio.training.workshop.segments import (
    LEAD_FRAMES,
    TRAIL_FRAMES,
    Layout,
    Variation,
    segments_of,
)
from tests.training.workshop.conftest import RATE, tone, write

HOP = 640
LEAD = LEAD_FRAMES * HOP
LAYOUT = Layout(sample_rate=RATE, hop=HOP, frames=50)
N = LAYOUT.samples


def noise(seconds: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (0.1 * rng.standard_normal(round(seconds * RATE))).astype(np.float32)


@pytest.mark.parametrize("seconds", [1.0, 1.05, 2.0, 2.5, 3.9])
def test_segments_follow_each_other_and_the_last_ends_with_the_sound(
    tmp_path: Path, seconds: float
) -> None:
    path = write(tmp_path / "a.wav", noise(seconds))
    stored = read_audio(path).mono()
    segments = list(segments_of(path, LAYOUT, decays=False))
    whole, rest = divmod(len(stored), N)
    assert len(segments) == whole + (rest >= N / 10)
    inside = [segment.audio[LEAD : LEAD + N] for segment in segments]
    for number in range(whole):
        assert np.array_equal(inside[number], stored[number * N : (number + 1) * N])
    if rest >= N / 10:
        assert np.array_equal(inside[-1], stored[-N:])
    assert all(segment.frames == 50 for segment in segments)
    assert all(len(segment.audio) == LEAD + N + TRAIL_FRAMES * HOP for segment in segments)
    if whole > 1:
        assert np.array_equal(segments[1].audio[:LEAD], stored[N - LEAD : N])


def test_a_loop_is_played_round_from_before_its_start(tmp_path: Path) -> None:
    path = write(tmp_path / "loop.wav", noise(0.33))
    stored = read_audio(path).mono()
    (segment,) = segments_of(path, LAYOUT, decays=False)
    assert segment.frames == 50
    assert np.array_equal(segment.audio[LEAD : LEAD + len(stored)], stored)
    assert np.array_equal(segment.audio[LEAD - 100 : LEAD], stored[-100:])
    assert np.array_equal(segment.audio[LEAD + len(stored) :][:100], stored[:100])


def test_of_the_silence_after_a_one_shot_only_the_beginning_is_learnt(tmp_path: Path) -> None:
    path = write(tmp_path / "hit.wav", tone(400, 0.3, decay=20))
    (segment,) = segments_of(path, LAYOUT, decays=True)
    assert segment.frames == 15 + 13
    assert not segment.audio[LEAD + round(0.3 * RATE) :].any()


def test_short_sounds_are_filled_as_asked(tmp_path: Path) -> None:
    path = write(tmp_path / "hit.wav", tone(400, 0.3, decay=20))
    tiled = Layout(sample_rate=RATE, hop=HOP, frames=50, short_sounds="tile")
    padded = Layout(sample_rate=RATE, hop=HOP, frames=50, short_sounds="pad")
    assert next(segments_of(path, tiled, decays=True)).frames == 50
    assert next(segments_of(path, padded, decays=False)).frames == 28


def test_silent_segments_of_a_long_sound_are_left_out(tmp_path: Path) -> None:
    silence = np.zeros(3 * N, dtype=np.float32)
    path = write(tmp_path / "gap.wav", np.concatenate([noise(1), silence, noise(1)]))
    assert len(list(segments_of(path, LAYOUT, decays=False))) == 2


def test_another_rate_becomes_the_codecs(tmp_path: Path) -> None:
    time = np.arange(44_100) / 44_100
    sound = (0.5 * np.sin(2 * np.pi * 997 * time)).astype(np.float32)
    path = write(tmp_path / "a.wav", sound, sample_rate=44_100)
    segment = next(segments_of(path, LAYOUT, decays=False))
    expected = tone(997, 1.0)
    middle = slice(3000, -3000)
    assert np.abs(segment.audio[LEAD : LEAD + N][middle] - expected[middle]).max() < 1e-3


def test_a_variation_is_later_and_quieter_and_always_the_same(tmp_path: Path) -> None:
    assert Variation.numbered(0, "ab" * 32) == Variation()
    third = Variation.numbered(3, "ab" * 32)
    assert third == Variation.numbered(3, "ab" * 32)
    assert third != Variation.numbered(2, "ab" * 32)
    assert 0.5 <= third.gain <= 1
    path = write(tmp_path / "long.wav", noise(2.5))
    stored = read_audio(path).mono()
    half = Variation(gain=0.5, part=0.5)
    first = next(segments_of(path, LAYOUT, decays=False, variation=half))
    assert np.array_equal(first.audio[LEAD : LEAD + N], 0.5 * stored[N // 4 :][:N])
    hit = write(tmp_path / "hit.wav", tone(400, 0.3, decay=20))
    delayed = next(segments_of(hit, LAYOUT, decays=True, variation=half))
    assert not delayed.audio[LEAD : LEAD + HOP // 2].any()
    assert delayed.audio[LEAD + HOP // 2 : LEAD + HOP].any()
