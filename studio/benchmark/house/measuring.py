"""One measurement of the embedded model's sound, from the bundle to the report.

Owns the order of the parts, their sizes, and the codec's and the spectra's figures. Takes are
made by the ordinary face, as everybody gets them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from studio.benchmark.house.codec_fidelity import measure_codec
from studio.benchmark.house.figures import Figure, HouseReport, VoiceFigure
from studio.benchmark.house.movement import movement_figure
from studio.benchmark.house.pictures import draw_rows
from studio.benchmark.house.prompts import (
    NEAR_PROMPT,
    VOICES,
    key_prompts,
    tempo_prompts,
    voice_prompts,
)
from studio.benchmark.house.sounds import (
    Sound,
    asked_takes,
    captioned_takes,
    fresh_loops,
    played,
    random_codes,
    rebuilt,
    takes_of_one_prompt,
)
from studio.benchmark.house.takes_measures import (
    diversity_figures,
    key_figure,
    tempo_figures,
    training_bars,
    voice_figures,
)
from studio.benchmark.house.voice_classifier import VoiceClassifier, train_classifier
from studio.core.errors import ModelError
from studio.generation.loading import load_model
from studio.generation.musicgen import MusicGen
from studio.models.backend import MusicBackend
from studio.models.prompting import PromptTemplate
from studio.training.evaluation import descriptors, frechet_distance
from studio.training.house import HouseRecipe
from studio.training.loopsynth import SynthLoop, render_loop, true_words

Tell = Callable[[str], None]
_CLASSIFIER_SEED: Final = 50_000_000
_EXAMINED_SHARE: Final = 4
_CODEC_SECONDS: Final = 3.0
_ROWS: Final = 4


@dataclass(frozen=True, kw_only=True)
class HousePlan:
    """How much is measured.

    Attributes:
        loops: Fresh loops, and captioned takes.
        tempo_prompts: Prompts with a tempo.
        key_prompts: Prompts with a key.
        voice_prompts: Prompts for each voice.
        classifier_loops: Loops that the classifier learns from.
        classifier_epochs: How often it hears each.
        near_takes: Takes of one prompt.
        near_loops: Training loops of its style, at most.
        codec_loops: Loops that the codec's figures are of.
    """

    loops: int = 192
    tempo_prompts: int = 26
    key_prompts: int = 96
    voice_prompts: int = 6
    classifier_loops: int = 3_000
    classifier_epochs: int = 16
    near_takes: int = 200
    near_loops: int = 1_000
    codec_loops: int = 64

    @classmethod
    def quick(cls) -> HousePlan:
        """Enough to see that everything works, for a first look and for tests."""
        return cls(
            loops=6,
            tempo_prompts=2,
            key_prompts=2,
            voice_prompts=1,
            classifier_loops=96,
            classifier_epochs=1,
            near_takes=4,
            near_loops=6,
            codec_loops=4,
        )


def measure_house(
    folder: Path,
    plan: HousePlan,
    tell: Tell,
    *,
    training: Path | None = None,
    pictures: Path | None = None,
    earlier: Path | None = None,
) -> HouseReport:
    """Measure a bundle that carries a text template.

    Args:
        folder: The bundle.
        plan: How much.
        tell: Given one line about what is being done.
        training: Folder of the loops it was trained on, None to draw them again.
        pictures: Folder for spectrograms, None for none.
        earlier: An earlier edition, whose codec is measured beside this one's.

    Raises:
        ModelError: The bundle cannot be opened or has no text template.
        StorageError: A picture cannot be written.
    """
    begun = time.monotonic()
    loaded = load_model(str(folder))
    backend, template = loaded.backend, loaded.template
    if template is None:
        raise ModelError(
            f"{folder.name} has no prompting.json, so what it was taught is not known; "
            "measure the embedded model or one trained as it was."
        )
    model = MusicGen.from_pretrained(folder)
    rate = backend.info.sample_rate
    tell("fresh loops, and the codec's reconstruction of them")
    loops = fresh_loops(plan.loops)
    frames = template.context_frames * round(rate / backend.info.frame_rate)
    real = played(loops, frames)
    copies = rebuilt(backend, real)
    others = {}
    if earlier is not None:
        others["the earlier edition"] = rebuilt(load_model(str(earlier)).backend, real)
    figures = codec_figures(real, copies, rate, plan.codec_loops, others)
    tell("takes for the captions of unseen loops")
    labels = [one.labels for one in loops]
    takes = captioned_takes(backend, template, labels, template.context_frames)
    figures.append(_spectral_figure(real, copies, takes, backend, plan))
    tonal = np.array([one.tonal for one in labels])
    if tonal.any():
        figures.append(movement_figure(takes[tonal], copies[tonal], real[tonal], rate))
    tell("takes at tempos from 60 to 200 bpm")
    asked = tempo_prompts(plan.tempo_prompts)
    figures += tempo_figures(asked, asked_takes(model, asked), loops, rate)
    tell("takes in twelve keys")
    asked = key_prompts(plan.key_prompts)
    figures.append(key_figure(asked, asked_takes(model, asked), loops, copies, rate))
    voices, voice_figure = _measure_voices(backend, model, template, plan, tell)
    figures.append(voice_figure)
    tell(f"{plan.near_takes} takes of one prompt")
    many = takes_of_one_prompt(model, NEAR_PROMPT, plan.near_takes)
    bars = training_bars(training, range(HouseRecipe().loops), plan.near_loops, tell)
    figures += diversity_figures(many, bars, backend)
    drawn = () if pictures is None else _draw(pictures, real, copies, takes, rate)
    return HouseReport(
        model=folder.name,
        megabytes=round(sum(f.stat().st_size for f in folder.iterdir()) / 1e6, 1),
        figures=tuple(figures),
        voices=tuple(voices),
        pictures=drawn,
        minutes=round((time.monotonic() - begun) / 60, 1),
    )


def codec_figures(
    real: NDArray[np.float32],
    copies: NDArray[np.float32],
    rate: int,
    count: int,
    others: Mapping[str, NDArray[np.float32]],
) -> list[Figure]:
    """What the codec keeps of fresh loops, beside what other distortions score."""
    frames = round(_CODEC_SECONDS * rate)
    originals = real[:count, :frames]
    ours = measure_codec(originals, copies[:count, :frames], rate)
    beside = {
        **{name: sounds[:count, :frames] for name, sounds in others.items()},
        "another loop": np.roll(originals, 1, axis=0),
        "silence": 1e-4 * originals[:, ::-1].copy(),
    }
    known = {name: measure_codec(originals, sounds, rate) for name, sounds in beside.items()}
    audible = {name: found for name, found in known.items() if name != "silence"}
    return [
        Figure(
            name="codec, log-mel distance over five resolutions",
            value=ours.log_mel,
            beside={name: found.log_mel for name, found in known.items()},
        ),
        Figure(
            name="codec, SI-SDR in dB",
            value=ours.si_sdr_db,
            beside={name: found.si_sdr_db for name, found in audible.items()},
        ),
        Figure(
            name="codec, onset F-measure within 20 ms",
            value=ours.onset_f,
            wanted=">= 0.95",
            reached=ours.onset_f >= 0.95,
            beside={
                **{name: found.onset_f for name, found in audible.items()},
                "60 ms late": ours.onset_f_shifted,
            },
        ),
    ]


def _spectral_figure(
    real: NDArray[np.float32],
    copies: NDArray[np.float32],
    takes: NDArray[np.float32],
    backend: MusicBackend,
    plan: HousePlan,
) -> Figure:
    rate = backend.info.sample_rate
    frames = real.shape[1]
    wanted = descriptors(played(fresh_loops(plan.loops, offset=plan.loops), frames), rate)
    code_frames = frames // round(rate / backend.info.frame_rate)
    scrambled = random_codes(backend, len(real), code_frames)
    near = {
        name: round(frechet_distance(descriptors(sounds, rate), wanted), 3)
        for name, sounds in (
            ("takes", takes),
            ("the codec's reconstruction of fresh loops", copies),
            ("other fresh loops", real),
            ("random codes", scrambled),
        )
    }
    value = near.pop("takes")
    limits = (
        2 * near["the codec's reconstruction of fresh loops"],
        0.1 * near["random codes"],
    )
    return Figure(
        name="Frechet distance of log-mel statistics to fresh loops",
        value=value,
        wanted=f"<= {limits[0]:.3g}, twice the reconstruction's, and <= {limits[1]:.3g}, a tenth"
        " of random codes'",
        reached=value <= min(limits),
        beside=near,
    )


def _measure_voices(
    backend: MusicBackend, model: MusicGen, template: PromptTemplate, plan: HousePlan, tell: Tell
) -> tuple[list[VoiceFigure], Figure]:
    tell(f"{plan.classifier_loops} loops for the classifier of voices")
    classifier = _trained(backend, plan, tell)
    asked = voice_prompts(template, plan.voice_prompts)
    tell(f"{len(asked)} takes asked for a voice")
    return voice_figures(asked, asked_takes(model, asked), classifier)


def _trained(backend: MusicBackend, plan: HousePlan, tell: Tell) -> VoiceClassifier:
    """Ears that learn on loops and on their reconstructions, and are examined on both."""
    rate = backend.info.sample_rate
    train = _voiced_loops(range(_CLASSIFIER_SEED, _CLASSIFIER_SEED + plan.classifier_loops))
    examined = fresh_loops(plan.classifier_loops // _EXAMINED_SHARE, offset=1_000_000)
    frames = round(2.56 * rate)
    sounds = [*played(train, frames), *rebuilt(backend, played(train, frames))]
    tell("training the classifier")
    truth = np.concatenate([_truth(train)] * 2)
    classifier = train_classifier(sounds, truth, VOICES, rate, epochs=plan.classifier_epochs)
    heard: list[Sound] = list(rebuilt(backend, played(examined, frames)))
    classifier.examine(heard, _truth(examined))
    return classifier


def _voiced_loops(seeds: range) -> list[SynthLoop]:
    return [render_loop(seed) for seed in seeds]


def _truth(loops: list[SynthLoop]) -> NDArray[np.bool_]:
    return np.array([[voice in true_words(one.labels) for voice in VOICES] for one in loops])


def _draw(
    folder: Path,
    real: NDArray[np.float32],
    copies: NDArray[np.float32],
    takes: NDArray[np.float32],
    rate: int,
) -> tuple[str, ...]:
    """Loop, reconstruction and the take for the loop's caption, side by side."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for sheet in range(2):
        rows = [
            (real[place], copies[place], takes[place])
            for place in range(sheet * _ROWS, min((sheet + 1) * _ROWS, len(real)))
        ]
        if rows:
            file = folder / f"loops-{sheet + 1}.png"
            draw_rows(file, rows, rate)
            files.append(str(file))
    return tuple(files)
