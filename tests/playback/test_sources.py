from __future__ import annotations

import numpy as np
import pytest

from studio.audio.clip import AudioClip
from studio.audio.resample import resample
from studio.playback.sources import ClipSource, GrowingSource, fit_channels


def tone(frames: int, rate: int) -> AudioClip:
    seconds = np.arange(frames) / rate
    samples = np.stack([np.sin(2 * np.pi * 440 * seconds), np.cos(2 * np.pi * 997 * seconds)])
    return AudioClip(samples=0.5 * samples.astype(np.float32), sample_rate=rate)


def test_mono_is_doubled_and_stereo_averaged() -> None:
    mono = np.array([[1, 2]], np.float32)
    np.testing.assert_array_equal(fit_channels(mono, 2), [[1, 1], [2, 2]])
    stereo = np.array([[1, 2], [3, 4]], np.float32)
    np.testing.assert_array_equal(fit_channels(stereo, 2), [[1, 3], [2, 4]])
    np.testing.assert_array_equal(fit_channels(stereo, 1), [[2], [3]])
    many = np.array([[1], [2], [3]], np.float32)
    np.testing.assert_array_equal(fit_channels(many, 2), [[1, 2]])


def test_a_clip_at_the_devices_rate_is_passed_on_untouched() -> None:
    clip = tone(1_000, 32_000)
    source = ClipSource(clip, 32_000)
    assert source.frames == 1_000
    np.testing.assert_array_equal(source.read(10, 20, 2), clip.samples[:, 10:30].T)


def test_positions_are_those_of_the_clip() -> None:
    source = ClipSource(tone(32_000, 32_000), 44_100)
    assert source.frames == 44_100
    assert source.from_clip_frame(16_000) == 22_050
    assert source.to_clip_frame(22_050) == 16_000


@pytest.mark.parametrize("rates", [(32_000, 44_100), (32_000, 48_000), (48_000, 44_100)])
def test_a_growing_sound_is_resampled_as_if_it_were_whole(rates: tuple[int, int]) -> None:
    rate_in, rate_out = rates
    clip = tone(40_123, rate_in)
    source = GrowingSource(rate_out, rate_in, 2)
    sizes = np.random.default_rng(3).integers(1, 5_000, 200)
    start = 0
    for size in sizes:
        source.append(clip.samples[:, start : start + size])
        start += size
    source.end()
    whole = resample(clip, rate_out).samples
    assert source.frames == whole.shape[1]
    np.testing.assert_allclose(source.read(0, source.frames, 2).T, whole, atol=1e-4)


def test_a_growing_sound_of_any_length_is_kept() -> None:
    source = GrowingSource(100, 100, 1)
    pieces = [np.full((1, 777), value, np.float32) for value in range(10)]
    for piece in pieces:
        source.append(piece)
    np.testing.assert_array_equal(
        source.read(0, source.frames, 1)[:, 0], np.concatenate(pieces, axis=1)[0]
    )
