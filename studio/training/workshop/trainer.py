"""The training loop: steps, measurements, previews, checkpoints.

Owns what happens in which order and when it ends. What a step reads is a function of the seed and
the step, so a run that goes on from a checkpoint takes the same course as one that never stopped.

Letters: B segments of a step, K codebooks, T codec frames.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn

from studio.core.errors import CancelledError
from studio.training.workshop.checkpoint import Curve, save_best, save_checkpoint
from studio.training.workshop.company import Company
from studio.training.workshop.dataset import Corpus, full_texts, rows_of_step, texts_of_step
from studio.training.workshop.events import (
    CheckpointSaved,
    HeldOutMeasured,
    Listener,
    Paused,
    StepDone,
)
from studio.training.workshop.network import Batch, Network, loss_sums, read_texts
from studio.training.workshop.pace import Pace
from studio.training.workshop.previews import Previewer
from studio.training.workshop.settings import TrainingSettings

EndReason = Literal["all steps done", "held-out loss rose"]
_MOST_HELD_OUT = 128
_WARM_UP_STEPS = 100
_FLOOR_RATE = 0.05
_DECAY = 0.05
_TEXT_RATE_SCALE = 0.3
_LATER_BOOKS = 0.8
_RECENT_STEPS = 50
_POLL_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True, eq=False)
class Material:
    """What a trainer is given.

    Attributes:
        train: What to learn from.
        held_out: What to measure on; may be empty.
        baseline: float64 [K], held-out nats of the frequencies of codes.
        tokenizer: None for a network without words.
    """

    train: Corpus
    held_out: Corpus
    baseline: NDArray[np.float64]
    tokenizer: Tokenizer | None


class Trainer:
    """One network on its way."""

    def __init__(
        self,
        network: Network,
        material: Material,
        settings: TrainingSettings,
        *,
        total_steps: int,
        pace: Pace,
        company: Company,
        previewer: Previewer | None,
        tell: Listener,
    ) -> None:
        """Prepare.

        Args:
            network: On the company's device.
            material: See there.
            settings: See there.
            total_steps: Of the run.
            pace: How a step is computed.
            company: The processes that share each step.
            previewer: Makes previews, in the first process.
            tell: Told of everything; silent in the other processes.
        """
        self._network = network
        self._material = material
        self._settings = settings
        self._total = total_steps
        self._pace = pace
        self._company = company
        self._previewer = previewer
        self._tell = tell
        self._optimiser = torch.optim.AdamW(
            _parameter_groups(network), lr=settings.peak_rate, betas=(0.9, 0.95), fused=True
        )
        books = material.train.codes.shape[1]
        weights = torch.arange(1, books + 1, dtype=torch.float32) ** -_LATER_BOOKS
        self._weights = (weights / weights.sum()).to(company.device)
        self.step = 0
        self.best_step = 0
        self.best_nats = math.inf
        self.finished: EndReason | None = None
        self._worse = 0
        self._recent = 0.0
        self._recent_steps = 0

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what a checkpoint holds."""
        self._network.load_state_dict(state["network"])
        self._optimiser.load_state_dict(state["optimiser"])
        self.step = state["step"]
        self.best_step, self.best_nats = state["best_step"], state["best_nats"]
        self._worse = state["worse"]
        self._recent, self._recent_steps = state["recent"], state["recent_steps"]
        self.finished = state["finished"]

    def run(self, cancelled: Callable[[], bool], paused: Callable[[], bool]) -> EndReason:
        """Train to the end.

        Args:
            cancelled: Asked at each step; the run then ends, its state saved.
            paused: Asked at each step; the run then waits, its state saved.

        Raises:
            CancelledError: `cancelled` said so.
            StorageError: A checkpoint, a preview or the log cannot be written.
        """
        curve = None
        if self._company.leads:
            curve = Curve(self._settings.work_folder, keep_until=self.step)
        saved_at = time.monotonic()
        times = deque([saved_at], maxlen=_RECENT_STEPS)
        while self.finished is None:
            stop, wait = self._do_step(curve, times, cancelled(), paused())
            last = self.step == self._total
            rose = False
            if self.step % self._settings.measure_every == 0 or last:
                rose = self._measure(curve)
            if last or rose:
                self.finished = "all steps done" if last else "held-out loss rose"
            every = self._settings.preview_every
            if self._previewer and every and (self.step % every == 0 or last):
                self._tell(self._previewer.make(self.step, turn=self.step // every))
            due = time.monotonic() - saved_at >= self._settings.checkpoint_seconds
            if due or stop or wait or self.finished:
                self._save()
                saved_at = time.monotonic()
            if not (last or rose) and (stop or wait):
                self._wait(stop, cancelled, paused)
                times.clear()
                times.append(time.monotonic())
        return self.finished

    def _do_step(
        self, curve: Curve | None, times: deque[float], stop: bool, wait: bool
    ) -> tuple[bool, bool]:
        """One step; whether any process wants to stop, and whether one wants to wait."""
        settings, company, train = self._settings, self._company, self._material.train
        rate = self._rate()
        for group in self._optimiser.param_groups:
            group["lr"] = group["rate_scale"] * rate
        rows = rows_of_step(len(train), settings.batch, self.step, settings.seed)
        learnt = max(1, int(train.frames[rows].sum()))
        batch = self._batch_of_step(rows)
        sums = torch.zeros(train.codes.shape[1], device=company.device)
        for part in batch.parts(self._pace.rows):
            part_sums = loss_sums(self._network, part, bfloat16=self._pace.bfloat16)
            ((part_sums * self._weights).sum() / learnt).backward()
            sums += part_sums.detach()
        parameters = [p for p in self._network.parameters() if p.requires_grad]
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        flags = torch.tensor([float(stop), float(wait)], device=company.device)
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        company.add_up([*gradients, sums, flags])
        nn.utils.clip_grad_norm_(parameters, 1.0)
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        self.step += 1
        by_codebook = tuple(round(x, 5) for x in (sums / learnt).tolist())
        nats = sum(by_codebook) / len(by_codebook)
        self._recent += nats
        self._recent_steps += 1
        times.append(time.monotonic())
        speed = (len(times) - 1) / max(1e-9, times[-1] - times[0])
        if curve is not None:
            curve.add(step=self.step, nats=round(nats, 5), by_codebook=by_codebook)
        self._tell(
            StepDone(
                step=self.step,
                total_steps=self._total,
                nats=nats,
                by_codebook=by_codebook,
                learning_rate=rate,
                steps_per_second=speed,
                seconds_left=(self._total - self.step) / speed if len(times) > 3 else None,
            )
        )
        return bool(flags[0] > 0), bool(flags[1] > 0)

    def _rate(self) -> float:
        warm_up = max(1, min(_WARM_UP_STEPS, self._total // 10))
        rise = min(1.0, (self.step + 1) / warm_up)
        cosine = 0.5 * (1 + math.cos(math.pi * self.step / self._total))
        return self._settings.peak_rate * rise * (_FLOOR_RATE + (1 - _FLOOR_RATE) * cosine)

    def _batch_of_step(self, rows: NDArray[np.int64]) -> Batch:
        """This process's share of a step."""
        text = None
        if self._material.tokenizer is not None:
            settings = self._settings
            texts = texts_of_step(
                self._material.train,
                rows,
                step=self.step,
                seed=settings.seed,
                left_out=settings.text_left_out,
            )
            rng = np.random.default_rng((settings.seed, 4, self.step))
            text = read_texts(self._material.tokenizer, texts, rng)
        mine = slice(self._company.rank, None, self._company.size)
        batch = self._batch(self._material.train, rows[mine], text, mine)
        share = self._settings.codes_hidden
        if not share:
            return batch
        shape = (len(rows), *self._material.train.codes.shape[1:])
        chance = np.random.default_rng((self._settings.seed, 6, self.step)).random(shape)
        hidden = torch.from_numpy(chance[mine] < share).to(self._company.device)
        return replace(batch, hidden=hidden)

    def _batch(
        self,
        corpus: Corpus,
        rows: NDArray[np.int64],
        text: tuple[Tensor, Tensor] | None,
        mine: slice,
    ) -> Batch:
        device = self._company.device
        ids, mask = (None, None) if text is None else (part[mine].to(device) for part in text)
        return Batch(
            codes=torch.from_numpy(corpus.codes[rows].astype(np.int64)).to(device),
            frames=torch.from_numpy(corpus.frames[rows].astype(np.int64)).to(device),
            ids=ids,
            mask=mask,
        )

    @torch.inference_mode()
    def held_out_nats(self) -> NDArray[np.float64]:
        """Held-out loss of each codebook, [K], in float32 whatever training computes in."""
        corpus, company = self._material.held_out, self._company
        count = min(len(corpus), _MOST_HELD_OUT)
        every = np.linspace(0, len(corpus) - 1, count).round().astype(np.int64)
        text = None
        if self._material.tokenizer is not None:
            spoken = full_texts(corpus)
            text = read_texts(self._material.tokenizer, [spoken[row] for row in every])
        mine = slice(company.rank, None, company.size)
        batch = self._batch(corpus, every[mine], text, mine)
        self._network.eval()
        sums = torch.zeros(corpus.codes.shape[1], device=company.device)
        for part in batch.parts(self._pace.rows):
            sums += loss_sums(self._network, part, bfloat16=False)
        self._network.train()
        company.add_up([sums])
        nats: NDArray[np.float64] = sums.double().cpu().numpy() / max(
            1, int(corpus.frames[every].sum())
        )
        return nats

    def _measure(self, curve: Curve | None) -> bool:
        """Measure held-out loss and keep the best weights; whether it rose for too long."""
        training = self._recent / max(1, self._recent_steps)
        self._recent, self._recent_steps = 0.0, 0
        if not len(self._material.held_out):
            return False
        by_codebook = self.held_out_nats()
        nats = float(by_codebook.mean())
        if nats < self.best_nats:
            self.best_nats, self.best_step, self._worse = nats, self.step, 0
            if self._company.leads:
                save_best(self._settings.work_folder, self._network.state_dict())
        else:
            self._worse += 1
        figures = tuple(round(x, 5) for x in by_codebook.tolist())
        if curve is not None:
            curve.add(step=self.step, held_out_nats=round(nats, 5), held_out_by_codebook=figures)
        self._tell(
            HeldOutMeasured(
                step=self.step,
                nats=nats,
                by_codebook=figures,
                baseline=tuple(round(x, 5) for x in self._material.baseline.tolist()),
                training_nats=training,
                best_step=self.best_step,
                best_nats=self.best_nats,
            )
        )
        return 0 < self._settings.patience <= self._worse

    def _save(self) -> None:
        if not self._company.leads:
            return
        state = {
            "step": self.step,
            "network": self._network.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "best_step": self.best_step,
            "best_nats": self.best_nats,
            "worse": self._worse,
            "recent": self._recent,
            "recent_steps": self._recent_steps,
            "finished": self.finished,
        }
        save_checkpoint(self._settings.work_folder, state)
        self._tell(CheckpointSaved(step=self.step))

    def _wait(self, stop: bool, cancelled: Callable[[], bool], paused: Callable[[], bool]) -> None:
        """Stop here, or wait until nobody wants to wait any more."""
        told = self._company.told
        if not stop:
            self._tell(Paused(step=self.step, paused=True))
            while not (stop := told(cancelled())) and told(paused()):
                time.sleep(_POLL_SECONDS)
        if stop:
            raise CancelledError(
                f"Training stopped after step {self.step}; the same command goes on from there."
            )
        self._tell(Paused(step=self.step, paused=False))


def _parameter_groups(network: Network) -> list[dict[str, Any]]:
    """What trains: matrices of the decoder decay, tables do not; the text encoder learns slowly."""
    trained = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
    text = [p for name, p in trained if name.startswith("text_encoder.")]
    rest = [(name, p) for name, p in trained if not name.startswith("text_encoder.")]
    groups: list[dict[str, Any]] = [
        {
            "params": [p for name, p in rest if p.ndim > 1 and "embedding" not in name],
            "weight_decay": _DECAY,
            "rate_scale": 1.0,
        },
        {
            "params": [p for name, p in rest if p.ndim == 1 or "embedding" in name],
            "weight_decay": 0.0,
            "rate_scale": 1.0,
        },
        {"params": text, "weight_decay": 0.0, "rate_scale": _TEXT_RATE_SCALE},
    ]
    return [group for group in groups if group["params"]]
