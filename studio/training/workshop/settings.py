"""What a person can choose about a training run.

Owns the choices, their limits and why each exists; `docs/training.md` explains them to people.
It reads no folder and builds no network.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from studio.core.errors import TrainingError
from studio.core.storage import one_line
from studio.training.workshop.sizes import SIZES

Conditioners = Literal["auto", "none", "text"]
ShortSounds = Literal["auto", "tile", "pad"]
Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "float32", "bfloat16"]

_CHOICES: dict[str, tuple[str, ...]] = {
    "conditioners": ("auto", "none", "text"),
    "short_sounds": ("auto", "tile", "pad"),
    "device": ("auto", "cpu", "cuda"),
    "precision": ("auto", "float32", "bfloat16"),
    "size": tuple(SIZES),
}
_RANGES: dict[str, tuple[float, float]] = {
    "minutes": (0.01, 100_000),
    "steps": (1, 100_000_000),
    "context_seconds": (0.2, 30),
    "batch": (1, 4096),
    "learning_rate": (1e-7, 0.1),
    "held_out_share": (0, 0.5),
    "text_left_out": (0, 0.9),
    "codes_hidden": (0, 0.9),
    "variants": (0, 64),
    "measure_every": (1, 1_000_000),
    "preview_every": (0, 1_000_000),
    "checkpoint_seconds": (0, 86_400),
    "patience": (0, 1_000_000),
    "seed": (0, 2**31 - 1),
    "tune_codec_minutes": (0, 10_000),
    "memory_gigabytes": (1, 4096),
    "threads": (1, 1024),
}
_PLACES = (
    "folder",
    "out",
    "work",
    "codec",
    "device",
    "threads",
    "memory_gigabytes",
    "checkpoint_seconds",
)


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """Everything that decides what a run does.

    Attributes:
        folder: The sounds, with all folders below it.
        out: Folder of the finished bundle.
        work: Folder of the token cache, checkpoints, previews and the log; None is a folder
            beside `out`. The same folder again goes on where a run ended.
        size: A name in `sizes.SIZES`.
        conditioners: "none" makes sound without words, "text" listens to words taken from names,
            tags and sidecars, "auto" takes text where most sounds have words.
        codec: Folder of a bundle, or of an EnCodec model, that gives the codec.
        tune_codec_minutes: How long a copy of the codec is first fitted to the folder; 0 leaves
            it alone.
        context_seconds: Length of a segment, and the longest the model looks back.
        short_sounds: What fills the segment of a shorter sound: "tile" repeats it, "pad" lets
            silence follow, of which only the beginning is learnt; "auto" tells by its end.
        variants: How often each sound is cut, each time a little later and quieter, so that a
            small folder is not learnt by heart; 0 takes what the folder needs, 1 is once.
        minutes: How long to train; turned into steps by measuring this machine.
        steps: How many steps to train, instead of `minutes`.
        batch: Segments a step, over all processes together.
        learning_rate: Highest of the schedule; None takes the one of the size.
        held_out_share: Share of the sounds that are never trained on.
        codes_hidden: Share of the codes that the model is not shown while it trains, for the same
            reason.
        text_left_out: Share of segments trained without their text, which guidance needs.
        measure_every: Steps between measurements of held-out loss.
        preview_every: Steps between previews, 0 for none.
        checkpoint_seconds: Time between checkpoints.
        patience: Stop after so many measurements without a better held-out loss; 0 never stops.
        seed: Decides the first weights, the split and the order of segments.
        device: Where to compute.
        precision: bfloat16 halves the work of large products where the machine has it; "auto"
            measures both.
        checkpointing: Compute each layer again on the way back instead of remembering it: slower,
            with much less memory.
        memory_gigabytes: What the run may take; a step is split until it fits.
        threads: Of the processor; None picks.

    Raises:
        TrainingError: A value is out of range.
    """

    folder: Path
    out: Path
    codec: Path
    work: Path | None = None
    size: str = "micro"
    conditioners: Conditioners = "auto"
    tune_codec_minutes: float = 0.0
    context_seconds: float = 5.0
    short_sounds: ShortSounds = "auto"
    variants: int = 0
    minutes: float = 15.0
    steps: int | None = None
    batch: int = 8
    learning_rate: float | None = None
    held_out_share: float = 0.1
    codes_hidden: float = 0.1
    text_left_out: float = 0.1
    measure_every: int = 100
    preview_every: int = 500
    checkpoint_seconds: float = 30.0
    patience: int = 10
    seed: int = 0
    device: Device = "auto"
    precision: Precision = "auto"
    checkpointing: bool = False
    memory_gigabytes: float = 8.0
    threads: int | None = None

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            if value not in choices:
                raise TrainingError(
                    f"{_spoken(name)} must be one of {', '.join(choices)},"
                    f" not {one_line(str(value))!r:.60}."
                )
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and low <= value <= high):
                raise TrainingError(
                    f"{_spoken(name)} must be between {low:g} and {high:g}, not {value:g}."
                )

    @property
    def work_folder(self) -> Path:
        """Where everything but the bundle is kept."""
        return self.work or self.out.with_name(self.out.name + ".training")

    @property
    def peak_rate(self) -> float:
        """The highest learning rate."""
        return self.learning_rate or SIZES[self.size].learning_rate

    def recipe(self) -> dict[str, Any]:
        """What decides the loss curve, as JSON values: a run goes on only under the same."""
        return {
            field.name: _plain(getattr(self, field.name))
            for field in fields(self)
            if field.name not in _PLACES
        }


def _spoken(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value
