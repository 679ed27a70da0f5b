"""What the codec's kernels are told, as records.

Owns the types of the tables of layers, matrices, buffers and of the LSTM's room. Positions count
from the beginning of the sound, in each layer's own rate. It computes nothing.

A layer computes slots: of a convolution a slot is one position of its output, of a transposed one
all the positions that come with one position of its input. For narrow outputs several slots make
one row of the product; rows are then computed whole, and what is too much is written over later.

Letters: H units of the LSTM.
"""

from __future__ import annotations

import numpy as np

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
