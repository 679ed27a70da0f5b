"""The backend that computes on the processor.

Owns one loaded bundle. Networks, loop and conditions live in the modules beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from studio.models.asked import check_logits, check_steps, model_info
from studio.models.backend import CodecStream, Condition, Sampling
from studio.models.bundle import Bundle
from studio.models.decode import Advance, Pick, generate_frames
from studio.models.measurements import Measurements
from studio.models.native_backend.decoder import CachedDecoder
from studio.models.native_backend.gang import threads_for
from studio.models.native_backend.kernels.picking import pick
from studio.models.native_backend.loading import load_networks
from studio.models.native_backend.store import PackedStore
from studio.models.streams import Streams

_EXACT_BYTES = 4
_ROUNDED_BYTES = 2


class NativeBackend:
    """One bundle, loaded; see `studio.models.backend.MusicBackend`."""

    def __init__(
        self,
        bundle: Bundle,
        precision: str | None = None,
        *,
        measurements: Measurements | None = None,
        packed: PackedStore | None = None,
    ) -> None:
        """Load the weights of `bundle`.

        Args:
            bundle: The model.
            precision: One of `panels.PRECISIONS`; None takes the one that suits.
            measurements: What is known about the machine and the model; None finds out anew.
            packed: Large models as they were packed before; None packs anew.

        Raises:
            ModelError: Its configuration or its weights are not usable.
        """
        self._networks = networks = load_networks(
            bundle, precision, measurements or Measurements(None), packed or PackedStore(None)
        )
        exact = networks.precision == "float32"
        self.info = model_info(
            bundle,
            networks.shapes,
            backend="native",
            precision=networks.precision,
            parameters=networks.parameters,
            number_bytes=_EXACT_BYTES if exact else _ROUNDED_BYTES,
        )
        self._compile()

    def _compile(self) -> None:
        """Run every kernel of a take once: what is not yet compiled would hold up the first one."""
        text = "a" if self._networks.conditioner.reads_text else ""
        sampling = Sampling(top_k=2, guidance=2.0)
        (codes,) = self.steps([Condition(text=text)], frames=1, seeds=[0], sampling=sampling)
        stream = self.decoder_stream()
        stream.push(codes[0][:, None])
        stream.finish()

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
        networks = self._networks
        streams = Streams(networks.conditioner.streams(conditions, guidance=sampling.guidance))

        def open_decoder(columns: int) -> Advance:
            return self._decoder(streams, columns).advance

        return generate_frames(
            open_decoder,
            streams,
            networks.shapes.decoder,
            prefix=prefix,
            frames=frames,
            seeds=seeds,
            sampling=sampling,
            first_step=first_step,
            closed=closed,
            pick=_picker(streams, sampling, seeds),
        )

    def encode(self, audio: NDArray[np.float32]) -> NDArray[np.int64]:
        """See `MusicBackend.encode`."""
        return self._networks.codec.encode(audio)

    def decode(self, codes: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `MusicBackend.decode`."""
        return self._networks.codec.decode(codes)

    def decoder_stream(self) -> CodecStream:
        """See `MusicBackend.decoder_stream`."""
        return self._networks.codec.stream()

    def logits(
        self, tokens: NDArray[np.int64], conditions: Sequence[Condition] | None
    ) -> NDArray[np.float32]:
        """See `MusicBackend.logits`."""
        conditions = check_logits(self.info, tokens, conditions)
        # Unguided, so that each take has the one stream that its negative plays no part in.
        streams = Streams(self._networks.conditioner.streams(conditions, guidance=1.0))
        logits = self._decoder(streams, tokens.shape[2]).read(tokens)[streams.pairs[:, 0]]
        return logits.transpose(0, 2, 1, 3)

    def _decoder(self, streams: Streams, columns: int) -> CachedDecoder:
        networks = self._networks
        return CachedDecoder(
            networks.shapes.decoder, networks.decoder, streams, steps=columns,
            threads=threads_for(networks.parameters, len(streams.ordered)),
        )  # fmt: skip


def _picker(streams: Streams, sampling: Sampling, seeds: Sequence[int]) -> Pick | None:
    if sampling.top_p > 0.0:
        return None
    keys = np.array(seeds, dtype=np.uint64)
    guidance, temperature = np.float32(sampling.guidance), np.float32(sampling.temperature)

    def picked(logits: NDArray[np.float32], step: int) -> NDArray[np.int64]:
        codes = np.empty((len(keys), logits.shape[1]), dtype=np.int64)
        pick(
            logits, streams.pairs, guidance, temperature, sampling.top_k, keys, step, codes
        )  # fmt: skip
        return codes

    return picked
