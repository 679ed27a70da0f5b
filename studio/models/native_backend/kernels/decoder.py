"""One pass of rows through all layers of the decoder.

Owns the order of the operations and how threads share them. A row is one place of one stream:
every stream's next place in a step, or many places of a single stream when what is known is read.
It knows nothing of texts, tokenizers, sampling or the delay pattern.

Letters: R rows, D model width, H heads, E width of one head, F inner width, S places, L layers.
Widths in memory are rounded up to multiples of 64.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from studio.models.native_backend.kernels.phases import claim, finish, wait
from studio.models.native_backend.kernels.products import COMPILED, PANEL, multiply
from studio.models.native_backend.kernels.rows import gelu, layer_norm, quantise, remember, softmax

_PIECES_PER_THREAD = 4
_SHARED_ROWS = 8
_ROWS_PER_PIECE = 4


@njit(**COMPILED)
def piece_panels(panels, threads):
    """How many panels a thread claims at once."""
    return panels if threads == 1 else max(1, panels // (_PIECES_PER_THREAD * threads))


@njit(**COMPILED)
def embed(tokens, embedding, positions, places, x):
    """The rows of a pass.

    Args:
        tokens: int64 [R, K], each offset to its own table.
        embedding: float32 [tokens, D].
        positions: float32 [S, D].
        places: int64 [R].
        x: Becomes float32 [R, D].
    """
    width = embedding.shape[1]
    for row in range(tokens.shape[0]):
        target, position = x[row, :width], positions[places[row]]
        target[:] = embedding[tokens[row, 0]]
        for book in range(1, tokens.shape[1]):
            target += embedding[tokens[row, book]]
        target += position


@njit(**COMPILED)
def round_rows(x, rows, room):
    """Round `rows` rows of `x` to levels, in a thread's own room."""
    _, levels, sums, scales, _, _ = room
    for row in range(rows):
        quantise(
            x[row].ctypes.data, levels[row].ctypes.data, sums[row].ctypes.data,
            scales.ctypes.data + 4 * row, x.shape[1],
        )  # fmt: skip


@njit(**COMPILED)
def norm_rows(x, rows, norm, width, room, rounds):
    """Normalise `rows` rows of `x`, and round them where that is wanted, in a thread's own room."""
    normed = room[0]
    for row in range(rows):
        layer_norm(
            x[row].ctypes.data, norm[0].ctypes.data, norm[1].ctypes.data,
            normed[row].ctypes.data, width,
        )  # fmt: skip
    if rounds:
        round_rows(normed, rows, room)


@njit(**COMPILED)
def product(layer, x, out, rows, room, first, last, rounds, adds):
    """Multiply rows, rounded in `room` or as they are in `x`, with panels of `layer`."""
    weights, weight_scales = layer
    _, levels, sums, scales, _, code = room
    if rounds:
        source, stride = levels.ctypes.data, levels.strides[0]
    else:
        source, stride = x.ctypes.data, x.strides[0]
    multiply(
        code, weights, weight_scales, source, stride, sums.ctypes.data, sums.strides[0],
        scales.ctypes.data, out.ctypes.data, out.strides[0], rows, first, last, adds,
    )  # fmt: skip


@njit(**COMPILED)
def share_rows(rows, threads):
    """Whether the threads prepare rows for each other: fewer are prepared by each for itself."""
    return threads > 1 and rows >= _SHARED_ROWS


@njit(**COMPILED)
def prepare_rows(x, rows, norm, width, room, normalises, rounds, counters, phase):
    """Normalise and round all rows, a few at a time, where all threads read them; one phase."""
    normed, levels, sums, scales, scores, code = room
    pieces = -(-rows // _ROWS_PER_PIECE)
    while True:
        piece = claim(counters, phase)
        if piece >= pieces:
            break
        first = piece * _ROWS_PER_PIECE
        count = min(_ROWS_PER_PIECE, rows - first)
        own = (normed[first:], levels[first:], sums[first:], scales[first:], scores, code)
        if normalises:
            norm_rows(x[first:], count, norm, width, own, rounds)
        else:
            round_rows(x[first:], count, own)
        finish(counters, phase, 1)
    wait(counters, phase, pieces)
    return phase + 1


@njit(**COMPILED)
def normed_product(
    layer, norm, width, x, out, rows, room, shared, rounds, activates, counters, phase, threads
):
    """Write `layer` of the norm of `x` into `out`, and its GELU where wanted: a phase or two."""
    ready = share_rows(rows, threads)
    if ready:
        phase = prepare_rows(x, rows, norm, width, shared, True, rounds, counters, phase)
        room = shared
    panels = layer[0].shape[0]
    size = piece_panels(panels, threads)
    pieces = -(-panels // size)
    while True:
        piece = claim(counters, phase)
        if piece >= pieces:
            break
        if not ready:
            norm_rows(x, rows, norm, width, room, rounds)
            ready = True
        first, last = piece * size, min(panels, (piece + 1) * size)
        product(layer, room[0], out, rows, room, first, last, rounds, False)
        if activates:
            for row in range(rows):
                gelu(out[row].ctypes.data + 4 * PANEL * first, PANEL * (last - first))
        finish(counters, phase, 1)
    wait(counters, phase, pieces)
    return phase + 1


@njit(**COMPILED)
def added_product(layer, norm, x, out, rows, room, shared, rounds, counters, phase, threads):
    """Add `layer` of `x` to `out`: a phase or two. `norm` plays no part."""
    ready = share_rows(rows, threads)
    if ready and rounds:
        phase = prepare_rows(x, rows, norm, 0, shared, False, rounds, counters, phase)
        room = shared
    panels = layer[0].shape[0]
    size = piece_panels(panels, threads)
    pieces = -(-panels // size)
    while True:
        piece = claim(counters, phase)
        if piece >= pieces:
            break
        if rounds and not ready:
            round_rows(x, rows, room)
            ready = True
        first, last = piece * size, min(panels, (piece + 1) * size)
        product(layer, x, out, rows, room, first, last, rounds, True)
        finish(counters, phase, 1)
    wait(counters, phase, pieces)
    return phase + 1


@njit(**COMPILED)
def attend(query, keys, values, count, width, scale, out, room):
    """Attend from one head's query to `count` places.

    Args:
        query: Address of float32 [E].
        keys: [S / 64, E, 64], in one of the float forms of `products`.
        values: [E / 64, S, 64], likewise.
        count: Places looked at.
        width: E.
        scale: Of the scores.
        out: float32 [E], written.
        room: A thread's own.
    """
    scores = room[4]
    begin = scores.ctypes.data
    panels = -(-count // PANEL)
    code = room[5]
    multiply(code, keys, scores, query, 0, 0, 0, 0, begin, 0, 1, 0, panels, False)
    softmax(begin, count, scale)
    mixed = scores[len(scores) - PANEL :]
    for part in range(values.shape[0]):
        multiply(
            code, values[part : part + 1, :count], scores, begin, 0, 0, 0, 0, mixed.ctypes.data, 0,
            1, 0, 1, False,
        )  # fmt: skip
        start = part * PANEL
        for place in range(min(PANEL, width - start)):
            out[start + place] = mixed[place]


@njit(**COMPILED)
def look_back(qkv, mixed, memory, streams, places, heads, scale, room, counters, phase):
    """Remember keys and values of all rows, and attend to those of each row's stream; one phase.

    Args:
        qkv: float32 [R, 3 D]: queries, keys, values, head after head.
        mixed: Becomes float32 [R, D].
        memory: Keys [streams, H, S / 64, E, 64], values [streams, H, E / 64, S, 64].
        streams: int64 [n, 3]: which stream, its first row, its rows.
        places: int64 [R], rising within a stream.
        heads: H.
        scale: Of the scores.
        room: A thread's own.
        counters: Of the pass.
        phase: Which.
    """
    keys, values = memory
    width = keys.shape[3]
    dim = heads * width
    pieces = streams.shape[0] * heads
    while True:
        piece = claim(counters, phase)
        if piece >= pieces:
            break
        stream, first, count = streams[piece // heads]
        head = piece % heads
        own_keys, own_values = keys[stream, head], values[stream, head]
        for row in range(first, first + count):
            place = places[row]
            key = qkv[row].ctypes.data + 4 * (dim + head * width)
            panel = own_keys[place // PANEL, 0, place % PANEL :]
            remember(keys, key, panel.ctypes.data, 0, width)
            for part in range(own_values.shape[0]):
                value = qkv[row].ctypes.data + 4 * (2 * dim + head * width + part * PANEL)
                size = min(PANEL, width - part * PANEL)
                remember(values, value, 0, own_values[part, place].ctypes.data, size)
        for row in range(first, first + count):
            query = qkv[row].ctypes.data + 4 * head * width
            out = mixed[row, head * width :]
            attend(query, own_keys, own_values, places[row] + 1, width, scale, out, room)
        finish(counters, phase, 1)
    wait(counters, phase, pieces)
    return phase + 1


@njit(**COMPILED)
def look_at_text(queries, mixed, memory, texts, rows, heads, scale, room, counters, phase):
    """Attend from the first rows to the texts of their streams; one phase.

    Args:
        queries: float32 [R, D].
        mixed: Becomes float32 [R, D].
        memory: Keys [texts, H, S / 64, E, 64], values [texts, H, E / 64, S, 64].
        texts: int64 [R, 2]: which text, how many places it has.
        rows: How many rows have one.
        heads: H.
        scale: Of the scores.
        room: A thread's own.
        counters: Of the pass.
        phase: Which.
    """
    keys, values = memory
    width = keys.shape[3]
    pieces = rows * heads
    while True:
        piece = claim(counters, phase)
        if piece >= pieces:
            break
        row, head = piece // heads, piece % heads
        text, count = texts[row]
        query = queries[row].ctypes.data + 4 * head * width
        out = mixed[row, head * width :]
        attend(query, keys[text, head], values[text, head], count, width, scale, out, room)
        finish(counters, phase, 1)
    wait(counters, phase, pieces)
    return phase + 1


@njit(**COMPILED)
def read_text(layers, x, memory, text, room, rounds):
    """Compute a text's keys and values in every layer.

    Args:
        layers: Weights and scales of the matrices that give both, layer by layer.
        x: The text, float32 [S, D].
        memory: Keys [L, texts, H, S / 64, E, 64], values [L, texts, H, E / 64, S, 64].
        text: Which of them it is.
        room: A thread's own.
        rounds: Whether the weights are integers.
    """
    keys, values = memory
    weights, scales = layers
    rows, heads, width = x.shape[0], keys.shape[2], keys.shape[4]
    if rounds:
        round_rows(x, rows, room)
    both = np.zeros((rows, weights.shape[1] * PANEL), dtype=np.float32)
    for layer in range(weights.shape[0]):
        panels = weights.shape[1]
        product((weights[layer], scales[layer]), x, both, rows, room, 0, panels, rounds, False)
        for row in range(rows):
            for head in range(heads):
                key = both[row].ctypes.data + 4 * head * width
                panel = keys[layer, text, head, row // PANEL, 0, row % PANEL :]
                remember(keys, key, panel.ctypes.data, 0, width)
                for part in range(values.shape[3]):
                    value = key + 4 * (heads * width + part * PANEL)
                    size = min(PANEL, width - part * PANEL)
                    remember(
                        values, value, 0, values[layer, text, head, part, row].ctypes.data, size
                    )


@njit(**COMPILED)
def run_pass(
    blocks, output, memory, text_memory, streams, places, texts, rows_with_text, buffers, rooms,
    counters, thread, threads, rounds, sizes, scale, first_predicted,
):  # fmt: skip
    """Take part in a pass: all threads call it at once, each with its number.

    Args:
        blocks: Norms float32 [L, 3, 2, D] (before self-attention, cross-attention, feed-forward);
            then weights and scales, layer by layer, of query-key-value, out, cross query, cross
            out, feed-forward in, feed-forward out.
        output: The last norm float32 [2, D], weights and scales of the output layers.
        memory: Keys [L, streams, H, S / 64, E, 64], values [L, streams, H, E / 64, S, 64].
        text_memory: Keys and values of the texts, likewise.
        streams: See `look_back`.
        places: Likewise.
        texts: See `look_at_text`.
        rows_with_text: The first rows, which attend to one.
        buffers: Shared by the threads: x [R, D], which holds the embedded rows; query-key-value
            [R, 3 D], mixed [R, D], inner [R, F], logits [R, K V].
        rooms: For each thread: normed float32 [R, D], levels int8 [R, F], sums int32
            [R, F / 64 + 1], scales float32 [R], scores float32 [S + 64].
        counters: int64 [14 L + 2, 2], zeros; see `phases`.
        thread: This one's number.
        threads: How many.
        rounds: Whether the weights are integers.
        sizes: D, H, and where the code of the products is, see `products_code`.
        scale: Of attention's scores.
        first_predicted: The first row whose logits are wanted.
    """
    norms, qkv_layers, outs, cross_queries, cross_outs, inners, outers = blocks
    x, qkv, mixed, inner, logits = buffers
    width, heads, code = sizes
    normed, levels, sums, row_scales, scores = rooms
    room = (
        normed[thread],
        levels[thread],
        sums[thread],
        row_scales[thread],
        scores[thread],
        code,
    )
    shared = (normed[0], levels[0], sums[0], row_scales[0], scores[thread], code)
    rows = places.shape[0]
    phase = 0
    for layer in range(norms.shape[0]):
        norm = norms[layer]
        phase = normed_product(
            (qkv_layers[0][layer], qkv_layers[1][layer]), norm[0], width, x, qkv, rows, room,
            shared, rounds, False, counters, phase, threads,
        )  # fmt: skip
        own = (memory[0][layer], memory[1][layer])
        phase = look_back(qkv, mixed, own, streams, places, heads, scale, room, counters, phase)
        phase = added_product(
            (outs[0][layer], outs[1][layer]), norm[0], mixed, x, rows, room, shared, rounds,
            counters, phase, threads,
        )  # fmt: skip
        if rows_with_text > 0:
            phase = normed_product(
                (cross_queries[0][layer], cross_queries[1][layer]), norm[1], width, x, qkv,
                rows_with_text, room, shared, rounds, False, counters, phase, threads,
            )  # fmt: skip
            own = (text_memory[0][layer], text_memory[1][layer])
            phase = look_at_text(
                qkv, mixed, own, texts, rows_with_text, heads, scale, room, counters, phase
            )
            phase = added_product(
                (cross_outs[0][layer], cross_outs[1][layer]), norm[1], mixed, x, rows_with_text,
                room, shared, rounds, counters, phase, threads,
            )  # fmt: skip
        phase = normed_product(
            (inners[0][layer], inners[1][layer]), norm[2], width, x, inner, rows, room, shared,
            rounds, True, counters, phase, threads,
        )  # fmt: skip
        phase = added_product(
            (outers[0][layer], outers[1][layer]), norm[2], inner, x, rows, room, shared, rounds,
            counters, phase, threads,
        )  # fmt: skip
    if first_predicted < rows:
        last_norm, last_weights, last_scales = output
        normed_product(
            (last_weights, last_scales), last_norm, width, x[first_predicted:],
            logits[first_predicted:], rows - first_predicted, room, shared, rounds, False,
            counters, phase, threads,
        )  # fmt: skip
