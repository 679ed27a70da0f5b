"""What is done to one row of numbers at a time.

Owns norms, activations, the rounding of rows to levels, and the softmax. Rows are float32 and
stand in memory up to a multiple of sixty-four numbers, zeros at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from studio.models.native_backend.kernels.emit import (
    F16,
    F32,
    FLOATS,
    I8,
    I32,
    INTS,
    LANES,
    Emitter,
)
from studio.models.native_backend.kernels.products import GROUP

Values = list[ir.Value]
LEVELS = 127
"""Levels on either side of zero."""
_TINY = 1e-30
_NORM_EPSILON = 1e-5


def _kernel(arguments: tuple[Any, ...], write: Callable[..., None]) -> Any:
    """What numba's `intrinsic` wants: a signature, and a writer of code."""

    def codegen(context: Any, builder: ir.IRBuilder, _: Any, values: Values) -> Any:
        write(Emitter(builder), *values)
        return context.get_dummy_value()

    return types.void(*arguments), codegen


_ADDRESS = types.int64
_COUNT = types.int64


def _lanes(emit: Emitter, count: ir.Value) -> ir.Value:
    """Vectors that hold `count` numbers."""
    rounded = emit.builder.add(count, emit.integer(LANES - 1))
    return emit.builder.sdiv(rounded, emit.integer(LANES))


def _at(emit: Emitter, index: ir.Value) -> ir.Value:
    return emit.builder.mul(index, emit.integer(LANES))


def _mean(emit: Emitter, total: ir.Value, count: ir.Value) -> ir.Value:
    """The sum of all lanes by `count`, sixteen times."""
    amount = emit.builder.sitofp(count, F32)
    return emit.splat(emit.builder.fdiv(emit.folded(total, emit.builder.fadd), amount))


def _inverse_root(emit: Emitter, value: ir.Value, epsilon: ir.Value) -> ir.Value:
    builder = emit.builder
    root = emit.call("llvm.sqrt.v16f32", FLOATS, builder.fadd(value, epsilon))
    return builder.fdiv(emit.floats(1.0), root)


@intrinsic
def layer_norm(typing, x, weight, bias, out, count):
    """Layer normalisation of `count` numbers, epsilon 1e-5 (Ba et al. 2016); all addresses."""

    def write(
        emit: Emitter, x: ir.Value, weight: ir.Value, bias: ir.Value, out: ir.Value, count: ir.Value
    ) -> None:
        builder, vectors = emit.builder, _lanes(emit, count)

        def add(index: ir.Value, totals: Values) -> Values:
            return [builder.fadd(totals[0], emit.load(FLOATS, x, _at(emit, index)))]

        (total,) = emit.loop(vectors, [emit.floats(0.0)], add)
        mean = _mean(emit, total, count)

        def add_square(index: ir.Value, totals: Values) -> Values:
            place = _at(emit, index)
            off = builder.fsub(emit.load(FLOATS, x, place), mean)
            off = builder.select(emit.inside(place, count), off, emit.floats(0.0))
            return [emit.fma(off, off, totals[0])]

        (squares,) = emit.loop(vectors, [emit.floats(0.0)], add_square)
        factor = _inverse_root(emit, _mean(emit, squares, count), emit.floats(_NORM_EPSILON))

        def scale(index: ir.Value, _: Values) -> Values:
            place = _at(emit, index)
            off = builder.fmul(builder.fsub(emit.load(FLOATS, x, place), mean), factor)
            scaled = emit.fma(off, emit.load(FLOATS, weight, place), emit.load(FLOATS, bias, place))
            emit.store(scaled, out, place)
            return []

        emit.loop(vectors, [], scale)

    return _kernel((_ADDRESS,) * 4 + (_COUNT,), write)


@intrinsic
def rms_norm(typing, x, weight, out, count, epsilon):
    """Divide `count` numbers by the root of their mean square (Zhang and Sennrich 2019).

    `out` may be `x`; `epsilon` is added to the mean square.
    """

    def write(
        emit: Emitter,
        x: ir.Value,
        weight: ir.Value,
        out: ir.Value,
        count: ir.Value,
        epsilon: ir.Value,
    ) -> None:
        builder, vectors = emit.builder, _lanes(emit, count)

        def add_square(index: ir.Value, totals: Values) -> Values:
            value = emit.load(FLOATS, x, _at(emit, index))
            return [emit.fma(value, value, totals[0])]

        (squares,) = emit.loop(vectors, [emit.floats(0.0)], add_square)
        factor = _inverse_root(emit, _mean(emit, squares, count), emit.splat(epsilon))

        def scale(index: ir.Value, _: Values) -> Values:
            place = _at(emit, index)
            scaled = builder.fmul(emit.load(FLOATS, x, place), factor)
            emit.store(builder.fmul(scaled, emit.load(FLOATS, weight, place)), out, place)
            return []

        emit.loop(vectors, [], scale)

    return _kernel((_ADDRESS,) * 3 + (_COUNT, types.float32), write)


@intrinsic
def relu(typing, x, count):
    """Put zero in the place of every number below it, among `count`."""

    def write(emit: Emitter, x: ir.Value, count: ir.Value) -> None:
        def change(index: ir.Value, _: Values) -> Values:
            place = _at(emit, index)
            value = emit.largest(emit.load(FLOATS, x, place), emit.floats(0.0))
            emit.store(value, x, place)
            return []

        emit.loop(_lanes(emit, count), [], change)

    return _kernel((_ADDRESS, _COUNT), write)


@intrinsic
def gelu(typing, x, count):
    """The exact GELU of `count` numbers, in place (Hendrycks and Gimpel 2016)."""

    def write(emit: Emitter, x: ir.Value, count: ir.Value) -> None:
        def change(index: ir.Value, _: Values) -> Values:
            place = _at(emit, index)
            emit.store(emit.gelu(emit.load(FLOATS, x, place)), x, place)
            return []

        emit.loop(_lanes(emit, count), [], change)

    return _kernel((_ADDRESS, _COUNT), write)


@intrinsic
def quantise(typing, x, levels, sums, scale, count):
    """Round `count` numbers, a multiple of sixty-four, to levels.

    `levels` gets int8, `scale` the float32 that a level stands for, and `sums` int32: the sum of
    all levels, then those of each group of sixty-four.
    """

    def write(
        emit: Emitter,
        x: ir.Value,
        levels: ir.Value,
        sums: ir.Value,
        scale: ir.Value,
        count: ir.Value,
    ) -> None:
        builder = emit.builder

        def find(index: ir.Value, found: Values) -> Values:
            return [emit.largest(emit.magnitude(emit.load(FLOATS, x, _at(emit, index))), found[0])]

        (found,) = emit.loop(_lanes(emit, count), [emit.floats(_TINY)], find)
        largest = emit.splat(emit.folded(found, emit.largest))
        factor = builder.fdiv(emit.floats(LEVELS), largest)
        step = builder.fdiv(largest, emit.floats(LEVELS))
        emit.store(builder.extract_element(step, ir.Constant(I32, 0)), scale)

        def turn(group: ir.Value, totals: Values) -> Values:
            total = emit.ints(0)
            base = builder.mul(group, emit.integer(GROUP))
            for part in range(GROUP // LANES):
                place = builder.add(base, emit.integer(part * LANES))
                scaled = builder.fmul(emit.load(FLOATS, x, place), factor)
                level = builder.fptosi(emit.nearest(scaled), INTS)
                total = builder.add(total, level)
                emit.store(builder.trunc(level, ir.VectorType(I8, LANES)), levels, place)
            total = emit.folded(total, builder.add)
            emit.store(total, sums, builder.add(group, emit.integer(1)))
            return [builder.add(totals[0], total)]

        groups = builder.sdiv(count, emit.integer(GROUP))
        (total,) = emit.loop(groups, [ir.Constant(I32, 0)], turn)
        emit.store(total, sums)

    return _kernel((_ADDRESS,) * 4 + (_COUNT,), write)


@intrinsic
def softmax(typing, x, count, scale):
    """The softmax of `count` numbers times `scale`, in place; zeros up to a multiple of sixteen."""

    def write(emit: Emitter, x: ir.Value, count: ir.Value, scale: ir.Value) -> None:
        builder, vectors = emit.builder, _lanes(emit, count)
        lowest = emit.floats(float("-inf"))
        factor = emit.splat(scale)

        def find(index: ir.Value, found: Values) -> Values:
            place = _at(emit, index)
            value = builder.fmul(emit.load(FLOATS, x, place), factor)
            value = builder.select(emit.inside(place, count), value, lowest)
            emit.store(value, x, place)
            return [emit.largest(value, found[0])]

        (found,) = emit.loop(vectors, [lowest], find)
        largest = emit.splat(emit.folded(found, emit.largest))

        def raise_(index: ir.Value, totals: Values) -> Values:
            place = _at(emit, index)
            value = emit.exp(builder.fsub(emit.load(FLOATS, x, place), largest))
            value = builder.select(emit.inside(place, count), value, emit.floats(0.0))
            emit.store(value, x, place)
            return [builder.fadd(totals[0], value)]

        (total,) = emit.loop(vectors, [emit.floats(0.0)], raise_)
        part = builder.fdiv(emit.floats(1.0), emit.splat(emit.folded(total, builder.fadd)))

        def divide(index: ir.Value, _: Values) -> Values:
            place = _at(emit, index)
            emit.store(builder.fmul(emit.load(FLOATS, x, place), part), x, place)
            return []

        emit.loop(vectors, [], divide)

    return _kernel((_ADDRESS, _COUNT, types.float32), write)


@intrinsic
def remember(typing, kind, x, keys, values, count):
    """Write `count` numbers at the address `x` into memories of `kind`'s type.

    `keys` is the address of the first number in a panel of sixty-four places, whose numbers stand
    sixty-four apart; `values` that of a place whose numbers stand side by side. 0 leaves one out.
    """
    element = F16 if str(kind.dtype) == "int16" else F32

    def write(
        emit: Emitter, _: ir.Value, x: ir.Value, keys: ir.Value, values: ir.Value, count: ir.Value
    ) -> None:
        builder = emit.builder

        def copy(index: ir.Value, _: Values) -> Values:
            value = emit.load(F32, x, index)
            if element != F32:
                value = builder.fptrunc(value, element)
            with builder.if_then(builder.icmp_signed("!=", keys, emit.integer(0))):
                emit.store(value, keys, builder.mul(index, emit.integer(GROUP)))
            with builder.if_then(builder.icmp_signed("!=", values, emit.integer(0))):
                emit.store(value, values, index)
            return []

        emit.loop(count, [], copy)

    return _kernel((kind, *(_ADDRESS,) * 3, _COUNT), write)
