"""A signal on its way through the codec's layers, piece by piece.

Owns when which layer computes how much, what is kept of its input, what stands beyond the ends of
a sound, and how threads share the work. Every position of every layer is computed exactly once,
however the sound is cut into pieces. What a layer's weights mean, and how many layers there are,
is said by tables.

Every layer has a buffer of what it reads. A layer that has enough to do goes before those that feed
it, so that what has just been computed is read while it is in the cache. Positions count from the
beginning of the sound, in each layer's own rate.

A layer computes slots: of a convolution a slot is one position of its output, of a transposed one
all the positions that come with one position of its input. For narrow outputs several slots make
one row of the product; rows are then computed whole, and what is too much is written over later.

Letters: H units of the LSTM.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from studio.models.native_backend.kernels.convolution import TILE_ROWS, convolve
from studio.models.native_backend.kernels.phases import claim, finish, wait
from studio.models.native_backend.kernels.products import COMPILED, PANEL
from studio.models.native_backend.kernels.signals import (
    add_rows,
    clear,
    copy,
    elu,
    lstm_cell,
)

CONVOLUTION, RESIDUAL, RECURRENT = range(3)
KEPT, REPLACED, BESIDE = range(3)
"""What becomes of a layer's output: nothing, its ELU, or its ELU in a second buffer."""
UNKNOWN = -1

MATRIX = np.dtype(
    [
        (name, np.int64)
        for name in (
            "product", "weights", "segments", "length", "segment_stride", "quarters", "scales",
            "panels", "bias",
        )
    ]
)  # fmt: skip
"""What `convolution.convolve` multiplies with; `product`, `weights`, `scales` and `bias` are
addresses."""

LAYER = np.dtype(
    [
        (name, np.int64)
        for name in (
            "kind", "width", "step", "reach", "left", "right", "reflects", "group", "spread",
            "shift", "least", "most", "after", "first", "second", "shortcut", "hidden", "layers",
            "by_panels",
        )
    ]
)  # fmt: skip
"""One layer.

kind: CONVOLUTION, RESIDUAL or RECURRENT.
width: Bytes of one position of its input.
step: Input positions from slot to slot.
reach: Input positions that a slot looks at.
left, right: Positions beyond the ends that it looks at; more on the right if the last slot's step
    is cut short.
reflects: Whether those are the sound's mirror image; otherwise zeros.
group: Slots in one row of its product.
spread: Positions of its output in a slot.
shift: Positions of its output before the sound's beginning.
least: Slots that it waits for, as long as those before it have something to do.
most: Slots that it computes at once.
after: KEPT, REPLACED or BESIDE.
first, second, shortcut: Numbers of its matrices, -1 for none; of an LSTM `first` is the input
    matrix of its first layer, which the recurrent one follows, then those of the next layer.
hidden: Bytes of one position between the two convolutions of a residual layer, or of one position
    of the LSTM.
layers: Of the LSTM.
by_panels: Whether threads share its outputs, not its rows.
"""

BUFFER = np.dtype(
    [
        (name, np.int64)
        for name in (
            "plain", "active", "item_stride", "capacity", "width", "begin", "filled", "done",
            "total", "opened", "closed",
        )
    ]
)  # fmt: skip
"""A layer's buffer and how far it has come.

plain: Address.
active: Address of the ELU of the same; the same address where there is one buffer only.
item_stride: Bytes from take to take.
capacity: Positions.
width: Bytes of one position.
begin: The first position in the buffer.
filled: The one after the last that is there.
done: Slots computed.
total: Positions of the whole sound, or UNKNOWN.
opened: Whether what stands before the sound is there.
closed: Whether what stands behind it is there.
"""

MEMORY = np.dtype([(name, np.int64) for name in ("inner", "sequence", "said", "cells", "most")])
"""The LSTM's room: addresses of its gates' inputs float32 [items, most, 4 H], of a layer's outputs
[items, most + 1, H], and, for each of its layers, of what it said last [layers, items, H] and of
its cells, likewise."""

_PIECES_PER_THREAD = 2
# Phases that one firing may take, those of the LSTM's steps apart.
_PHASES_AT_ONCE = 16


@njit(**COMPILED)
def _pad(layer, buffer, items, first, last, virtual):
    """Fill the positions from `first` to `last` - 1, which lie beyond the sound.

    A sound that is shorter than its mirror image would be is lengthened by silence first; `virtual`
    is its length then.
    """
    count = buffer.width // 4
    for item in range(items):
        begin = buffer.active + item * buffer.item_stride - buffer.begin * buffer.width
        for position in range(first, last):
            source = -position
            if position > 0:
                source = 2 * (virtual - 1) - position
            to = begin + position * buffer.width
            inside = buffer.total == UNKNOWN or source < buffer.total
            beyond = position < 0 or position >= virtual
            if layer.reflects and inside and beyond:
                copy(begin + source * buffer.width, to, count)
            else:
                clear(to, count)


@njit(**COMPILED)
def _open(layer, buffer, items, counters, phase):
    """Fill what stands before the sound; one phase."""
    if claim(counters, phase) == 0:
        _pad(layer, buffer, items, -layer.left, 0, 0)
        finish(counters, phase, 1)
    wait(counters, phase, 1)
    return phase + 1


@njit(**COMPILED)
def _slots(layer, buffer):
    """How many slots the whole sound has."""
    if layer.spread > 1 or layer.shift > 0:
        return buffer.total + 1
    return -(-buffer.total // layer.step)


@njit(**COMPILED)
def _given(layer, buffer):
    """How many positions the layer gives of the whole sound."""
    return min(_slots(layer, buffer) * layer.spread - layer.shift, buffer.total * layer.spread)


@njit(**COMPILED)
def _close(layer, buffer, items, counters, phase):
    """Fill what stands behind the sound; one phase."""
    end = (_slots(layer, buffer) - 1) * layer.step - layer.left + layer.reach
    if claim(counters, phase) == 0:
        longest = max(layer.left, end - buffer.total)
        virtual = max(buffer.total, longest + 1)
        _pad(layer, buffer, items, buffer.total, end, virtual)
        finish(counters, phase, 1)
    wait(counters, phase, 1)
    buffer.filled = max(buffer.filled, end)
    return phase + 1


@njit(**COMPILED)
def _surround(layer, buffer, items, counters, phase):
    """Fill what stands around the sound, as soon as it can be; up to two phases."""
    if not buffer.opened and (buffer.filled > layer.left or buffer.total != UNKNOWN):
        phase = _open(layer, buffer, items, counters, phase)
        buffer.opened = 1
    if buffer.total != UNKNOWN and not buffer.closed:
        phase = _close(layer, buffer, items, counters, phase)
        buffer.closed = 1
    return phase


@njit(**COMPILED)
def make_room(layer, buffer, end, items, counters, phase):
    """Move what is still needed to the front, if positions up to `end` would not fit; one phase."""
    if end - buffer.begin <= buffer.capacity:
        return phase
    back = buffer.filled - layer.left - layer.right - layer.step - 1
    keep = max(buffer.begin, min(buffer.done * layer.step - layer.left, back))
    if claim(counters, phase) == 0:
        moved = (keep - buffer.begin) * buffer.width
        # What was written beyond the last whole position is never read.
        count = max(0, (buffer.filled - keep) * buffer.width // 4)
        for item in range(items):
            at = item * buffer.item_stride
            copy(buffer.plain + at + moved, buffer.plain + at, count)
            if buffer.active != buffer.plain:
                copy(buffer.active + at + moved, buffer.active + at, count)
        finish(counters, phase, 1)
    wait(counters, phase, 1)
    buffer.begin = keep
    return phase + 1


@njit(**COMPILED)
def _ready(layer, buffer):
    """How many slots can be computed now."""
    seen = buffer.filled + layer.left - layer.reach
    if not buffer.opened or seen < 0:
        return 0
    return seen // layer.step + 1 - buffer.done


@njit(**COMPILED)
def _activate(after, plain, active, count):
    if after == REPLACED:
        elu(plain, plain, count)
    elif after == BESIDE:
        elu(plain, active, count)


@njit(**COMPILED)
def _share(count, threads, unit):
    """How much of `count` a thread claims at once: a multiple of `unit`, or all of it."""
    if threads == 1:
        return max(count, 1)
    pieces = _PIECES_PER_THREAD * threads
    return unit * max(1, -(-count // (unit * pieces)))


@njit(**COMPILED)
def _convolution(layer, matrix, buffer, into, items, slots, counters, phase, threads):
    """Compute the next slots of a convolution; one phase."""
    rows = -(-slots // layer.group)
    row_share, panel_share = rows, matrix.panels
    if layer.by_panels:
        panel_share = _share(matrix.panels, threads, 1)
    else:
        row_share = _share(rows, threads, TILE_ROWS)
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
                _activate(layer.after, plain, active, count * out_stride // 4)
            else:
                size = (last - first) * panel_bytes // 4
                for each in range(count):
                    at = each * out_stride
                    _activate(layer.after, plain + at, active + at, size)
        finish(counters, phase, 1)
    wait(counters, phase, pieces)
    return phase + 1


@njit(**COMPILED)
def _residual(
    layer, matrices, buffer, into, items, slots, room, counters, phase, threads
):  # fmt: skip
    """Compute the next slots of a residual layer; one phase."""
    inner, outer = matrices[layer.first], matrices[layer.second]
    share = _share(slots, threads, TILE_ROWS * layer.group)
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
        _activate(layer.after, out, into.active + offset, count * into.width // 4)
        finish(counters, phase, 1)
    wait(counters, phase, pieces)
    return phase + 1


@njit(**COMPILED)
def _inputs_of_gates(
    matrix, x, x_stride, item_stride, memory, items, slots, counters, phase, threads
):
    """Write what the LSTM's gates are told by a layer's input; one phase."""
    share = _share(matrix.panels, threads, 1)
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
    share = _share(matrix.panels, threads, 1)
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
def _recurrent(
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
            _activate(layer.after, out, into.active + offset, slots * width // 4)
        finish(counters, phase, 1)
    wait(counters, phase, 1)
    return _exchange(layer, layer.layers, memory, items, slots, counters, phase + 1)


@njit(**COMPILED)
def _part(ready, most, unit):
    """How much of what is ready is computed at once: about equal parts of at most `most`."""
    parts = -(-ready // most)
    size = -(-ready // parts)
    return min(ready, -(-size // unit) * unit)


@njit(**COMPILED)
def _fire(
    layer, matrices, buffer, into, after, memory, items, slots, room, counters, phase, threads
):  # fmt: skip
    """Let a layer compute `slots` slots and write them into the next one's buffer."""
    whole = -(-slots // layer.group) * layer.group
    end = (buffer.done + whole) * layer.spread - layer.shift
    phase = make_room(after, into, end, items, counters, phase)
    if layer.kind == CONVOLUTION:
        phase = _convolution(
            layer, matrices[layer.first], buffer, into, items, slots, counters, phase, threads
        )
    elif layer.kind == RESIDUAL:
        phase = _residual(
            layer, matrices, buffer, into, items, slots, room, counters, phase, threads
        )
    else:
        phase = _recurrent(
            layer, matrices, buffer, into, memory, items, slots, room, counters, phase, threads
        )
    buffer.done += slots
    filled = buffer.done * layer.spread - layer.shift
    if buffer.total != UNKNOWN:
        filled = min(filled, _given(layer, buffer))
    into.filled = max(into.filled, filled)
    return phase


@njit(**COMPILED)
def _end(layer, buffer, into):
    """Tell the next layer where the sound ends, once all of it is computed."""
    if buffer.closed and into.total == UNKNOWN and buffer.done >= _slots(layer, buffer):
        into.total = _given(layer, buffer)
        into.filled = into.total


@njit(**COMPILED)
def flow(layers, matrices, buffers, memory, items, rooms, counters, thread, threads):
    """Let all layers compute what they can: all threads call it at once, each with its number.

    Args:
        layers: `LAYER` records, and one more for what takes in the output: its `left`, `right` and
            `step` say what of that is kept.
        matrices: `MATRIX` records.
        buffers: `BUFFER` records, this thread's own: of every layer, and of the output.
        memory: A `MEMORY` record.
        items: Takes.
        rooms: float32 [threads, n]: what is computed between a residual layer's convolutions, or
            the gates of sixteen units of the LSTM.
        counters: int64 [phases, 2], zeros; see `phases`. More than the LSTM's steps take.
        thread: This one's number.
        threads: How many.

    Returns:
        Whether all is computed; otherwise the counters have run out, and it is to be called again.
    """
    count = len(layers) - 1
    room = rooms[thread].ctypes.data
    phase = np.int64(0)
    while True:
        # The last layer that has enough to do, otherwise the first one that has anything to do.
        some, enough = count, UNKNOWN
        for at in range(count):
            layer, buffer = layers[at], buffers[at]
            if phase + _PHASES_AT_ONCE > len(counters):
                return False
            phase = _surround(layer, buffer, items, counters, phase)
            _end(layer, buffer, buffers[at + 1])
            ready = _ready(layer, buffer)
            if ready >= layer.least:
                enough = at
            if ready > 0:
                some = min(some, at)
        if some == count:
            return True
        at = some if enough == UNKNOWN else enough
        layer = layers[at]
        steps = (layer.most + 2) * layer.layers
        if phase + steps + _PHASES_AT_ONCE > len(counters):
            return False
        slots = _part(_ready(layer, buffers[at]), layer.most, TILE_ROWS * layer.group)
        phase = _fire(
            layer, matrices, buffers[at], buffers[at + 1], layers[at + 1], memory, items, slots,
            room, counters, phase, threads,
        )  # fmt: skip
