from __future__ import annotations

import numpy as np
import pytest

from studio.training.loopsynth.oscillators import (
    Sound,
    fade_edges,
    low_pass,
    midi_hz,
    oscillate,
    shaped_noise,
    soft_clip,
)
from studio.training.loopsynth.timing import SAMPLE_RATE


def _spectrum(sound: Sound) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    windowed = sound.astype(np.float64) * np.blackman(len(sound))
    return np.abs(np.fft.rfft(windowed)) / len(sound)


def test_midi_notes_are_in_concert_pitch() -> None:
    assert midi_hz(69) == pytest.approx(440)
    assert midi_hz(57) == pytest.approx(220)


@pytest.mark.parametrize("frequency_hz", [55.0, 220.0, 1_000.0])
def test_a_filtered_wave_has_harmonics_below_its_cutoff_and_nothing_else(
    frequency_hz: float,
) -> None:
    level = _spectrum(oscillate(frequency_hz, SAMPLE_RATE, cutoff_hz=6_000.0))
    harmonic = np.zeros(len(level), dtype=bool)
    for number in range(1, int(16_000 / frequency_hz)):
        place = round(number * frequency_hz)
        harmonic[place - 4 : place + 5] = True
    assert np.argmax(level) == pytest.approx(frequency_hz, abs=1)
    assert level[~harmonic].max() < 1e-4 * level.max()
    assert level[14_000:].max() < 1e-3 * level.max()


def test_a_falling_cutoff_takes_treble_away() -> None:
    cutoff_hz = np.linspace(6_000, 200, SAMPLE_RATE).astype(np.float32)
    sound = oscillate(110.0, SAMPLE_RATE, cutoff_hz=cutoff_hz)
    first, last = _spectrum(sound[:4_000]), _spectrum(sound[-4_000:])
    assert last[200:].sum() < 0.1 * first[200:].sum()


def test_square_waves_have_odd_harmonics_only() -> None:
    level = _spectrum(oscillate(200.0, SAMPLE_RATE, shape="square", cutoff_hz=5_000.0))
    assert level[400] < 1e-3 * level[200]
    assert level[600] > 0.2 * level[200]


def test_noise_is_of_unit_level_and_lies_between_its_corners() -> None:
    noise = shaped_noise(np.random.default_rng(0), 20_000, 2_000, 6_000, slope=4)
    level = _spectrum(noise) ** 2
    hertz = np.fft.rfftfreq(20_000, 1 / SAMPLE_RATE)
    assert np.std(noise) == pytest.approx(1, abs=1e-3)
    assert level[(hertz > 1_500) & (hertz < 8_000)].sum() > 0.95 * level.sum()


def test_a_low_pass_keeps_bass_and_removes_treble() -> None:
    bass = oscillate(100.0, 16_000, cutoff_hz=150.0)
    noise = shaped_noise(np.random.default_rng(1), 16_000, 8_000, 14_000, slope=4)
    kept = low_pass(bass, 2_000)[1_000:-1_000]
    assert np.allclose(kept, bass[1_000:-1_000], atol=0.02)
    assert np.std(low_pass(noise, 1_000)) < 0.02


def test_soft_clipping_stays_within_one() -> None:
    clipped = soft_clip(np.linspace(-8, 8, 100).astype(np.float32))
    assert np.abs(clipped).max() < 1
    assert np.all(np.diff(clipped) >= 0)


def test_fades_reach_silence_at_both_ends_and_leave_the_middle() -> None:
    sound = np.ones(3_200, dtype=np.float32)
    faded = fade_edges(sound, 0.01, 0.02)
    assert faded[0] == 0
    assert faded[-1] == 0
    assert np.all(faded[320:2_560] == 1)
    assert np.all(sound == 1)
