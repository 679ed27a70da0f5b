from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from studio.benchmark.house.codec_fidelity import f_measure, measure_codec
from studio.benchmark.house.nearness import Nearness, maps, nearest_to
from studio.benchmark.house.pictures import draw_rows, spectrogram
from studio.benchmark.house.voice_classifier import train_classifier
from studio.training.loopsynth import SAMPLE_RATE, render_loop


@pytest.fixture(scope="module")
def bars() -> NDArray[np.float32]:
    return np.stack([render_loop(seed, grid=4, bars=1).samples for seed in range(12)])


def test_a_loop_is_nearest_to_itself_however_loud(bars: NDArray[np.float32]) -> None:
    heard = maps(bars, SAMPLE_RATE)
    assert nearest_to(heard, heard).max() == 0
    assert nearest_to(maps(0.6 * bars[:3], SAMPLE_RATE), heard).max() < 0.02


def test_different_loops_are_far_from_each_other(bars: NDArray[np.float32]) -> None:
    heard = maps(bars, SAMPLE_RATE)
    summary = Nearness.of(nearest_to(heard, heard, same=True))
    assert 0.1 < summary.nearest <= summary.hundredth <= summary.median


def test_a_copy_among_takes_is_found(bars: NDArray[np.float32]) -> None:
    rng = np.random.default_rng(0)
    noisy = bars[:1] + 1e-4 * rng.standard_normal(bars[:1].shape).astype(np.float32)
    heard = maps(np.concatenate([bars, noisy]), SAMPLE_RATE)
    distances = nearest_to(heard, heard, same=True)
    assert set(np.argsort(distances)[:2].tolist()) == {0, 12}
    assert distances[0] < 0.5 * np.sort(distances)[2]


def test_onsets_are_matched_once_within_twenty_milliseconds() -> None:
    wanted = np.array([0.0, 0.5, 1.0, 1.5])
    assert f_measure(wanted, wanted + 0.019) == 1.0
    assert f_measure(wanted, wanted + 0.03) == 0.0
    assert f_measure(wanted, wanted[:2]) == pytest.approx(2 * 2 / 6)
    assert f_measure(np.array([0.5]), np.array([0.49, 0.5, 0.51])) == pytest.approx(0.5)
    assert f_measure(np.array([]), np.array([])) == 1.0
    assert f_measure(np.array([]), wanted) == 0.0


def test_a_good_copy_scores_better_than_another_loop(bars: NDArray[np.float32]) -> None:
    rng = np.random.default_rng(1)
    near = bars + 1e-3 * rng.standard_normal(bars.shape).astype(np.float32)
    good = measure_codec(bars, near, SAMPLE_RATE)
    bad = measure_codec(bars, np.roll(bars, 1, axis=0), SAMPLE_RATE)
    assert good.log_mel < bad.log_mel
    assert good.si_sdr_db > 20 > bad.si_sdr_db
    assert good.onset_f > 0.85 > bad.onset_f
    assert good.onset_f_shifted < 0.5


def test_the_classifier_learns_what_it_is_taught_and_knows_how_well() -> None:
    rng = np.random.default_rng(2)
    time = np.arange(int(2.56 * SAMPLE_RATE)) / SAMPLE_RATE
    tone = 0.2 * np.sin(2 * np.pi * 300 * time)
    sounds, truth = [], []
    for _ in range(160):
        hiss, sings = rng.random(2) < 0.5
        sound = 1e-3 * rng.standard_normal(len(time))
        sound += 0.1 * hiss * rng.standard_normal(len(time)) + sings * tone
        sounds.append(sound.astype(np.float32))
        truth.append((bool(hiss), bool(sings)))
    labels = np.array(truth)
    ears = train_classifier(sounds[:112], labels[:112], ("hiss", "tone"), SAMPLE_RATE, epochs=8)
    ears.examine(sounds[112:], labels[112:])
    assert ears.accuracy["tone"].balanced > 0.9
    assert ears.accuracy["hiss"].balanced > 0.9
    assert ears.heard(sounds[:4]).shape == (4, 2)


def test_a_spectrogram_shows_a_tone_at_its_height() -> None:
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    low = spectrogram(np.sin(2 * np.pi * 100 * time).astype(np.float32), SAMPLE_RATE)
    high = spectrogram(np.sin(2 * np.pi * 4_000 * time).astype(np.float32), SAMPLE_RATE)
    assert low.dtype == np.uint8
    assert low.sum(axis=(1, 2)).argmax() > high.sum(axis=(1, 2)).argmax()


def test_rows_of_spectrograms_are_written_as_png(tmp_path: Path, bars: NDArray[np.float32]) -> None:
    file = tmp_path / "loops.png"
    draw_rows(file, [(bars[0], bars[1]), (bars[2], bars[3])], SAMPLE_RATE)
    data = file.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", data[16:24])
    start = data.index(b"IDAT")
    (length,) = struct.unpack(">I", data[start - 4 : start])
    assert len(zlib.decompress(data[start + 4 : start + 4 + length])) == height * (3 * width + 1)
