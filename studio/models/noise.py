"""The chance in sampling, as a function of the seed.

Owns the one source of randomness of every backend. A value depends on nothing but the seed,
the step, the codebook and the code, so a take does not depend on the machine, on the batch, or
on how long it was asked to be.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def gumbel_noise(seed: int, step: int, codebooks: int, vocabulary: int) -> NDArray[np.float32]:
    """Standard Gumbel noise for one step.

    Adding it to logits and taking the largest draws from their softmax (Gumbel-max trick). The
    bits are those of Philox4x64-10 (Salmon et al. 2011), keyed by the seed with step and
    codebook in the counter's upper words.

    Args:
        seed: 0 to 2**63 - 1.
        step: Steps since the beginning of the take, also across windows.
        codebooks: K.
        vocabulary: V.

    Returns:
        float32 [K, V].
    """
    bits = np.empty((codebooks, vocabulary), dtype=np.uint64)
    for codebook in range(codebooks):
        bits[codebook] = np.random.Philox(key=seed, counter=[0, 0, codebook, step]).random_raw(
            vocabulary
        )
    uniform = ((bits >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    noise: NDArray[np.float32] = (-np.log(-np.log(uniform))).astype(np.float32)
    return noise
