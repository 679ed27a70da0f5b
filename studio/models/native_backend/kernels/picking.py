"""From logits to codes, as `studio.models.sampling` has it.

Owns a faster way to the same codes, except by top-p, which few use: noise is drawn only for the
codes that may be taken.

Letters: B takes, R streams, K codebooks, V codes in a codebook.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from studio.models.native_backend.kernels.products import COMPILED

# The constants of Philox4x64-10 (Salmon et al. 2011, "Parallel Random Numbers", table 2).
_FACTORS = (np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157))
_KEY_STEPS = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B))
_ROUNDS = 10
_BLOCK = 4


@intrinsic
def _high_product(typing, a, b):
    """The upper half of the product of two 64-bit numbers."""

    def codegen(context: Any, builder: ir.IRBuilder, _: Any, values: list[ir.Value]) -> ir.Value:
        wide = ir.IntType(128)
        product = builder.mul(builder.zext(values[0], wide), builder.zext(values[1], wide))
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), ir.IntType(64))

    return types.uint64(types.uint64, types.uint64), codegen


@njit(**COMPILED)
def philox_block(seed, c0, c2, c3):
    """Four numbers for the counter (c0, 0, c2, c3) under the key (seed, 0)."""
    a, b, c, d = c0, np.uint64(0), c2, c3
    key_a, key_b = seed, np.uint64(0)
    for _ in range(_ROUNDS):
        high_a, low_a = _high_product(_FACTORS[0], a), _FACTORS[0] * a
        high_c, low_c = _high_product(_FACTORS[1], c), _FACTORS[1] * c
        a, b, c, d = high_c ^ b ^ key_a, low_c, high_a ^ d ^ key_b, low_a
        key_a += _KEY_STEPS[0]
        key_b += _KEY_STEPS[1]
    return a, b, c, d


@njit(**COMPILED)
def gumbel(bits):
    """Standard Gumbel noise of 64 random bits."""
    uniform = (float(bits >> np.uint64(11)) + 0.5) * 2.0**-53
    return np.float32(-math.log(-math.log(uniform)))


@njit(**COMPILED)
def kth_largest(scores, k, keys):
    """The k-th largest of `scores`, bit after bit; `keys` is room for as many uint32.

    Floats are in the order of their bits once those of negative ones are turned around.
    """
    bits = scores.view(np.uint32)
    for place in range(len(bits)):
        negative = bits[place] >> np.uint32(31)
        keys[place] = bits[place] ^ (np.uint32(0x80000000) | (np.uint32(0) - negative))
    found = np.uint32(0)
    for bit in range(31, -1, -1):
        tried = found | (np.uint32(1) << np.uint32(bit))
        count = np.int32(0)
        for place in range(len(keys)):
            count += np.int32(keys[place] >= tried)
        if count >= k:
            found = tried
    for place in range(len(keys)):
        if keys[place] == found:
            return scores[place]
    return scores[0]


@njit(**COMPILED)
def largest_noisy(scores, kept, seed, book, step):
    """The kept code whose score plus noise is largest; the first of several."""
    best, chosen = np.float32(-np.inf), 0
    made = -1
    four = (np.uint64(0), np.uint64(0), np.uint64(0), np.uint64(0))
    for code in range(len(scores)):
        if not kept[code]:
            continue
        block = code // _BLOCK
        if block != made:
            # A generator of numpy's counts up before it draws.
            four = philox_block(seed, np.uint64(block + 1), np.uint64(book), np.uint64(step))
            made = block
        noisy = scores[code] + gumbel(four[code % _BLOCK])
        if noisy > best:
            best, chosen = noisy, code
    return chosen


@njit(**COMPILED)
def pick(logits, rows, guidance, temperature, top_k, seeds, step, codes):
    """Choose one code for each take and codebook.

    Args:
        logits: float32 [R, K, V].
        rows: int64 [B, 2]: the stream that decides, and the one that is led away from or -1.
        guidance: Of one stream against the other, float32.
        temperature: float32.
        top_k: See `Sampling`.
        seeds: uint64 [B].
        step: Steps since the beginning of the take.
        codes: Becomes int64 [B, K].
    """
    vocabulary = logits.shape[2]
    scores = np.empty(vocabulary, dtype=np.float32)
    kept = np.empty(vocabulary, dtype=np.bool_)
    keys = np.empty(vocabulary, dtype=np.uint32)
    for take in range(rows.shape[0]):
        wanted, avoided = rows[take]
        for book in range(logits.shape[1]):
            for code in range(vocabulary):
                score = logits[wanted, book, code]
                if avoided >= 0:
                    null = logits[avoided, book, code]
                    score = null + (score - null) * guidance
                scores[code] = score
            if top_k == 1:
                codes[take, book] = np.argmax(scores)
                continue
            for code in range(vocabulary):
                scores[code] /= temperature
            if 0 < top_k < vocabulary:
                threshold = kth_largest(scores, top_k, keys)
                for code in range(vocabulary):
                    kept[code] = scores[code] >= threshold
            else:
                kept[:] = True
            codes[take, book] = largest_noisy(scores, kept, seeds[take], book, step)
