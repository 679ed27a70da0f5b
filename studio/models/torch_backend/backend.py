"""The backend that computes with PyTorch, on the CPU.

Owns one loaded bundle and the passage between numpy and torch. Networks, loop and conditions
live in the modules beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from studio.models.asked import check_logits, check_steps, recommended_sampling
from studio.models.backend import CodecStream, Condition, ModelInfo, Sampling
from studio.models.bundle import Bundle
from studio.models.decode import Advance, generate_frames
from studio.models.speeds import Speeds
from studio.models.streams import Streams
from studio.models.torch_backend.cached_decoder import CachedDecoder
from studio.models.torch_backend.loading import load_networks


class TorchBackend:
    """One bundle, loaded; see `studio.models.backend.MusicBackend`."""

    def __init__(
        self, bundle: Bundle, precision: str | None = None, *, speeds: Speeds | None = None
    ) -> None:
        """Load the weights of `bundle`.

        Args:
            bundle: The model.
            precision: One of `packing.PRECISIONS`; None takes the one that suits.
            speeds: What is known about this machine; None measures what it needs.

        Raises:
            ModelError: Its configuration or its weights are not usable, or this machine does not
                compute in the precision.
        """
        networks = load_networks(bundle, precision, speeds or Speeds(None))
        self._decoder = networks.decoder
        self._conditioner = networks.conditioner
        self._codec = networks.codec
        config, codec = networks.decoder.config, networks.shapes.codec
        self.info = ModelInfo(
            name=bundle.name,
            sample_rate=codec.sampling_rate,
            channels=config.channels,
            codebooks=config.codebooks,
            codebook_size=config.vocabulary,
            frame_rate=codec.frame_rate,
            window_frames=networks.shapes.window_frames(bundle),
            has_text=bundle.has_text,
            has_melody=bundle.has_melody,
            parameters=networks.parameters,
            precision=networks.precision,
            cache_bytes=8 * config.layers * config.dim,
            fingerprint=bundle.fingerprint,
            sampling=recommended_sampling(bundle),
        )

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
        """See `MusicBackend.steps`."""
        prefix = check_steps(
            self.info,
            conditions,
            frames=frames,
            seeds=seeds,
            prefix=prefix,
            first_step=first_step,
        )
        streams = Streams(self._conditioner.streams(conditions, guidance=sampling.guidance))

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

    def encode(self, audio: NDArray[np.float32]) -> NDArray[np.int64]:
        """See `MusicBackend.encode`."""
        return self._codec.encode(audio)

    def decode(self, codes: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `MusicBackend.decode`."""
        return self._codec.decode(codes)

    def decoder_stream(self) -> CodecStream:
        """See `MusicBackend.decoder_stream`."""
        return self._codec.stream()

    @torch.inference_mode()
    def logits(
        self, tokens: NDArray[np.int64], conditions: Sequence[Condition] | None
    ) -> NDArray[np.float32]:
        """See `MusicBackend.logits`."""
        conditions = check_logits(self.info, tokens, conditions)
        # Unguided, so that each take has the one stream that its negative plays no part in.
        streams = self._conditioner.streams(conditions, guidance=1.0)
        rows = []
        for grid, (stream,) in zip(tokens, streams, strict=True):
            logits = self._decoder(
                torch.from_numpy(grid.copy())[None],
                None if stream.text is None else stream.text[None],
                None,
                None if stream.prefix is None else stream.prefix[None],
            )
            rows.append(logits[0].transpose(0, 1).numpy())
        return np.stack(rows)
