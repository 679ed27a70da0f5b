"""How much a decoder loses by being rounded.

Owns one short passage that goes through every layer while a model is being read: once exactly, by
numpy, and once for each precision in question, by the kernels. It judges nothing.

Letters in shapes: S steps, D model width, K codebooks, V codes in a codebook.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from studio.models.language_config import DecoderConfig
from studio.models.native_backend.decoder import CachedDecoder
from studio.models.native_backend.decoder_weights import (
    NORMS,
    Arrays,
    DecoderWeights,
    pack_layer,
)
from studio.models.streams import Stream, Streams

STEPS = 48


class Fidelity:
    """Follows a passage through a decoder, layer after layer.

    Args:
        config: The decoder's sizes.
        outside: The decoder without layers in each precision, the one in float32 among them.
        threads: How many compute.
    """

    def __init__(
        self, config: DecoderConfig, outside: Sequence[DecoderWeights], threads: int
    ) -> None:
        self._config = config
        self._threads = threads
        self._outside = {weights.precision: weights for weights in outside}
        random = np.random.default_rng(0)
        codes = random.integers(config.vocabulary, size=(config.codebooks, STEPS))
        begin = self._decoder(self._outside["float32"]).embedded(codes)
        self._exact = begin[:, : config.dim].astype(np.float64)
        self._rounded = {precision: begin for precision in self._outside if precision != "float32"}

    def follow(self, layer: Arrays) -> None:
        """Go through the next layer, as `read_layer` gives it."""
        for precision, x in self._rounded.items():
            weights = self._outside[precision].with_layer(pack_layer(layer, precision))
            self._rounded[precision] = self._decoder(weights).passed(x)
        self._exact = _exact_layer(self._exact, layer, self._config)

    def losses(self, output: NDArray[np.float32]) -> dict[str, float]:
        """What each precision costs.

        Args:
            output: The last matrix, exact, [K * V, D].

        Returns:
            By precision the mean Kullback-Leibler divergence of the next code's distribution from
            that of the exact weights, in nats for each code.
        """
        config = self._config
        norm = self._outside["float32"].arrays["output_norm"]
        logits = _normed(self._exact, norm) @ output.T.astype(np.float64)
        exact = _log_softmax(logits.reshape(STEPS, config.codebooks, config.vocabulary))
        found = {}
        for precision, x in self._rounded.items():
            rounded = _log_softmax(self._decoder(self._outside[precision]).predicted(x))
            lost = (np.exp(exact) * (exact - rounded)).sum(axis=-1).mean()
            found[precision] = max(0.0, float(lost))
        return found

    def _decoder(self, weights: DecoderWeights) -> CachedDecoder:
        streams = Streams([[Stream()]])
        return CachedDecoder(self._config, weights, streams, steps=STEPS, threads=self._threads)


def _exact_layer(
    x: NDArray[np.float64], layer: Arrays, config: DecoderConfig
) -> NDArray[np.float64]:
    """One layer of the decoder, without a text, on `x` [S, D]."""
    qkv = _normed(x, layer[NORMS][0]) @ layer["qkv"].T
    query, key, value = qkv.reshape(len(x), 3, config.heads, -1).transpose(1, 2, 0, 3)
    scores = query @ key.transpose(0, 2, 1) * query.shape[-1] ** -0.5
    scores[:, *np.triu_indices(len(x), 1)] = -np.inf
    mixed = np.exp(_log_softmax(scores)) @ value
    x = x + mixed.transpose(1, 0, 2).reshape(len(x), -1) @ layer["out"].T
    inner = _normed(x, layer[NORMS][2]) @ layer["inner"].T
    shares = np.vectorize(math.erf, otypes=[np.float64])(inner * 0.5**0.5)
    grown: NDArray[np.float64] = x + (inner * 0.5 * (1.0 + shares)) @ layer["outer"].T
    return grown


def _normed(x: NDArray[np.float64], norm: NDArray[np.float32]) -> NDArray[np.float64]:
    weight, bias = norm[:, : x.shape[1]]
    off = x - x.mean(axis=-1, keepdims=True)
    root = np.sqrt(np.square(off).mean(axis=-1, keepdims=True) + 1e-5)
    normed: NDArray[np.float64] = off / root * weight + bias
    return normed


def _log_softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    wide = logits.astype(np.float64)
    wide -= wide.max(axis=-1, keepdims=True)
    normed: NDArray[np.float64] = wide - np.log(np.exp(wide).sum(axis=-1, keepdims=True))
    return normed
