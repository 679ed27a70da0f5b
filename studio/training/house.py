"""The one recorded command that makes the embedded model.

Owns the order of the stages and the folder they leave their results in: loops, codec, judged
codec, codes, language model, sharper decoder, bundle, measures. A stage whose result is there is
not run again, so a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from studio.core.errors import TrainingError
from studio.models.prompting import PromptTemplate
from studio.models.selection import load_backend
from studio.models.torch_backend.codec import EncodecModel
from studio.training.adversarial import AdversarialRecipe, train_judged
from studio.training.bank import LoopBank, open_bank, render_bank
from studio.training.captions import CaptionBook, Corpus, build_tokenizer
from studio.training.codec import HOUSE_CODEC, ReconstructionRecipe, train_reconstruction
from studio.training.evaluation import measure_model
from studio.training.growth import add_codebooks, grow_from
from studio.training.journal import Journal
from studio.training.language_model import (
    LanguageModelRecipe,
    build_language_model,
    train_language_model,
)
from studio.training.loopsynth import ALIASES, GENRES, GRIDS, MAX_PERIOD_FRAMES, vocabulary
from studio.training.loopsynth.styles import STYLES
from studio.training.publish import publish_bundle
from studio.training.tokens import encode_bank, load_codes, save_codes
from studio.training.workshop.codec_source import load_codec

STAGES = (
    "loops",
    "codec",
    "judged",
    "codes",
    "language-model",
    "adversarial",
    "bundle",
    "measures",
)
CONTEXT_FRAMES = MAX_PERIOD_FRAMES + 16
"""Two bars of every grid, and what the delay pattern needs."""

_KEY_INTERVAL = 4
"""The key is said on every beat, or it drowns among the ruler's tokens."""

_VALIDATION_SEED = 10_000_000
_SAMPLING = {
    "do_sample": True,
    "guidance_scale": 3.0,
    "temperature": 1.0,
    "top_k": 150,
    "max_length": CONTEXT_FRAMES,
}


@dataclass(frozen=True, kw_only=True)
class HouseRecipe:
    """Everything that decides how the embedded model is made.

    Attributes:
        loops: Loops, single hits and risers to train on.
        held_out_loops: Those to measure on.
        codec: How the codec learns to reconstruct.
        settled: How the decoder alone learns to use codebooks that are new.
        judged: How the codec goes on against discriminators, encoder and new codebooks included.
        adversarial: How its decoder is sharpened at last.
        language_model: Sizes and schedule of the language model.
        start: An earlier bundle that codec and language model begin as; None begins anew.
    """

    loops: int = 16_000
    held_out_loops: int = 320
    codec: ReconstructionRecipe = field(default_factory=ReconstructionRecipe)
    settled: AdversarialRecipe = field(default_factory=lambda: AdversarialRecipe(minutes=0.0))
    judged: AdversarialRecipe = field(
        default_factory=lambda: AdversarialRecipe(minutes=15.0, whole=True)
    )
    adversarial: AdversarialRecipe = field(default_factory=lambda: AdversarialRecipe(minutes=8.0))
    language_model: LanguageModelRecipe = field(
        default_factory=lambda: LanguageModelRecipe(minutes=50.0, batch=6, layers=8)
    )
    start: Path | None = None


def house_template() -> PromptTemplate:
    """The text template of the embedded model."""
    return PromptTemplate(
        words=tuple(vocabulary()),
        genres=tuple(GENRES),
        aliases=dict(ALIASES),
        grids=tuple(GRIDS),
        context_frames=CONTEXT_FRAMES,
        frame_rate=HOUSE_CODEC.frame_rate,
        tempos={genre: style.tempo_bpm for genre, style in STYLES.items()},
        key_interval=_KEY_INTERVAL,
    )


class HouseTraining:
    """The stages, each reading what earlier ones left in the work folder."""

    def __init__(self, recipe: HouseRecipe, work: Path, out: Path, journal: Journal) -> None:
        self._recipe = recipe
        self._work = work
        self._out = out
        self._journal = journal
        self._template = house_template()

    def run(self, until: str) -> None:
        """Run every stage up to and including `until`."""
        stages: dict[str, Callable[[], None]] = {
            "loops": self._render_loops,
            "codec": self._train_codec,
            "judged": self._judge_codec,
            "codes": self._encode_loops,
            "language-model": self._train_language_model,
            "adversarial": self._sharpen,
            "bundle": self._publish,
            "measures": self._measure,
        }
        for name in STAGES:
            done = self._work / f"{name}.done"
            if not done.exists():
                self._journal.write(f"begin {name}")
                stages[name]()
                done.touch()
            if name == until:
                return

    def _render_loops(self) -> None:
        workers = os.cpu_count() or 1
        counts = {"train": self._recipe.loops, "validation": self._recipe.held_out_loops}
        train = range(counts["train"])
        held_out = range(_VALIDATION_SEED, _VALIDATION_SEED + counts["validation"])
        render_bank(self._work / "train", train, split="train", workers=workers)
        render_bank(self._work / "held-out", held_out, split="validation", workers=workers)

    def _banks(self) -> tuple[LoopBank, LoopBank]:
        return open_bank(self._work / "train"), open_bank(self._work / "held-out")

    def _train_codec(self) -> None:
        file = self._work / "codec.pt"
        start = self._codec(file.name) if file.exists() else None
        if start is None and self._recipe.start is not None:
            start = add_codebooks(
                load_codec(self._recipe.start), HOUSE_CODEC, open_bank(self._work / "train")
            )
        if start is not None and self._recipe.codec.minutes == 0:
            model = start
        else:
            model = train_reconstruction(*self._banks(), self._recipe.codec, self._journal, start)
        torch.save(model.state_dict(), file)

    def _codec(self, file: str) -> EncodecModel:
        model = EncodecModel(HOUSE_CODEC)
        model.load_state_dict(torch.load(self._work / file, weights_only=True))
        return model.eval()

    def _judge_codec(self) -> None:
        model = self._codec("codec.pt")
        start = self._recipe.start
        kept = 0 if start is None else load_codec(start).config.codebooks
        for recipe in (self._recipe.settled, replace(self._recipe.judged, kept_codebooks=kept)):
            if recipe.minutes:
                model = train_judged(model, *self._banks(), recipe, self._journal)
        torch.save(model.state_dict(), self._work / "codec-judged.pt")

    def _encode_loops(self) -> None:
        codec = self._codec("codec-judged.pt")
        for name, bank in zip(("train", "held-out"), self._banks(), strict=True):
            save_codes(self._work / f"{name}-codes.npz", encode_bank(codec, bank, self._journal))

    def _sharpen(self) -> None:
        file = self._work / "codec-sharp.pt"
        start = self._codec(file.name if file.exists() else "codec-judged.pt")
        model = train_judged(start, *self._banks(), self._recipe.adversarial, self._journal)
        torch.save(model.state_dict(), file)

    def _corpus(self, name: str, bank: LoopBank) -> Corpus:
        return Corpus(
            coded=load_codes(self._work / f"{name}-codes.npz"),
            labels=bank.labels,
            captions=CaptionBook(bank.labels, self._template),
        )

    def _train_language_model(self) -> None:
        train, held_out = self._banks()
        recipe = self._recipe.language_model
        model = build_language_model(
            recipe,
            self._template,
            codebooks=HOUSE_CODEC.codebooks,
            codes=HOUSE_CODEC.codebook_size,
        )
        parameters = sum(p.numel() for p in model.parameters())
        shared = None
        if self._recipe.start is not None:
            shared = grow_from(model, self._template, self._recipe.start)
        self._journal.write("language model built", parameters=parameters, tokens_shared=shared)
        train_language_model(
            model,
            self._corpus("train", train),
            self._corpus("held-out", held_out),
            recipe,
            CONTEXT_FRAMES,
            self._journal,
        )
        torch.save(model.state_dict(), self._work / "language-model.pt")

    def _publish(self) -> None:
        recipe = self._recipe.language_model
        model = build_language_model(
            recipe,
            self._template,
            codebooks=HOUSE_CODEC.codebooks,
            codes=HOUSE_CODEC.codebook_size,
        )
        model.load_state_dict(torch.load(self._work / "language-model.pt", weights_only=True))
        publish_bundle(
            self._out,
            codec=self._codec("codec-sharp.pt"),
            model=model.eval(),
            tokenizer=build_tokenizer(self._template),
            template=self._template,
            generation=_SAMPLING,
        )
        size = sum(file.stat().st_size for file in self._out.iterdir())
        self._journal.write("bundle", megabytes=round(size / 1e6, 1))

    def _measure(self) -> None:
        backend = load_backend(self._out)
        figures = measure_model(backend, self._template)
        for kind, measures in figures.items():
            self._journal.write("measured", kind=kind, **measures)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `studio train-house`."""
    recipe = HouseRecipe()
    parser.add_argument("--out", type=Path, required=True, help="folder of the finished bundle")
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for loops, checkpoints and the log"
    )
    parser.add_argument(
        "--start", type=Path, metavar="BUNDLE", help="earlier bundle to begin as; anew without"
    )
    parser.add_argument("--loops", type=int, default=recipe.loops, help="training loops")
    for option, minutes, what in (
        ("--codec-minutes", recipe.codec.minutes, "reconstruction training of the codec"),
        ("--settled-minutes", recipe.settled.minutes, "training of its decoder against judges"),
        ("--judged-minutes", recipe.judged.minutes, "training of all of it against judges, then"),
        ("--adversarial-minutes", recipe.adversarial.minutes, "sharpening of its decoder"),
        ("--decoder-minutes", recipe.language_model.minutes, "training of the language model"),
    ):
        parser.add_argument(option, type=float, default=minutes, help=f"minutes of {what}")
    parser.add_argument(
        "--until", choices=STAGES, default=STAGES[-1], help="last stage to run; a re-run goes on"
    )


def run_from_command_line(options: Any) -> int:
    """Run `studio train-house` with parsed options."""
    minutes = (options.decoder_minutes, options.adversarial_minutes)
    none_allowed = (options.codec_minutes, options.settled_minutes, options.judged_minutes)
    if min(options.loops, *minutes) <= 0 or min(none_allowed) < 0:
        raise TrainingError("Loops and minutes must be positive.")
    if not options.codec_minutes and options.start is None:
        raise TrainingError(
            "A codec that begins anew must be trained: give --codec-minutes, or --start a bundle."
        )
    usual = HouseRecipe()
    recipe = HouseRecipe(
        loops=options.loops,
        codec=replace(usual.codec, minutes=options.codec_minutes),
        settled=replace(usual.settled, minutes=options.settled_minutes),
        judged=replace(usual.judged, minutes=options.judged_minutes),
        adversarial=replace(usual.adversarial, minutes=options.adversarial_minutes),
        language_model=replace(usual.language_model, minutes=options.decoder_minutes),
        start=options.start,
    )
    options.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(os.cpu_count() or 1)
    torch.set_flush_denormal(True)
    journal = Journal(options.work / "log.jsonl", sys.stderr)
    HouseTraining(recipe, options.work, options.out, journal).run(options.until)
    return 0
