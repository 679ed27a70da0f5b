from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.audio.clip import AudioClip
from studio.audio.resample import StreamResampler, resample


def sine(frequency_hz: float, sample_rate: int, frames: int) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(frames) / sample_rate)


@pytest.mark.parametrize("sample_rate", [8000, 22050, 44100, 48000, 96000])
def test_a_sine_stays_the_same_sine_in_time(sample_rate: int) -> None:
    clip = AudioClip(samples=sine(997, 32000, 32000)[None], sample_rate=32000)
    other = resample(clip, sample_rate)
    assert other.sample_rate == sample_rate
    assert other.frames == sample_rate
    expected = sine(997, sample_rate, sample_rate)
    middle = slice(sample_rate // 10, -sample_rate // 10)
    assert np.abs(other.samples[0] - expected)[middle].max() < 1e-4


def test_what_the_lower_rate_cannot_hold_is_gone() -> None:
    clip = AudioClip(samples=sine(6000, 32000, 32000)[None], sample_rate=32000)
    assert np.abs(resample(clip, 8000).samples[0, 800:-800]).max() < 1e-4


def test_channels_stay_apart() -> None:
    samples = np.stack([sine(300, 32000, 16000), np.zeros(16000)])
    other = resample(AudioClip(samples=samples, sample_rate=32000), 44100)
    assert np.abs(other.samples[0]).max() > 0.4
    assert not other.samples[1].any()


def test_the_same_rate_gives_the_same_clip() -> None:
    clip = AudioClip(samples=np.ones((1, 10)), sample_rate=32000)
    assert resample(clip, 32000) is clip


def test_a_rate_that_is_not_positive_is_refused() -> None:
    with pytest.raises(ValueError, match="positive"):
        resample(AudioClip(samples=np.ones((1, 10)), sample_rate=32000), 0)


@settings(max_examples=60, deadline=None)
@given(
    frames=st.integers(0, 3000),
    source=st.sampled_from([8000, 11025, 32000, 44100, 48000]),
    target=st.sampled_from([8000, 22050, 32000, 44100, 96000]),
    channels=st.integers(1, 3),
)
def test_the_length_is_exact(frames: int, source: int, target: int, channels: int) -> None:
    clip = AudioClip(samples=np.zeros((channels, frames)), sample_rate=source)
    other = resample(clip, target)
    assert other.channels == channels
    assert abs(other.frames - frames * target / source) <= 0.5


@pytest.mark.parametrize("sample_rate", [22050, 32000, 48000])
def test_a_stream_in_pieces_is_the_whole(sample_rate: int) -> None:
    sound = np.random.default_rng(0).standard_normal(sample_rate).astype(np.float32) * 0.1
    whole = resample(AudioClip(samples=sound[None], sample_rate=sample_rate), 32000).samples[0]
    stream = StreamResampler(sample_rate, 32000)
    cuts = np.array_split(sound, 7)
    pieces = [stream.push(piece, last=n == 6) for n, piece in enumerate(cuts)]
    joined = np.concatenate(pieces)
    assert abs(len(joined) - len(whole)) <= 1
    shared = min(len(joined), len(whole))
    assert np.abs(joined[:shared] - whole[:shared]).max() < 1e-5
