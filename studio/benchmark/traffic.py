"""What one step of the decoder has to read from memory.

Owns the arithmetic, from the sizes of a model alone; the tests hold it to what the native backend
really hands to a step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean

from studio.models.language_config import DecoderConfig
from studio.models.streams import TEXT_BLOCK

PANEL = 64
"""Places and outputs that the native backend keeps side by side; it fills up to multiples."""
_GROUP = 64
_FLOAT_BYTES, _HALF_BYTES = 4, 2

NUMBER_BYTES = {"float32": 4.0, "bfloat16": 2.0, "float16": 2.0, "int8": 1.0, "int4": 0.5}
"""Bytes of one weight, by precision, scales not counted."""

_SCALES_OF_A_GROUP = {
    ("native", "int4"): _HALF_BYTES,
    ("mlx", "int8"): 2 * _FLOAT_BYTES,  # scale and offset
    ("mlx", "int4"): 2 * _FLOAT_BYTES,
}
_SCALES_OF_A_ROW = {("native", "int8"): _FLOAT_BYTES}
# The product that decides between codes has more bits than the others.
_OUTPUTS = {"int4": "int8"}


@dataclass(frozen=True, kw_only=True)
class Load:
    """What is decoded at once.

    Attributes:
        streams: Rows of the decoder.
        attending: How many of them attend to a text.
        texts: How many different texts those are.
        text_tokens: Length of each.
        past: How many steps each stream looks back on, its own included, in each step of the take.
    """

    streams: int
    attending: int
    texts: int
    text_tokens: int
    past: range


def weight_bytes(config: DecoderConfig, backend: str, precision: str, *, with_text: bool) -> float:
    """Bytes of the matrices that one step multiplies with, scales included.

    Args:
        config: The decoder's sizes.
        backend: What computes.
        precision: One of `NUMBER_BYTES`.
        with_text: Whether any stream attends to a text.
    """
    layer = sum(
        _matrix_bytes(backend, precision, *shape)
        for shape in _layer_matrices(config, with_text=with_text)
    )
    outputs = config.codebooks * config.vocabulary
    last = _matrix_bytes(backend, _OUTPUTS.get(precision, precision), outputs, config.dim)
    return config.layers * layer + last


def past_bytes(config: DecoderConfig, backend: str, cache_bytes: int, steps: int) -> float:
    """Bytes that one stream reads to look back on `steps` steps, in all layers.

    Args:
        config: The decoder's sizes.
        backend: What computes.
        cache_bytes: What one stream keeps for each step, as `ModelInfo` says.
        steps: How many.
    """
    if backend == "native":
        # Keys of 64 steps lie in one panel, the values of a step in panels of 64 numbers.
        width = config.dim // config.heads
        values = steps * _filled_up(width, PANEL) / width
        return cache_bytes / 2 * (_filled_up(steps, PANEL) + values)
    return float(cache_bytes * steps)


def table_bytes(config: DecoderConfig, backend: str, precision: str, load: Load) -> float:
    """Bytes of norms, and of the rows that are looked up for tokens and positions."""
    width = _padded(backend, config.dim)
    norms = 2 * width * (config.layers * (3 if load.attending else 2) + 1)
    rows = load.streams * (config.codebooks + 1) * config.dim
    exact = backend == "native" or precision == "float32"
    return (_FLOAT_BYTES if exact else _HALF_BYTES) * (norms + rows)


def step_bytes(
    config: DecoderConfig, backend: str, precision: str, cache_bytes: int, load: Load
) -> float | None:
    """Bytes read in one step, in the mean of the take.

    Args:
        config: The decoder's sizes.
        backend: What computes.
        precision: Number format of the weights.
        cache_bytes: What one stream keeps for each step, as `ModelInfo` says.
        load: What is decoded.

    Returns:
        None for a precision whose layout is not known here.
    """
    if precision not in NUMBER_BYTES:
        return None
    past = fmean(past_bytes(config, backend, cache_bytes, steps) for steps in load.past)
    if backend == "native":
        # Takes under one text share its keys and values; the first finds them in memory, the
        # others in the processor's cache.
        text = load.texts * past_bytes(config, backend, cache_bytes, load.text_tokens)
    else:
        text = load.attending * past_bytes(
            config, backend, cache_bytes, _filled_up(load.text_tokens, TEXT_BLOCK)
        )
    return (
        weight_bytes(config, backend, precision, with_text=load.attending > 0)
        + table_bytes(config, backend, precision, load)
        + load.streams * past
        + text
    )


def _matrix_bytes(backend: str, precision: str, outputs: int, inputs: int) -> float:
    outputs, inputs = _padded(backend, outputs), _padded(backend, inputs)
    kind = (backend, precision)
    number = NUMBER_BYTES[precision] + _SCALES_OF_A_GROUP.get(kind, 0) / _GROUP
    return outputs * (inputs * number + _SCALES_OF_A_ROW.get(kind, 0))


def _layer_matrices(config: DecoderConfig, *, with_text: bool) -> Iterator[tuple[int, int]]:
    """Outputs and inputs of each."""
    dim, inner = config.dim, config.ffn_dim
    yield 3 * dim, dim
    yield dim, dim
    if with_text:  # queries and output; keys and values of a text stay the same
        yield dim, dim
        yield dim, dim
    yield inner, dim
    yield dim, inner


def _padded(backend: str, count: int) -> int:
    return _filled_up(count, PANEL) if backend == "native" else count


def _filled_up(count: int, multiple: int) -> int:
    return -(-count // multiple) * multiple
