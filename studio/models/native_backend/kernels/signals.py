"""What is done to signals between products: activations, the LSTM's cell, copies.

Owns these loops. Addresses are integers, numbers float32. Where lanes of sixteen are computed at
once, what lies behind the last number, up to a multiple of sixteen, is computed too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from studio.models.native_backend.kernels.emit import F32, FLOATS, LANES, Emitter

Values = list[ir.Value]


def _kernel(count: int, write: Callable[..., None]) -> Any:
    """What numba's `intrinsic` wants, for a function of `count` integers."""

    def codegen(context: Any, builder: ir.IRBuilder, _: Any, values: Values) -> Any:
        write(Emitter(builder), *values)
        return context.get_dummy_value()

    return types.void(*[types.int64] * count), codegen


def _each_lane(emit: Emitter, count: ir.Value, change: Callable[[ir.Value], None]) -> None:
    """Call `change` with the place of every sixteenth of `count` numbers."""
    builder = emit.builder
    vectors = builder.sdiv(builder.add(count, emit.integer(LANES - 1)), emit.integer(LANES))

    def body(index: ir.Value, _: Values) -> Values:
        change(builder.mul(index, emit.integer(LANES)))
        return []

    emit.loop(vectors, [], body)


def _sigmoid(emit: Emitter, x: ir.Value) -> ir.Value:
    builder, one = emit.builder, emit.floats(1.0)
    return builder.fdiv(one, builder.fadd(one, emit.exp(builder.fneg(x))))


def _tanh(emit: Emitter, x: ir.Value) -> ir.Value:
    """With e = exp(-2 |x|) - 1 it is -e / (e + 2), and has the sign of x."""
    builder = emit.builder
    less = emit.exp_less_one(builder.fmul(emit.magnitude(x), emit.floats(-2.0)))
    size = builder.fdiv(builder.fneg(less), builder.fadd(less, emit.floats(2.0)))
    return emit.call("llvm.copysign.v16f32", FLOATS, size, x)


@intrinsic
def elu(typing, x, out, count):
    """Write the ELU of `count` numbers at `x` to `out` (Clevert et al. 2015)."""

    def write(emit: Emitter, x: ir.Value, out: ir.Value, count: ir.Value) -> None:
        def change(place: ir.Value) -> None:
            value = emit.load(FLOATS, x, place)
            below = emit.exp_less_one(emit.smallest(value, emit.floats(0.0)))
            positive = emit.builder.fcmp_ordered(">", value, emit.floats(0.0))
            emit.store(emit.builder.select(positive, value, below), out, place)

        _each_lane(emit, count, change)

    return _kernel(3, write)


@intrinsic
def add_rows(typing, x, x_stride, other, other_stride, out, out_stride, count, rows):
    """Write the sums of `rows` rows of `count` numbers; strides in bytes, 0 for the same row."""

    def write(
        emit: Emitter, x: ir.Value, x_stride: ir.Value, other: ir.Value, other_stride: ir.Value,
        out: ir.Value, out_stride: ir.Value, count: ir.Value, rows: ir.Value,
    ) -> None:  # fmt: skip
        builder = emit.builder

        def row(index: ir.Value, _: Values) -> Values:
            first, second, result = (
                builder.add(address, builder.mul(index, stride))
                for address, stride in ((x, x_stride), (other, other_stride), (out, out_stride))
            )

            def change(place: ir.Value) -> None:
                both = emit.load(FLOATS, first, place), emit.load(FLOATS, second, place)
                emit.store(builder.fadd(*both), result, place)

            _each_lane(emit, count, change)
            return []

        emit.loop(rows, [], row)

    return _kernel(8, write)


@intrinsic
def lstm_cell(typing, gates, cell, out):
    """Sixteen units of an LSTM (Hochreiter and Schmidhuber 1997; Gers et al. 2000).

    `gates` has their input, forget, candidate and output gates, sixteen of each, before they are
    squashed; `cell` their memories, which are renewed; `out` gets what they say.
    """

    def write(emit: Emitter, gates: ir.Value, cell: ir.Value, out: ir.Value) -> None:
        builder = emit.builder
        taken, kept, said = (
            _sigmoid(emit, emit.load(FLOATS, gates, LANES * gate)) for gate in (0, 1, 3)
        )
        candidate = _tanh(emit, emit.load(FLOATS, gates, LANES * 2))
        memory = builder.fmul(kept, emit.load(FLOATS, cell))
        memory = builder.fadd(memory, builder.fmul(taken, candidate))
        emit.store(memory, cell)
        emit.store(builder.fmul(said, _tanh(emit, memory)), out)

    return _kernel(3, write)


@intrinsic
def copy(typing, x, out, count):
    """Copy `count` numbers, from the first on: what is copied may lie behind where it goes."""

    def write(emit: Emitter, x: ir.Value, out: ir.Value, count: ir.Value) -> None:
        def body(index: ir.Value, _: Values) -> Values:
            emit.store(emit.load(F32, x, index), out, index)
            return []

        emit.loop(count, [], body)

    return _kernel(3, write)


@intrinsic
def clear(typing, out, count):
    """Write `count` zeros."""

    def write(emit: Emitter, out: ir.Value, count: ir.Value) -> None:
        def body(index: ir.Value, _: Values) -> Values:
            emit.store(ir.Constant(F32, 0.0), out, index)
            return []

        emit.loop(count, [], body)

    return _kernel(2, write)
