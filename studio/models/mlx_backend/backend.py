"""The backend that computes with mlx: on the GPU of Apple silicon, on the CPU elsewhere.

Owns one loaded bundle and the passage between numpy and mlx. Networks, loop and conditions live
in the modules beside it.

Whether a take's codes are the same alone and among others rests on the matrix product giving a
row the same bits whatever rows stand beside it. mlx promises no such thing, so it is tried out
with the model's own layers for each size of batch; where it does not hold, the takes of a batch
are made one after the other, at the speed of one.

Its tests run on Linux's CPU, where all of this was measured; none has run on Apple's GPU yet.

mlx binds what is not computed yet to the thread that asked for it. So everything is computed
before a call returns, and a loaded model may be used from any thread, by one at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from studio.models.asked import check_logits, check_steps, model_info
from studio.models.backend import CodecStream, Condition, Sampling
from studio.models.bundle import Bundle
from studio.models.decode import generate_frames
from studio.models.mlx_backend.cached_decoder import CachedDecoder
from studio.models.mlx_backend.loading import load_networks
from studio.models.mlx_backend.packing import dtype_of, rows_stand_alone
from studio.models.streams import Stream, Streams


class MlxBackend:
    """One bundle, loaded; see `studio.models.backend.MusicBackend`."""

    def __init__(self, bundle: Bundle, precision: str = "float32") -> None:
        """Load the weights of `bundle`.

        Args:
            bundle: The bundle.
            precision: One of `packing.PRECISIONS`, for the decoder.

        Raises:
            ModelError: Its configuration or its weights are not usable.
        """
        networks = load_networks(bundle, precision)
        self._decoder = networks.decoder
        self._conditioner = networks.conditioner
        self._codec = networks.codec
        self._stands_alone: dict[int, bool] = {}
        self.info = model_info(
            bundle,
            networks.shapes,
            backend="mlx",
            precision=precision,
            parameters=networks.parameters,
            number_bytes=dtype_of(precision).size,
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
        known = check_steps(
            self.info,
            conditions,
            frames=frames,
            seeds=seeds,
            prefix=prefix,
            first_step=first_step,
        )

        def make(streams: Sequence[Sequence[Stream]], of: slice) -> Iterator[NDArray[np.int64]]:
            ordered = Streams(streams)
            return generate_frames(
                lambda columns: CachedDecoder(self._decoder, ordered, steps=columns).advance,
                ordered,
                self._decoder.config,
                prefix=known[of],
                frames=frames,
                seeds=seeds[of],
                sampling=sampling,
                first_step=first_step,
                closed=closed,
            )

        streams = self._conditioner.streams(conditions, guidance=sampling.guidance)
        if len(streams) == 1 or self._may_stand_together(streams):
            return make(streams, slice(None))
        alone = [make([pair], slice(take, take + 1)) for take, pair in enumerate(streams)]
        return (np.concatenate(parts) for parts in zip(*alone, strict=True))

    def encode(self, audio: NDArray[np.float32]) -> NDArray[np.int64]:
        """See `MusicBackend.encode`."""
        return self._codec.encode(audio)

    def decode(self, codes: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `MusicBackend.decode`."""
        return self._codec.decode(codes)

    def decoder_stream(self) -> CodecStream:
        """See `MusicBackend.decoder_stream`."""
        return self._codec.stream()

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
                mx.array(grid.astype(np.int32))[None],
                None if stream.text is None else stream.text[None],
                None if stream.prefix is None else stream.prefix[None],
            )
            rows.append(np.array(logits[0].swapaxes(0, 1).astype(mx.float32)))
        return np.stack(rows)

    def _may_stand_together(self, streams: Sequence[Sequence[Stream]]) -> bool:
        """Whether the streams of these takes can be read together without changing a code."""
        every = [stream for pair in streams for stream in pair]
        counts = {len(every), sum(stream.text is not None for stream in every)} - {0}
        dtype = self._decoder.embedding.dtype
        for count in counts - self._stands_alone.keys():
            self._stands_alone[count] = all(
                rows_stand_alone(layer, count, dtype)
                for layer in self._decoder.layers_of_each_shape()
            )
        return all(self._stands_alone[count] for count in counts)
