"""What one step of the decoder has to read from memory.

Owns the arithmetic, from the sizes of a model alone; the tests hold it to the operators that
really run. Tables that a step reads a few rows of count for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from studio.models.language_config import DecoderConfig

_GROUP = 64
_SCALE_BYTES = 4

NUMBER_BYTES = {"float32": 4.0, "bfloat16": 2.0, "float16": 2.0, "int8": 1.0, "int4": 0.5}
"""Bytes of one weight, by precision, scales not counted."""

_SCALES_OF_A_GROUP = {
    ("torch", "int4"): _SCALE_BYTES,  # scale and offset of two bytes each
    ("mlx", "int8"): 2 * _SCALE_BYTES,
    ("mlx", "int4"): 2 * _SCALE_BYTES,
}
_SCALES_OF_A_ROW = {("torch", "int8"): 2 * _SCALE_BYTES}
_HEADS = {("mlx", "int4"): "int8"}


@dataclass(frozen=True, kw_only=True)
class Load:
    """What is decoded at once.

    Attributes:
        streams: Rows of the decoder.
        texts: How many of them attend to a text.
        text_tokens: Its length, padding included.
        past_steps: How many steps each stream looks back on, in the middle of the take.
    """

    streams: int
    texts: int
    text_tokens: int
    past_steps: float


def weight_numbers(config: DecoderConfig, *, with_text: bool) -> int:
    """Numbers in the matrices that one step multiplies with."""
    return _layer_numbers(config, with_text=with_text) + _head_numbers(config)


def step_bytes(
    config: DecoderConfig, backend: str, precision: str, cache_bytes: int, load: Load
) -> float | None:
    """Bytes read in one step.

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
    with_text = load.texts > 0
    heads = _HEADS.get((backend, precision), precision)
    weights = (
        _number_bytes(backend, precision) * _layer_numbers(config, with_text=with_text)
        + _number_bytes(backend, heads) * _head_numbers(config)
        + _SCALES_OF_A_ROW.get((backend, precision), 0) * _outputs(config, with_text=with_text)
    )
    remembered = load.streams * load.past_steps + load.texts * load.text_tokens
    return weights + cache_bytes * remembered


def _number_bytes(backend: str, precision: str) -> float:
    """Bytes of one weight with its part of its group's scales."""
    return NUMBER_BYTES[precision] + _SCALES_OF_A_GROUP.get((backend, precision), 0) / _GROUP


def _layer_numbers(config: DecoderConfig, *, with_text: bool) -> int:
    square = config.dim * config.dim
    attention = 4 * square
    if with_text:
        attention += 2 * square  # queries and output; keys and values of a text stay the same
    return config.layers * (attention + 2 * config.dim * config.ffn_dim)


def _head_numbers(config: DecoderConfig) -> int:
    return config.codebooks * config.vocabulary * config.dim


def _outputs(config: DecoderConfig, *, with_text: bool) -> int:
    """Rows of those matrices, each with its own scale."""
    layer = 5 * config.dim + config.ffn_dim + (2 * config.dim if with_text else 0)
    return config.layers * layer + config.codebooks * config.vocabulary
