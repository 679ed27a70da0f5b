"""EnCodec's decoder on codes that are still being made.

Owns the exact streaming of the codec: which latents and hidden frames must be kept, and which
audio is final. The network it runs is in `codec`.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from studio.models.torch_backend.codec import EncodecConfig, EncodecModel


class EncodecStream:
    """Decodes codes as they arrive; the pieces join to exactly the whole decode.

    The first convolution needs latents on both sides, the LSTM only looks back, and what follows
    the LSTM needs a bounded stretch on both sides. So a push runs the LSTM on from its state, runs
    the rest over the new frames and their context, and holds back what may still change. The ends
    of the clip are reflected only where they truly are.
    """

    def __init__(self, model: EncodecModel) -> None:
        self._model = model
        config = model.config
        self._reach = model.decoder.entry.span // 2
        self._context = _upsample_reach(config)
        self._hop = config.hop
        self._latents = torch.zeros(1, config.hidden_size, 0)
        self._latents_start = 0
        self._hidden: Tensor | None = None
        self._hidden_start = 0
        self._hidden_done = 0
        self._state: tuple[Tensor, Tensor] | None = None
        self._emitted = 0
        self._pushed = 0

    @torch.inference_mode()
    def push(self, codes: NDArray[np.int64]) -> NDArray[np.float32]:
        """Codes [K, n] in, the audio [1, m] that became final out (m may be 0)."""
        if codes.shape[1] == 0:
            return np.zeros((1, 0), np.float32)
        tokens = torch.from_numpy(np.ascontiguousarray(codes))[None]
        self._latents = torch.cat([self._latents, self._model.embed(tokens)], dim=2)
        self._pushed += codes.shape[1]
        return self._advance(last=False)

    @torch.inference_mode()
    def finish(self) -> NDArray[np.float32]:
        """The audio [1, m] that was still held back."""
        if self._pushed == self._emitted:
            return np.zeros((1, 0), np.float32)
        return self._advance(last=True)

    def _advance(self, *, last: bool) -> NDArray[np.float32]:
        self._run_recurrent(self._pushed if last else self._pushed - self._reach)
        until = self._hidden_done if last else self._hidden_done - self._context
        if until <= self._emitted or self._hidden is None:
            return np.zeros((1, 0), np.float32)
        begin = max(0, self._emitted - self._context)
        window = self._hidden[..., begin - self._hidden_start :]
        audio = self._model.decoder.upsample(window)[0, :, 0]
        first = (self._emitted - begin) * self._hop
        piece = audio[:, first : first + (until - self._emitted) * self._hop]
        self._emitted = until
        keep = max(0, until - self._context)
        self._hidden = self._hidden[..., keep - self._hidden_start :]
        self._hidden_start = keep
        samples: NDArray[np.float32] = piece.float().numpy().copy()
        return samples

    def _run_recurrent(self, until: int) -> None:
        if until <= self._hidden_done:
            return
        begin = max(0, self._hidden_done - self._reach)
        window = self._latents[..., begin - self._latents_start :]
        entered = self._model.decoder.entry(window.unsqueeze(2))
        fresh = entered[..., self._hidden_done - begin : until - begin]
        hidden, self._state = self._model.decoder.recurrent.continue_from(fresh, self._state)
        known = [] if self._hidden is None else [self._hidden]
        self._hidden = torch.cat([*known, hidden], dim=3)
        self._hidden_done = until
        keep = max(0, until - self._reach)
        self._latents = self._latents[..., keep - self._latents_start :]
        self._latents_start = keep


def _upsample_reach(config: EncodecConfig) -> int:
    """Codec frames on either side of a frame that its audio depends on, after the LSTM."""
    reach = config.last_kernel_size / 2
    for ratio in reversed(config.upsampling_ratios):
        for j in range(config.num_residual_layers):
            reach += (config.residual_kernel_size - 1) * config.dilation_growth_rate**j / 2
        reach = (reach + ratio) / ratio
    return math.ceil(reach)
