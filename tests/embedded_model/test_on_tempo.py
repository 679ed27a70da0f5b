"""The embedded model keeps the tempo that a prompt names, measured untiled by our own detector.

`python3 packaging/dev.py test tests/embedded_model -s` prints the figures that
docs/house-model.md holds.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from studio import MusicGen
from studio.editing.tempo import tempo_error
from studio.training.loopsynth import grid_tempo_bpm, render_loop

WORDS = (
    "jungle break, dark reese bass",
    "drum and bass roller, heavy kit",
    "techno loop, acid bass, A minor",
    "house beat with chord stabs",
    "hip hop beat, dusty drums",
    "dub, deep sub bass",
    "electro, metallic drums, plucked bass",
    "drums only, busy",
)
TEMPOS = (
    (174, 165, 181, 158, 200),
    (172, 176, 168, 187.5, 150),
    (132, 138, 125, 143.5, 128),
    (124, 118, 121.5, 127, 110),
    (90, 84, 97, 88.8, 78),
    (72, 66, 60, 75, 81),
    (130, 115, 107, 136, 99),
    (95, 102, 146, 192, 63),
)
PROMPTS = [
    (words, float(tempo)) for words, tempos in zip(WORDS, TEMPOS, strict=True) for tempo in tempos
]
WRONG = 1.13

Sound = tuple[NDArray[np.float32], float]


@pytest.fixture(scope="module")
def model() -> MusicGen:
    return MusicGen.from_pretrained("house")


def rates(sounds: Iterator[Sound], rate: int) -> tuple[float, float]:
    """Share of the sounds on their tempo, and on one 13 % faster."""
    right, wrong = [], []
    for samples, tempo in sounds:
        right.append(tempo_error(samples, rate, tempo).on_grid)
        wrong.append(tempo_error(samples, rate, tempo * WRONG).on_grid)
    return float(np.mean(right)), float(np.mean(wrong))


def synthesised() -> Iterator[Sound]:
    for seed in range(1_000, 1_040):
        loop = render_loop(seed, split="validation", bars=2)
        # Two rounds: without drums, two bars hold too few onsets to be beyond chance.
        yield np.tile(loop.samples, 2), grid_tempo_bpm(loop.labels.grid)


def noise() -> Iterator[Sound]:
    rng = np.random.default_rng(0)
    for _, tempo in PROMPTS:
        yield rng.standard_normal(4 * 32_000).astype(np.float32) * 0.1, tempo


def takes(model: MusicGen) -> Iterator[Sound]:
    for seed, (words, tempo) in enumerate(PROMPTS):
        audio = model.generate(f"{tempo:g} bpm {words}", bars=2, seed=seed)
        yield audio.mean(axis=0), tempo


def report(name: str, right: float, wrong: float) -> None:
    sys.stdout.write(f"{name}: on tempo {right:.3f}, on a tempo 13 % too fast {wrong:.3f}\n")


@pytest.mark.parametrize(
    ("name", "sounds", "right_range"),
    [("synthesised loops", synthesised, (1.0, 1.0)), ("white noise", noise, (0.0, 0.0))],
)
def test_the_detector_tells_loops_from_noise_and_from_wrong_tempos(
    name: str, sounds: Callable[[], Iterator[Sound]], right_range: tuple[float, float]
) -> None:
    right, wrong = rates(sounds(), 32_000)
    report(name, right, wrong)
    assert right_range[0] <= right <= right_range[1]
    assert wrong <= 0.05


def test_takes_keep_the_tempo_their_prompt_names(model: MusicGen) -> None:
    right, wrong = rates(takes(model), model.sampling_rate)
    report("takes", right, wrong)
    assert right >= 0.9
    assert wrong <= 0.1
