"""A language model on the CPU: takes and logits, the same to the last bit in any company.

Owns the passage between numpy and the decoders of `cached_decoder` and `transformer`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from studio.models.backend import Sampling
from studio.models.decode import Advance, generate_frames
from studio.models.streams import Stream, Streams
from studio.models.torch_backend.cached_decoder import CachedDecoder
from studio.models.torch_backend.transformer import MusicDecoder


class CpuLanguage:
    """Makes takes with a decoder on the CPU; see `DeviceLanguage`."""

    def __init__(self, decoder: MusicDecoder) -> None:
        self._decoder = decoder

    def frames(
        self,
        plans: Sequence[Sequence[Stream]],
        *,
        prefix: NDArray[np.int64],
        frames: int,
        seeds: Sequence[int],
        sampling: Sampling,
        first_step: int,
        closed: bool,
    ) -> Iterator[NDArray[np.int64]]:
        """See `DeviceLanguage.frames`."""
        streams = Streams(plans)

        def open_decoder(columns: int) -> Advance:
            cached = CachedDecoder(self._decoder, streams, steps=columns)
            return lambda tokens: cached.advance(torch.from_numpy(tokens)).numpy()

        return generate_frames(
            open_decoder,
            streams,
            self._decoder.config,
            prefix=prefix,
            frames=frames,
            seeds=seeds,
            sampling=sampling,
            first_step=first_step,
            closed=closed,
        )

    @torch.inference_mode()
    def logits(self, tokens: NDArray[np.int64], stream: Stream) -> NDArray[np.float32]:
        """See `DeviceLanguage.logits`."""
        logits = self._decoder(
            torch.from_numpy(tokens.copy())[None],
            None if stream.text is None else stream.text[None],
            None,
            None if stream.prefix is None else stream.prefix[None],
        )
        by_codebook: NDArray[np.float32] = logits[0].transpose(0, 1).numpy()
        return by_codebook
