"""EnCodec's networks on a sound that is still arriving, or too long to be held at once.

Owns the room that a network computes in for one sound, or for several of one length, and what it
remembers from piece to piece. How the sound flows is in `kernels.codec`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.models.native_backend.codec_layers import BLOCK_FRAMES, FEWEST_SLOTS, Network
from studio.models.native_backend.codec_weights import aligned
from studio.models.native_backend.gang import together
from studio.models.native_backend.kernels.codec import flow
from studio.models.native_backend.kernels.codec_buffers import make_room
from studio.models.native_backend.kernels.codec_tables import (
    BESIDE,
    BUFFER,
    MEMORY,
    RECURRENT,
    RESIDUAL,
    UNKNOWN,
)
from studio.models.native_backend.kernels.convolution import TILE_ROWS
from studio.models.native_backend.kernels.products import PANEL

_GATES = 4
_FLOAT_BYTES = 4
# Beside those of the LSTM's steps; when they have run out, the threads meet and begin anew.
_PHASES = 1024


class NetworkStream:
    """An encoder or a decoder fed piece by piece.

    Attributes:
        layers: Those of the network, with as many slots at once as suits `items` sounds.
    """

    def __init__(self, network: Network, *, items: int, threads: int) -> None:
        """Prepare for `items` sounds of one length."""
        self._network = network
        self._items = items
        self._threads = threads
        self.layers = _for_items(network.layers, items)
        self._buffers = np.zeros((threads, len(self.layers)), dtype=BUFFER)
        self._signals = [self._signal(at) for at in range(len(self.layers))]
        self._memory, self._remembered = self._lstm_memory()
        self._rooms = aligned((threads, self._room()))
        steps = int((self.layers["layers"] * (self.layers["most"] + 2)).max())
        self._counters = np.zeros((steps + _PHASES, 2), dtype=np.int64)

    def push(self, x: NDArray[np.float32], *, last: bool = False) -> NDArray[np.float32]:
        """Input [items, n, C] in; the output [items, m, C'] that became final out.

        After the `last` input, which is not empty, all of it is out, and nothing more goes in.
        """
        block = BLOCK_FRAMES * self._network.step_in
        pieces = []
        for start in range(0, x.shape[1], block):
            self._take_in(x[:, start : start + block])
            if last and start + block >= x.shape[1]:
                self._end()
            pieces.append(self._flow())
        return self._joined(pieces)

    def finish(self) -> NDArray[np.float32]:
        """The output that was still held back; nothing more goes in, if anything did."""
        first = self._buffers[0, 0]
        if first["filled"] <= 0 or first["total"] != UNKNOWN:
            return self._joined([])
        self._end()
        return self._flow()

    def _end(self) -> None:
        self._buffers[:, 0]["total"] = self._buffers[0, 0]["filled"]

    @property
    def computed(self) -> NDArray[np.int64]:
        """How many slots each layer has computed."""
        done: NDArray[np.int64] = self._buffers[0, :-1]["done"].copy()
        return done

    def _joined(self, pieces: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        if len(pieces) == 1:
            return pieces[0]
        nothing = np.zeros((self._items, 0, self._network.channels_out), dtype=np.float32)
        return np.concatenate([nothing, *pieces], axis=1)

    def _take_in(self, x: NDArray[np.float32]) -> None:
        """Put [items, n, C] behind what is in the first buffer."""
        first = self._buffers[0, 0]
        self._counters[0] = 0
        end = int(first["filled"]) + x.shape[1]
        make_room(self.layers[0], self._buffers[0, 0:1][0], end, self._items, self._counters, 0)
        start = int(first["filled"] - first["begin"])
        self._signals[0][0][:, start : start + x.shape[1], : x.shape[2]] = x
        first["filled"] = end
        self._buffers[1:] = self._buffers[0]

    def _flow(self) -> NDArray[np.float32]:
        """Compute what can be computed now."""
        done = [False] * self._threads

        def work(thread: int) -> None:
            done[thread] = flow(
                self.layers, self._network.matrices, self._buffers[thread], self._memory[0],
                self._items, self._rooms, self._counters, thread, self._threads,
            )  # fmt: skip

        while not all(done):
            self._counters[:] = 0
            together(self._threads, work)
        last = self._buffers[0, -1]
        begin, done_before, filled = (int(last[name]) for name in ("begin", "done", "filled"))
        self._buffers[:, -1]["done"] = filled
        signal = self._signals[-1][0][:, done_before - begin : filled - begin]
        piece: NDArray[np.float32] = signal[:, :, : self._network.channels_out].copy()
        return piece

    def _signal(self, at: int) -> list[NDArray[np.float32]]:
        """The buffers that layer `at` reads: its input and, where it is wanted, the ELU of it."""
        layer = self.layers[at]
        width = int(layer["width"]) // _FLOAT_BYTES
        before = self.layers[at - 1] if at else None
        capacity, shift = self._capacity(at), 0 if before is None else int(before["shift"])
        beyond = int(layer["right"] + layer["reach"] + (1 + layer["group"]) * layer["step"])
        count = 1 + int(before is not None and before["after"] == BESIDE)
        signals = [aligned((self._items, capacity + beyond, width)) for _ in range(count)]
        buffer = self._buffers[:, at]
        buffer["plain"], buffer["active"] = signals[0].ctypes.data, signals[-1].ctypes.data
        buffer["item_stride"] = signals[0].strides[0]
        buffer["capacity"], buffer["width"] = capacity, layer["width"]
        buffer["begin"] = -max(int(layer["left"]), shift)
        buffer["total"] = UNKNOWN
        return signals

    def _capacity(self, at: int) -> int:
        """Positions in the buffer of layer `at`: what it keeps, and what comes at once."""
        if at == 0:
            return _kept(self.layers[0]) + BLOCK_FRAMES * self._network.step_in
        layer, before = self.layers[at], self.layers[at - 1]
        slots = int(before["most"] + 2 * TILE_ROWS * before["group"])
        if at == len(self.layers) - 1:
            # All that one flow gives, and the last one gives what was held back, too.
            slots = BLOCK_FRAMES * self._network.step_in
            for each in self.layers[:-1]:
                ready = (slots + _kept(each)) // int(each["step"]) + int(2 * each["group"])
                slots = ready * int(each["spread"])
            return slots + _kept(layer)
        return _kept(layer) + slots * int(before["spread"]) + int(before["shift"])

    def _lstm_memory(self) -> tuple[NDArray[Any], list[NDArray[np.float32]]]:
        layer = next(layer for layer in self.layers if layer["kind"] == RECURRENT)
        most, units = int(layer["most"]), int(layer["hidden"]) // _FLOAT_BYTES
        said = (int(layer["layers"]), self._items, units)
        rooms = {
            "inner": aligned((self._items, most, _GATES * units)),
            "sequence": aligned((self._items, most + 1, units)),
            "said": aligned(said),
            "cells": aligned(said),
        }
        memory = np.zeros(1, dtype=MEMORY)
        memory["most"] = most
        for name, room in rooms.items():
            memory[name] = room.ctypes.data
        return memory, list(rooms.values())

    def _room(self) -> int:
        """Numbers that a thread needs for itself."""
        most = self._items * PANEL
        for layer in self.layers[self.layers["kind"] == RESIDUAL]:
            slots = int(layer["most"] + 2 * TILE_ROWS * layer["group"])
            most = max(most, slots * int(layer["hidden"]) // _FLOAT_BYTES)
        return -(-most // PANEL) * PANEL


def _kept(layer: Any) -> int:
    """The most positions of its input that a layer keeps for later, those before the sound too."""
    around = 2 * (layer["left"] + layer["right"] + layer["step"] + 1)
    return int(around + layer["reach"] + layer["least"] * layer["step"])


def _for_items(layers: NDArray[Any], items: int) -> NDArray[Any]:
    """The layers with fewer slots at once, so that as much is under way as with one sound."""
    layers = layers.copy()
    for layer in layers:
        if layer["kind"] != RECURRENT:
            unit = TILE_ROWS * int(layer["group"])
            fewer = max(FEWEST_SLOTS, int(layer["most"]) // items)
            layer["most"] = min(int(layer["most"]), -(-fewer // unit) * unit)
            layer["least"] = min(int(layer["least"]), int(layer["most"]))
    return layers
