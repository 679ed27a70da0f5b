"""One training run, from a folder to a bundle.

Owns the order of its stages, the work folder, and the rule that the same command goes on where a
run ended. Every face drives it the same way: `plan`, then `run` with a listener.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from studio.core.errors import StorageError, TrainingError
from studio.core.file_lock import held
from studio.core.storage import shown_path
from studio.models.codec_config import EncodecConfig
from studio.models.torch_backend.codec import EncodecModel
from studio.training.workshop.checkpoint import load_best, load_checkpoint
from studio.training.workshop.codec_source import fingerprint, load_codec
from studio.training.workshop.company import Company, joined
from studio.training.workshop.dataset import gather, mostly_described, split, unigram_nats
from studio.training.workshop.estimate import estimated
from studio.training.workshop.events import (
    BaselineMeasured,
    Event,
    Finished,
    Listener,
    Notice,
    Planned,
    Progress,
    Resumed,
    Stage,
)
from studio.training.workshop.network import Network, build_network
from studio.training.workshop.pace import Pace, choose_threads
from studio.training.workshop.plan import TrainingPlan
from studio.training.workshop.previews import Previewer
from studio.training.workshop.publication import publish
from studio.training.workshop.run_record import (
    PREVIEWS,
    forget,
    identity,
    known_decisions,
    record,
)
from studio.training.workshop.scan import Sound, Survey, survey
from studio.training.workshop.segments import Layout
from studio.training.workshop.settings import TrainingSettings
from studio.training.workshop.sizes import SIZES
from studio.training.workshop.token_cache import TokenCache, tokenise
from studio.training.workshop.trainer import Material, Trainer
from studio.training.workshop.tuning import tuned_codec
from studio.training.workshop.vocabulary import build_vocabulary
from studio.training.workshop.words import Caption, caption_of

Ask = Callable[[], bool]
_SCAN, _TOKENS, _LOCK = "scan.json", "tokens", ".lock"


def _never() -> bool:
    return False


def _unheard(event: Event) -> None:
    del event


class WorkshopSession:
    """A training run that can be planned, run, stopped and gone on with."""

    def __init__(
        self, settings: TrainingSettings, *, fresh: bool = False, wait_seconds: float = 0.0
    ) -> None:
        """Prepare; nothing is read yet.

        Args:
            settings: What to do.
            fresh: Forget a run in the same work folder; codes of sounds are kept.
            wait_seconds: How long another run in the same work folder may take to end.
        """
        self._settings = settings
        self._fresh = fresh
        self._wait_seconds = wait_seconds
        self._plan: TrainingPlan | None = None

    def plan(self, tell: Listener = _unheard, *, cancelled: Ask = _never) -> TrainingPlan:
        """Hear the folder and measure this machine; `run` does it by itself where this was not.

        Processes that train together call `run` alone.

        Args:
            tell: Told how far the scan is.
            cancelled: Asked now and then.

        Raises:
            TrainingError: There is nothing to learn from, the model does not fit into memory, or
                the work folder belongs to another run.
            ModelError: The codec is not usable.
            StorageError: The work folder cannot be written.
            CancelledError: `cancelled` said so.
        """
        with joined(self._settings.device) as company, self._locked(company):
            return self._planned(company, tell, cancelled)

    def run(
        self, tell: Listener = _unheard, *, cancelled: Ask = _never, paused: Ask = _never
    ) -> Finished:
        """Train, or go on training, and write the bundle.

        Args:
            tell: Told of everything that happens, in this thread.
            cancelled: Asked at each step; the state is saved first.
            paused: Asked at each step; the run waits while it is true.

        Raises:
            TrainingError: As `plan`.
            ModelError: As `plan`.
            StorageError: Something cannot be written; the last checkpoint is kept.
            CancelledError: `cancelled` said so; the same settings go on from there.
        """
        with joined(self._settings.device) as company, self._locked(company):
            if not company.leads:
                tell = _unheard
            plan = self._planned(company, tell, cancelled)
            tell(Planned(plan=plan))
            codec, layout, cache = self._tokens(plan, company, tell, cancelled)
            material = self._material(plan, codec, cache, tell)
            trainer, network = self._trainer(plan, material, codec, layout, company, tell)
            reason = trainer.run(cancelled, paused)
            if not company.leads:
                return self._finished(plan, material, trainer, reason, 0.0)
            best = load_best(self._settings.work_folder) if len(material.held_out) else None
            if best is not None:
                network.load_state_dict(best)
            size = self._publish(network, codec, material, plan, trainer)
            finished = self._finished(plan, material, trainer, reason, size)
            tell(finished)
            return finished

    @contextlib.contextmanager
    def _locked(self, company: Company) -> Iterator[None]:
        """The work folder, for this run alone."""
        work = self._settings.work_folder
        if not company.leads:
            yield
            return
        _make(work)
        _make(self._settings.out.absolute().parent)
        with held(work / _LOCK, wait_seconds=self._wait_seconds) as got:
            if not got:
                raise TrainingError(
                    f"Another training works in {shown_path(work)}: wait for it, or choose "
                    "another folder with --work."
                )
            yield

    def _planned(self, company: Company, tell: Listener, cancelled: Ask) -> TrainingPlan:
        if self._plan is None:
            plan = None
            if company.leads:
                plan = self._make_plan(company, tell, cancelled)
            self._plan = company.told(plan)
        assert self._plan is not None  # the first process has made it
        torch.set_num_threads(self._plan.threads)
        return self._plan

    def _make_plan(self, company: Company, tell: Listener, cancelled: Ask) -> TrainingPlan:
        settings, work = self._settings, self._settings.work_folder
        if self._fresh:
            forget(work)
        choose_threads(settings)
        heard = survey(
            settings.folder,
            memory=work / _SCAN,
            leave_out=(settings.out, work),
            progress=_progress(tell, "scan"),
            cancelled=cancelled,
        )
        captions = self._captions(heard)
        tokenizer = self._tokenizer(captions)
        codec = load_codec(settings.codec).to(company.device)
        codec_fingerprint = fingerprint(codec)
        wanted = identity(self._recipe(), heard, captions, codec_fingerprint)
        known = known_decisions(work, wanted)
        if known is None:
            forget(work)
        plan = estimated(
            settings,
            heard,
            captions,
            codec,
            company,
            words=0 if tokenizer is None else tokenizer.get_vocab_size(),
            build=self._build,
            codec_fingerprint=codec_fingerprint,
            known=known,
            resumes_at=(load_checkpoint(work)[0] or {}).get("step", 0),
        )
        record(work, wanted, plan)
        return plan

    def _tokens(
        self, plan: TrainingPlan, company: Company, tell: Listener, cancelled: Ask
    ) -> tuple[EncodecModel, Layout, TokenCache]:
        """The codec, fitted if that was asked for, and the codes of all sounds under it."""
        settings, work = self._settings, self._settings.work_folder
        codec = load_codec(settings.codec)
        if settings.tune_codec_minutes:
            if company.leads:
                tell(Progress(stage="codec", done=0, total=1))
            else:
                company.told(None)
            codec = tuned_codec(
                codec,
                plan.survey,
                work,
                minutes=settings.tune_codec_minutes,
                seed=settings.seed,
                tell=tell,
            )
            if company.leads:
                company.told(None)
                tell(Progress(stage="codec", done=1, total=1))
        codec = codec.to(company.device)
        layout = Layout(
            sample_rate=codec.config.sampling_rate,
            hop=codec.config.hop,
            frames=plan.frames,
            short_sounds=settings.short_sounds,
            variants=plan.variants,
        )
        cache = TokenCache(
            work / _TOKENS, codec_fingerprint=self._key_of_codes(codec), layout=layout
        )
        if company.leads:
            if cache.holds_others():
                tell(Notice(text="The token cache is of another codec or layout: made anew."))
            lost = tokenise(
                plan.survey,
                codec,
                layout,
                cache,
                file_of=self._hearing(plan),
                progress=_progress(tell, "tokens"),
                cancelled=cancelled,
            )
            for skip in lost:
                tell(Notice(text=f"skipped {skip.path}: {skip.reason}"))
        company.told(None)
        return codec, layout, cache

    def _material(
        self, plan: TrainingPlan, codec: EncodecModel, cache: TokenCache, tell: Listener
    ) -> Material:
        settings = self._settings
        corpus = gather(plan.survey, plan.captions, cache)
        train, held_out = split(corpus, settings.held_out_share, settings.seed)
        baseline = unigram_nats(train, held_out, codec.config.codebook_size)
        tell(
            BaselineMeasured(
                nats=tuple(baseline.tolist()),
                mean=float(baseline.mean()),
                held_out_segments=len(held_out),
            )
        )
        if not len(held_out):
            tell(Notice(text="Nothing is held out: the run ends with its last step."))
        tokenizer = self._tokenizer(plan.captions)
        return Material(train=train, held_out=held_out, baseline=baseline, tokenizer=tokenizer)

    # --- what another kind of session does otherwise -------------------------------------------

    def _recipe(self) -> dict[str, Any]:
        """What decides the loss curve, as JSON values."""
        return self._settings.recipe()

    def _captions(self, heard: Survey) -> tuple[Caption, ...]:
        """What the sounds are called."""
        return tuple(
            caption_of(heard.folder, sound.path, sound.facts.tags) for sound in heard.sounds
        )

    def _tokenizer(self, captions: tuple[Caption, ...]) -> Tokenizer | None:
        """What reads captions; None for a network without words."""
        wanted = self._settings.conditioners
        if wanted == "none" or (wanted == "auto" and not mostly_described(captions)):
            return None
        return build_vocabulary(caption.full() for caption in captions)

    def _key_of_codes(self, codec: EncodecModel) -> str:
        """What codes of the same sound and layout depend on."""
        return fingerprint(codec)

    def _hearing(self, plan: TrainingPlan) -> Callable[[Sound], Path] | None:
        """What gives the file to hear for a sound; None for the sound's own."""
        return None

    def _build(self, codec: EncodecConfig, frames: int, words: int) -> Network:
        """The network in its first state.

        Args:
            codec: What it speaks.
            frames: Of a segment.
            words: Tokens of its tokenizer; 0 without words.
        """
        settings = self._settings
        return build_network(
            SIZES[settings.size],
            codebooks=codec.codebooks,
            vocabulary=codec.codebook_size,
            frames=frames,
            text_tokens=words,
            seed=settings.seed,
            recompute=settings.checkpointing,
        )

    def _publish(
        self,
        network: Network,
        codec: EncodecModel,
        material: Material,
        plan: TrainingPlan,
        trainer: Trainer,
    ) -> float:
        """Write what was trained; its size in megabytes."""
        return publish(network, codec, material, self._settings, plan, trainer)

    # --- the rest ------------------------------------------------------------------------------

    def _trainer(
        self,
        plan: TrainingPlan,
        material: Material,
        codec: EncodecModel,
        layout: Layout,
        company: Company,
        tell: Listener,
    ) -> tuple[Trainer, Network]:
        settings, work = self._settings, self._settings.work_folder
        network = self._build(codec.config, plan.frames, plan.words).to(company.device)
        previewer = None
        if company.leads and settings.preview_every:
            previewer = Previewer(
                work / PREVIEWS,
                network,
                codec,
                layout,
                material.train,
                material.tokenizer,
                seed=settings.seed,
            )
        trainer = Trainer(
            network,
            material,
            settings,
            total_steps=plan.total_steps,
            pace=Pace(
                seconds_a_step=plan.seconds_a_step,
                bfloat16=plan.bfloat16,
                rows=plan.rows,
                threads=plan.threads,
            ),
            company=company,
            previewer=previewer,
            tell=tell,
        )
        state, fault = load_checkpoint(work)
        if fault:
            tell(Notice(text=f"{fault}; the checkpoint before it is taken."))
        if state is not None:
            trainer.restore(state)
            tell(Resumed(step=trainer.step))
        return trainer, network

    def _finished(
        self, plan: TrainingPlan, material: Material, trainer: Trainer, reason: Any, size: float
    ) -> Finished:
        measured = len(material.held_out) > 0
        return Finished(
            bundle=self._settings.out,
            reason=reason,
            steps=trainer.step,
            best_step=trainer.best_step if measured else trainer.step,
            nats=trainer.best_nats if measured else None,
            baseline=float(material.baseline.mean()) if measured else None,
            megabytes=size,
        )


def _progress(tell: Listener, stage: Stage) -> Callable[[int, int], None]:
    def report(done: int, total: int) -> None:
        tell(Progress(stage=stage, done=done, total=total))

    return report


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"The folder {shown_path(folder)} cannot be made ({error.strerror or error}): choose "
            "another."
        ) from error
