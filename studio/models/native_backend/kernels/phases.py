"""Several threads in one piece of work.

Owns the two counters by which threads share out each phase of a pass: how many pieces have been
claimed, and how many are done. A thread that comes late, or is held up by the system, finds its
share taken by the others; nobody waits for a thread that has no piece in hand.
"""

from __future__ import annotations

import sys
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from studio.models.native_backend.kernels.emit import I32, I64, processor_features
from studio.models.native_backend.kernels.products import COMPILED

_SPINS_BEFORE_YIELD = 4_000


@intrinsic
def _add(typing, address, amount):
    """Add to the 64-bit counter at `address`; what it was before. Ordered before and after."""

    def codegen(context: Any, builder: ir.IRBuilder, _: Any, values: list[ir.Value]) -> ir.Value:
        pointer = builder.inttoptr(values[0], I64.as_pointer())
        return builder.atomic_rmw("add", pointer, values[1], "seq_cst")

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def _read(typing, address):
    """The 64-bit counter at `address`, as other threads left it."""

    def codegen(context: Any, builder: ir.IRBuilder, _: Any, values: list[ir.Value]) -> ir.Value:
        pointer = builder.inttoptr(values[0], I64.as_pointer())
        return builder.load_atomic(pointer, "acquire", 8)

    return types.int64(types.int64), codegen


@intrinsic
def _pause(typing, rests):
    """Let the processor's other half, or after a while another program, run."""

    def codegen(context: Any, builder: ir.IRBuilder, _: Any, values: list[ir.Value]) -> Any:
        module = builder.module
        nothing = ir.FunctionType(ir.VoidType(), [])
        if "sse2" in processor_features():
            name = "llvm.x86.sse2.pause"
            pause = module.globals.get(name) or ir.Function(module, nothing, name)
            builder.call(pause, [])
        if sys.platform != "win32":
            rest = ir.FunctionType(I32, [])
            name = "sched_yield"
            yield_ = module.globals.get(name) or ir.Function(module, rest, name)
            with builder.if_then(values[0]):
                builder.call(yield_, [])
        return context.get_dummy_value()

    return types.void(types.boolean), codegen


@njit(**COMPILED)
def claim(counters, phase):
    """The next piece of `phase` that nobody has, counted from 0; it may lie beyond the last.

    Args:
        counters: int64 [phases, 2], zeros before the pass: claimed, done.
        phase: Which.
    """
    return _add(counters.ctypes.data + phase * 16, 1)


@njit(**COMPILED)
def finish(counters, phase, pieces):
    """Tell the others that `pieces` of `phase` are done."""
    _add(counters.ctypes.data + phase * 16 + 8, pieces)


@njit(**COMPILED)
def wait(counters, phase, pieces):
    """Come back when all `pieces` of `phase` are done."""
    address = counters.ctypes.data + phase * 16 + 8
    spins = 0
    while _read(address) < pieces:
        spins += 1
        _pause(spins > _SPINS_BEFORE_YIELD)
