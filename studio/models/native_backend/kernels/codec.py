"""A signal on its way through the codec's layers, piece by piece.

Owns when which layer computes how much. Every position of every layer is computed exactly once,
however the sound is cut into pieces. What a layer's weights mean, and how many layers there are,
is said by the tables of `codec_tables`.

Every layer has a buffer of what it reads. A layer that has enough to do goes before those that feed
it, so that what has just been computed is read while it is in the cache. Positions count from the
beginning of the sound, in each layer's own rate.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from studio.models.native_backend.kernels.codec_buffers import (
    given,
    make_room,
    pass_end,
    ready,
    surround,
)
from studio.models.native_backend.kernels.codec_convolution import convolution, residual
from studio.models.native_backend.kernels.codec_recurrent import recurrent
from studio.models.native_backend.kernels.codec_tables import CONVOLUTION, RESIDUAL, UNKNOWN
from studio.models.native_backend.kernels.convolution import TILE_ROWS
from studio.models.native_backend.kernels.products import COMPILED

# Phases that one firing may take, those of the LSTM's steps apart.
_PHASES_AT_ONCE = 16


@njit(**COMPILED)
def _part(slots, most, unit):
    """How much of what is ready is computed at once: about equal parts of at most `most`."""
    parts = -(-slots // most)
    size = -(-slots // parts)
    return min(slots, -(-size // unit) * unit)


@njit(**COMPILED)
def _fire(
    layer, matrices, buffer, into, after, memory, items, slots, room, counters, phase, threads
):  # fmt: skip
    """Let a layer compute `slots` slots and write them into the next one's buffer."""
    whole = -(-slots // layer.group) * layer.group
    end = (buffer.done + whole) * layer.spread - layer.shift
    phase = make_room(after, into, end, items, counters, phase)
    if layer.kind == CONVOLUTION:
        phase = convolution(
            layer, matrices[layer.first], buffer, into, items, slots, counters, phase, threads
        )
    elif layer.kind == RESIDUAL:
        phase = residual(
            layer, matrices, buffer, into, items, slots, room, counters, phase, threads
        )
    else:
        phase = recurrent(
            layer, matrices, buffer, into, memory, items, slots, room, counters, phase, threads
        )
    buffer.done += slots
    filled = buffer.done * layer.spread - layer.shift
    if buffer.total != UNKNOWN:
        filled = min(filled, given(layer, buffer))
    into.filled = max(into.filled, filled)
    return phase


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
            phase = surround(layer, buffer, items, counters, phase)
            pass_end(layer, buffer, buffers[at + 1])
            slots = ready(layer, buffer)
            if slots >= layer.least:
                enough = at
            if slots > 0:
                some = min(some, at)
        if some == count:
            return True
        at = some if enough == UNKNOWN else enough
        layer = layers[at]
        steps = (layer.most + 2) * layer.layers
        if phase + steps + _PHASES_AT_ONCE > len(counters):
            return False
        slots = _part(ready(layer, buffers[at]), layer.most, TILE_ROWS * layer.group)
        phase = _fire(
            layer, matrices, buffers[at], buffers[at + 1], layers[at + 1], memory, items, slots,
            room, counters, phase, threads,
        )  # fmt: skip
