"""A language model on a device: takes and logits.

Owns the sessions that are kept for the next takes of the same shape. What happens in one is in
`device_session`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from studio.core.errors import ModelError
from studio.models.backend import Sampling
from studio.models.streams import Stream
from studio.models.torch_backend.device_decoder import DeviceDecoder, Texts
from studio.models.torch_backend.device_session import (
    BUCKET,
    DeviceSession,
    Rows,
    SessionShape,
    session_frames,
)
from studio.models.torch_backend.fused_step import FusedSteps
from studio.models.torch_backend.step_graph import Lane, open_lane
from studio.models.torch_backend.step_kernels import CudaKernels, Kernels
from studio.models.torch_backend.transformer import MusicDecoder

_KEPT_SESSIONS = 2


class DeviceLanguage:
    """Makes takes with a decoder on a device."""

    def __init__(
        self,
        decoder: MusicDecoder,
        *,
        lane: Lane | None = None,
        bucket: int = BUCKET,
        kernels: Kernels | None = None,
    ) -> None:
        """Use `decoder` where its weights are.

        Args:
            decoder: The decoder.
            lane: Where steps run; None takes the one that suits the device.
            bucket: See `device_session.BUCKET`.
            kernels: What compiles kernels of our own; None takes the one that suits the device, if
                there is one.
        """
        self._decoder = DeviceDecoder(decoder)
        self._lane = lane or open_lane(self._decoder.device)
        self._bucket = bucket
        if kernels is None and self._decoder.device.type == "cuda":
            kernels = CudaKernels(self._decoder.device)
        self._fused = None if kernels is None else FusedSteps(self._decoder, kernels)
        self._kept: dict[SessionShape, DeviceSession] = {}

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
        """Make takes; see `MusicBackend.steps`.

        Args:
            plans: The streams of each take, as `Conditioner.streams` gives them.
            prefix: int64 [B, K, P], P may be 0.
            frames: See `MusicBackend.steps`, as the rest.
            seeds: Likewise.
            sampling: Likewise.
            first_step: Likewise.
            closed: Likewise.

        Raises:
            ModelError: The device has not enough memory for so many takes.
        """
        rows, config = Rows.of(plans), self._decoder.config
        shape = SessionShape.of(rows, sampling, config.vocabulary)
        columns = prefix.shape[2] + frames + max(config.delays)
        try:
            session = self._session(shape, rows.prefix_length + columns)
            yield from session_frames(
                session,
                self._lane,
                rows,
                config,
                prefix=prefix,
                frames=frames,
                seeds=seeds,
                sampling=sampling,
                first_step=first_step,
                closed=closed,
            )
        except GeneratorExit:
            self._keep(shape, session)
            raise
        except torch.OutOfMemoryError as error:
            raise ModelError(
                f"The device {self._decoder.device} has not enough memory for this model and"
                f" {len(plans)} takes at once; make fewer at once or shorter ones."
            ) from error
        else:
            self._keep(shape, session)

    @torch.no_grad()
    def logits(self, tokens: NDArray[np.int64], stream: Stream) -> NDArray[np.float32]:
        """Logits float32 [K, S, V] of a delayed grid `tokens` [K, S] under one stream."""
        decoder = self._decoder
        columns = torch.from_numpy(tokens.T.copy())[None].to(decoder.device)
        places = stream.prefix_length + columns.shape[1]
        positions = decoder.positions(places)[None]
        x = decoder.embed(columns + decoder.token_rows, positions[:, stream.prefix_length :])
        if stream.prefix is not None:
            before = stream.prefix + positions[0, : stream.prefix_length]
            x = torch.cat([before[None].to(decoder.dtype), x], dim=1)
        texts = None
        if stream.text is not None:
            both = decoder.read_texts(stream.text[None].to(decoder.dtype))
            texts = Texts(both=both, mask=both[0].new_zeros(1, 1, 1, len(stream.text)))
        mask = torch.ones(1, 1, places, places, dtype=torch.bool, device=decoder.device).tril()
        read = decoder.read_whole(x, mask, texts)[0, stream.prefix_length :]
        logits: NDArray[np.float32] = decoder.predict(read).transpose(0, 1).cpu().numpy()
        return logits

    def _session(self, shape: SessionShape, cells: int) -> DeviceSession:
        """One that nobody uses."""
        kept = self._kept.pop(shape, None)
        if kept is not None and kept.cells >= cells:
            return kept
        del kept
        try:
            return self._new_session(shape, cells)
        except torch.OutOfMemoryError:
            self._kept.clear()
            return self._new_session(shape, cells)

    def _new_session(self, shape: SessionShape, cells: int) -> DeviceSession:
        # The weights are on their way by the stream of whoever loaded them.
        self._lane.join()
        read_step = None
        if self._fused is not None:
            with self._lane.entered():
                read_step = self._fused.reader(shape.rows, shape.texted)
        return DeviceSession(
            self._decoder,
            self._lane,
            shape,
            cells=cells,
            bucket=self._bucket,
            read_step=read_step,
        )

    def _keep(self, shape: SessionShape, session: DeviceSession) -> None:
        self._kept[shape] = session
        while len(self._kept) > _KEPT_SESSIONS:
            del self._kept[next(iter(self._kept))]
