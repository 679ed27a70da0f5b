"""What a backend can do, whatever library it computes with.

Owns the one protocol that every backend fulfils and the values that cross it. It computes
nothing itself; arrays are numpy on both sides.

Letters in shapes: B takes, K codebooks, V codes in a codebook, T codec frames, S steps of the
delayed grid, C channels, N sample frames.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from studio.core.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How the next code is chosen.

    Attributes:
        top_k: Draw from the k likeliest codes; 1 is greedy, 0 takes all.
        top_p: Draw from the likeliest codes that hold this much probability; overrides `top_k`
            when above 0.
        temperature: Divides the logits.
        guidance: Weight of the prompt against the null condition; 1 is unguided.

    Raises:
        InputError: A value is out of range.
    """

    top_k: int = 250
    top_p: float = 0.0
    temperature: float = 1.0
    guidance: float = 3.0

    def __post_init__(self) -> None:
        if self.top_k < 0:
            raise InputError(f"top_k must be 0 or more, not {self.top_k}.")
        if not 0.0 <= self.top_p <= 1.0:
            raise InputError(f"top_p must be between 0 and 1, not {self.top_p:g}.")
        if not 0.01 <= self.temperature <= 100.0:
            raise InputError(
                f"The temperature must be between 0.01 and 100, not {self.temperature:g}."
            )
        if not math.isfinite(self.guidance) or not 0.0 <= self.guidance <= 100.0:
            raise InputError(f"The guidance must be between 0 and 100, not {self.guidance:g}.")

    @property
    def greedy(self) -> bool:
        """Whether the likeliest code is always taken, so that the seed plays no part."""
        return self.top_k == 1 and self.top_p == 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Condition:
    """What one take is made under.

    Attributes:
        text: The prompt; "" is the null condition.
        negative: What guidance leads away from: it takes the place of the null condition there.
        melody: For melody models, int8 [F]: the strongest pitch class (0 is C) of each chroma
            frame, as `chroma.pitch_classes` gives them. None is the null melody.
    """

    text: str = ""
    negative: str = ""
    melody: NDArray[np.int8] | None = None


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """The facts about a loaded model.

    Attributes:
        name: The bundle folder's name.
        sample_rate: Of its audio, in Hz.
        channels: C.
        codebooks: K.
        codebook_size: V.
        frame_rate: Codec frames a second.
        window_frames: Most codec frames that fit its context at once.
        has_text: Whether it listens to a prompt.
        has_melody: Whether it listens to a melody.
        parameters: Numbers in its language model, text encoder included.
        precision: Of its decoder's weights.
        backend: What computes it, one of `selection.BACKENDS`.
        cache_bytes: What one decoder stream keeps in memory for each step.
        fingerprint: See `Bundle.fingerprint`.
        sampling: What the model's makers recommend.
    """

    name: str
    sample_rate: int
    channels: int
    codebooks: int
    codebook_size: int
    frame_rate: float
    window_frames: int
    has_text: bool
    has_melody: bool
    parameters: int
    cache_bytes: int
    fingerprint: str
    sampling: Sampling
    precision: str = "float32"
    backend: str = "torch"


class CodecStream(Protocol):
    """Decodes one take while its codes still arrive.

    All pieces joined equal the decoded whole within 1e-5.
    """

    def push(self, codes: NDArray[np.int64]) -> NDArray[np.float32]:
        """Take codes [K, n]; give the audio [C, m] that has become final, m may be 0."""
        ...

    def finish(self) -> NDArray[np.float32]:
        """The rest of the audio, [C, m]."""
        ...


class MusicBackend(Protocol):
    """A loaded model, ready to make and to read sound."""

    @property
    def info(self) -> ModelInfo:
        """The facts about the model."""
        ...

    def steps(
        self,
        conditions: Sequence[Condition],
        *,
        frames: int,
        seeds: Sequence[int],
        sampling: Sampling,
        prefix: NDArray[np.int64] | None = None,
        first_step: int = 0,
        closed: bool = False,
    ) -> Iterator[NDArray[np.int64]]:
        """Make codes, one codec frame at a time; to cancel, stop iterating.

        A take's codes do not depend on the takes beside it.

        Args:
            conditions: One a take.
            frames: How many new frames to make.
            seeds: One a take.
            sampling: For all takes.
            prefix: Codes int64 [B, K, P] to continue.
            first_step: Where in the take the window begins, in codec frames: the frame that
                `prefix` starts with. Windows of one take thereby use one course of noise.
            closed: End as the reference does, with fillers in the codebooks that have run out:
                the last K - 1 frames then know that they are the last. Otherwise the take ends
                as if it went on, so that a longer one begins with the same codes.

        Yields:
            int64 [B, K], the next frame after the prefix.

        Raises:
            InputError: Prefix and new frames do not fit the window, or the arguments differ
                in length.
            ModelError: A condition is of a kind that the model does not know, or there is text,
                but the bundle has no tokenizer.
        """
        ...

    def encode(self, audio: NDArray[np.float32]) -> NDArray[np.int64]:
        """Codes [B, K, T] of `audio` [B, C, N] at the model's rate, T = ceil(N / hop)."""
        ...

    def decode(self, codes: NDArray[np.int64]) -> NDArray[np.float32]:
        """Audio [B, C, T * hop] of `codes` [B, K, T]."""
        ...

    def decoder_stream(self) -> CodecStream:
        """A fresh decoder for codes that arrive piece by piece."""
        ...

    def logits(
        self, tokens: NDArray[np.int64], conditions: Sequence[Condition] | None
    ) -> NDArray[np.float32]:
        """The conditional stream's logits, for parity checks.

        Args:
            tokens: The delayed grid, int64 [B, K, S], fillers included.
            conditions: One a row; None is the null condition. Negative prompts play no part.

        Returns:
            float32 [B, K, S, V]; step s holds the logits of the tokens at step s + 1.
        """
        ...
