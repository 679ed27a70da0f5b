"""The backend that computes with PyTorch, on a GPU.

Owns one loaded bundle. Networks, loop and conditions live in the modules beside it. Everything
runs on a CPU as well, by the same code, which is how it is tested: there, stand-ins record and
replay what CUDA graphs would, and run our kernels. None of it has run on a GPU yet. CPUs are better
served by the native backend.

A take's codes are its condition's and its seed's up to rounding: libraries choose their kernels by
the number of rows, so now and then a take among others may draw another code than alone. The native
backend keeps every bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from studio.models.asked import check_logits, check_steps, model_info
from studio.models.backend import CodecStream, Condition, Sampling
from studio.models.bundle import Bundle
from studio.models.torch_backend.device import pick_device
from studio.models.torch_backend.device_language import DeviceLanguage
from studio.models.torch_backend.loading import load_networks


class TorchBackend:
    """One bundle, loaded; see `studio.models.backend.MusicBackend`."""

    def __init__(
        self, bundle: Bundle, precision: str | None = None, *, device: str | None = None
    ) -> None:
        """Load the weights of `bundle`.

        Args:
            bundle: The model.
            precision: One of `device.device_precisions`; None takes the one that suits.
            device: "cuda", "mps" or "cpu"; None takes the fastest here.

        Raises:
            ModelError: Its configuration or its weights are not usable, there is no such device,
                or it is not good at the precision.
        """
        networks = load_networks(bundle, precision, pick_device(device))
        self._language = DeviceLanguage(networks.decoder)
        self._conditioner = networks.conditioner
        self._codec = networks.codec
        self.info = model_info(
            bundle,
            networks.shapes,
            backend="torch",
            precision=networks.precision,
            parameters=networks.parameters,
            number_bytes=networks.decoder.heads.weight.element_size(),
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
        plans = self._conditioner.streams(conditions, guidance=sampling.guidance)
        return self._language.frames(
            plans,
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

    def logits(
        self, tokens: NDArray[np.int64], conditions: Sequence[Condition] | None
    ) -> NDArray[np.float32]:
        """See `MusicBackend.logits`."""
        conditions = check_logits(self.info, tokens, conditions)
        # Unguided, so that each take has the one stream that its negative plays no part in.
        plans = self._conditioner.streams(conditions, guidance=1.0)
        rows = [
            self._language.logits(grid, stream)
            for grid, (stream,) in zip(tokens, plans, strict=True)
        ]
        return np.stack(rows)
