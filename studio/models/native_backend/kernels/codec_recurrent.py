"""The codec's LSTM.

Owns one firing of it: a phase for each of its steps. When it fires is `codec`'s business.
"""

from __future__ import annotations

from numba import njit

from studio.models.native_backend.kernels.codec_convolution import activate, share_of
from studio.models.native_backend.kernels.convolution import convolve
from studio.models.native_backend.kernels.phases import claim, finish, wait
from studio.models.native_backend.kernels.products import COMPILED, PANEL
from studio.models.native_backend.kernels.signals import add_rows, copy, lstm_cell


@njit(**COMPILED)
def _inputs_of_gates(
    matrix, x, x_stride, item_stride, memory, items, slots, counters, phase, threads
):
    """Write what the LSTM's gates are told by a layer's input; one phase."""
    share = share_of(matrix.panels, threads, 1)
    item_pieces = -(-matrix.panels // share)
    pieces = items * item_pieces
    row_stride = matrix.panels * 4 * PANEL
    while True:
        piece = claim(counters, phase)
        if piece >= pieces:
            break
        item, first = piece // item_pieces, piece % item_pieces * share
        out = memory.inner + item * memory.most * row_stride
        convolve(
            matrix, x + item * item_stride, x_stride, matrix.bias, 0, out, row_stride, slots,
            first, min(matrix.panels, first + share),
        )  # fmt: skip
        finish(counters, phase, 1)
    wait(counters, phase, pieces)
    return phase + 1


@njit(**COMPILED)
def _steps(
    matrix, layer, number, memory, items, slots, room, counters, phase, threads
):  # fmt: skip
    """Let one layer of the LSTM take its steps; a phase for each."""
    width = layer.hidden
    sequence_stride = (memory.most + 1) * width
    row_stride = matrix.panels * 4 * PANEL
    cells = memory.cells + number * items * width
    share = share_of(matrix.panels, threads, 1)
    pieces = -(-matrix.panels // share)
    for step in range(slots):
        before = memory.sequence + step * width
        inner = memory.inner + step * row_stride
        while True:
            piece = claim(counters, phase)
            if piece >= pieces:
                break
            for panel in range(piece * share, min(matrix.panels, (piece + 1) * share)):
                offset = panel * 4 * PANEL
                # `convolve` steps to the panel by itself, in what is added to and in the result.
                convolve(
                    matrix, before, sequence_stride, inner, memory.most * row_stride,
                    room - offset, 4 * PANEL, items, panel, panel + 1,
                )  # fmt: skip
                for item in range(items):
                    unit = panel * PANEL
                    lstm_cell(
                        room + item * 4 * PANEL, cells + item * width + unit,
                        before + width + item * sequence_stride + unit,
                    )  # fmt: skip
            finish(counters, phase, 1)
        wait(counters, phase, pieces)
        phase += 1
    return phase


@njit(**COMPILED)
def _exchange(layer, number, memory, items, slots, counters, phase):
    """Keep what the LSTM's layer before `number` said last, and bring what `number` did; a phase.

    A layer's last word stands before its outputs.
    """
    if claim(counters, phase) == 0:
        width = layer.hidden
        stride = (memory.most + 1) * width
        for item in range(items):
            begin = memory.sequence + item * stride
            if number > 0:
                said = memory.said + ((number - 1) * items + item) * width
                copy(begin + slots * width, said, width // 4)
            if number < layer.layers:
                said = memory.said + (number * items + item) * width
                copy(said, begin, width // 4)
        finish(counters, phase, 1)
    wait(counters, phase, 1)
    return phase + 1


@njit(**COMPILED)
def recurrent(
    layer, matrices, buffer, into, memory, items, slots, room, counters, phase, threads
):  # fmt: skip
    """Let the LSTM take steps, and add its input to what it says."""
    width = layer.width
    x = buffer.plain + (buffer.done - buffer.begin) * width
    source, stride = x, buffer.item_stride
    for number in range(layer.layers):
        phase = _inputs_of_gates(
            matrices[layer.first + 2 * number], source, width, stride, memory, items, slots,
            counters, phase, threads,
        )  # fmt: skip
        phase = _exchange(layer, number, memory, items, slots, counters, phase)
        phase = _steps(
            matrices[layer.first + 2 * number + 1], layer, number, memory, items, slots, room,
            counters, phase, threads,
        )  # fmt: skip
        source, stride = memory.sequence + width, (memory.most + 1) * width
    if claim(counters, phase) == 0:
        for item in range(items):
            offset = item * into.item_stride + (buffer.done - into.begin) * into.width
            out = into.plain + offset
            add_rows(
                source + item * stride, width, x + item * buffer.item_stride, width, out,
                into.width, width // 4, slots,
            )  # fmt: skip
            activate(layer.after, out, into.active + offset, slots * width // 4)
        finish(counters, phase, 1)
    wait(counters, phase, 1)
    return _exchange(layer, layer.layers, memory, items, slots, counters, phase + 1)
