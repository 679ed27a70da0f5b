"""What may be said about a take in the Python face.

Owns the names, types and explanations of the options. It checks nothing: the request does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TypedDict

from numpy.typing import ArrayLike

from studio.audio.clip import AudioClip
from studio.generation.request import Chunk

Sound = str | os.PathLike[str] | AudioClip | ArrayLike


class Options(TypedDict, total=False):
    """What may be said about a take besides its description.

    Give one length at most: `max_steps`, `duration_seconds`, or `bars`. Without any, a known
    tempo gives a loop of two bars.

    Attributes:
        max_steps: Length in codec frames, 50 a second.
        duration_seconds: Length in seconds.
        bars: Length of an exact loop in bars of 4/4; needs a tempo here or in the description.
        bpm: Tempo, 60 to 200.
        key: Key such as "Am", "F#m", "C".
        seed: The same seed gives the same take; None draws a new one. A sequence gives one take
            for each seed.
        count: Takes for each description, under the seeds S, S+1, ...
        top_k: Draw from the k likeliest codes; 1 is greedy, 0 takes all.
        top_p: Draw from this much probability; overrides `top_k` when above 0.
        temperature: Divides the logits.
        guidance: Weight of the description; 1 is unguided.
        negative: What guidance leads away from.
        melody: Sound whose melody a melody model follows: a file, an `AudioClip`, or float
            samples [C, N] or [N] at `sampling_rate`.
        continuation: What the take begins with: a file, an `AudioClip`, samples as above, or
            codes, int [K, T]. The length is that of the whole take.
        continue_seconds: How much of its end is taken, for sounds; None takes all of it.
        batch: The most takes that are made at once.
        callback: Given each `Chunk` of sound as soon as it is final.
    """

    max_steps: int | None
    duration_seconds: float | None
    bars: int | None
    bpm: float | None
    key: str | None
    seed: int | Sequence[int] | None
    count: int
    top_k: int | None
    top_p: float | None
    temperature: float | None
    guidance: float | None
    negative: str
    melody: Sound | None
    continuation: Sound | None
    continue_seconds: float | None
    batch: int
    callback: Callable[[Chunk], None] | None
