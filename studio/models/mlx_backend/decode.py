"""Making codes frame by frame.

Owns the loop: the course of the delay pattern, with known codes at its beginning and an open or
a closed end. It knows nothing of texts, tokenizers or audio.

Letters in shapes: B takes, K codebooks, P known frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from studio.models.backend import Sampling
from studio.models.mlx_backend.cached_decoder import CachedDecoder
from studio.models.mlx_backend.transformer import MusicDecoder
from studio.models.patterns import delay
from studio.models.sampling import pick_codes
from studio.models.streams import Streams


def generate_frames(
    decoder: MusicDecoder,
    streams: Streams,
    *,
    prefix: NDArray[np.int64],
    frames: int,
    seeds: Sequence[int],
    sampling: Sampling,
    first_step: int,
    closed: bool,
) -> Iterator[NDArray[np.int64]]:
    """Run the delay pattern from the beginning to the last frame.

    Args:
        decoder: The network.
        streams: Its rows.
        prefix: Codes int64 [B, K, P] to continue, P may be 0.
        frames: New frames.
        seeds: One a take.
        sampling: For all takes.
        first_step: Added to the step that keys the noise.
        closed: A codebook that has made its last frame shows fillers. Otherwise it goes on to
            make frames that are not given, as it would in a longer take.

    Yields:
        int64 [B, K], each frame once its last codebook is known.
    """
    batch, codebooks, known = prefix.shape
    delays, filler = np.array(decoder.config.delays), decoder.config.vocabulary
    total, latest = known + frames, int(delays.max())
    blank = np.full((batch, codebooks, frames), filler, dtype=np.int64)
    grid = delay(np.concatenate([prefix, blank], axis=2), filler, decoder.config.delays)
    cached = CachedDecoder(decoder, streams, steps=total + latest)
    books = np.arange(codebooks)
    read = 0
    for step in range(known + 1, total + latest + 1):
        logits = cached.advance(grid[:, :, read:step])
        read = step
        codes = pick_codes(
            streams.combine(logits, sampling.guidance),
            sampling,
            seeds=seeds,
            step=first_step + step - 1,
        )
        made = step - 1 - delays
        new = (made >= known) & (made < total) if closed else made >= known
        grid[:, new, step] = codes[:, new]
        if made.min() >= known:
            yield grid[:, books, step - latest + delays]
