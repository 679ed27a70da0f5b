"""The training that this window has asked for.

Owns its state from the scan to the finished model, its losses and its words. It must not draw,
and trains nothing: the workstation does, in a process of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from PySide6.QtCore import QObject, Signal

from studio.core.errors import CancelledError, StudioError
from studio.models.shelf.shelf import ModelEntry
from studio.training.workshop.events import (
    BaselineMeasured,
    CodecTuned,
    Finished,
    HeldOutMeasured,
    Notice,
    Paused,
    Planned,
    PreviewMade,
    Progress,
    Resumed,
    StepDone,
)
from studio.training.workshop.plan import TrainingPlan
from studio.training.workshop.telling import lines_of
from studio.ui.bridge import Bridge
from studio.ui.facts import remaining_text
from studio.ui.models import Models
from studio.ui.train_plot import LossCurve
from studio.workstation.training import StoppedTraining, TrainingJob
from studio.workstation.training_child import CurveSoFar, SizeMeasured, TrainingEvent
from studio.workstation.training_request import TrainingRequest
from studio.workstation.workstation import Workstation

RunState = Literal["idle", "planning", "measuring", "training", "paused", "stopping"]
_STAGES = {
    "scan": "Hearing the folder",
    "codec": "Fitting the codec",
    "tokens": "Turning sounds into codes",
    "training": "Training",
}
_BEGINNINGS: dict[RunState, str] = {
    "planning": "Starting to hear the folder",
    "measuring": "Measuring the sizes, the smallest first",
    "training": "Starting; it hears what is new and measures this computer",
}


class TrainRun(QObject):
    """Plans, trains, and follows.

    Attributes:
        curve: The losses of the last run.

    Signals:
        changed(): State, progress or words are others.
        curve_changed(): There are more losses.
        begun(): A training has begun; previews and losses of the last one are history.
        planned(TrainingPlan): The folder has been heard.
        preview_made(PreviewMade): A preview can be heard.
        noticed(str): A line that a person should read.
        finished(ModelEntry): What was trained stands among the models.
        failed(StudioError): It did not work.
        said(str): What was done, for the status line.
        sizes_measured(): Another size was measured.
        stopped_known(): `stopped` was read again.
    """

    changed = Signal()
    curve_changed = Signal()
    begun = Signal()
    planned = Signal(object)
    preview_made = Signal(object)
    noticed = Signal(str)
    finished = Signal(object)
    failed = Signal(object)
    said = Signal(str)
    sizes_measured = Signal()
    stopped_known = Signal()

    def __init__(
        self,
        workstation: Workstation,
        bridge: Bridge,
        models: Models,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._workstation = workstation
        self._bridge = bridge
        self._models = models
        self._job: TrainingJob[Any] | None = None
        self._state: RunState = "idle"
        self._words = ""
        self._share: float | None = 0.0
        self._stopped: tuple[StoppedTraining, ...] = ()
        self.curve = LossCurve()
        self.step = 0

    # --- what it says --------------------------------------------------------------------------

    @property
    def state(self) -> RunState:
        """What is being done."""
        return self._state

    @property
    def busy(self) -> bool:
        """Something is being done."""
        return self._state != "idle"

    @property
    def words(self) -> str:
        """How far it is, in a line."""
        return self._words

    @property
    def share_done(self) -> float | None:
        """From 0 to 1; None while that cannot be said."""
        return self._share

    @property
    def name(self) -> str:
        """Of the model of the last run."""
        return "" if self._job is None else self._job.request.name

    @property
    def stopped(self) -> tuple[StoppedTraining, ...]:
        """Runs that can go on, as they were read last."""
        return self._stopped

    def sizes(self, codec: str) -> dict[str, SizeMeasured]:
        """What was measured on this computer, by the name of the size."""
        return self._workstation.trainings.sizes(codec)

    def read_stopped(self) -> None:
        """Look again which runs can go on."""

        def known(stopped: tuple[StoppedTraining, ...]) -> None:
            self._stopped = stopped
            self.stopped_known.emit()

        self._bridge.run("query", self._workstation.trainings.stopped, known, self.failed.emit)

    # --- what is done --------------------------------------------------------------------------

    def plan(self, request: TrainingRequest) -> None:
        """Hear the folder, and find out what a run would be."""
        self._begin("planning", lambda: self._workstation.trainings.plan(request, self._hear))

    def train(self, request: TrainingRequest) -> None:
        """Train, or go on."""
        self._begin("training", lambda: self._workstation.train(request, self._hear))

    def measure(self, request: TrainingRequest) -> None:
        """Measure every size with the codec of `request`."""
        trainings = self._workstation.trainings
        self._begin("measuring", lambda: trainings.measure_sizes(request, self._hear))

    def pause_or_go_on(self) -> None:
        """Wait after the next step; a second call goes on."""
        if self._job is None:
            return
        if self._state == "paused":
            self._job.go_on()
        elif self._state == "training":
            self._job.pause()
            self._show("training", "Pausing after this step", self._share)

    def stop(self) -> None:
        """End it; a training's state is saved and it can go on later."""
        if self._job is not None and self.busy:
            self._job.stop()
            self._show("stopping", "Stopping; what was learnt is being saved", None)

    def forget(self, name: str) -> None:
        """Delete what a stopped run has kept."""

        def done(_nothing: object) -> None:
            self.said.emit(f"Forgot the training of {name}")
            self.read_stopped()

        trainings = self._workstation.trainings
        self._bridge.run("query", lambda: trainings.forget(name), done, self.failed.emit)

    # --- inside --------------------------------------------------------------------------------

    def _begin(self, state: RunState, start: Callable[[], TrainingJob[Any]]) -> None:
        if self.busy:
            return
        try:
            job = start()
        except StudioError as error:
            self.failed.emit(error)
            return
        self._job = job
        if state == "training":
            self.curve, self.step = LossCurve(), 0
            self.begun.emit()
            self.curve_changed.emit()
        self._show(state, _BEGINNINGS[state], None)
        self._bridge.watch(
            job.future, partial(self._ended, state), partial(self._gave_up, state, job)
        )

    def _hear(self, event: TrainingEvent) -> None:
        self._bridge.post(lambda: self._take_in(event))

    def _take_in(self, event: TrainingEvent) -> None:
        if isinstance(event, StepDone):
            self._take_step(event)
        elif isinstance(event, Progress):
            share = event.done / event.total if event.total else None
            words = f"{_STAGES[event.stage]}: {event.done:,} of {event.total:,}"
            self._show(self._state, words, share)
        elif isinstance(event, HeldOutMeasured):
            self.curve.add_held_out(event.step, event.nats)
            self.curve_changed.emit()
        elif isinstance(event, BaselineMeasured):
            self.curve.baseline = event.mean if event.held_out_segments else None
        elif isinstance(event, CurveSoFar):
            self._take_history(event)
        elif isinstance(event, PreviewMade):
            self.preview_made.emit(event)
        elif isinstance(event, Planned):
            self.curve.total_steps = event.plan.total_steps
            self._tell_plan(event.plan)
        elif isinstance(event, Paused):
            state: RunState = "paused" if event.paused else "training"
            words = f"Paused after step {event.step:,}; its state is saved"
            if self._state != "stopping":
                self._show(state, words if event.paused else "Training goes on", self._share)
        elif isinstance(event, SizeMeasured):
            self._show("measuring", f"Measured {event.name}", None)
            self.sizes_measured.emit()
        elif isinstance(event, Notice | CodecTuned | Resumed | Finished):
            for line in lines_of(event):
                self.noticed.emit(line)

    def _take_step(self, event: StepDone) -> None:
        self.step = event.step
        self.curve.total_steps = event.total_steps
        self.curve.add(event.step, event.nats)
        self.curve_changed.emit()
        if self._state != "training":
            return
        words = f"Step {event.step:,} of {event.total_steps:,}"
        words += f", {event.steps_per_second:.1f} a second"
        rest = remaining_text(event.seconds_left)
        self._show(
            "training", f"{words}, {rest}" if rest else words, event.step / event.total_steps
        )

    def _take_history(self, event: CurveSoFar) -> None:
        self.curve.steps[:0] = event.steps
        self.curve.nats[:0] = event.nats
        self.curve.held_out_steps[:0] = event.held_out_steps
        self.curve.held_out_nats[:0] = event.held_out_nats
        self.curve_changed.emit()

    def _tell_plan(self, plan: TrainingPlan) -> None:
        self.planned.emit(plan)

    def _ended(self, state: RunState, result: object) -> None:
        if state == "training" and isinstance(result, ModelEntry):
            where = "stands among the models"
            if result.kind == "adapter":
                where = "can be ticked under Advanced in the Generate panel"
            self._show("idle", f"{result.name} is done and {where}", 1.0)
            self.said.emit(f"Trained {result.name}: it stands among the models")
            self._models.read()
            self.finished.emit(result)
            self.read_stopped()
        else:
            words = "The folder has been heard" if state == "planning" else "The sizes are measured"
            self._show("idle", words, 1.0)

    def _gave_up(self, state: RunState, job: TrainingJob[Any], error: StudioError) -> None:
        if isinstance(error, CancelledError):
            words = f"Stopped after step {self.step:,}; Start goes on from there"
            if state != "training" or not self.step:
                words = "Stopped"
            self._show("idle", words, 0.0)
            self.said.emit(f"The training of {job.request.name} was stopped")
        else:
            self._show("idle", "It did not work", 0.0)
            self.failed.emit(error)
        if state == "training":
            self.read_stopped()

    def _show(self, state: RunState, words: str, share: float | None) -> None:
        self._state, self._words, self._share = state, words, share
        self.changed.emit()
