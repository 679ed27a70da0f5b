"""Making codes frame by frame.

Owns the loop: the course of the delay pattern, with known codes at its beginning and an open or
a closed end. It knows nothing of texts, tokenizers or audio.

Letters in shapes: B takes, K codebooks, P known frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from studio.models.backend import Sampling
from studio.models.language_config import DecoderConfig
from studio.models.patterns import delay
from studio.models.sampling import pick_codes
from studio.models.streams import Streams

Advance = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""A decoder that remembers: reads the next columns of the grid, int64 [B, K, S], and gives the
logits of the column after them, float32 [R, K, V]. Only the first call may hold several columns."""

Pick = Callable[[NDArray[np.float32], int], NDArray[np.int64]]
"""Chooses codes [B, K] by logits [R, K, V] and the steps since the beginning of the take."""


def generate_frames(
    open_decoder: Callable[[int], Advance],
    streams: Streams,
    config: DecoderConfig,
    *,
    prefix: NDArray[np.int64],
    frames: int,
    seeds: Sequence[int],
    sampling: Sampling,
    first_step: int,
    closed: bool,
    pick: Pick | None = None,
) -> Iterator[NDArray[np.int64]]:
    """Run the delay pattern from the beginning to the last frame.

    Args:
        open_decoder: Gives a decoder with room for so many columns.
        streams: Its rows.
        config: Its sizes.
        prefix: Codes int64 [B, K, P] to continue, P may be 0.
        frames: New frames.
        seeds: One a take.
        sampling: For all takes.
        first_step: Added to the step that keys the noise.
        closed: A codebook that has made its last frame shows fillers. Otherwise it goes on to
            make frames that are not given, as it would in a longer take.
        pick: A way to the codes that `sampling.pick_codes` would choose; None is that.

    Yields:
        int64 [B, K], each frame once its last codebook is known.
    """
    batch, codebooks, known = prefix.shape
    delays, filler = np.array(config.delays), config.vocabulary
    total, latest = known + frames, int(delays.max())
    blank = np.full((batch, codebooks, frames), filler, dtype=np.int64)
    grid = delay(np.concatenate([prefix, blank], axis=2), filler, config.delays)
    advance = open_decoder(total + latest)
    books = np.arange(codebooks)
    if pick is None:

        def pick(logits: NDArray[np.float32], step: int) -> NDArray[np.int64]:
            guided = streams.combine(logits, sampling.guidance)
            return pick_codes(guided, sampling, seeds=seeds, step=step)

    read = 0
    for step in range(known + 1, total + latest + 1):
        logits = advance(grid[:, :, read:step])
        read = step
        codes = pick(logits, first_step + step - 1)
        made = step - 1 - delays
        new = (made >= known) & (made < total) if closed else made >= known
        grid[:, new, step] = codes[:, new]
        if made.min() >= known:
            yield grid[:, books, step - latest + delays]
