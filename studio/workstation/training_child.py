"""The training's side of the training process.

Owns the child's main function and the messages on the pipe. torch is imported in here alone, and
only when the function runs. The child ends with its parent: it saves its state if it still can,
and what it had saved is enough otherwise.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import threading
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from studio.core.errors import StudioError, TrainingError
from studio.core.log import start_logging
from studio.models.shelf.shelf import ModelShelf
from studio.training.workshop.events import Event, Planned, Resumed
from studio.training.workshop.settings import TrainingSettings
from studio.workstation.training_request import TrainingRequest

if TYPE_CHECKING:
    from studio.training.workshop.session import WorkshopSession

_LOG = logging.getLogger(__name__)
_NICENESS = 10
_LAST_SECONDS = 20.0
# A child whose program was killed may still be saving when the next program goes on with its run.
_WAIT_SECONDS = _LAST_SECONDS + 10.0
_SIZE_SECONDS = 2.0
_CURVE_POINTS = 2_000
# What the command line's remedies are called in a window.
_REMEDIES = {
    "give its command again, choose another folder with --work, or start anew with --fresh": (
        "choose another name, or forget the stopped training"
    ),
    "choose another folder with --work": "choose another name",
    "choose another with --work": "free some space",
    "choose a smaller size, --checkpointing, or more --memory": "choose a smaller size",
    "the same command goes on from there": "Start goes on from there",
    "give the same command again": "press Start again",
}


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a child is started for.

    Attributes:
        work: "plan" hears the folder and measures, "run" does that and trains, "sizes" measures
            every size.
        request: What to train.
        out: Folder of the result.
        place: Folder of codes, checkpoints and previews.
        models_dir: Of the shelf.
        log_file: Where to log; None logs nothing.
    """

    work: Literal["plan", "run", "sizes"]
    request: TrainingRequest
    out: Path
    place: Path
    models_dir: Path
    log_file: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Word:
    """Parent to child: what a person wants."""

    say: Literal["pause", "go on", "stop"]


@dataclass(frozen=True, kw_only=True)
class CurveSoFar:
    """Child to parent: the losses before this part of the run, thinned out.

    Attributes:
        steps: Of `nats`.
        nats: Training loss.
        held_out_steps: Of `held_out_nats`.
        held_out_nats: Held-out loss.
    """

    steps: tuple[int, ...]
    nats: tuple[float, ...]
    held_out_steps: tuple[int, ...]
    held_out_nats: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class SizeMeasured:
    """Child to parent: how one size does on this machine.

    Attributes:
        name: Of the size.
        training_steps_per_second: With the usual batch.
        times_real_time: Seconds of sound made in a second.
    """

    name: str
    training_steps_per_second: float
    times_real_time: float


@dataclass(frozen=True, kw_only=True)
class Done:
    """Child to parent: all that was asked for is done."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Failed:
    """Child to parent: it ended without a result."""

    error: StudioError


TrainingEvent = Event | CurveSoFar | SizeMeasured
FromChild = TrainingEvent | Done | Failed


def run_training(inbox: Connection, outbox: Connection, order: Order) -> None:
    """Main function of the training process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is the parent's to answer
    if hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(_NICENESS)
    if order.log_file is not None:
        start_logging(order.log_file)
    _Child(inbox, outbox, order).do()


class _Child:
    def __init__(self, inbox: Connection, outbox: Connection, order: Order) -> None:
        self._inbox = inbox
        self._outbox = outbox
        self._order = order
        self._stopped = threading.Event()
        self._paused = threading.Event()

    def do(self) -> None:
        threading.Thread(target=self._listen, name="inbox", daemon=True).start()
        try:
            if self._order.work == "sizes":
                self._measure_sizes()
            else:
                self._train()
            self._send(Done())
        except StudioError as error:
            self._send(Failed(error=_in_window_words(error)))
        except Exception as error:  # noqa: BLE001 # a bug must reach a person
            _LOG.exception("The training failed on %s", self._order)
            line = f"{type(error).__name__}: {error}".splitlines()[0]
            self._send(
                Failed(
                    error=TrainingError(
                        f"The training failed ({line:.200}); its last checkpoint is kept, the log"
                        " says more."
                    )
                )
            )

    def _train(self) -> None:
        order = self._order
        session = _session(order, fresh=order.request.fresh)
        cancelled = self._stopped.is_set
        try:
            plan = session.plan(self._tell, cancelled=cancelled)
        except TrainingError:
            if order.request.fresh or _has_checkpoint(order.place):
                raise
            # An earlier scan under other choices is no run that anybody would go on with.
            session = _session(order, fresh=True)
            plan = session.plan(self._tell, cancelled=cancelled)
        if order.work == "plan":
            self._tell(Planned(plan=plan))
            return
        session.run(self._tell, cancelled=cancelled, paused=self._paused.is_set)

    def _tell(self, event: Event) -> None:
        if isinstance(event, Planned):
            # Captions may be of types that are at home here only.
            event = Planned(plan=replace(event.plan, captions=()))
        self._send(event)
        if isinstance(event, Resumed):
            self._send(_curve(self._order.place, event.step))

    def _measure_sizes(self) -> None:
        from studio.training.workshop.codec_source import load_codec
        from studio.training.workshop.sizes import SIZES
        from studio.training.workshop.speed_table import measure_size

        order = self._order
        shelf = ModelShelf(order.models_dir)
        settings = _settings(order, shelf)
        codec = load_codec(settings.codec)
        for name in SIZES:
            if self._stopped.is_set():
                return
            try:
                figures = measure_size(name, codec, settings, seconds=_SIZE_SECONDS)
            except TrainingError:
                continue  # it does not fit into this machine's memory
            self._send(
                SizeMeasured(
                    name=name,
                    training_steps_per_second=figures.training_steps_per_second or 0.0,
                    times_real_time=figures.times_real_time or 0.0,
                )
            )

    def _listen(self) -> None:
        while True:
            try:
                word: Word = self._inbox.recv()
            except (EOFError, OSError):
                # The parent is gone, however it ended. Save and end; at the latest in a while.
                self._stopped.set()
                threading.Event().wait(_LAST_SECONDS)
                os._exit(1)
            if word.say == "stop":
                self._stopped.set()
            elif word.say == "pause":
                self._paused.set()
            else:
                self._paused.clear()

    def _send(self, message: FromChild) -> None:
        try:
            self._outbox.send(message)
        except OSError:
            self._stopped.set()  # nobody listens; the state is still worth saving


def _session(order: Order, *, fresh: bool) -> WorkshopSession:
    """The run that is asked for.

    Raises:
        ModelError: The base or the codec is not usable.
        TrainingError: It cannot be trained so.
    """
    request = order.request
    shelf = ModelShelf(order.models_dir)
    settings = _settings(order, shelf)
    if request.base is None:
        from studio.training.workshop.session import WorkshopSession

        return WorkshopSession(settings, fresh=fresh, wait_seconds=_WAIT_SECONDS)
    from studio.generation.loading import lasting_name
    from studio.models.bundle import open_bundle
    from studio.training.lora import AdapterRecipe
    from studio.training.workshop.adapter_session import AdapterSession

    return AdapterSession(
        settings,
        open_bundle(shelf.resolve(request.base), digest=shelf.digest),
        AdapterRecipe(rank=request.rank, alpha=2.0 * request.rank),
        base_name=lasting_name(request.base),
        fresh=fresh,
        wait_seconds=_WAIT_SECONDS,
    )


def _in_window_words(error: StudioError) -> StudioError:
    message = error.user_message
    for flags, words in _REMEDIES.items():
        message = message.replace(flags, words)
    return error if message == error.user_message else type(error)(message)


def _settings(order: Order, shelf: ModelShelf) -> TrainingSettings:
    request = order.request
    return TrainingSettings(
        folder=request.folder,
        out=order.out,
        work=order.place,
        codec=shelf.resolve(request.codec if request.base is None else request.base),
        size=request.size,
        conditioners=request.conditioners,
        tune_codec_minutes=request.tune_codec_minutes,
        context_seconds=request.context_seconds,
        minutes=request.minutes,
        steps=request.steps,
        batch=request.batch,
        measure_every=request.measure_every,
        preview_every=request.preview_every,
        seed=request.seed,
    )


def _has_checkpoint(work: Path) -> bool:
    from studio.training.workshop.checkpoint import CURRENT, PREVIOUS

    return any((work / name).exists() for name in (CURRENT, PREVIOUS))


def _curve(work: Path, until_step: int) -> CurveSoFar:
    from studio.training.workshop.checkpoint import CURVE

    lines: list[dict[str, Any]] = []
    with contextlib.suppress(OSError, ValueError):
        for text in (work / CURVE).read_text(encoding="utf-8").splitlines():
            lines.append(json.loads(text))
    lines = [line for line in lines if line.get("step", until_step + 1) <= until_step]
    trained = [line for line in lines if "nats" in line]
    trained = trained[:: max(1, len(trained) // _CURVE_POINTS)]
    held_out = [line for line in lines if "held_out_nats" in line]
    return CurveSoFar(
        steps=tuple(int(line["step"]) for line in trained),
        nats=tuple(float(line["nats"]) for line in trained),
        held_out_steps=tuple(int(line["step"]) for line in held_out),
        held_out_nats=tuple(float(line["held_out_nats"]) for line in held_out),
    )
