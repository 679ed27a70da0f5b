from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest

from studio.editing import tempo
from studio.editing.onsets import OnsetEnvelope, onset_envelope
from studio.editing.tempo import estimate_tempo, tempo_error
from studio.training.loopsynth import FRAME_SAMPLES, SAMPLE_RATE, grid_tempo_bpm, render_loop

LOOPS = 40
WRONG = (0.85, 0.9, 0.93, 0.95, 1.05, 1.07, 1.13, 1.17, 1.2, 1.25)
TOTAL = 256 * FRAME_SAMPLES


@cache
def loop_of(seed: int) -> tuple[np.ndarray, float]:
    """A synthesised loop repeated to 5.12 s, and its tempo."""
    loop = render_loop(seed, split="validation" if seed % 2 else "train")
    repeated = np.tile(loop.samples, -(-TOTAL // len(loop.samples)))[:TOTAL]
    return repeated, grid_tempo_bpm(loop.labels.grid)


def click_pattern(tempo_bpm: float, steps: Sequence[float], seconds: float) -> np.ndarray:
    """Bursts of noise on sixteenths of a bar, over and over."""
    generator = np.random.default_rng(5)
    sixteenth = 15 / tempo_bpm * SAMPLE_RATE
    samples = np.zeros(round(seconds * SAMPLE_RATE) + 2000)
    for bar in range(int(seconds * tempo_bpm / 240) + 1):
        for step in steps:
            frame = round((16 * bar + step) * sixteenth)
            if frame < len(samples) - 2000:
                burst = generator.standard_normal(2000) * np.exp(-np.arange(2000) / 300)
                samples[frame : frame + 2000] += 0.2 * burst
    return samples[:-2000].astype(np.float32)


def irregular_hits(seed: int) -> np.ndarray:
    """Forty hits cut from a loop, put anywhere."""
    source, _ = loop_of(seed % LOOPS)
    generator = np.random.default_rng(seed)
    samples = np.zeros(TOTAL + 6000, dtype=np.float32)
    for _ in range(40):
        place, take = generator.integers(0, TOTAL), generator.integers(0, TOTAL - 6000)
        samples[place : place + 6000] += source[take : take + 6000] * np.linspace(1, 0, 6000)
    return samples[:TOTAL]


@pytest.fixture
def envelopes_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many tempos are asked of the same sounds: find their onsets once."""
    known: dict[bytes, OnsetEnvelope] = {}

    def remembered(samples: np.ndarray, sample_rate: int) -> OnsetEnvelope:
        key = samples.tobytes()
        if key not in known:
            known[key] = onset_envelope(samples, sample_rate)
        return known[key]

    monkeypatch.setattr(tempo, "onset_envelope", remembered)


@pytest.mark.usefixtures("envelopes_once")
def test_the_detector_is_right_on_loops_and_on_wrong_tempos() -> None:
    right, wrong, resultants = [], [], []
    for seed in range(LOOPS):
        samples, tempo_bpm = loop_of(seed)
        check = tempo_error(samples, SAMPLE_RATE, tempo_bpm)
        right.append(check.on_grid)
        resultants.append(check.grid_resultant)
        assert abs(check.local_error) < 0.005
        wrong += [tempo_error(samples, SAMPLE_RATE, tempo_bpm * w).on_grid for w in WRONG]
    assert np.mean(right) == 1.0
    assert np.mean(wrong) == 0.0
    assert np.median(resultants) > 0.95


@pytest.mark.usefixtures("envelopes_once")
def test_noise_and_irregular_hits_are_on_no_tempo() -> None:
    tempos = (75, 87, 100, 120, 140, 174)
    generator = np.random.default_rng(0)
    noise, irregular = [], []
    for seed in range(LOOPS):
        sound = (0.2 * generator.standard_normal(TOTAL)).astype(np.float32)
        noise += [tempo_error(sound, SAMPLE_RATE, asked).on_grid for asked in tempos]
        hits = irregular_hits(seed)
        irregular += [tempo_error(hits, SAMPLE_RATE, asked).on_grid for asked in tempos]
    assert np.mean(noise) == 0.0
    assert np.mean(irregular) <= 0.03


@pytest.mark.parametrize("error", [-0.11, -0.07, -0.018, 0.0, 0.015, 0.03, 0.1])
def test_the_local_error_is_measured(error: float) -> None:
    sound = click_pattern(120 * (1 + error), [0, 3, 4, 6, 8, 10, 12, 14], 6)
    check = tempo_error(sound, SAMPLE_RATE, 120)
    assert check.local_error == pytest.approx(error, abs=0.002)
    assert check.on_grid == (abs(error) <= tempo.TOLERANCE)


def test_hits_between_the_sixteenths_lower_the_resultant() -> None:
    tight = click_pattern(125, list(range(0, 16, 2)), 5)
    loose = tight + click_pattern(125, [2.4, 5.6, 9.5, 13.4], 5)
    checks = [tempo_error(sound, SAMPLE_RATE, 125) for sound in (tight, loose)]
    assert checks[0].grid_resultant > 0.95 > checks[1].grid_resultant + 0.1


def test_plain_quarters_do_not_pass_as_a_tempo_five_quarters_as_fast() -> None:
    quarters = click_pattern(120, [0, 4, 8, 12], 8)
    assert tempo_error(quarters, SAMPLE_RATE, 120).on_grid
    assert not tempo_error(quarters, SAMPLE_RATE, 150).on_grid


@pytest.mark.parametrize("tempo_bpm", [0.0, -1.0, float("nan")])
def test_an_impossible_tempo_is_refused(tempo_bpm: float) -> None:
    with pytest.raises(ValueError, match="tempo_bpm"):
        tempo_error(np.zeros(100, dtype=np.float32), SAMPLE_RATE, tempo_bpm)
    with pytest.raises(ValueError, match="hint"):
        estimate_tempo(np.zeros(100, dtype=np.float32), SAMPLE_RATE, hint=tempo_bpm)


@pytest.mark.parametrize("frames", [0, 10, 100_000])
def test_silence_keeps_no_tempo(frames: int) -> None:
    silence = np.zeros(frames, dtype=np.float32)
    assert not tempo_error(silence, SAMPLE_RATE, 120).on_grid
    assert estimate_tempo(silence, SAMPLE_RATE).confidence == 0.0


def test_unknown_tempos_are_found_up_to_the_octave() -> None:
    exact, related, confident = [], [], []
    for seed in range(LOOPS):
        samples, tempo_bpm = loop_of(seed)
        estimate = estimate_tempo(samples, SAMPLE_RATE)
        ratio = estimate.tempo_bpm / tempo_bpm
        exact.append(abs(ratio - 1) < 0.01)
        related.append(min(abs(ratio / factor - 1) for factor in (0.5, 1, 2)) < 0.01)
        confident.append(estimate.confidence)
    assert np.mean(related) >= 0.95
    assert np.mean(exact) >= 0.55
    assert np.median(confident) > 0.5


def test_a_hint_settles_the_octave() -> None:
    for seed in range(8):
        samples, tempo_bpm = loop_of(seed)
        estimate = estimate_tempo(samples, SAMPLE_RATE, hint=tempo_bpm * 1.04)
        assert estimate.tempo_bpm == pytest.approx(tempo_bpm, rel=0.005)


def test_noise_gives_no_confident_tempo() -> None:
    noise = np.random.default_rng(2).standard_normal((3, TOTAL)).astype(np.float32)
    assert max(estimate_tempo(sound, SAMPLE_RATE).confidence for sound in noise) < 0.2
