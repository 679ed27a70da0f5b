from __future__ import annotations

import numpy as np
import pytest

from studio.training.loopsynth.effects import (
    CEILING,
    compress,
    dub_echo,
    ducking,
    master,
    room,
    true_peak,
)
from studio.training.loopsynth.oscillators import low_pass
from studio.training.loopsynth.timing import FRAME_SAMPLES, SAMPLE_RATE

_FRAMES = 64


def _click(place: int = 0) -> np.ndarray:
    sound = np.zeros(_FRAMES * FRAME_SAMPLES, dtype=np.float32)
    sound[place : place + 200] = np.hanning(200)
    return sound


def test_echoes_come_every_delay_and_fall_by_the_feedback() -> None:
    wet = dub_echo(_click(), 12, feedback=0.5)
    level = [np.abs(wet[k * 12 * FRAME_SAMPLES :][:400]).max() for k in (1, 2, 3)]
    assert np.abs(wet[: 11 * FRAME_SAMPLES]).max() < 0.2 * level[0]
    assert level[0] > 1.5 * level[1] > 2.25 * level[2]


def test_echoes_go_round_so_a_loop_has_no_seam() -> None:
    early = dub_echo(_click(0), 12, feedback=0.4)
    late = dub_echo(_click(20 * FRAME_SAMPLES), 12, feedback=0.4)
    assert np.allclose(np.roll(early, 20 * FRAME_SAMPLES), late, atol=1e-5)


def test_a_large_room_rings_longer_than_a_small_one() -> None:
    def centre(size: str) -> float:
        energy = room(_click(), size) ** 2
        return float((np.arange(len(energy)) * energy).sum() / energy.sum())

    assert centre("large") > 2 * centre("small")


def test_ducking_dips_at_the_kick_and_recovers() -> None:
    gain = ducking(_FRAMES, (16,), depth=0.8, seconds=0.2)
    assert gain[16 * FRAME_SAMPLES] == pytest.approx(0.2, abs=0.01)
    assert gain[16 * FRAME_SAMPLES - 1] == 1.0
    assert gain[16 * FRAME_SAMPLES + int(0.2 * SAMPLE_RATE)] == 1.0


def test_compression_lowers_what_is_over_the_threshold_alone() -> None:
    time = np.arange(_FRAMES * FRAME_SAMPLES) / SAMPLE_RATE
    sine = np.sin(2 * np.pi * 500 * time).astype(np.float32)
    quiet, loud = 0.2 * sine, 0.8 * sine
    assert np.allclose(compress(quiet, threshold=0.4, ratio=2), quiet, atol=1e-6)
    pressed = compress(loud, threshold=0.4, ratio=2)
    assert np.abs(pressed).max() == pytest.approx(0.4 * 2**0.5, rel=0.03)


def test_the_true_peak_lies_between_samples() -> None:
    time = np.arange(6_400)
    sine = np.sin(2 * np.pi * (time + 0.5) / 4).astype(np.float32)
    assert np.abs(sine).max() < 0.72
    assert true_peak(sine) == pytest.approx(1.0, abs=0.02)


def test_a_master_keeps_under_full_scale_between_samples_too() -> None:
    rng = np.random.default_rng(0)
    noise = low_pass(rng.standard_normal(_FRAMES * FRAME_SAMPLES).astype(np.float32), 6_000)
    made = master(0.8 * noise, drive=1.5, threshold=0.42, ratio=2.2)
    fine = np.fft.irfft(np.fft.rfft(made), 8 * len(made)) * 8
    assert np.abs(fine).max() < 1.0
    assert true_peak(made) == pytest.approx(CEILING, abs=1e-3)
