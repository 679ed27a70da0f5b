"""How much a decoder loses by being rounded.

Owns one short passage that goes through every layer while a model is being read, once as exact as
the checkpoint and once for each precision in question. It judges nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from studio.models.language_config import DecoderConfig
from studio.models.native_backend.decoder import CachedDecoder
from studio.models.native_backend.decoder_weights import Arrays, DecoderWeights
from studio.models.streams import Stream, Streams

STEPS = 48
_EXACT = "float32"


class Fidelity:
    """Follows a passage through a decoder, layer after layer.

    Args:
        config: The decoder's sizes.
        outside: The decoder without layers, exact.
        threads: How many compute.
    """

    def __init__(self, config: DecoderConfig, outside: DecoderWeights, threads: int) -> None:
        self._config = config
        self._threads = threads
        self._outside = outside
        random = np.random.default_rng(0)
        codes = random.integers(config.vocabulary, size=(config.codebooks, STEPS))
        self._begin = self._decoder(outside).embedded(codes)
        self._passages: dict[str, NDArray[np.float32]] = {}

    def follow(self, layer: Arrays, precision: str) -> None:
        """Go through the next layer, packed in a precision."""
        x = self._passages.get(precision, self._begin)
        outside = DecoderWeights(arrays=self._outside.arrays, precision=precision)
        self._passages[precision] = self._decoder(outside.with_layer(layer)).passed(x)

    def losses(self, outputs: Sequence[DecoderWeights]) -> dict[str, float]:
        """What each precision costs.

        Args:
            outputs: The decoder without layers, in each precision.

        Returns:
            By precision the mean Kullback-Leibler divergence of the next code's distribution from
            that of the exact weights, in nats for each code.
        """
        logits = {
            weights.precision: self._decoder(weights).predicted(self._passages[weights.precision])
            for weights in (self._outside, *outputs)
        }
        exact = _log_softmax(logits.pop(_EXACT))
        return {
            precision: float((np.exp(exact) * (exact - _log_softmax(each))).sum(axis=-1).mean())
            for precision, each in logits.items()
        }

    def _decoder(self, weights: DecoderWeights) -> CachedDecoder:
        streams = Streams([[Stream()]])
        return CachedDecoder(self._config, weights, streams, steps=STEPS, threads=self._threads)


def _log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    wide = logits.astype(np.float64)
    wide -= wide.max(axis=-1, keepdims=True)
    normed: NDArray[np.float64] = wide - np.log(np.exp(wide).sum(axis=-1, keepdims=True))
    return normed
