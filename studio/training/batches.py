"""Which loops each training step hears, and how much of them.

Owns the order of loops; it reads none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

_POOL = 48
_WHOLE_CONTEXT = 0.15
_SECOND_ROUND = 32


def step_batches(
    period_frames: Sequence[int],
    batch: int,
    context_frames: int,
    rng: np.random.Generator,
    rounds: Sequence[int] | None = None,
) -> Iterator[tuple[list[int], int]]:
    """Loops of each step, and how many frames of them are heard, without end.

    A share of the steps hears the whole context, and so learns to repeat what it has played. The
    others hear loops of about one length, once and a little more: more loops for the same work.

    Args:
        period_frames: Length of each loop.
        batch: Loops of a step that hears the whole context.
        context_frames: That context.
        rng: Draws the order.
        rounds: How often each loop comes in a round; once without.

    Yields:
        Places of loops, and the frames that each is played for.
    """
    needed = np.minimum(context_frames, np.asarray(period_frames) + _SECOND_ROUND)
    often = np.ones(len(needed), dtype=np.int64) if rounds is None else np.asarray(rounds)
    every = np.repeat(np.arange(len(needed)), often)
    while True:
        order = rng.permutation(every)
        steps: list[tuple[list[int], int]] = []
        for pool in np.split(order, range(_POOL * batch, len(order), _POOL * batch)):
            whole = round(_WHOLE_CONTEXT * len(pool))
            for first in range(0, whole, batch):
                steps.append((pool[first : min(whole, first + batch)].tolist(), context_frames))
            rest = pool[whole:][np.argsort(-needed[pool[whole:]])].tolist()
            while rest:
                frames = int(needed[rest[0]])
                size = max(1, batch * context_frames // frames)
                steps.append((rest[:size], frames))
                del rest[:size]
        for place in rng.permutation(len(steps)):
            yield steps[place]
