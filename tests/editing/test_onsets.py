from __future__ import annotations

import numpy as np
import pytest

from studio.editing.onsets import detect_onsets, onset_envelope, onset_peaks
from studio.training.loopsynth import render_loop

SAMPLE_RATE = 32_000


def hits_at(frames: list[int], total: int, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """Short decaying bursts of noise."""
    generator = np.random.default_rng(3)
    length = sample_rate // 12
    samples = np.zeros(total + length)
    for frame in frames:
        burst = generator.standard_normal(length) * np.exp(-np.arange(length) / (length / 6))
        samples[frame : frame + length] += 0.2 * burst
    return samples[:total].astype(np.float32)


@pytest.mark.parametrize("sample_rate", [22_050, 32_000, 44_100, 48_000])
def test_hits_are_found_to_the_millisecond(sample_rate: int) -> None:
    frames = [0, *(round(sample_rate * (0.21 * n + 0.013)) for n in range(1, 9))]
    found = detect_onsets(hits_at(frames, 2 * sample_rate, sample_rate), sample_rate)
    assert len(found) == len(frames)
    assert np.abs(found - frames).max() <= sample_rate / 1000


def test_the_envelope_peaks_where_a_hit_starts() -> None:
    envelope = onset_envelope(hits_at([16_000], 32_000), SAMPLE_RATE)
    assert np.argmax(envelope.values) / envelope.rate_hz == pytest.approx(0.5, abs=0.008)
    assert envelope.values.min() >= 0


@pytest.mark.parametrize("frames", [0, 1, 50, 5000])
def test_silence_of_any_length_has_no_onset(frames: int) -> None:
    assert len(detect_onsets(np.zeros(frames, dtype=np.float32), SAMPLE_RATE)) == 0


@pytest.mark.parametrize("frequency_hz", [45.0, 110.0, 1500.0])
def test_a_held_note_starts_once(frequency_hz: float) -> None:
    time = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    note = 0.5 * np.sin(2 * np.pi * frequency_hz * time)
    note[: SAMPLE_RATE // 2] = 0
    assert len(detect_onsets(note.astype(np.float32), SAMPLE_RATE)) == 1


def test_level_does_not_matter() -> None:
    hits = hits_at([3_000, 11_000, 22_000], SAMPLE_RATE)
    assert np.array_equal(
        detect_onsets(hits, SAMPLE_RATE), detect_onsets(hits * np.float32(0.01), SAMPLE_RATE)
    )


def test_peaks_carry_their_strength() -> None:
    soft_then_loud = hits_at([8_000], 32_000) * np.float32(0.03) + hits_at([20_000], 32_000)
    peaks = onset_peaks(onset_envelope(soft_then_loud, SAMPLE_RATE))
    assert len(peaks.seconds) == 2
    assert peaks.strengths[0] < peaks.strengths[1]


def test_most_onsets_of_synthesised_loops_are_found() -> None:
    found_share, false_share = [], []
    for seed in range(300, 312):
        loop = render_loop(seed)
        found = detect_onsets(np.tile(loop.samples, 2), SAMPLE_RATE)
        one = np.array(loop.labels.onset_frames)
        real = np.concatenate([one, one + loop.labels.period_frames]) * 640
        distance = np.abs(found[:, None] - real[None])
        found_share.append(np.mean(distance.min(axis=0) <= 0.01 * SAMPLE_RATE))
        false_share.append(np.mean(distance.min(axis=1) > 0.01 * SAMPLE_RATE))
    assert np.mean(found_share) >= 0.85
    assert np.mean(false_share) <= 0.12
