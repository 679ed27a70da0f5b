from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.editing.loops import close_loop, loop_frames, seam_step


def noise(channels: int, frames: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return (0.2 * generator.standard_normal((channels, frames))).astype(np.float32)


def test_two_bars_at_174_are_88276_frames() -> None:
    assert loop_frames(174, 2, 32000) == 88276
    assert loop_frames(120, 1, 44100) == 88200


@given(
    tempo_bpm=st.integers(2000, 40000).map(lambda hundredths: hundredths / 100),
    bars=st.integers(1, 64),
    sample_rate=st.sampled_from([22050, 32000, 44100, 48000, 96000]),
)
def test_a_loop_is_exact_to_half_a_frame(tempo_bpm: float, bars: int, sample_rate: int) -> None:
    exact = Fraction(bars * 240 * sample_rate) / Fraction(tempo_bpm)
    assert abs(loop_frames(tempo_bpm, bars, sample_rate) - exact) <= Fraction(500001, 1000000)


@pytest.mark.parametrize("tempo_bpm", [0.0, -120.0, float("nan"), float("inf")])
def test_an_impossible_tempo_is_refused(tempo_bpm: float) -> None:
    with pytest.raises(ValueError, match="tempo_bpm"):
        loop_frames(tempo_bpm, 2, 32000)


@settings(max_examples=100, deadline=None)
@given(
    frames=st.integers(2, 2000),
    fade=st.integers(0, 500),
    spare=st.integers(0, 50),
    channels=st.integers(1, 2),
    seed=st.integers(0, 100),
)
def test_a_closed_loop_continues_its_end_and_keeps_its_body(
    frames: int, fade: int, spare: int, channels: int, seed: int
) -> None:
    fade = min(fade, frames)
    samples = noise(channels, frames + fade + spare, seed)
    before = samples.copy()
    loop = close_loop(samples, frames, fade)
    assert loop.shape == (channels, frames)
    assert loop.dtype == np.float32
    assert np.array_equal(loop[:, fade:], samples[:, fade:frames])
    if fade:
        assert np.array_equal(loop[:, 0], samples[:, frames])
    assert np.array_equal(samples, before)
    loop += 1.0
    assert np.array_equal(samples, before), "the loop is a view of the source"


@pytest.mark.parametrize("frequency_hz", [55.0, 220.3, 1000.7])
def test_a_loop_cut_anywhere_from_a_tone_has_no_click(frequency_hz: float) -> None:
    time = np.arange(40_000) / 32_000
    tone = (0.5 * np.sin(2 * np.pi * frequency_hz * time + 0.4)).astype(np.float32)[None]
    cuts = range(30_000, 30_600, 7)
    assert max(seam_step(close_loop(tone, frames, 480)) for frames in cuts) < 2
    assert max(seam_step(tone[:, :frames]) for frames in cuts) > 5


def test_a_sound_that_repeats_is_left_as_it_is() -> None:
    bar = noise(2, 8_000)
    loop = close_loop(np.tile(bar, (1, 2)), 8_000, 640)
    assert np.abs(loop - bar).max() < 1e-6


def test_unlike_sides_keep_their_power_through_the_crossfade() -> None:
    levels = []
    for seed in range(40):
        loop = close_loop(noise(1, 9_000, seed), 8_000, 1_000)
        levels.append(np.mean(loop[:, 400:600] ** 2) / np.mean(loop[:, 2_000:] ** 2))
    assert np.mean(levels) == pytest.approx(1.0, abs=0.08)


@pytest.mark.parametrize(("frames", "fade"), [(0, 0), (100, 101), (100, -1), (995, 10), (1001, 0)])
def test_lengths_that_make_no_loop_are_refused(frames: int, fade: int) -> None:
    with pytest.raises(ValueError, match="fade"):
        close_loop(noise(1, 1000), frames, fade)


def test_seam_step_tells_a_click_from_a_running_sound() -> None:
    assert seam_step(noise(1, 20_000)) < 5
    period = np.sin(2 * np.pi * np.arange(3200) / 320).astype(np.float32)[None]
    assert seam_step(period) < 1.5
    assert seam_step(period[:, :-80]) > 10
    quiet_then_loud = np.concatenate([np.zeros((1, 999)), np.full((1, 1), 0.5)], axis=1)
    assert seam_step(quiet_then_loud.astype(np.float32)) > 10


def test_the_worst_channel_counts_and_silence_is_smooth() -> None:
    period = np.sin(2 * np.pi * np.arange(3200) / 320).astype(np.float32)
    clicking = period.copy()
    clicking[0] = 1.0
    assert seam_step(np.stack([period, clicking])) == seam_step(clicking[None])
    assert seam_step(np.zeros((2, 100), dtype=np.float32)) == 0.0
    with pytest.raises(ValueError, match="seam"):
        seam_step(np.zeros((1, 1), dtype=np.float32))
