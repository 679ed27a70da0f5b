"""The codec's convolutions and residual layers, and how threads share them.

Owns one firing of such a layer. When it fires is `codec`'s business.
"""

from __future__ import annotations

from numba import njit

from studio.models.native_backend.kernels.codec_tables import BESIDE, KEPT, REPLACED
from studio.models.native_backend.kernels.convolution import TILE_ROWS, convolve
from studio.models.native_backend.kernels.phases import claim, finish, wait
from studio.models.native_backend.kernels.products import COMPILED
from studio.models.native_backend.kernels.signals import add_rows, elu

_PIECES_PER_THREAD = 2


@njit(**COMPILED)
def activate(after, plain, active, count):
    """Make of `count` numbers of an output what its layer's `after` says."""
    if after == REPLACED:
        elu(plain, plain, count)
    elif after == BESIDE:
        elu(plain, active, count)


@njit(**COMPILED)
def share_of(count, threads, unit):
    """How much of `count` a thread claims at once: a multiple of `unit`, or all of it."""
    if threads == 1:
        return max(count, 1)
    pieces = _PIECES_PER_THREAD * threads
    return unit * max(1, -(-count // (unit * pieces)))


@njit(**COMPILED)
def convolution(layer, matrix, buffer, into, items, slots, counters, phase, threads):
    """Compute the next slots of a convolution; one phase."""
    rows = -(-slots // layer.group)
    row_share, panel_share = rows, matrix.panels
    if layer.by_panels:
        panel_share = share_of(matrix.panels, threads, 1)
    else:
        row_share = share_of(rows, threads, TILE_ROWS)
    row_pieces = -(-rows // row_share)
    panel_pieces = -(-matrix.panels // panel_share)
    pieces = items * row_pieces * panel_pieces
    x_stride = layer.step * layer.group * layer.width
    out_stride = layer.group * layer.spread * into.width
    position = buffer.done * layer.step - layer.left - buffer.begin
    out_position = buffer.done * layer.spread - layer.shift - into.begin
    panel_bytes = 64 * matrix.quarters
    while True:
        piece = claim(counters, phase)
        if piece >= pieces:
            break
        item, part = piece // (row_pieces * panel_pieces), piece % (row_pieces * panel_pieces)
        row, first = part // panel_pieces * row_share, part % panel_pieces * panel_share
        count = min(rows - row, row_share)
        last = min(matrix.panels, first + panel_share)
        x = buffer.active + item * buffer.item_stride + position * layer.width + row * x_stride
        offset = item * into.item_stride + out_position * into.width + row * out_stride
        convolve(
            matrix, x, x_stride, matrix.bias, 0, into.plain + offset, out_stride, count, first, last
        )
        if layer.after != KEPT:
            offset += first * panel_bytes
            plain, active = into.plain + offset, into.active + offset
            if panel_share == matrix.panels:
                activate(layer.after, plain, active, count * out_stride // 4)
            else:
                size = (last - first) * panel_bytes // 4
                for each in range(count):
                    at = each * out_stride
                    activate(layer.after, plain + at, active + at, size)
        finish(counters, phase, 1)
    wait(counters, phase, pieces)
    return phase + 1


@njit(**COMPILED)
def residual(
    layer, matrices, buffer, into, items, slots, room, counters, phase, threads
):  # fmt: skip
    """Compute the next slots of a residual layer; one phase."""
    inner, outer = matrices[layer.first], matrices[layer.second]
    share = share_of(slots, threads, TILE_ROWS * layer.group)
    item_pieces = -(-slots // share)
    pieces = items * item_pieces
    position = buffer.done - buffer.begin
    out_position = buffer.done - into.begin
    width = layer.width
    while True:
        piece = claim(counters, phase)
        if piece >= pieces:
            break
        item, slot = piece // item_pieces, piece % item_pieces * share
        count = min(slots - slot, share)
        rows = -(-count // layer.group)
        at = item * buffer.item_stride + (position + slot) * width
        offset = item * into.item_stride + (out_position + slot) * into.width
        out = into.plain + offset
        convolve(
            inner, buffer.active + at - layer.left * width, layer.group * width, inner.bias, 0,
            room, layer.group * layer.hidden, rows, 0, inner.panels,
        )  # fmt: skip
        elu(room, room, rows * layer.group * layer.hidden // 4)
        if layer.shortcut >= 0:
            shortcut = matrices[layer.shortcut]
            convolve(
                shortcut, buffer.plain + at, width, outer.bias, 0, out, into.width, count, 0,
                shortcut.panels,
            )  # fmt: skip
        else:
            add_rows(
                buffer.plain + at, width, outer.bias, 0, out, into.width, into.width // 4, count
            )
        convolve(
            outer, room, layer.hidden, out, into.width, out, into.width, count, 0, outer.panels
        )
        activate(layer.after, out, into.active + offset, count * into.width // 4)
        finish(counters, phase, 1)
    wait(counters, phase, pieces)
    return phase + 1
