"""Many rows times a narrow or a wide matrix: what convolutions over time are made of.

Owns the form in which a convolution's weights lie in memory, and the product with them. A signal
lies position after position, the channels of each side by side. So what a convolution looks at to
give one output is a row of such a product, and the rows of neighbouring outputs overlap. A row is
made of segments of equal length, at equal distances: parts of one stretch, which are multiplied
one after another so that their weights stay in the nearest cache, or the taps of a dilated
convolution.

Weights are [panels, segments, length, width]; a panel has 16, 32 or 64 outputs. They are float32,
or int16 in panels of 64: levels, of which each output has a scale.

A sum begins with what is in the base and takes in one input after another, in their order, however
many rows there are.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from llvmlite import ir
from numba import cfunc, njit, types
from numba.extending import intrinsic

from studio.models.native_backend.kernels.emit import (
    F32,
    FLOATS,
    I8,
    I16,
    I32,
    I64,
    INTS,
    LANES,
    Emitter,
    processor_features,
)
from studio.models.native_backend.kernels.products import COMPILED

Values = list[ir.Value]
# Registers decide how many sums can be under way at once; a quarter of 64 outputs has 16 lanes.
_WIDE = "avx512f" in processor_features()
_ROWS = (
    {1: (12, 4, 1), 2: (12, 4, 1), 4: (6, 2, 1)} if _WIDE else dict.fromkeys((1, 2, 4), (6, 2, 1))
)
_MOST_TOGETHER = 4 if _WIDE else 1
_LINE_BYTES = 64
_INPUTS_AHEAD = 16
TILE_ROWS = 12
"""Every number of rows that are multiplied at once divides this."""


class _Product:
    """The code of one product, while it is being written."""

    def __init__(self, emit: Emitter, arguments: Values, quarters: int, *, levels: bool) -> None:
        (
            self._weights, self._segments, self._length, self._scales, self._x, self._x_stride,
            self._segment_stride, self._base, self._base_stride, self._out, self._out_stride,
            self._rows, self._first, self._last,
        ) = arguments  # fmt: skip
        self._emit = emit
        self._quarters = quarters
        self._levels = levels

    def write(self) -> None:
        emit, builder = self._emit, self._emit.builder

        def panel(index: ir.Value, _: Values) -> Values:
            number = builder.add(self._first, index)
            size = builder.mul(self._segments, self._length)
            start = builder.mul(builder.mul(number, size), self._bytes(self._width()))
            offset = builder.mul(number, emit.integer(4 * LANES * self._quarters))
            base = builder.add(self._base, offset), self._base_stride
            scales = builder.add(self._scales, offset)
            out = builder.add(self._out, offset), self._out_stride

            def segment(part: ir.Value, source: Values) -> Values:
                begin = builder.mul(builder.mul(part, self._length), self._bytes(self._width()))
                weights = builder.add(builder.add(self._weights, start), begin)
                x = builder.add(self._x, builder.mul(part, self._segment_stride))
                self._rows_of(weights, scales, x, (source[0], source[1]), out)
                return list(out)

            emit.loop(self._segments, list(base), segment)
            return []

        emit.loop(builder.sub(self._last, self._first), [], panel)

    def _width(self) -> int:
        return LANES * self._quarters

    def _bytes(self, count: int) -> ir.Value:
        return self._emit.integer(count * (2 if self._levels else 4))

    def _rows_of(
        self,
        weights: ir.Value,
        scales: ir.Value,
        x: ir.Value,
        source: tuple[ir.Value, ir.Value],
        out: tuple[ir.Value, ir.Value],
    ) -> None:
        """All rows of one segment, the greater part of them in large tiles."""
        emit, builder = self._emit, self._emit.builder
        done: ir.Value = emit.integer(0)
        for size in _ROWS[self._quarters]:
            tiles = builder.sdiv(builder.sub(self._rows, done), emit.integer(size))

            def tile(index: ir.Value, _: Values, size: int = size, done: ir.Value = done) -> Values:
                row = builder.add(done, builder.mul(index, emit.integer(size)))
                places = [
                    builder.add(address, builder.mul(row, stride))
                    for address, stride in ((x, self._x_stride), source, out)
                ]
                strides = self._x_stride, source[1], out[1]
                for first in range(0, self._quarters, _MOST_TOGETHER):
                    together = range(first, min(self._quarters, first + _MOST_TOGETHER))
                    self._tile(size, together, weights, scales, places, strides)
                return []

            emit.loop(tiles, [], tile)
            done = builder.add(done, builder.mul(tiles, emit.integer(size)))

    def _tile(
        self,
        rows: int,
        quarters: range,
        weights: ir.Value,
        scales: ir.Value,
        places: Values,
        strides: tuple[ir.Value, ir.Value, ir.Value],
    ) -> None:
        emit, builder = self._emit, self._emit.builder

        def each(which: int) -> Values:
            return [
                builder.add(places[which], builder.mul(strides[which], emit.integer(row)))
                for row in range(rows)
            ]

        inputs, bases, outs = each(0), each(1), each(2)

        def body(step: ir.Value, totals: Values) -> Values:
            begin = builder.mul(step, emit.integer(self._width()))
            if rows == 1 and 0 in quarters:
                self._fetch(builder.add(weights, builder.mul(step, self._bytes(self._width()))))
            pieces = [self._weights_at(weights, begin, quarter) for quarter in quarters]
            following = iter(totals)
            results = []
            for row in inputs:
                value = emit.splat(emit.load(F32, row, step))
                results += [emit.fma(value, piece, next(following)) for piece in pieces]
            return results

        given = [emit.load(FLOATS, base, LANES * quarter) for base in bases for quarter in quarters]
        if self._levels:
            totals = emit.loop(self._length, [emit.floats(0.0)] * len(given), body)
            factors = [emit.load(FLOATS, scales, LANES * quarter) for quarter in quarters] * rows
            results = list(map(emit.fma, totals, factors, given))
        else:
            results = emit.loop(self._length, given, body)
        following = iter(results)
        for out in outs:
            for quarter in quarters:
                emit.store(next(following), out, LANES * quarter)

    def _weights_at(self, weights: ir.Value, begin: ir.Value, quarter: int) -> ir.Value:
        """A quarter of the weights that begin at number `begin`."""
        builder = self._emit.builder
        place = builder.add(begin, self._emit.integer(LANES * quarter))
        if not self._levels:
            return self._emit.load(FLOATS, weights, place)
        levels = self._emit.load(ir.VectorType(I16, LANES), weights, place)
        return builder.sitofp(builder.sext(levels, INTS), FLOATS)

    def _fetch(self, address: ir.Value) -> None:
        """Ask for the weights of a later input: a single row waits for nothing else."""
        emit, builder = self._emit, self._emit.builder
        size = self._width() * (2 if self._levels else 4)
        for line in range(0, size, _LINE_BYTES):
            far = builder.add(address, emit.integer(_INPUTS_AHEAD * size + line))
            pointer = builder.inttoptr(far, I8.as_pointer())
            # To read, soon again, data.
            hints = [ir.Constant(I32, hint) for hint in (0, 3, 1)]
            emit.call("llvm.prefetch.p0", ir.VoidType(), pointer, *hints)


def _product(quarters: int, *, levels: bool) -> Any:
    """A product with panels of `quarters` x 16 outputs, as a function for numba.

    It takes fourteen integers: those of `_multiply` without the first.
    """

    @intrinsic
    def multiply_panels(
        typing, weights, segments, length, scales, x, x_stride, segment_stride, base, base_stride,
        out, out_stride, rows, first, last,
    ):  # fmt: skip
        def codegen(context: Any, builder: ir.IRBuilder, _: Any, arguments: Values) -> Any:
            _Product(Emitter(builder), arguments, quarters, levels=levels).write()
            return context.get_dummy_value()

        return types.void(*[types.int64] * 14), codegen

    return multiply_panels


_SIXTEEN, _THIRTY_TWO, _SIXTY_FOUR = (_product(quarters, levels=False) for quarters in (1, 2, 4))
_SIXTY_FOUR_LEVELS = _product(4, levels=True)


_ARGUMENTS = [types.int64] * 15


def _multiply(
    quarters, weights, segments, length, scales, x, x_stride, segment_stride, base, base_stride,
    out, out_stride, rows, first, last,
):  # fmt: skip
    if quarters == 1:
        _SIXTEEN(
            weights, segments, length, scales, x, x_stride, segment_stride, base, base_stride, out,
            out_stride, rows, first, last,
        )  # fmt: skip
    elif quarters == 2:
        _THIRTY_TWO(
            weights, segments, length, scales, x, x_stride, segment_stride, base, base_stride, out,
            out_stride, rows, first, last,
        )  # fmt: skip
    elif scales != 0:
        _SIXTY_FOUR_LEVELS(
            weights, segments, length, scales, x, x_stride, segment_stride, base, base_stride, out,
            out_stride, rows, first, last,
        )  # fmt: skip
    else:
        _SIXTY_FOUR(
            weights, segments, length, scales, x, x_stride, segment_stride, base, base_stride, out,
            out_stride, rows, first, last,
        )  # fmt: skip


@cache
def _compiled() -> Any:
    return cfunc(types.void(*_ARGUMENTS), cache=True)(_multiply)


def product_address() -> int:
    """Where the code of the products is; a matrix says it to `convolve`.

    It is reached by its address because a compiled function takes in the code of those that it
    names: this code would be compiled anew for each of them.
    """
    address: int = _compiled().address
    return address


@intrinsic
def _call(
    typing, address, quarters, weights, segments, length, scales, x, x_stride, segment_stride, base,
    base_stride, out, out_stride, rows, first, last,
):  # fmt: skip
    """Call `_multiply`, which is at `address`."""

    def codegen(context: Any, builder: ir.IRBuilder, _: Any, arguments: Values) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [I64] * len(_ARGUMENTS))
        builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), arguments[1:])
        return context.get_dummy_value()

    return types.void(types.int64, *_ARGUMENTS), codegen


@njit(**COMPILED)
def convolve(matrix, x, x_stride, base, base_stride, out, out_stride, rows, first, last):
    """Add the products of `rows` rows with panels to a base.

    Args:
        matrix: A record: `product` (see `product_address`), `weights` (their address), `segments`,
            `length`, `segment_stride` (in bytes), `quarters` (a panel's outputs by sixteen) and
            `scales` (their address; 0 with float32 weights; with levels there is one segment).
        x: Address of the first row, float32.
        x_stride: From row to row, in bytes.
        base: Address of what the sums begin with, float32.
        base_stride: From row to row; 0 for a bias.
        out: Address of the results, float32. It may be the base.
        out_stride: From row to row, in bytes.
        rows: How many.
        first: The first panel.
        last: The one after the last.
    """
    _call(
        matrix.product, matrix.quarters, matrix.weights, matrix.segments, matrix.length,
        matrix.scales, x, x_stride, matrix.segment_stride, base, base_stride, out, out_stride, rows,
        first, last,
    )  # fmt: skip
