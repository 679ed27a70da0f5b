from __future__ import annotations

from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from studio.audio.clip import AudioClip
from studio.audio.loudness import k_weighting, limit_peak, loudness_lufs, peak, rms


def sine(gain_db: float, seconds: float, sample_rate: int, frequency_hz: float = 997) -> np.ndarray:
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    return 10 ** (gain_db / 20) * np.sin(2 * np.pi * frequency_hz * time)


def clip_of(*channels: np.ndarray, sample_rate: int = 48000) -> AudioClip:
    return AudioClip(samples=np.stack(channels), sample_rate=sample_rate)


def test_rms_and_peak_of_a_sine() -> None:
    clip = clip_of(sine(-6.0206, 1, 48000, 1000))
    assert rms(clip) == pytest.approx(0.5 / np.sqrt(2), rel=1e-4)
    assert peak(clip) == pytest.approx(0.5, rel=1e-4)


def test_an_empty_clip_is_silent() -> None:
    clip = AudioClip(samples=np.zeros((1, 0)), sample_rate=8000)
    assert (rms(clip), peak(clip), loudness_lufs(clip)) == (0.0, 0.0, -inf)


def test_the_weighting_is_the_table_of_the_recommendation() -> None:
    (shelf_b, shelf_a), (rumble_b, rumble_a) = k_weighting(48000)
    expected = [1.53512485958697, -2.69169618940638, 1.19839281085285]
    assert shelf_b == pytest.approx(expected, abs=1e-7)
    assert shelf_a == pytest.approx([1, -1.69065929318241, 0.73248077421585], abs=1e-7)
    assert rumble_b == pytest.approx([1, -2, 1])
    assert rumble_a == pytest.approx([1, -1.99004745483398, 0.99007225036621], abs=1e-7)


@pytest.mark.parametrize("sample_rate", [32000, 44100, 48000, 96000])
def test_a_full_scale_sine_in_one_channel_measures_minus_three(sample_rate: int) -> None:
    clip = clip_of(sine(0, 3, sample_rate), sample_rate=sample_rate)
    assert loudness_lufs(clip) == pytest.approx(-3.01, abs=0.05)


def test_two_channels_add_up() -> None:
    tone = sine(-23, 5, 48000)
    assert loudness_lufs(clip_of(tone, tone)) == pytest.approx(-23, abs=0.05)


def test_the_gate_leaves_quiet_stretches_out() -> None:
    # Case 3 of EBU Tech 3341, shortened: the quiet parts lie more than 10 LU down.
    quiet, loud = sine(-36, 2, 48000), sine(-23, 30, 48000)
    programme = np.concatenate([quiet, loud, quiet])
    assert loudness_lufs(clip_of(programme, programme)) == pytest.approx(-23, abs=0.1)


def test_a_part_boundary_inside_the_filter_changes_nothing() -> None:
    # Longer than one part of the overlapped filter; a steady tone must measure the same.
    clip = clip_of(sine(-20, 14, 48000))
    assert loudness_lufs(clip) == pytest.approx(-23.01, abs=0.05)


def test_silence_has_no_loudness_and_a_short_hit_has() -> None:
    assert loudness_lufs(clip_of(np.zeros(48000))) == -inf
    assert -40 < loudness_lufs(clip_of(sine(-10, 0.05, 48000))) < -5


FLOATS = arrays(np.float32, st.integers(0, 50), elements=st.floats(-8, 8, width=32))


@settings(deadline=None)
@given(samples=FLOATS, ceiling=st.floats(0.1, 1.0), cut=st.integers(0, 50))
def test_the_limiter_holds_the_ceiling_sample_by_sample(
    samples: np.ndarray, ceiling: float, cut: int
) -> None:
    limited = limit_peak(samples, ceiling)
    assert limited.dtype == np.float32
    assert (np.abs(limited) <= np.float32(ceiling)).all()
    quiet = np.abs(samples) <= 0.8 * ceiling
    assert np.array_equal(limited[quiet], samples[quiet])
    assert (np.sign(limited) == np.sign(samples)).all()
    parts = [limit_peak(samples[:cut], ceiling), limit_peak(samples[cut:], ceiling)]
    assert np.array_equal(np.concatenate(parts), limited)
    order = np.argsort(samples, kind="stable")
    assert (np.diff(limited[order]) >= 0).all()


def test_the_limiter_leaves_its_input_alone() -> None:
    samples = np.array([0.1, 2.0], dtype=np.float32)
    limit_peak(samples, 0.5)
    assert samples[1] == 2.0
    with pytest.raises(ValueError, match="ceiling"):
        limit_peak(samples, 0.0)
