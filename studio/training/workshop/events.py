"""What a running session tells its listener.

Owns the values, in the order in which they happen. They hold numbers and paths, no networks, so
that they cross processes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from studio.training.workshop.plan import TrainingPlan

Stage = Literal["scan", "codec", "tokens", "training"]


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a stage is, `done` of `total`; the scan counts files, the tokens too."""

    stage: Stage
    done: int
    total: int
    seconds_left: float | None = None


@dataclass(frozen=True, kw_only=True)
class Notice:
    """One line that a person should read."""

    text: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Planned:
    """The folder has been heard, and what will happen is known."""

    plan: TrainingPlan


@dataclass(frozen=True, kw_only=True)
class CodecTuned:
    """The codec has been fitted to the folder: held-out measures before and after."""

    before: dict[str, Any]
    after: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class BaselineMeasured:
    """Held-out nats of each codebook under the frequencies of codes alone.

    Attributes:
        nats: For each codebook, what a model that has learnt nothing but them scores.
        mean: Over the codebooks.
        held_out_segments: How many it was measured on; 0 when nothing could be held out.
    """

    nats: tuple[float, ...]
    mean: float
    held_out_segments: int


@dataclass(frozen=True, kw_only=True)
class StepDone:
    """One step of training.

    Attributes:
        step: Steps done so far.
        total_steps: Of the whole run.
        nats: Training loss of this step's segments, mean over codebooks.
        by_codebook: The same, each.
        learning_rate: Of this step.
        steps_per_second: Recently.
        seconds_left: Until the last step, None before it can be known.
    """

    step: int
    total_steps: int
    nats: float
    by_codebook: tuple[float, ...]
    learning_rate: float
    steps_per_second: float
    seconds_left: float | None


@dataclass(frozen=True, kw_only=True)
class HeldOutMeasured:
    """Held-out loss beside its baseline.

    Attributes:
        step: Steps done so far.
        nats: Held-out loss, mean over codebooks.
        by_codebook: The same, each.
        baseline: Of the frequencies of codes alone, each codebook.
        training_nats: Training loss since the last measurement.
        best_step: Where held-out loss was lowest.
        best_nats: And how low.
    """

    step: int
    nats: float
    by_codebook: tuple[float, ...]
    baseline: tuple[float, ...]
    training_nats: float
    best_step: int
    best_nats: float


@dataclass(frozen=True, kw_only=True)
class PreviewMade:
    """A preview can be heard, and how near it is to what was trained on.

    Attributes:
        step: Steps done so far.
        wav: The sound.
        codes: Its codes, an `.npz` file.
        text: The words it was made under.
        nearest: Path of the nearest training sound, below the folder.
        code_agreement: Share of its codes that the nearest training segment has as well, at the
            best shift.
        usual_agreement: The same between training segments of different sounds: what 95 of 100
            stay below.
        mel_distance: Log-mel distance to the nearest training segment.
        usual_mel_distance: The same between training segments of different sounds: what 95 of 100
            stay above.
        copies: Whether it is nearer to a training sound than those are to each other.
    """

    step: int
    wav: Path
    codes: Path
    text: str
    nearest: str
    code_agreement: float
    usual_agreement: float
    mel_distance: float
    usual_mel_distance: float
    copies: bool


@dataclass(frozen=True, kw_only=True)
class CheckpointSaved:
    """The run can go on from here."""

    step: int


@dataclass(frozen=True, kw_only=True)
class Resumed:
    """The run goes on from a checkpoint."""

    step: int


@dataclass(frozen=True, kw_only=True)
class Paused:
    """The run waits, its state saved; `paused` is False when it goes on."""

    step: int
    paused: bool


@dataclass(frozen=True, kw_only=True)
class Finished:
    """The bundle is written.

    Attributes:
        bundle: Its folder.
        reason: Why training ended.
        steps: Steps done.
        best_step: The one whose weights were taken.
        nats: Held-out loss of them, mean over codebooks; None when nothing was held out.
        baseline: Of the frequencies of codes alone, likewise.
        megabytes: Of the bundle.
    """

    bundle: Path
    reason: Literal["all steps done", "held-out loss rose"]
    steps: int
    best_step: int
    nats: float | None
    baseline: float | None
    megabytes: float


Event = (
    Progress
    | Notice
    | Planned
    | CodecTuned
    | BaselineMeasured
    | StepDone
    | HeldOutMeasured
    | PreviewMade
    | CheckpointSaved
    | Resumed
    | Paused
    | Finished
)
Listener = Callable[[Event], None]
