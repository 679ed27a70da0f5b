"""Rows times weight matrices.

Owns the four forms in which weights lie in memory, and the products with them. Sixty-four outputs
make a panel; a panel holds, input after input, the weights of all its outputs, so that it is read
from end to end and every lane of a vector belongs to an output of its own.

| precision | array | sixty-four outputs of a panel, in order of inputs |
|---|---|---|
| float32 | float32 [panels, I, 64] | |
| bfloat16 | uint16 [panels, I, 64] | the upper halves of float32 |
| int8 | uint8 [panels, I / 4, 64, 4] | level + 128, four inputs together |
| int4 | int8 [panels, I / 64, 8, 64, 4] | level + 8; inputs 4 j + b and 32 + 4 j + b of a group |

Integers are multiplied with rows that are rounded to 127 levels on either side of zero, each row
with a scale of its own, and summed up exactly.

Letters: R rows, I inputs, O outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

from llvmlite import ir
from numba import cfunc, njit, types
from numba.extending import intrinsic

from studio.models.native_backend.kernels.emit import (
    BYTES,
    F16,
    F32,
    FLOATS,
    I16,
    I32,
    I64,
    INTS,
    LANES,
    Emitter,
    processor_features,
)

PANEL = 64
GROUP = 64
"""Inputs that share a scale in int4."""
COMPILED: dict[str, Any] = {"nogil": True, "cache": True, "error_model": "numpy"}
"""How every function here is compiled."""

Values = list[ir.Value]
_QUARTERS = PANEL // LANES
_BLOCK = 128
"""Inputs whose products with floats are summed up by themselves."""
_INT8_ZERO = 128
_INT4_ZERO = 8
_INT4_AXES = 5
# Registers of sixteen lanes decide how many products can be under way at once.
_WIDE = "avx512f" in processor_features()
_TILE_ROWS = 4 if _WIDE else 2
_TILE_QUARTERS = 4 if _WIDE else 2


def _sum_of_products(emit: Emitter, total: ir.Value, weights: ir.Value, row: ir.Value) -> ir.Value:
    """Add four products to each of sixteen sums: unsigned weights, signed row, both `BYTES`."""
    features = processor_features()
    builder = emit.builder
    if "avx512vnni" in features:
        return emit.call("llvm.x86.avx512.vpdpbusd.512", INTS, total, weights, row)
    if "avxvnni" in features:
        return _halves(emit, total, weights, row)
    wide = ir.VectorType(I16, PANEL)
    products = builder.mul(builder.zext(weights, wide), builder.sext(row, wide))
    if "avx2" in features:
        return _pairs_of_pairs(emit, total, products)
    longs = builder.sext(products, ir.VectorType(I32, PANEL))
    nothing = ir.Constant(longs.type, ir.Undefined)
    for part in range(4):
        order = ir.Constant(INTS, [4 * lane + part for lane in range(LANES)])
        total = builder.add(total, builder.shuffle_vector(longs, nothing, order))
    return total


def _halves(emit: Emitter, total: ir.Value, weights: ir.Value, row: ir.Value) -> ir.Value:
    """The same, in two halves."""
    builder = emit.builder
    parts = []
    for half in range(2):
        pieces = []
        for value in (total, weights, row):
            lanes = value.type.count // 2
            order = ir.Constant(
                ir.VectorType(I32, lanes), [half * lanes + lane for lane in range(lanes)]
            )
            pieces.append(
                builder.shuffle_vector(value, ir.Constant(value.type, ir.Undefined), order)
            )
        parts.append(emit.call("llvm.x86.avx512.vpdpbusd.256", pieces[0].type, *pieces))
    return builder.shuffle_vector(*parts, ir.Constant(INTS, list(range(LANES))))


def _pairs_of_pairs(emit: Emitter, total: ir.Value, products: ir.Value) -> ir.Value:
    """Add each four of sixty-four 16-bit products to one of sixteen sums, with AVX2."""
    builder = emit.builder
    half = ir.VectorType(I16, 16)
    pairs_kind = ir.VectorType(I32, 8)
    ones = ir.Constant(half, [1] * 16)
    nothing = ir.Constant(products.type, ir.Undefined)
    pairs = []
    for part in range(4):
        order = ir.Constant(INTS, [16 * part + lane for lane in range(16)])
        piece = builder.shuffle_vector(products, nothing, order)
        pairs.append(emit.call("llvm.x86.avx2.pmadd.wd", pairs_kind, piece, ones))
    for parity in range(2):
        halves = []
        for low, high in (pairs[:2], pairs[2:]):
            order = ir.Constant(pairs_kind, [2 * lane + parity for lane in range(8)])
            halves.append(builder.shuffle_vector(low, high, order))
        order = ir.Constant(INTS, list(range(LANES)))
        total = builder.add(total, builder.shuffle_vector(*halves, order))
    return total


def _broadcast_bytes(emit: Emitter, row: ir.Value, offset: ir.Value) -> ir.Value:
    """Four bytes of a row, sixteen times."""
    four = emit.load(I32, row, offset)
    return emit.builder.bitcast(emit.splat(four), BYTES)


class Tile:
    """A product of a few rows with one panel, while it is being written.

    Attributes:
        rows: How many.
        weights: Address of the panel.
        steps: Rounds of the loop over the inputs.
        inputs: Addresses of the rows.
        sums: Addresses of the sums of their levels.
        row_scales: Address of their scales.
        scales: Address of the panel's scales.
    """

    def __init__(self, emit: Emitter, arguments: Values, rows: int) -> None:
        adds, self.weights, self.steps, x, x_stride, sums, sums_stride = arguments[:7]
        self.row_scales, self.scales, out, out_stride = arguments[7:]
        self._emit = emit
        self._adds = emit.builder.icmp_signed("!=", adds, emit.integer(0))
        self.rows = rows
        self.inputs = self._each(x, x_stride)
        self.sums = self._each(sums, sums_stride)
        self._outputs = self._each(out, out_stride)

    def _each(self, first: ir.Value, stride: ir.Value) -> Values:
        builder, integer = self._emit.builder, self._emit.integer
        return [builder.add(first, builder.mul(stride, integer(row))) for row in range(self.rows)]

    def quarter_groups(self) -> list[range]:
        """Which quarters of the panel are summed up together, so that registers suffice."""
        together = _TILE_QUARTERS if self.rows > 1 else _QUARTERS
        return [range(first, first + together) for first in range(0, _QUARTERS, together)]

    def zeros(self, zero: ir.Value, quarters: range) -> Values:
        """A beginning for each sum: row after row, quarter after quarter."""
        return [zero] * (self.rows * len(quarters))

    def give(self, value: ir.Value, row: int, quarter: int) -> None:
        """Write a quarter of a row's product, or add it to what is there."""
        builder, out = self._emit.builder, self._outputs[row]
        before = self._emit.load(FLOATS, out, quarter * LANES)
        before = builder.select(self._adds, before, self._emit.floats(0.0))
        value = builder.fadd(before, value)
        self._emit.store(value, out, quarter * LANES)


def _int8_tile(emit: Emitter, tile: Tile) -> None:
    builder = emit.builder
    for quarters in tile.quarter_groups():

        def body(step: ir.Value, totals: Values, quarters: range = quarters) -> Values:
            base = builder.mul(step, emit.integer(4 * PANEL))
            pieces = [
                emit.load(BYTES, tile.weights, builder.add(base, emit.integer(PANEL * quarter)))
                for quarter in quarters
            ]
            following = iter(totals)
            results = []
            for row in tile.inputs:
                four = _broadcast_bytes(emit, row, step)
                results += [
                    _sum_of_products(emit, next(following), piece, four) for piece in pieces
                ]
            return results

        totals = iter(emit.loop(tile.steps, tile.zeros(emit.ints(0), quarters), body))
        for row, sums in enumerate(tile.sums):
            excess = builder.mul(emit.load(I32, sums), ir.Constant(I32, _INT8_ZERO))
            scale = emit.splat(emit.load(F32, tile.row_scales, row))
            for quarter in quarters:
                total = builder.sub(next(totals), emit.splat(excess))
                factor = builder.fmul(emit.load(FLOATS, tile.scales, quarter * LANES), scale)
                tile.give(builder.fmul(builder.sitofp(total, FLOATS), factor), row, quarter)


def _int4_tile(emit: Emitter, tile: Tile) -> None:
    builder = emit.builder
    lower = ir.Constant(BYTES, [15] * (4 * LANES))
    four_bits = ir.Constant(BYTES, [4] * (4 * LANES))
    half = GROUP // 8
    for quarters in tile.quarter_groups():

        def group(index: ir.Value, totals: Values, quarters: range = quarters) -> Values:
            start = builder.mul(index, emit.integer(half))

            def body(step: ir.Value, parts: Values) -> Values:
                base = builder.mul(builder.add(start, step), emit.integer(4 * PANEL))
                first = builder.add(builder.mul(start, emit.integer(2)), step)
                second = builder.add(first, emit.integer(half))
                pairs = [
                    emit.load(BYTES, tile.weights, builder.add(base, emit.integer(PANEL * quarter)))
                    for quarter in quarters
                ]
                both = [
                    (builder.and_(pair, lower), builder.lshr(pair, four_bits)) for pair in pairs
                ]
                following = iter(parts)
                results = []
                for row in tile.inputs:
                    low = _broadcast_bytes(emit, row, first)
                    high = _broadcast_bytes(emit, row, second)
                    for low_weights, high_weights in both:
                        part = _sum_of_products(emit, next(following), low_weights, low)
                        results.append(_sum_of_products(emit, part, high_weights, high))
                return results

            parts = emit.loop(emit.integer(half), tile.zeros(emit.ints(0), quarters), body)
            following = iter(zip(parts, totals, strict=True))
            results = []
            for sums in tile.sums:
                excess = builder.mul(emit.load(I32, sums, index), ir.Constant(I32, _INT4_ZERO))
                for quarter in quarters:
                    part, total = next(following)
                    part = builder.sub(part, emit.splat(excess))
                    place = builder.mul(index, emit.integer(PANEL))
                    place = builder.add(place, emit.integer(quarter * LANES))
                    scale = emit.load_floats(F16, tile.scales, place)
                    results.append(emit.fma(builder.sitofp(part, FLOATS), scale, total))
            return results

        totals = iter(emit.loop(tile.steps, tile.zeros(emit.floats(0.0), quarters), group))
        for row in range(tile.rows):
            scale = emit.splat(emit.load(F32, tile.row_scales, row))
            for quarter in quarters:
                tile.give(builder.fmul(next(totals), scale), row, quarter)


def _float_tile(emit: Emitter, tile: Tile, element: ir.Type) -> None:
    """Products of floats, summed up a block of inputs at a time: long sums lose less."""
    builder = emit.builder
    reach = builder.add(tile.steps, emit.integer(_BLOCK - 1))
    blocks = builder.sdiv(reach, emit.integer(_BLOCK))
    for quarters in tile.quarter_groups():

        def block(index: ir.Value, totals: Values, quarters: range = quarters) -> Values:
            start = builder.mul(index, emit.integer(_BLOCK))
            left = builder.sub(tile.steps, start)
            whole = builder.icmp_signed(">", left, emit.integer(_BLOCK))
            count = builder.select(whole, emit.integer(_BLOCK), left)

            def body(step: ir.Value, parts: Values) -> Values:
                place = builder.add(start, step)
                base = builder.mul(place, emit.integer(PANEL))
                pieces = []
                for quarter in quarters:
                    at = builder.add(base, emit.integer(LANES * quarter))
                    pieces.append(emit.load_floats(element, tile.weights, at))
                following = iter(parts)
                results = []
                for row in tile.inputs:
                    value = emit.splat(emit.load(F32, row, place))
                    results += [emit.fma(value, piece, next(following)) for piece in pieces]
                return results

            parts = emit.loop(count, tile.zeros(emit.floats(0.0), quarters), body)
            return [builder.fadd(total, part) for total, part in zip(totals, parts, strict=True)]

        totals = iter(emit.loop(blocks, tile.zeros(emit.floats(0.0), quarters), block))
        for row in range(tile.rows):
            for quarter in quarters:
                tile.give(next(totals), row, quarter)


_WRITERS: dict[str, Callable[[Emitter, Tile], None]] = {
    "uint8": _int8_tile,
    "int8": _int4_tile,
    "uint16": partial(_float_tile, element=I16),
    "int16": partial(_float_tile, element=F16),
    "float32": partial(_float_tile, element=F32),
}


_FORMS = tuple(_WRITERS)
_ARGUMENTS = [types.int64] * 16


def _tile(rows: int) -> Any:
    """The product of `rows` rows with a panel, as a function for numba.

    It takes twelve integers: the form, whether outputs are added to, the panel's address, its
    rounds, address and stride of the rows, address and stride of the sums of their levels, address
    of their scales, address of the panel's scales, address and stride of the outputs.
    """

    @intrinsic
    def multiply_panel(
        typing, form, adds, weights, steps, x, x_stride, sums, sums_stride, row_scales, scales, out,
        out_stride,
    ):  # fmt: skip
        def codegen(context: Any, builder: ir.IRBuilder, _: Any, arguments: Values) -> Any:
            emit = Emitter(builder)
            for number, name in enumerate(_FORMS):
                with builder.if_then(builder.icmp_signed("==", arguments[0], emit.integer(number))):
                    _WRITERS[name](emit, Tile(emit, arguments[1:], rows))
            return context.get_dummy_value()

        return types.void(*[types.int64] * 12), codegen

    return multiply_panel


_MANY, _TWO, _ONE = (_tile(rows) for rows in (_TILE_ROWS, 2, 1))


def _multiply(
    form, adds, weights, panel_bytes, steps, scales, scale_bytes, x, x_stride, sums, sums_stride,
    row_scales, out, out_stride, rows, panels,
):  # fmt: skip
    """Multiply `rows` rows with `panels` panels; see `multiply`."""
    for panel in range(panels):
        at = weights + panel * panel_bytes
        scale_at = scales + panel * scale_bytes
        out_at = out + panel * 4 * PANEL
        row = 0
        while row + _TILE_ROWS <= rows:
            _MANY(
                form, adds, at, steps, x + row * x_stride, x_stride, sums + row * sums_stride,
                sums_stride, row_scales + 4 * row, scale_at, out_at + row * out_stride, out_stride,
            )  # fmt: skip
            row += _TILE_ROWS
        while row + 2 <= rows:
            _TWO(
                form, adds, at, steps, x + row * x_stride, x_stride, sums + row * sums_stride,
                sums_stride, row_scales + 4 * row, scale_at, out_at + row * out_stride, out_stride,
            )  # fmt: skip
            row += 2
        if row < rows:
            _ONE(
                form, adds, at, steps, x + row * x_stride, x_stride, sums + row * sums_stride,
                sums_stride, row_scales + 4 * row, scale_at, out_at + row * out_stride, out_stride,
            )  # fmt: skip


@cache
def _compiled() -> Any:
    return cfunc(types.void(*_ARGUMENTS), cache=True)(_multiply)


def products_code() -> int:
    """Where the code of the products is; what multiplies is given it.

    It is reached by its address because a compiled function takes in the code of those that it
    names: this code would be compiled anew for each of them.
    """
    address: int = _compiled().address
    return address


@intrinsic
def _form_of(typing, array):
    """The number of the form that an array's type stands for."""
    number = _FORMS.index(str(array.dtype))

    def codegen(context: Any, builder: ir.IRBuilder, _: Any, arguments: Values) -> ir.Value:
        return Emitter(builder).integer(number)

    return types.int64(array), codegen


@intrinsic
def _call(
    typing, code, form, adds, weights, panel_bytes, steps, scales, scale_bytes, x, x_stride, sums,
    sums_stride, row_scales, out, out_stride, rows, panels,
):  # fmt: skip
    """Call `_multiply`, which is at `code`."""

    def codegen(context: Any, builder: ir.IRBuilder, _: Any, arguments: Values) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [I64] * len(_ARGUMENTS))
        builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), arguments[1:])
        return context.get_dummy_value()

    return types.void(types.int64, *_ARGUMENTS), codegen


@njit(**COMPILED)
def multiply(code, weights, scales, x, x_stride, sums, sums_stride, row_scales, out, out_stride,
             rows, first, last, adds):  # fmt: skip
    """Write the products of `rows` rows with the panels `first` to `last` - 1.

    Args:
        code: See `products_code`.
        weights: Panels in one of the four forms, or in float16, seen as int16.
        scales: float32 [panels, 64] for int8; float16, seen as int16, [panels, I / 64, 64]
            for int4; else anything.
        x: Address of the rows: int8 levels, or float32.
        x_stride: From row to row, in bytes.
        sums: Address of what `rows.quantise` found: int32, the sum of a row's levels, then those of
            its groups.
        sums_stride: From row to row, in bytes.
        row_scales: Address of the rows' scales, float32 [R].
        out: Address of the outputs, float32.
        out_stride: From row to row, in bytes.
        rows: R.
        first: The first panel.
        last: The one after the last.
        adds: Whether to add to what is in `out`.
    """
    if weights.ndim == _INT4_AXES:
        sums += 4
    _call(
        code, _form_of(weights), int(adds), weights.ctypes.data + first * weights.strides[0],
        weights.strides[0], weights.shape[1], scales.ctypes.data + first * scales.strides[0],
        scales.strides[0], x, x_stride, sums, sums_stride, row_scales, out + first * 4 * PANEL,
        out_stride, rows, last - first,
    )  # fmt: skip
