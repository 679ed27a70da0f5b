from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from studio.audio.clip import AudioClip
from studio.playback.mixer import Mix, Voice, gain_from_db
from studio.playback.sources import ClipSource, GrowingSource, Source

RATE = 8_000
RAMP = 40
UP = np.arange(1, RAMP + 1) / RAMP
DOWN = np.arange(RAMP - 1, -1, -1) / RAMP


def ones(frames: int) -> ClipSource:
    return ClipSource(AudioClip(samples=np.ones((1, frames), np.float32), sample_rate=RATE), RATE)


def counting(frames: int) -> ClipSource:
    samples = np.arange(1, frames + 1, dtype=np.float32)[None]
    return ClipSource(AudioClip(samples=samples, sample_rate=RATE), RATE)


def render(voice: Voice, frames: int) -> NDArray[np.float32]:
    return voice.render(frames, 1)[0][:, 0]


def test_a_sound_ramps_in_and_out_and_ends() -> None:
    voice = Voice(ones(200), position=0, loop=False)
    heard = render(voice, 500)
    np.testing.assert_allclose(heard, np.concatenate([UP, np.ones(120), DOWN]), atol=1e-6)
    assert voice.ended


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 300), min_size=1, max_size=40), st.integers(RAMP + 1, 400))
def test_a_loop_is_exact_however_it_is_cut_into_blocks(blocks: list[int], length: int) -> None:
    voice = Voice(counting(length), position=0, loop=True)
    heard = np.concatenate([render(voice, block) for block in blocks])
    expected = np.tile(np.arange(1, length + 1), -(-sum(blocks) // length))[: sum(blocks)]
    np.testing.assert_array_equal(heard[RAMP:], expected[RAMP:])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 90), min_size=1, max_size=60), st.integers(1, 300))
def test_a_single_pass_never_steps_by_more_than_the_ramp(blocks: list[int], length: int) -> None:
    voice = Voice(ones(length), position=0, loop=False)
    heard = np.concatenate([render(voice, block) for block in blocks])
    edges = np.concatenate([[0], heard, [0] if voice.ended else []])
    assert np.abs(np.diff(edges)).max() <= 1 / RAMP + 1e-6
    assert len(heard) <= length


def test_runs_name_the_position_of_every_frame() -> None:
    voice = Voice(counting(100), position=90, loop=True)
    block, runs = voice.render(60, 2)
    assert block.shape == (60, 2)
    positions = np.concatenate([np.arange(start, start + length) for start, length in runs])
    np.testing.assert_array_equal(positions, np.arange(90, 150) % 100)


@pytest.mark.parametrize("rest", [RAMP - 1, 1])
def test_loop_switched_off_in_the_last_moment_still_ramps_out(rest: int) -> None:
    voice = Voice(ones(200), position=0, loop=True)
    before = render(voice, 200 - rest)
    voice.loop = False
    after = render(voice, 500)
    assert voice.ended
    assert np.abs(np.diff(np.concatenate([before, after, [0]]))).max() <= 1 / RAMP + 1e-6


def test_loop_switched_on_while_it_ramps_out_goes_on() -> None:
    voice = Voice(ones(200), position=0, loop=False)
    before = render(voice, 180)
    voice.loop = True
    after = render(voice, 400)
    assert not voice.ended
    assert np.abs(np.diff(np.concatenate([before, after]))).max() <= 1 / RAMP + 1e-6
    assert after[-1] == 1.0


def test_a_closed_voice_ramps_out_across_the_seam() -> None:
    voice = Voice(ones(200), position=0, loop=True)
    render(voice, 190)
    voice.close()
    np.testing.assert_allclose(render(voice, 500), DOWN, atol=1e-6)
    assert voice.ended


def test_an_empty_sound_ends_at_once() -> None:
    for loop in (False, True):
        voice = Voice(ones(0), position=0, loop=loop)
        assert len(render(voice, 100)) == 0
        assert voice.ended


def growing(frames: int) -> GrowingSource:
    source = GrowingSource(RATE, RATE, 1)
    source.append(np.ones((1, frames), np.float32))
    return source


def test_a_growing_sound_waits_for_a_quarter_second_before_it_starts() -> None:
    source = growing(1_000)
    voice = Voice(source, position=0, loop=False)
    assert len(render(voice, 4_000)) == 0
    source.append(np.ones((1, 1_500), np.float32))
    assert len(render(voice, 4_000)) == 2_500 - RAMP


def test_a_growing_sound_holds_a_ramp_back_and_goes_on_without_a_trace() -> None:
    source = growing(3_000)
    voice = Voice(source, position=0, loop=False)
    first = render(voice, 9_000)
    source.append(np.ones((1, 1_000), np.float32))
    second = render(voice, 9_000)
    assert len(first) + len(second) == 4_000 - RAMP
    assert (np.concatenate([first, second])[RAMP:] == 1.0).all()


def test_a_growing_sound_that_runs_dry_ramps_out_and_in_again() -> None:
    source = growing(3_000)
    voice = Voice(source, position=0, loop=False)
    render(voice, 2_900)
    tail, _ = voice.render(9_000, 1, to_the_end=True)
    np.testing.assert_allclose(tail[-RAMP:, 0], DOWN, atol=1e-6)
    assert voice.waiting
    assert not voice.ended
    source.append(np.ones((1, 2_500), np.float32))
    np.testing.assert_allclose(render(voice, RAMP), UP, atol=1e-6)


def test_a_growing_sound_plays_its_last_frames_once_it_is_complete() -> None:
    source = growing(3_000)
    voice = Voice(source, position=0, loop=False)
    played = len(render(voice, 9_000))
    source.end()
    played += len(render(voice, 9_000))
    assert played == 3_000
    assert voice.ended


def test_an_equal_sound_is_exchanged_unheard_and_another_is_not() -> None:
    voice = Voice(counting(300), position=0, loop=True)
    render(voice, 100)
    different: Source = ones(300)
    assert not voice.exchange(different)
    assert voice.exchange(counting(400))
    np.testing.assert_array_equal(render(voice, 300), np.arange(101, 401))


def test_a_switch_crossfades_at_one_frame() -> None:
    mix = Mix(sample_rate=RATE, channels=1)
    mix.switch(Voice(ones(1_000), position=0, loop=True))
    mix.render(200, output_frame=0)
    mix.switch(Voice(ones(1_000), position=500, loop=True))
    heard, segments = mix.render(200, output_frame=200)
    np.testing.assert_allclose(heard[:, 0], 1.0, atol=1e-6)
    assert (segments[0].output_frame, segments[0].source_frame) == (200, 500)
    assert sum(segment.frames for segment in segments) == 200


def test_stop_leaves_only_the_ramp() -> None:
    mix = Mix(sample_rate=RATE, channels=2)
    mix.switch(Voice(ones(1_000), position=0, loop=True))
    mix.render(200, output_frame=0)
    mix.switch(None)
    assert mix.sounding
    heard, segments = mix.render(500, output_frame=200)
    np.testing.assert_allclose(heard, np.stack([DOWN, DOWN], 1), atol=1e-6)
    assert segments == []
    assert not mix.sounding


def test_volume_moves_within_twenty_milliseconds_and_unity_changes_nothing() -> None:
    mix = Mix(sample_rate=RATE, channels=1)
    mix.switch(Voice(counting(1_000), position=0, loop=True))
    heard, _ = mix.render(100, output_frame=0)
    np.testing.assert_array_equal(heard[RAMP:, 0], np.arange(RAMP + 1, 101))
    mix.set_gain(0.5)
    parts = [mix.render(50, output_frame=100 + 50 * step)[0] for step in range(5)]
    gains = np.concatenate(parts)[:, 0] / np.arange(101, 351)
    assert np.all(np.diff(gains) <= 1e-6)
    np.testing.assert_allclose(gains[200:], 0.5, atol=1e-6)
    mix.set_gain(1.0)
    mix.render(400, output_frame=350)
    heard, _ = mix.render(100, output_frame=750)
    np.testing.assert_array_equal(heard[:, 0], np.arange(751, 851))


def test_peaks_follow_what_is_heard() -> None:
    mix = Mix(sample_rate=RATE, channels=1)
    mix.set_gain(0.25, at_once=True)
    mix.switch(Voice(ones(1_000), position=0, loop=True))
    mix.render(100, output_frame=0)
    _, segments = mix.render(100, output_frame=100)
    assert segments[0].peak == pytest.approx(0.25)


def test_levels_in_db() -> None:
    assert gain_from_db(0.0) == 1.0
    assert gain_from_db(-20.0) == pytest.approx(0.1)
    assert gain_from_db(float("-inf")) == 0.0
