"""What is asked of a loaded model, checked before anything is computed.

Owns the checks of the arguments of `MusicBackend`, the facts that it states about a model and the
sampling that a bundle recommends, the same for every backend. Audio is checked by the codecs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.core.errors import InputError
from studio.models.backend import Condition, ModelInfo, Sampling
from studio.models.bundle import GENERATION, Bundle
from studio.models.config_fields import read_integer, read_number
from studio.models.shapes import Shapes, naming

MAX_SEED = 2**63 - 1


def check_steps(
    info: ModelInfo,
    conditions: Sequence[Condition],
    *,
    frames: int,
    seeds: Sequence[int],
    prefix: NDArray[np.int64] | None,
    first_step: int,
) -> NDArray[np.int64]:
    """Check the arguments of `MusicBackend.steps`.

    Returns:
        The prefix, int64 [B, K, P]; P is 0 where none was given.

    Raises:
        InputError: They do not fit the model or each other.
    """
    takes = len(conditions)
    if prefix is None:
        prefix = np.zeros((takes, info.codebooks, 0), dtype=np.int64)
    check_tokens(info, prefix, highest=info.codebook_size - 1)
    if not conditions or not takes == len(seeds) == len(prefix):
        raise InputError(
            f"There are {takes} conditions, {len(seeds)} seeds and {len(prefix)} prefixes;"
            " give one of each for every take."
        )
    if not all(0 <= seed <= MAX_SEED for seed in seeds):
        raise InputError(f"A seed must be between 0 and {MAX_SEED}.")
    if first_step < 0 or frames < 1:
        raise InputError(f"{frames} frames from frame {first_step} on cannot be made.")
    total = prefix.shape[2] + frames
    if total > info.window_frames:
        raise InputError(
            f"{total} codec frames do not fit the model's window of {info.window_frames}."
        )
    return prefix


def check_logits(
    info: ModelInfo, tokens: NDArray[np.int64], conditions: Sequence[Condition] | None
) -> Sequence[Condition]:
    """Check the arguments of `MusicBackend.logits`.

    Returns:
        One condition a row.

    Raises:
        InputError: They do not fit the model or each other.
    """
    check_tokens(info, tokens, highest=info.codebook_size)
    if conditions is None:
        conditions = [Condition()] * len(tokens)
    if not conditions or len(conditions) != len(tokens):
        raise InputError(
            f"There are {len(conditions)} conditions for {len(tokens)} rows of tokens."
        )
    return conditions


def check_tokens(info: ModelInfo, tokens: NDArray[np.int64], *, highest: int) -> None:
    """Check an array of codes.

    Raises:
        InputError: It is not int64 [B, K, n], or a code is outside 0 to `highest`.
    """
    if tokens.ndim != 3 or tokens.shape[1] != info.codebooks:
        raise InputError(
            f"The codes must be [takes, {info.codebooks}, frames], not {list(tokens.shape)}."
        )
    if tokens.dtype != np.int64:
        raise InputError(f"The codes must be int64, not {tokens.dtype}.")
    if tokens.size and (tokens.min() < 0 or tokens.max() > highest):
        raise InputError(f"A code is outside 0 to {highest}.")


def model_info(
    bundle: Bundle,
    shapes: Shapes,
    *,
    backend: str,
    precision: str,
    parameters: int,
    number_bytes: int,
) -> ModelInfo:
    """The facts about `bundle` as a backend has loaded it.

    Args:
        bundle: The model.
        shapes: Of its networks.
        backend: Which one.
        precision: Of the decoder's weights.
        parameters: Numbers in the language model.
        number_bytes: Of one number that the decoder remembers.

    Raises:
        ModelError: Its context or the sampling that it recommends makes no sense.
    """
    config = shapes.decoder
    return ModelInfo(
        name=bundle.name,
        backend=backend,
        sample_rate=shapes.codec.sampling_rate,
        channels=config.channels,
        codebooks=config.codebooks,
        codebook_size=config.vocabulary,
        frame_rate=shapes.codec.frame_rate,
        window_frames=shapes.window_frames(bundle),
        has_text=bundle.has_text,
        has_melody=bundle.has_melody,
        parameters=parameters,
        precision=precision,
        cache_bytes=2 * number_bytes * config.layers * config.dim,
        fingerprint=bundle.fingerprint,
        sampling=recommended_sampling(bundle),
    )


def recommended_sampling(bundle: Bundle) -> Sampling:
    """What the makers of `bundle` recommend; absent and null both mean: as published.

    Raises:
        ModelError: A value is out of range.
    """
    given: dict[str, Any] = {k: v for k, v in bundle.generation.items() if v is not None}
    usual = Sampling()
    with naming(bundle.folder / GENERATION):
        top_p = read_number(given, "top_p", 0.0, low=0.0, high=1.0)
        return Sampling(
            top_k=read_integer(given, "top_k", usual.top_k, low=0),
            top_p=top_p if top_p < 1.0 else 0.0,
            temperature=read_number(given, "temperature", 1.0, low=0.01, high=100.0),
            guidance=read_number(given, "guidance_scale", usual.guidance, low=0.0, high=100.0),
        )
