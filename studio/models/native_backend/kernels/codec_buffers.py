"""The buffers between the codec's layers.

Owns what is kept of a layer's input, what stands beyond the ends of a sound, and how much of it can
be computed. The records are those of `codec_tables`.
"""

from __future__ import annotations

from numba import njit

from studio.models.native_backend.kernels.codec_tables import UNKNOWN
from studio.models.native_backend.kernels.phases import claim, finish, wait
from studio.models.native_backend.kernels.products import COMPILED
from studio.models.native_backend.kernels.signals import clear, copy


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
def slots_of(layer, buffer):
    """How many slots the whole sound has."""
    if layer.spread > 1 or layer.shift > 0:
        return buffer.total + 1
    return -(-buffer.total // layer.step)


@njit(**COMPILED)
def given(layer, buffer):
    """How many positions the layer gives of the whole sound."""
    return min(slots_of(layer, buffer) * layer.spread - layer.shift, buffer.total * layer.spread)


@njit(**COMPILED)
def _close(layer, buffer, items, counters, phase):
    """Fill what stands behind the sound; one phase."""
    end = (slots_of(layer, buffer) - 1) * layer.step - layer.left + layer.reach
    if claim(counters, phase) == 0:
        longest = max(layer.left, end - buffer.total)
        virtual = max(buffer.total, longest + 1)
        _pad(layer, buffer, items, buffer.total, end, virtual)
        finish(counters, phase, 1)
    wait(counters, phase, 1)
    buffer.filled = max(buffer.filled, end)
    return phase + 1


@njit(**COMPILED)
def surround(layer, buffer, items, counters, phase):
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
def ready(layer, buffer):
    """How many slots can be computed now."""
    seen = buffer.filled + layer.left - layer.reach
    if not buffer.opened or seen < 0:
        return 0
    return seen // layer.step + 1 - buffer.done


@njit(**COMPILED)
def pass_end(layer, buffer, into):
    """Tell the next layer where the sound ends, once all of it is computed."""
    if buffer.closed and into.total == UNKNOWN and buffer.done >= slots_of(layer, buffer):
        into.total = given(layer, buffer)
        into.filled = into.total
