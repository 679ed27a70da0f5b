"""The figures of takes, on sounds whose figures are known: loops that pretend to be takes."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from studio.benchmark.house.prompts import NEAR_GENRE, NEAR_GRID, Asked
from studio.benchmark.house.takes_measures import (
    diversity_figures,
    key_figure,
    of_another,
    tempo_figures,
    training_bars,
    voice_figures,
)
from studio.benchmark.house.voice_classifier import VoiceAccuracy
from studio.training.bank import render_bank
from studio.training.loopsynth import SAMPLE_RATE, SynthLoop, grid_tempo_bpm, render_loop


class PlainCodec:
    """Codes are samples, so nothing is lost."""

    info = SimpleNamespace(sample_rate=SAMPLE_RATE)

    def encode(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        return audio

    def decode(self, codes: NDArray[np.float32]) -> NDArray[np.float32]:
        return codes


class Ears:
    """Hears what it is told."""

    voices = ("clap", "pad", "ride")

    def __init__(self, found: list[list[bool]]) -> None:
        self.accuracy = {
            "clap": VoiceAccuracy(heard=0.95, imagined=0.05, loops=40),
            "ride": VoiceAccuracy(heard=0.5, imagined=0.4, loops=40),
        }
        self._found = np.array(found)

    def heard(self, sounds: object) -> NDArray[np.bool_]:
        return self._found


@pytest.fixture(scope="module")
def loops() -> list[SynthLoop]:
    return [render_loop(seed, split="validation", bars=2) for seed in range(8_000, 8_024)]


def test_loops_at_their_own_tempo_reach_the_mark_and_at_another_do_not(
    loops: list[SynthLoop],
) -> None:
    sounds = [np.tile(one.samples, 2) for one in loops]
    tempos = [grid_tempo_bpm(one.labels.grid) for one in loops]
    right = [Asked(prompt="", bars=2, tempo_bpm=tempo) for tempo in tempos]
    wrong = [Asked(prompt="", bars=4, tempo_bpm=1.07 * tempo) for tempo in tempos]
    (good,) = tempo_figures(right, sounds, loops, SAMPLE_RATE)
    (bad,) = tempo_figures(wrong, sounds, loops, SAMPLE_RATE)
    assert good.reached
    assert not bad.reached
    assert bad.value <= 0.1
    assert good.beside["takes of 2 bars"] == good.value
    assert good.beside["white noise"] == 0


def test_tonal_loops_in_their_own_key_reach_the_mark_and_in_another_do_not(
    loops: list[SynthLoop],
) -> None:
    tonal = [one for one in loops if one.labels.tonal]
    sounds = [one.samples for one in tonal]
    longest = max(len(sound) for sound in sounds)
    copies = np.stack([np.resize(sound, longest) for sound in sounds])
    asked = [Asked(prompt="", bars=2, tempo_bpm=1, key=one.labels.key) for one in tonal]
    others = [Asked(prompt="", bars=2, tempo_bpm=1, key="F#m") for _ in tonal]
    good = key_figure(asked, sounds, tonal, copies, SAMPLE_RATE)
    bad = key_figure(others, sounds, tonal, copies, SAMPLE_RATE)
    assert good.reached
    assert not bad.reached
    assert good.beside["fresh tonal loops"] == good.value


def test_another_key_is_another_one_where_there_is_any() -> None:
    wanted = ["Am"] * 4 + ["C"] * 4 + ["F#m"] * 4
    others = of_another(wanted)
    assert sorted(map(str, others)) == sorted(wanted)
    assert all(own != other for own, other in zip(wanted, others, strict=True))
    assert of_another(["Am"]) == ["Am"]


def test_only_voices_that_the_classifier_hears_well_are_counted() -> None:
    asked = [
        Asked(prompt="", bars=2, tempo_bpm=120, voice=voice)
        for voice in ("clap", "clap", "ride", "pad")
    ]
    ears = Ears(
        [[True, False, False], [True, False, False], [False, True, False], [True, True, True]]
    )
    sounds = [np.zeros(10, dtype=np.float32)] * 4
    voices, figure = voice_figures(asked, sounds, ears)
    by_name = {one.voice: one for one in voices}
    assert figure.value == by_name["clap"].asked == 1.0
    assert by_name["clap"].unasked == 0.5
    assert not by_name["ride"].trusted
    assert by_name["pad"].balanced_accuracy is None
    assert figure.beside["voices counted"] == 1
    assert figure.beside["voices asked"] == 3


def test_takes_that_copy_each_other_or_the_training_are_found() -> None:
    bars = training_bars(None, range(600), 12, lambda line: None)
    assert bars.shape == (12, 16 * NEAR_GRID * 640)
    fresh = np.stack(
        [
            render_loop(seed, genre=NEAR_GENRE, grid=NEAR_GRID, bars=1, split="validation").samples
            for seed in range(12)
        ]
    )
    codec = PlainCodec()
    among, to_training = diversity_figures(fresh, bars, codec)
    assert to_training.value > 0.1
    twice = np.concatenate([fresh[:11], fresh[:1]])
    among_twice, _ = diversity_figures(twice, bars, codec)
    assert among_twice.value == 0
    assert not among_twice.reached
    assert among.value > 0.1
    copied = np.concatenate([fresh[:11], bars[:1]])
    _, found = diversity_figures(copied, bars, codec)
    assert found.value == 0
    assert not found.reached


def test_training_loops_are_read_from_a_bank_too(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("bank")
    render_bank(folder, range(60), split="train", workers=1)
    told: list[str] = []
    stored = training_bars(folder, range(0), 5, told.append)
    drawn = training_bars(None, range(60), 5, told.append)
    assert np.abs(stored - drawn).max() < 1e-4
    assert str(folder) in told[0]
