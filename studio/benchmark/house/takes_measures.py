"""What takes keep of what they were asked: tempo, key, voices, difference from each other.

Owns one function for each figure, each beside what it is held against.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from studio.benchmark.house.figures import Figure, VoiceFigure
from studio.benchmark.house.nearness import Nearness, maps, nearest_to
from studio.benchmark.house.prompts import NEAR_GENRE, NEAR_GRID, Asked
from studio.benchmark.house.sounds import Sound, rebuilt
from studio.benchmark.house.voice_classifier import VoiceClassifier
from studio.editing.key import parse_key
from studio.editing.key_estimate import estimate_key
from studio.editing.tempo import tempo_error
from studio.models.backend import MusicBackend
from studio.training.bank import open_bank
from studio.training.loopsynth import (
    FRAME_SAMPLES,
    SAMPLE_RATE,
    SynthLoop,
    grid_tempo_bpm,
    loops_drawn_as,
)

_WRONG_TEMPO: Final = 1.13
_KEY_SECONDS: Final = 4.0
_TRUSTED: Final = 0.8
_STEPS_PER_BAR: Final = 16


def tempo_figures(
    asked: Sequence[Asked], takes: Sequence[Sound], loops: Sequence[SynthLoop], rate: int
) -> list[Figure]:
    """Share of takes on the tempo their prompt names, all and by length."""
    kept = np.array(
        [tempo_error(s, rate, a.tempo_bpm).on_grid for a, s in zip(asked, takes, strict=True)]
    )
    wrong = [
        tempo_error(s, rate, a.tempo_bpm * _WRONG_TEMPO).on_grid
        for a, s in zip(asked, takes, strict=True)
    ]
    fresh = [
        tempo_error(np.tile(one.samples, 2), SAMPLE_RATE, grid_tempo_bpm(one.labels.grid)).on_grid
        for one in loops
    ]
    rng = np.random.default_rng(0)
    noise = [
        tempo_error(
            0.1 * rng.standard_normal(4 * rate).astype(np.float32), rate, a.tempo_bpm
        ).on_grid
        for a in asked
    ]
    lengths = np.array([a.bars for a in asked])
    beside = {
        f"takes of {bars} bars": _share(kept[lengths == bars])
        for bars in np.unique(lengths).tolist()
    }
    beside |= {
        "takes, a tempo 13 % too fast": _share(wrong),
        "fresh loops": _share(fresh),
        "white noise": _share(noise),
    }
    value = _share(kept)
    return [
        Figure(
            name="tempo within 2 %, 60 to 200 bpm",
            value=value,
            wanted=">= 0.98",
            reached=value >= 0.98,
            beside=beside,
        )
    ]


def _share(found: Sequence[bool] | NDArray[np.bool_]) -> float:
    return round(float(np.mean(found)), 3)


def key_figure(
    asked: Sequence[Asked],
    takes: Sequence[Sound],
    loops: Sequence[SynthLoop],
    copies: NDArray[np.float32],
    rate: int,
) -> Figure:
    """Share of tonal takes in the key their prompt names.

    Args:
        asked: Prompts with keys.
        takes: Their takes.
        loops: Fresh loops; the tonal ones tell how good the detector is.
        copies: The codec's reconstruction of all of them.
        rate: Of takes and copies.
    """
    found = [estimate_key(_long_enough(sound, rate), rate).key for sound in takes]
    wanted = [parse_key(one.key or "") for one in asked]
    tonal = [place for place, one in enumerate(loops) if one.labels.tonal]
    truth = [parse_key(loops[place].labels.key or "") for place in tonal]
    clean = [
        estimate_key(_long_enough(loops[place].samples, SAMPLE_RATE), SAMPLE_RATE).key
        for place in tonal
    ]
    heard = [estimate_key(copies[place], rate).key for place in tonal]
    value = _share([a == b for a, b in zip(found, wanted, strict=True)])
    turned = of_another(wanted)
    return Figure(
        name="key right on tonal prompts",
        value=value,
        wanted=">= 0.7",
        reached=value >= 0.7,
        beside={
            "key note right, mode aside": _share(
                [a.rstrip("m") == (b or "").rstrip("m") for a, b in zip(found, wanted, strict=True)]
            ),
            "another prompt's key": _share([a == b for a, b in zip(found, turned, strict=True)]),
            "fresh tonal loops": _share([a == b for a, b in zip(clean, truth, strict=True)]),
            "their reconstruction": _share([a == b for a, b in zip(heard, truth, strict=True)]),
        },
    )


def of_another(wanted: Sequence[str | None]) -> list[str | None]:
    """For each prompt the key of another one, turned so that as few as possible are its own."""
    orders = [[*wanted[turn:], *wanted[:turn]] for turn in range(1, len(wanted))]
    if not orders:
        return list(wanted)
    return min(orders, key=lambda order: sum(a == b for a, b in zip(wanted, order, strict=True)))


def _long_enough(sound: Sound, rate: int) -> Sound:
    return np.resize(sound, max(len(sound), round(_KEY_SECONDS * rate)))


def voice_figures(
    asked: Sequence[Asked], takes: Sequence[Sound], classifier: VoiceClassifier
) -> tuple[list[VoiceFigure], Figure]:
    """For each asked voice how often it is heard, and the share over those that can be heard."""
    heard = classifier.heard(takes)
    wanted = np.array([one.voice for one in asked])
    voices = []
    for voice in dict.fromkeys(one.voice for one in asked):
        if voice is None:
            continue
        column = heard[:, classifier.voices.index(voice)]
        accuracy = classifier.accuracy.get(voice)
        balanced = None if accuracy is None else round(accuracy.balanced, 3)
        voices.append(
            VoiceFigure(
                voice=voice,
                asked=_share(column[wanted == voice]),
                unasked=_share(column[wanted != voice]),
                balanced_accuracy=balanced,
                trusted=balanced is not None and balanced >= _TRUSTED,
            )
        )
    counted = [one for one in voices if one.trusted]
    value = _average([one.asked for one in counted])
    known = [one.balanced_accuracy for one in voices if one.balanced_accuracy is not None]
    trusted = [one.balanced_accuracy for one in counted if one.balanced_accuracy is not None]
    truly = [classifier.accuracy[one.voice].heard for one in counted]
    figure = Figure(
        name="asked voice present",
        value=value,
        wanted=">= 0.8",
        reached=value >= 0.8,
        beside={
            "the same voices where they were not asked": _average([v.unasked for v in counted]),
            "the same voices in held-out loops that have them": _average(truly),
            "voices counted": float(len(counted)),
            "voices asked": float(len(voices)),
            "classifier's balanced accuracy, voices counted": _average(trusted),
            "classifier's balanced accuracy, all voices": _average(known),
            "all voices, counted or not": _average([one.asked for one in voices]),
        },
    )
    return voices, figure


def _average(values: Sequence[float]) -> float:
    return round(float(np.mean(values)), 3) if values else 0.0


def training_bars(
    bank: Path | None, seeds: range, count: int, tell: Callable[[str], None]
) -> NDArray[np.float32]:
    """First bars of the loops that were trained on in the measured style: [N, frames].

    Args:
        bank: Folder of the loops that the model was trained on, None to draw them again.
        seeds: Seeds of the training loops, where they are drawn again.
        count: The most bars that are wanted.
        tell: Given one line.
    """
    frames = _STEPS_PER_BAR * NEAR_GRID * FRAME_SAMPLES
    bars: list[NDArray[np.float32]] = []
    if bank is not None:
        tell(f"training loops from {bank}")
        opened = open_bank(bank)
        for place, labels in enumerate(opened.labels):
            if (labels.genre, labels.grid) == (NEAR_GENRE, NEAR_GRID) and len(bars) < count:
                bars.append(opened.loop(place)[:frames])
    else:
        for loop in loops_drawn_as(seeds, genre=NEAR_GENRE, grid=NEAR_GRID):
            if len(bars) >= count:
                break
            bars.append(loop.samples[:frames])
    return np.stack(bars)


def diversity_figures(
    takes: NDArray[np.float32], bars: NDArray[np.float32], backend: MusicBackend
) -> list[Figure]:
    """Whether takes of one prompt copy each other, or copy what was trained on.

    Distances are those of `nearness`; training loops are heard through the codec, as takes are.
    The limit is the least distance between two training loops, as many as there are takes.
    """
    rate = backend.info.sample_rate
    frames = min(takes.shape[1], bars.shape[1])
    trained = maps(rebuilt(backend, bars)[:, :frames], rate)
    made = maps(takes[:, :frames], rate)
    among_all = nearest_to(trained, trained, same=True)
    few = trained[: len(made)]
    among_few = Nearness.of(nearest_to(few, few, same=True))
    same_bar = nearest_to(maps(bars[:, :frames], rate), trained)
    among = Nearness.of(nearest_to(made, made, same=True))
    to_training = Nearness.of(nearest_to(made, trained))
    return [
        Figure(
            name="nearest two takes of one prompt",
            value=among.nearest,
            wanted=f">= {among_few.nearest:g}, the nearest two of as many training loops",
            reached=among.nearest >= among_few.nearest,
            beside={
                "takes": float(len(made)),
                "takes, one in a hundred": among.hundredth,
                "takes, median": among.median,
                "training loops, nearest two": among_few.nearest,
                "training loops, one in a hundred": among_few.hundredth,
                "training loops, median": among_few.median,
            },
        ),
        Figure(
            name="take nearest to a training loop",
            value=to_training.nearest,
            wanted=f">= {among_few.nearest:g}, the nearest two of as many training loops",
            reached=to_training.nearest >= among_few.nearest,
            beside={
                "training loops": float(len(trained)),
                "takes, median": to_training.median,
                "training loops to each other, median": round(float(np.median(among_all)), 4),
                "a training loop and its own reconstruction": round(float(np.median(same_bar)), 4),
            },
        ),
    ]
