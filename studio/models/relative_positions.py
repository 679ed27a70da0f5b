"""T5's buckets of relative positions.

Owns which distances between two tokens share a bias (Raffel et al. 2020, "Exploring the Limits of
Transfer Learning with a Unified Text-to-Text Transformer", section 2.1). It holds no biases.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def relative_position_buckets(length: int, *, buckets: int, max_distance: int) -> NDArray[np.int64]:
    """The bucket of the distance from each token of a text to each other token.

    Returns:
        int64 [L, L], row = the attending token.
    """
    places = np.arange(length)
    return offset_buckets(places[None, :] - places[:, None], buckets, max_distance)


def offset_buckets(
    offsets: NDArray[np.int64], buckets: int, max_distance: int
) -> NDArray[np.int64]:
    """The bucket of each offset: the other token's place less the attending one's.

    Half of the buckets serve each direction. Of these, half hold one near distance each, the
    rest widen logarithmically up to `max_distance`; everything farther shares the last.
    """
    side = buckets // 2
    near = side // 2
    distance = np.abs(offsets)
    relative = np.maximum(distance, 1).astype(np.float32) / np.float32(near)
    with np.errstate(divide="ignore", invalid="ignore"):
        growth = np.log(relative) / np.float32(math.log(max_distance / near))
        widened = near + (growth * (side - near)).astype(np.int64)
    # No configuration may lead outside the table, which not every library checks.
    far = np.clip(widened, 0, side - 1)
    found: NDArray[np.int64] = np.where(distance < near, distance, far) + (offsets > 0) * side
    return found
