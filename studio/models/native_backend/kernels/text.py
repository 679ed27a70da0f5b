"""One text through a layer of the text encoder.

Owns the order of the operations. Rows are the tokens of a single text; they go through a layer in
blocks, so that the scores of a long text do not stand in memory all at once.

Letters: L tokens of the text, D model width, H heads, E width of one head, F inner width, P places
that a bias is known for, in either direction. Widths in memory are rounded up to multiples of 64.
"""

from __future__ import annotations

from numba import njit

from studio.models.native_backend.kernels.products import COMPILED, PANEL, multiply
from studio.models.native_backend.kernels.rows import relu, remember, rms_norm, softmax

BLOCK_ROWS = 64
"""Tokens that go through a layer together."""


@njit(**COMPILED)
def normalise(x, weight, out, rows, width, epsilon):
    """Write `rows` rows of `x` [L, D], divided by the root of their mean square, into `out`.

    Args:
        x: float32 [L, D].
        weight: float32 [D].
        out: float32 [L, D]; may be `x`.
        rows: How many.
        width: D, not rounded up.
        epsilon: Added to the mean square.
    """
    for row in range(rows):
        rms_norm(x[row].ctypes.data, weight.ctypes.data, out[row].ctypes.data, width, epsilon)


@njit(**COMPILED)
def project(code, layer, x, out, rows, adds):
    """Multiply `rows` rows of `x` with the panels of `layer`, into `out` or added to it."""
    multiply(
        code, layer, x, x.ctypes.data, x.strides[0], 0, 0, 0, out.ctypes.data, out.strides[0], rows,
        0, layer.shape[0], adds,
    )  # fmt: skip


@njit(**COMPILED)
def remember_rows(qkv, keys, values):
    """Write keys and values of all rows into the text's memory."""
    heads, width = keys.shape[0], keys.shape[2]
    for row in range(qkv.shape[0]):
        for head in range(heads):
            key = qkv[row].ctypes.data + 4 * (heads + head) * width
            panel = keys[head, row // PANEL, 0, row % PANEL :]
            remember(keys, key, panel.ctypes.data, 0, width)
            for part in range(values.shape[1]):
                value = key + 4 * (heads * width + part * PANEL)
                size = min(PANEL, width - part * PANEL)
                remember(values, value, 0, values[head, part, row].ctypes.data, size)


@njit(**COMPILED)
def look_around(code, qkv, first, rows, keys, values, biases, places, scores, mixed):
    """Attend from `rows` rows to every token of the text, without scaling.

    Args:
        code: See `products_code`.
        qkv: float32 [L, 3 H E], of which the queries are read.
        first: The first of these rows.
        rows: How many.
        keys: float32 [H, L / 64, E, 64].
        values: float32 [H, E / 64, L, 64].
        biases: float32 [H, 2 P - 1], that of the offset o at P - 1 + o.
        places: int64 [L], where the tokens stand.
        scores: float32 [rows, L], overwritten.
        mixed: Becomes float32 [rows, H E + 64].
    """
    count, width = places.shape[0], keys.shape[2]
    middle = biases.shape[1] // 2
    for head in range(keys.shape[0]):
        for row in range(rows):
            here = middle - places[first + row]
            for other in range(count):
                scores[row, other] = biases[head, here + places[other]]
        multiply(
            code, keys[head], scores, qkv[first].ctypes.data + 4 * head * width, qkv.strides[0],
            0, 0, 0, scores.ctypes.data, scores.strides[0], rows, 0, -(-count // PANEL), True,
        )  # fmt: skip
        for row in range(rows):
            softmax(scores[row].ctypes.data, count, 1.0)
        # The part behind a head's width is zeros; the next head overwrites them.
        multiply(
            code, values[head, :, :count], scores, scores.ctypes.data, scores.strides[0], 0, 0, 0,
            mixed.ctypes.data + 4 * head * width, mixed.strides[0], rows, 0, values.shape[1], False,
        )  # fmt: skip


@njit(**COMPILED)
def read_layer(code, x, norms, matrices, biases, places, width, epsilon, memory, buffers):
    """Read a text's rows through one layer.

    Args:
        code: See `products_code`.
        x: float32 [L, D], changed in place.
        norms: float32 [2, D], before attention and before the feed-forward layers.
        matrices: Panels of query-key-value, out, feed-forward in and out.
        biases: See `look_around`.
        places: Likewise.
        width: D, not rounded up.
        epsilon: Of the norms.
        memory: Keys and values of the text, overwritten; see `look_around`.
        buffers: Query-key-value float32 [L, 3 H E]; and for `BLOCK_ROWS` rows normed [rows, D],
            scores [rows, L], mixed [rows, H E + 64], inner [rows, F].
    """
    qkv_layer, out_layer, inner_layer, outer_layer = matrices
    keys, values = memory
    qkv, normed, scores, mixed, inner = buffers
    count = x.shape[0]
    for first in range(0, count, BLOCK_ROWS):
        rows = min(BLOCK_ROWS, count - first)
        normalise(x[first:], norms[0], normed, rows, width, epsilon)
        project(code, qkv_layer, normed, qkv[first:], rows, False)
    remember_rows(qkv, keys, values)
    for first in range(0, count, BLOCK_ROWS):
        rows = min(BLOCK_ROWS, count - first)
        look_around(code, qkv, first, rows, keys, values, biases, places, scores, mixed)
        project(code, out_layer, mixed, x[first:], rows, True)
        normalise(x[first:], norms[1], normed, rows, width, epsilon)
        project(code, inner_layer, normed, inner, rows, False)
        for row in range(rows):
            relu(inner[row].ctypes.data, inner.shape[1])
        project(code, outer_layer, inner, x[first:], rows, True)
