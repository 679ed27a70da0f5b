"""Which precision suits a model on this machine.

Owns the choice, and what it stands on: how long a decoder's step takes here in each precision,
which does not depend on the numbers in it, and how much the model's own weights lose.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from studio.models.language_config import DecoderConfig
from studio.models.measurements import Measurements
from studio.models.native_backend.decoder import CachedDecoder
from studio.models.native_backend.decoder_weights import (
    NORMS,
    DecoderWeights,
    Tensors,
    pack_layer,
    read_layer,
    read_output,
    read_outside,
)
from studio.models.native_backend.fidelity import Fidelity
from studio.models.native_backend.kernels.emit import processor_features
from studio.models.native_backend.panels import PRECISIONS, pack, rounded_up
from studio.models.streams import Stream, Streams

HARMLESS_NATS = 0.01
"""The most that a precision nobody asked for may cost, on average for each code."""
_EXACT = "float32"
_SMALL_PRECISIONS = (_EXACT, "int8")
# Larger than any processor's cache: in a step, every weight comes from memory.
_TRIAL_NUMBERS = 80_000_000
_LEAST_LAYERS = 2
_REPEATS = 4
_ROWS = 2  # a take under guidance


def suitable_precision(
    tensors: Tensors,
    config: DecoderConfig,
    *,
    fingerprint: str,
    large: bool,
    threads: int,
    measurements: Measurements,
) -> str:
    """The fastest precision that costs the model next to nothing.

    A small model is fast enough in eight bits anywhere: for it nothing is timed, so that the same
    seed means the same take on every machine.

    Args:
        tensors: The model's.
        config: The decoder's sizes.
        fingerprint: The model's, under which its losses are remembered.
        large: Whether it is worth timing.
        threads: How many will compute.
        measurements: What is known.

    Raises:
        ModelError: A tensor is missing, of the wrong shape, or not finite.
    """
    candidates = PRECISIONS if large else _SMALL_PRECISIONS
    losses = measurements.of(
        f"nats lost by {fingerprint} in {', '.join(candidates)}",
        lambda: measure_losses(tensors, config, candidates, threads),
    )
    harmless = [each for each in candidates if losses.get(each, 0.0) <= HARMLESS_NATS]
    if not large:
        return harmless[-1]
    seconds = measurements.of(
        f"seconds a step of dim {config.dim}, layers {config.layers}, inner {config.ffn_dim}"
        f" with {threads} threads of {processor_name()}",
        lambda: time_precisions(config, threads),
    )
    return min(harmless, key=lambda precision: seconds.get(precision, float("inf")))


def measure_losses(
    tensors: Tensors, config: DecoderConfig, candidates: Sequence[str], threads: int
) -> dict[str, float]:
    """What each precision costs these weights, in nats for each code; see `Fidelity`."""
    outside = [read_outside(tensors, config, precision) for precision in candidates]
    fidelity = Fidelity(config, outside, threads)
    for layer in range(config.layers):
        fidelity.follow(read_layer(tensors, config, layer))
    return fidelity.losses(read_output(tensors, config))


def time_precisions(config: DecoderConfig, threads: int) -> dict[str, float]:
    """Seconds that one step of a guided take needs in each precision, measured in turns."""
    numbers = config.dim * (4 * config.dim + 2 * config.ffn_dim)
    layers = min(config.layers, max(_LEAST_LAYERS, _TRIAL_NUMBERS // numbers))
    trials = {each: _blank_decoder(config, layers, each, threads) for each in PRECISIONS}
    tokens = np.zeros((_ROWS, config.codebooks, 1), dtype=np.int64)
    best = dict.fromkeys(trials, float("inf"))
    for _ in range(1 + _REPEATS):
        for precision, decoder in trials.items():
            begun = time.perf_counter()
            decoder.advance(tokens)
            best[precision] = min(best[precision], time.perf_counter() - begun)
    return {precision: seconds * config.layers / layers for precision, seconds in best.items()}


def processor_name() -> str:
    """What tells this processor from others, as far as the kernels' speed goes."""
    return ", ".join(sorted(processor_features() & _TELLING)) or "a processor without vectors"


_TELLING = {"avx2", "avx512f", "avx512vnni", "avxvnni", "f16c", "neon", "dotprod", "i8mm"}


def _blank_decoder(
    config: DecoderConfig, layers: int, precision: str, threads: int
) -> CachedDecoder:
    """A decoder of zeros, with memory of its own for every weight."""
    widths = {
        "qkv": (3 * config.dim, config.dim),
        "out": (config.dim, config.dim),
        "inner": (config.ffn_dim, config.dim),
        "outer": (config.dim, config.ffn_dim),
    }
    dim, numbers = rounded_up(config.dim), config.codebooks * config.vocabulary
    output = pack(np.zeros((numbers, config.dim), dtype=np.float32), precision)
    rows = config.codebooks * (config.vocabulary + 1)
    outside = {
        "embedding": np.zeros((rows, config.dim), dtype=np.float32),
        "output_norm": np.zeros((2, dim), dtype=np.float32),
        "output": output.weights,
        "output_scales": output.scales,
    }
    zeros = {name: np.zeros(shape, dtype=np.float32) for name, shape in widths.items()}
    packed = pack_layer({**zeros, NORMS: np.zeros((3, 2, dim), dtype=np.float32)}, precision)
    stacked = {
        # Written to, or the system would lend one page of zeros for all.
        name: np.repeat(array[None], layers, axis=0)
        for name, array in packed.items()
    }
    weights = DecoderWeights(arrays={**outside, **stacked}, precision=precision)
    streams = Streams([[Stream()] for _ in range(_ROWS)])
    return CachedDecoder(config, weights, streams, steps=1 + _REPEATS, threads=threads)
