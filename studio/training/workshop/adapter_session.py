"""A training run that ends in an adapter for a model instead of a model.

Owns what such a run does otherwise than `WorkshopSession`: the network is the base model's with
an adapter in it, its words are read by the base's own tokenizer, and what is written is a folder
in peft's form. The scan, the codes, the loop, its checkpoints and previews are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from studio.core.errors import TrainingError
from studio.core.version import __version__
from studio.models.bundle import Bundle
from studio.models.codec_config import EncodecConfig
from studio.models.model_card import ModelCard
from studio.models.prompting import PromptTemplate
from studio.models.shapes import Shapes
from studio.models.tokenizer import TextTokenizer
from studio.models.torch_backend.codec import EncodecModel
from studio.training.lora import (
    AdapterRecipe,
    adapter_factors,
    add_adapter,
    read_network,
    save_adapter,
    switched_off,
)
from studio.training.workshop.company import Company
from studio.training.workshop.dataset import Corpus
from studio.training.workshop.events import Event, Finished, Listener, Notice, PreviewMade
from studio.training.workshop.network import Network, RecomputedBlock, decoder_of
from studio.training.workshop.plan import TrainingPlan, spoken_duration
from studio.training.workshop.scan import Sound, Survey
from studio.training.workshop.session import WorkshopSession
from studio.training.workshop.settings import TrainingSettings
from studio.training.workshop.template_words import (
    TemplateCaption,
    hearing_on_grids,
    template_captions,
)
from studio.training.workshop.token_cache import TokenCache
from studio.training.workshop.trainer import Material, Trainer
from studio.training.workshop.words import Caption

_RATE, _RATE_WIDTH = 3e-3, 256
Ask = Callable[[], bool]


def usual_rate(width: int) -> float:
    """The highest learning rate for an adapter of a decoder of this width."""
    return min(_RATE, _RATE * _RATE_WIDTH / width)


def _unheard(event: Event) -> None:
    del event


def _never() -> bool:
    return False


class AdapterSession(WorkshopSession):
    """A run that trains an adapter, planned, stopped and gone on with like any other."""

    def __init__(
        self,
        settings: TrainingSettings,
        base: Bundle,
        recipe: AdapterRecipe,
        *,
        base_name: str,
        fresh: bool = False,
        wait_seconds: float = 0.0,
    ) -> None:
        """Prepare.

        Args:
            settings: What to do; the size and the codec are the base's.
            base: The model that is changed.
            recipe: What of it.
            base_name: How a person calls it; the adapter keeps that.
            fresh: Forget a run in the same work folder; codes of sounds are kept.
            wait_seconds: How long another run in the same work folder may take to end.

        Raises:
            TrainingError: The settings ask for what an adapter cannot do.
            ModelError: The base is not usable.
        """
        if settings.tune_codec_minutes:
            raise TrainingError("An adapter keeps its base's codec; leave --tune-codec out.")
        shapes = Shapes.of(base)
        self._base, self._base_name, self._adapter = base, base_name, recipe
        self._template = None
        if base.prompting is not None and settings.conditioners != "none":
            self._template = PromptTemplate.from_dict(base.prompting)
        self._reader: Tokenizer | None = None
        if shapes.text is not None and base.tokenizer_file is not None:
            # Checks the file, which nobody vouches for.
            TextTokenizer(base.tokenizer_file, vocabulary=shapes.text.vocabulary)
            if settings.conditioners != "none":
                self._reader = Tokenizer.from_file(str(base.tokenizer_file))
        longest = shapes.window_frames(base) / shapes.codec.frame_rate
        context, variants = min(settings.context_seconds, longest), settings.variants
        if self._template is not None:
            # The ruler stands at the sound's own beginning, and covers the whole context.
            context, variants = longest, 1
        super().__init__(
            replace(
                settings,
                codec=base.folder,
                learning_rate=settings.learning_rate or usual_rate(shapes.decoder.dim),
                context_seconds=context,
                variants=variants,
            ),
            fresh=fresh,
            wait_seconds=wait_seconds,
        )
        self._said: Listener = _unheard
        self._trained = 0

    def run(
        self, tell: Listener = _unheard, *, cancelled: Ask = _never, paused: Ask = _never
    ) -> Finished:
        """As `WorkshopSession.run`; what is written is an adapter."""
        self._said = lambda event: tell(_plainly(event))
        return super().run(self._said, cancelled=cancelled, paused=paused)

    def _recipe(self) -> dict[str, Any]:
        adapter = {**asdict(self._adapter), "targets": ", ".join(self._adapter.targets)}
        return {**super()._recipe(), "adapter": adapter, "base": self._base.fingerprint}

    def _captions(self, heard: Survey) -> tuple[Caption, ...]:
        plain = super()._captions(heard)
        return plain if self._template is None else template_captions(heard, plain, self._template)

    def _tokenizer(self, captions: tuple[Caption, ...]) -> Tokenizer | None:
        return self._reader

    def _key_of_codes(self, codec: EncodecModel) -> str:
        key = super()._key_of_codes(codec)
        return key if self._template is None else f"{key} on grids"

    def _hearing(self, plan: TrainingPlan) -> Callable[[Sound], Path] | None:
        if self._template is None:
            return None
        return hearing_on_grids(plan.survey, plan.captions, self._settings.work_folder)

    def _build(self, codec: EncodecConfig, frames: int, words: int) -> Network:
        network = read_network(self._base)
        if not words:
            network = decoder_of(network)
        if self._settings.checkpointing:
            for block in decoder_of(network).blocks:
                # The same block, computed again on the way back.
                block.__class__ = RecomputedBlock
        add_adapter(network, self._adapter, seed=self._settings.seed)
        self._trained = sum(factor.numel() for factor in adapter_factors(network).values())
        return network

    def _make_plan(self, company: Company, tell: Listener, cancelled: Ask) -> TrainingPlan:
        plan = super()._make_plan(company, tell, cancelled)
        return replace(
            plan,
            size=f"an adapter of rank {self._adapter.rank} for {self._base_name}",
            parameters=self._trained,
            megabytes=4 * self._trained / 1e6,
            whole=False,
        )

    def _material(
        self, plan: TrainingPlan, codec: EncodecModel, cache: TokenCache, tell: Listener
    ) -> Material:
        material = super()._material(plan, codec, cache, tell)
        if self._template is None:
            return material
        off = sum(not isinstance(caption, TemplateCaption) for caption in plan.captions)
        if off:
            grids = ", ".join(f"{self._template.grid_tempo_bpm(g):g}" for g in self._template.grids)
            tell(
                Notice(
                    text=f"{off} sounds keep no time, or are too far from the tempos of"
                    f" {self._base_name} ({grids} bpm), and are learnt without words"
                )
            )
        return replace(
            material,
            train=_from_their_beginnings(material.train),
            held_out=_from_their_beginnings(material.held_out),
        )

    def _publish(
        self,
        network: Network,
        codec: EncodecModel,
        material: Material,
        plan: TrainingPlan,
        trainer: Trainer,
    ) -> float:
        settings, measures = self._settings, {}
        if len(material.held_out):
            with_it = float(trainer.held_out_nats().mean())
            with switched_off(network):
                without = float(trainer.held_out_nats().mean())
            self._said(
                Notice(
                    text=f"held-out loss {with_it:.3f} nats a code with the adapter, {without:.3f}"
                    f" without, {material.baseline.mean():.3f} by the frequencies of codes alone"
                )
            )
            measures = {
                "held-out loss with the adapter, nats a code": round(with_it, 4),
                "held-out loss of the base": round(without, 4),
                "the same by the frequencies of codes alone": round(
                    float(material.baseline.mean()), 4
                ),
                "at step": trainer.best_step,
            }
        save_adapter(
            settings.out,
            network,
            self._adapter,
            base=self._base_name,
            base_fingerprint=self._base.fingerprint,
            card=self._card(plan, material, trainer, measures),
        )
        return sum(file.stat().st_size for file in settings.out.iterdir()) / 1e6

    def _card(
        self, plan: TrainingPlan, material: Material, trainer: Trainer, measures: dict[str, Any]
    ) -> ModelCard:
        heard = plan.survey
        return ModelCard(
            about=f"An adapter (LoRA) for the MusicGen {self._base_name}, trained on one folder of"
            " sounds.",
            data={
                "sounds": len(heard.sounds),
                "duration": spoken_duration(heard.seconds),
                "segments learnt": len(material.train),
                "segments held out": len(material.held_out),
                "rights": "not stated: add here what allows this adapter to be shared",
            },
            recipe={
                "program": f"Seedcrate {__version__}",
                "rank": self._adapter.rank,
                "alpha": self._adapter.alpha,
                "layers": ", ".join(self._adapter.targets),
                "base's fingerprint": self._base.fingerprint[:16],
                "steps": f"{trainer.step} of {plan.total_steps}, {plan.batch} segments each",
                "learning rate": self._settings.peak_rate,
                "seed": self._settings.seed,
            },
            measures=measures,
            base=self._base_name,
            library="peft",
        )


def _from_their_beginnings(corpus: Corpus) -> Corpus:
    """Of sounds with a ruler the first segments alone: only these begin with a bar."""
    kept, seen = [], set()
    for row, sound in enumerate(corpus.sounds.tolist()):
        ruled = isinstance(corpus.captions[sound], TemplateCaption)
        if not ruled or (sound not in seen and corpus.variants[row] == 0):
            kept.append(row)
        seen.add(sound)
    return corpus.part(np.array(kept, dtype=np.int64))


def _plainly(event: Event) -> Event:
    """A preview's text without the ruler, which no person types."""
    if isinstance(event, PreviewMade):
        return replace(event, text=TemplateCaption.spoken(event.text))
    return event
