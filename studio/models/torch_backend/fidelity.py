"""How much a decoder loses by being quantised.

Owns one short passage that goes through every block twice, before and after its weights are
rounded, while a model is being read. It judges nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from studio.models.torch_backend.packing import pack_layers
from studio.models.torch_backend.transformer import MusicDecoder, sinusoids

_STEPS = 48


class Fidelity:
    """Follows a passage through a decoder while its blocks are packed, one after another.

    Args:
        decoder: Unpacked; its embedding has been read when the first block comes.
        precision: What it is packed to.
    """

    def __init__(self, decoder: MusicDecoder, precision: str) -> None:
        self._decoder = decoder
        self._precision = precision
        self._exact: Tensor | None = None
        self._packed: Tensor | None = None

    @torch.inference_mode()
    def pack(self, block: nn.Module) -> None:
        """Pack the next block."""
        if self._exact is None or self._packed is None:
            self._exact = self._packed = self._passage()
        self._exact = block(self._exact, None, None)
        pack_layers(block, self._precision)
        self._packed = block(self._packed, None, None)

    @torch.inference_mode()
    def pack_rest(self) -> float:
        """Pack what lies outside the blocks.

        Returns:
            Mean Kullback-Leibler divergence of the next code's distribution from that of the
            exact weights, in nats for each code.
        """
        assert self._exact is not None
        assert self._packed is not None
        exact = functional.log_softmax(self._decoder.predict(self._exact), dim=-1)
        pack_layers(self._decoder, self._precision)
        packed = functional.log_softmax(self._decoder.predict(self._packed), dim=-1)
        return float((exact.exp() * (exact - packed)).sum(dim=-1).mean())

    def _passage(self) -> Tensor:
        """Random codes, the same for every model of this shape: [1, S, D]."""
        config = self._decoder.config
        random = torch.Generator().manual_seed(0)
        shape = (1, config.codebooks, _STEPS)
        codes = torch.randint(config.vocabulary, shape, generator=random)
        return self._decoder.embed(codes) + sinusoids(_STEPS, config.dim)
