"""What a run will be, known before it starts.

Owns the plan and its wording: what was heard, what will be built, how long it will take. It does
none of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from studio.training.workshop.scan import RIGHTS_NOTICE, Survey
from studio.training.workshop.words import Caption


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingPlan:
    """One run.

    Attributes:
        survey: The folder.
        captions: Of its sounds, in their order.
        conditioners: What the model will listen to.
        words: Tokens of its tokenizer; 0 without words.
        codec_fingerprint: Of the codec before any tuning.
        size: Name of the preset.
        parameters: Numbers in the language model.
        megabytes: Of the bundle, codec included.
        frames: Codec frames of a segment.
        frame_rate: Codec frames a second.
        segments: About how many there are to learn from and to hold out.
        variants: How often each sound is cut.
        batch: Segments a step.
        rows: Segments a pass: a step takes several where it would not fit into memory.
        total_steps: Of the run.
        bfloat16: Whether products are computed in it.
        threads: Of the processor.
        device: Where, in torch's words.
        resumes_at: Step of the checkpoint that the run goes on from; 0 is the beginning.
        seconds_a_step: Measured.
        tokenising_seconds: Estimated, from the time that one segment took.
        training_seconds: Estimated, measurements and previews included.
        tuning_seconds: For the codec.
        whole: Whether a whole model is made, codec included, and not an adapter for one.
    """

    survey: Survey
    captions: tuple[Caption, ...]
    conditioners: Literal["none", "text"]
    words: int
    codec_fingerprint: str
    size: str
    parameters: int
    megabytes: float
    frames: int
    frame_rate: float
    segments: int
    variants: int
    batch: int
    rows: int
    total_steps: int
    bfloat16: bool
    threads: int
    device: str
    resumes_at: int
    seconds_a_step: float
    tokenising_seconds: float
    training_seconds: float
    tuning_seconds: float
    whole: bool = True

    @property
    def seconds(self) -> float:
        """Of the whole run, estimated."""
        return self.tuning_seconds + self.tokenising_seconds + self.training_seconds

    @property
    def epochs(self) -> float:
        """How often each segment will be seen."""
        return self.total_steps * self.batch / max(1, self.segments)

    def lines(self) -> list[str]:
        """The plan in words."""
        heard = self.survey.lines()
        seconds = self.frames / self.frame_rate
        hearing = "no words" if self.conditioners == "none" else f"{self.words} words and marks"
        lines = [
            RIGHTS_NOTICE,
            *heard,
            f"{self.size}: {self.parameters / 1e6:.1f} million parameters, {hearing}, "
            + (
                f"{self.megabytes:.0f} MB with its codec"
                if self.whole
                else f"{self.megabytes:.1f} MB"
            ),
            f"about {self.segments} segments of {seconds:.1f} s in {self.variants} variants; "
            f"{self.total_steps} steps of {self.batch}, each segment seen {self.epochs:.0f} times",
            f"on {self.device} in {'bfloat16' if self.bfloat16 else 'float32'}, threads: "
            f"{self.threads}, "
            f"{1 / self.seconds_a_step:.1f} steps a second",
            f"about {spoken_duration(self.seconds)}"
            + (f": {spoken_duration(self.tuning_seconds)} codec," if self.tuning_seconds else ":")
            + f" {spoken_duration(self.tokenising_seconds)} tokens,"
            + f" {spoken_duration(self.training_seconds)} training",
        ]
        if self.resumes_at:
            lines.append(f"goes on from step {self.resumes_at}")
        return lines


def spoken_duration(seconds: float) -> str:
    """A duration as a person says it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
