"""From a finished take to a request that goes on from it.

Owns the two ways to make a take around codes that exist: longer, or with a part made anew. It
runs nothing.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from studio.core.errors import InputError
from studio.generation.request import GenerationRequest
from studio.models.codes import CodeSequence


def extended(
    request: GenerationRequest,
    codes: NDArray[np.int64],
    *,
    model_hash: str | None,
    length_seconds: float,
    bars: int | None = None,
    duration_seconds: float | None = None,
    seed: int | None = None,
) -> GenerationRequest:
    """The request for a longer take that begins with a finished one.

    Args:
        request: The finished take's recipe.
        codes: Its codes, [K, T].
        model_hash: Fingerprint of the model that made them.
        length_seconds: Its length.
        bars: Length of the whole new loop in bars; needs a tempo.
        duration_seconds: Length of the whole new take in seconds. Without either length a loop is
            doubled in bars, any other take in seconds.
        seed: Another seed for the new part; None keeps the take's.

    Raises:
        InputError: The new length is not longer, or cannot be made.
    """
    if bars is None and duration_seconds is None:
        if request.bars is not None:
            bars = 2 * request.bars
        else:
            duration_seconds = 2 * length_seconds
    if bars is not None and request.bars is not None and bars <= request.bars:
        raise InputError(f"The take has {request.bars} bars already; ask for more than {bars}.")
    if duration_seconds is not None and duration_seconds <= length_seconds:
        raise InputError(
            f"The take lasts {length_seconds:.2f} s already; ask for more than "
            f"{duration_seconds:g} s."
        )
    return replace(
        request,
        seed=request.seed if seed is None else seed,
        bars=bars,
        duration_seconds=duration_seconds,
        max_steps=None,
        source=CodeSequence.from_array(codes),
        source_hash=model_hash,
        from_seconds=length_seconds,
        to_seconds=None,
    ).checked()


def regenerated(
    request: GenerationRequest,
    codes: NDArray[np.int64],
    *,
    model_hash: str | None,
    from_seconds: float,
    to_seconds: float | None,
    seed: int,
) -> GenerationRequest:
    """The request for the same take with one part made anew from what stands before it.

    Args:
        request: The finished take's recipe.
        codes: Its codes, [K, T].
        model_hash: Fingerprint of the model that made them.
        from_seconds: Where the new part begins.
        to_seconds: Where it ends; None is the take's end.
        seed: Seed of the new part; the take's own gives back nearly the same.

    Raises:
        InputError: There is no such part.
    """
    return replace(
        request,
        seed=seed,
        source=CodeSequence.from_array(codes),
        source_hash=model_hash,
        from_seconds=from_seconds,
        to_seconds=to_seconds,
    ).checked()
