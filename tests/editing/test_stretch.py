from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.editing.stretch import TimeStretcher, time_stretch

SAMPLE_RATE = 32_000


def sine(frequency_hz: float, seconds: float, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    return (0.5 * np.sin(2 * np.pi * frequency_hz * time)).astype(np.float32)[None]


def drum_hits(seconds: float = 2.0, every_seconds: float = 0.25) -> tuple[np.ndarray, list[int]]:
    """Bursts of noise over a quiet bass, and where they start."""
    generator = np.random.default_rng(4)
    samples = 0.1 * sine(55, seconds)[0]
    places = [round(n * every_seconds * SAMPLE_RATE) for n in range(round(seconds / every_seconds))]
    for place in places:
        length = min(2500, len(samples) - place)
        burst = generator.standard_normal(length) * np.exp(-np.arange(length) / 400)
        samples[place : place + length] += (0.2 * burst).astype(np.float32)
    return samples[None], places


def streamed(samples: np.ndarray, speed: float, cuts: list[int]) -> np.ndarray:
    stretcher = TimeStretcher(samples.shape[0], SAMPLE_RATE, speed)
    parts = [stretcher.push(piece) for piece in np.split(samples, cuts, axis=1)]
    return np.concatenate([*parts, stretcher.finish()], axis=1)


def cents_off(samples: np.ndarray, frequency_hz: float) -> float:
    """How far a sine has moved, from the drift of its phase."""
    middle = samples[len(samples) // 10 : -len(samples) // 10].astype(np.float64)
    turned = middle * np.exp(-2j * np.pi * frequency_hz * np.arange(len(middle)) / SAMPLE_RATE)
    window = 1600
    means = turned[: len(turned) // window * window].reshape(-1, window).mean(axis=1)
    phase = np.unwrap(np.angle(means))
    slope = np.polyfit(np.arange(len(phase)) * window / SAMPLE_RATE, phase, 1)[0]
    return float(1200 * np.log2(1 + slope / (2 * np.pi * frequency_hz)))


@settings(max_examples=60, deadline=None)
@given(
    frames=st.integers(0, 20_000),
    speed=st.floats(0.5, 2.0),
    cuts=st.lists(st.integers(0, 20_000), max_size=8),
    channels=st.integers(1, 2),
    seed=st.integers(0, 50),
)
def test_a_stream_has_the_exact_length_however_it_is_cut(
    frames: int, speed: float, cuts: list[int], channels: int, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    swell = np.abs(np.sin(np.arange(frames) / 1500)) ** 3
    samples = (0.3 * swell * generator.standard_normal((channels, frames))).astype(np.float32)
    whole = time_stretch(samples, SAMPLE_RATE, speed)
    assert whole.shape == (channels, round(frames / speed))
    assert np.isfinite(whole).all()
    parts = streamed(samples, speed, sorted(min(cut, frames) for cut in cuts))
    assert parts.tobytes() == whole.tobytes()


@pytest.mark.parametrize(
    ("speed", "frequency_hz"),
    [
        *((speed, hz) for speed in (0.88, 0.95, 1.05, 1.12) for hz in (60.0, 220.0, 1760.0)),
        *((speed, hz) for speed in (0.5, 2.0) for hz in (220.0, 1760.0)),
    ],
)
def test_pitch_stays_and_a_tone_stays_even(speed: float, frequency_hz: float) -> None:
    stretched = time_stretch(sine(frequency_hz, 3), SAMPLE_RATE, speed)[0]
    assert abs(cents_off(stretched, frequency_hz)) < 2
    middle = stretched[2000:-2000]
    peaks = [
        np.abs(part).max()
        for part in np.split(middle[: len(middle) // 1000 * 1000], len(middle) // 1000)
    ]
    assert min(peaks) > 0.45
    assert max(peaks) < 0.55


@pytest.mark.parametrize("speed", [0.88, 0.94, 1.06, 1.12])
def test_hits_fall_in_time_and_stay_sharp_and_single(speed: float) -> None:
    samples, places = drum_hits()
    stretched = time_stretch(samples, SAMPLE_RATE, speed)[0]
    for place in places:
        due = round(place / speed)
        hit = samples[0, place : place + 600]
        around = stretched[max(due - 200, 0) : due + 800]
        likeness = np.correlate(around, hit, mode="valid") / np.sum(hit**2)
        shift = int(np.argmax(likeness)) + max(due - 200, 0) - due
        assert abs(shift) <= 0.003 * SAMPLE_RATE
        assert likeness.max() > 0.95
        assert np.sort(np.abs(around))[-1] > 0.95 * np.abs(hit).max()
        if place:
            before = stretched[due + shift - 96 : due + shift]
            assert np.abs(np.diff(before)).max() < 0.2 * np.abs(np.diff(hit)).max()


@pytest.mark.parametrize("speed", [0.88, 1.12])
@pytest.mark.parametrize("every_seconds", [0.031, 0.035, 0.04, 0.06])
def test_a_dense_roll_keeps_time(speed: float, every_seconds: float) -> None:
    samples, _ = drum_hits(3.0, every_seconds)
    samples[0, 80_000:] = 0.0
    samples[0, 90_000:90_500] = np.random.default_rng(1).uniform(-1, 1, 500)
    stretched = time_stretch(samples, SAMPLE_RATE, speed)[0]
    likeness = np.correlate(stretched, samples[0, 90_000:90_500], mode="valid")
    assert abs(int(np.argmax(likeness)) - 90_000 / speed) <= 0.003 * SAMPLE_RATE
    body = stretched[: round(70_000 / speed)]
    levels = [np.sqrt(np.mean(part**2)) for part in np.array_split(body, 20)]
    assert min(levels[1:]) > 0.7 * np.sqrt(np.mean(samples[0, :70_000] ** 2))


def test_the_first_frame_starts_the_sound() -> None:
    samples, _ = drum_hits()
    stretched = time_stretch(samples, SAMPLE_RATE, 0.9)
    assert np.array_equal(stretched[:, :600], samples[:, :600])


@pytest.mark.parametrize("speed", [0.88, 1.12])
def test_at_most_a_tenth_of_a_second_is_held_back(speed: float) -> None:
    samples, _ = drum_hits()
    stretcher = TimeStretcher(1, SAMPLE_RATE, speed)
    given_out = 0
    for start in range(0, samples.shape[1], 1000):
        given_out += stretcher.push(samples[:, start : start + 1000]).shape[1]
        held_back = start + 1000 - given_out * speed
        assert held_back <= 0.1 * SAMPLE_RATE


def test_channels_are_stretched_alike() -> None:
    samples, _ = drum_hits()
    both = time_stretch(np.concatenate([samples, -samples]), SAMPLE_RATE, 1.1)
    assert np.array_equal(both[0], -both[1])


def test_a_speed_of_one_changes_no_bit() -> None:
    samples, _ = drum_hits()
    stretcher = TimeStretcher(1, SAMPLE_RATE, 1.0)
    assert np.array_equal(stretcher.push(samples[:, :777]), samples[:, :777])
    assert np.array_equal(stretcher.push(samples[:, 777:]), samples[:, 777:])
    assert stretcher.finish().shape == (1, 0)


@pytest.mark.parametrize("speed", [0.0, -1.0, 0.49, 2.01, float("nan"), float("inf")])
def test_an_impossible_speed_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="speed"):
        TimeStretcher(1, SAMPLE_RATE, speed)


def test_misuse_is_refused() -> None:
    stretcher = TimeStretcher(2, SAMPLE_RATE, 1.1)
    with pytest.raises(ValueError, match="expected"):
        stretcher.push(np.zeros((1, 10), dtype=np.float32))
    stretcher.finish()
    assert stretcher.finish().shape == (2, 0)
    with pytest.raises(ValueError, match="finished"):
        stretcher.push(np.zeros((2, 10), dtype=np.float32))
    with pytest.raises(ValueError, match="channels"):
        TimeStretcher(0, SAMPLE_RATE, 1.1)
