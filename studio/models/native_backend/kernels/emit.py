"""Writing vector code: LLVM instructions over lanes of sixteen numbers.

Owns the notation in which the kernels are written, and what the processor at hand can do. It
computes nothing itself.

Nothing here carries a fast-math flag: LLVM keeps the order of every sum, and every operation is
rounded as IEEE 754 says, whichever instructions it is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import config

LANES = 16

I8, I16, I32, I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
F16, F32 = ir.HalfType(), ir.FloatType()
FLOATS = ir.VectorType(F32, LANES)
INTS = ir.VectorType(I32, LANES)
BYTES = ir.VectorType(I8, 4 * LANES)

# The largest finite arguments of exp in float32 lie at 88.7 and -103.9.
_EXP_LOW, _EXP_HIGH = -87.0, 88.0
_LOG2_E = 1.44269504088896341
# ln 2 in two parts, the first with few enough bits for exact products (Cody and Waite 1980).
_LN2_HIGH, _LN2_LOW = 0.693359375, -2.12194440e-4
# Minimax coefficients for exp on +-ln(2)/2, highest power first (Cephes, expf.c).
_EXP = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 0.5)
# erf(x) = 1 - (a1 t + ... + a5 t^5) exp(-x^2), t = 1 / (1 + p x) (Abramowitz and Stegun 7.1.26).
_ERF_P = 0.3275911
_ERF = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)


@cache
def processor_features() -> frozenset[str]:
    """What the processor that is compiled for can do, as LLVM calls it."""
    if config.CPU_FEATURES is not None:
        words = config.CPU_FEATURES.split(",")
        return frozenset(word[1:] for word in words if word.startswith("+"))
    return frozenset(name for name, present in llvm.get_host_cpu_features().items() if present)


class Emitter:
    """Writes instructions at the place where an LLVM builder stands.

    Addresses are 64-bit integers; offsets count elements of the type that is loaded or stored.
    """

    def __init__(self, builder: ir.IRBuilder) -> None:
        self.builder = builder

    def integer(self, value: int) -> ir.Constant:
        """A 64-bit integer."""
        return ir.Constant(I64, value)

    def floats(self, value: float) -> ir.Constant:
        """Sixteen times the same number."""
        return ir.Constant(FLOATS, [ir.Constant(F32, value)] * LANES)

    def ints(self, value: int) -> ir.Constant:
        """Sixteen times the same 32-bit integer."""
        return ir.Constant(INTS, [ir.Constant(I32, value)] * LANES)

    def load(self, kind: ir.Type, address: ir.Value, offset: ir.Value | int = 0) -> ir.Value:
        """The value of type `kind` at `offset` of its elements behind `address`."""
        return self.builder.load(self._pointer(kind, address, offset), align=1)

    def store(self, value: ir.Value, address: ir.Value, offset: ir.Value | int = 0) -> None:
        """Write `value`."""
        pointer = self._pointer(value.type, address, offset)
        self.builder.store(value, pointer, align=1)

    def _pointer(self, kind: ir.Type, address: ir.Value, offset: ir.Value | int) -> ir.Value:
        element = kind.element if isinstance(kind, ir.VectorType) else kind
        if isinstance(offset, int):
            offset = self.integer(offset)
        base = self.builder.inttoptr(address, element.as_pointer())
        place = self.builder.gep(base, [offset], source_etype=element)
        return self.builder.bitcast(place, kind.as_pointer())

    def load_floats(
        self, element: ir.Type, address: ir.Value, offset: ir.Value | int = 0
    ) -> ir.Value:
        """Sixteen numbers stored as float32, float16, or the upper half of a float32 (`I16`)."""
        stored = self.load(ir.VectorType(element, LANES), address, offset)
        if element == F16:
            return self.builder.fpext(stored, FLOATS)
        if element == I16:
            wide = self.builder.zext(stored, INTS)
            return self.builder.bitcast(self.builder.shl(wide, self.ints(16)), FLOATS)
        return stored

    def splat(self, value: ir.Value, lanes: int = LANES) -> ir.Value:
        """`lanes` times `value`."""
        kind = ir.VectorType(value.type, lanes)
        nothing = ir.Constant(kind, ir.Undefined)
        single = self.builder.insert_element(nothing, value, ir.Constant(I32, 0))
        zeros = ir.Constant(ir.VectorType(I32, lanes), [0] * lanes)
        return self.builder.shuffle_vector(single, nothing, zeros)

    def call(self, name: str, result: ir.Type, *arguments: ir.Value) -> ir.Value:
        """The LLVM intrinsic `name`."""
        kind = ir.FunctionType(result, [argument.type for argument in arguments])
        module = self.builder.module
        function = module.globals.get(name) or ir.Function(module, kind, name)
        return self.builder.call(function, list(arguments))

    def fma(self, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
        """The sum a * b + c, rounded once."""
        return self.call("llvm.fma.v16f32", FLOATS, a, b, c)

    def largest(self, a: ir.Value, b: ir.Value) -> ir.Value:
        """The larger of two, lane by lane; `b` where `a` is no number."""
        return self.builder.select(self.builder.fcmp_ordered(">", a, b), a, b)

    def smallest(self, a: ir.Value, b: ir.Value) -> ir.Value:
        """The smaller of two, lane by lane; `b` where `a` is no number."""
        return self.builder.select(self.builder.fcmp_ordered("<", a, b), a, b)

    def magnitude(self, a: ir.Value) -> ir.Value:
        """|a|."""
        return self.call("llvm.fabs.v16f32", FLOATS, a)

    def nearest(self, a: ir.Value) -> ir.Value:
        """`a` rounded to a whole number, half to even, as float."""
        return self.call("llvm.rint.v16f32", FLOATS, a)

    def folded(
        self, lanes: ir.Value, combine: Callable[[ir.Value, ir.Value], ir.Value]
    ) -> ir.Value:
        """All lanes combined to one, halves with halves: a scalar."""
        nothing = ir.Constant(lanes.type, ir.Undefined)
        for width in (8, 4, 2, 1):
            order = [(place + width) % LANES for place in range(LANES)]
            moved = self.builder.shuffle_vector(lanes, nothing, ir.Constant(INTS, order))
            lanes = combine(lanes, moved)
        return self.builder.extract_element(lanes, ir.Constant(I32, 0))

    def loop(
        self,
        count: ir.Value,
        initial: Sequence[ir.Value],
        body: Callable[[ir.Value, list[ir.Value]], Sequence[ir.Value]],
    ) -> list[ir.Value]:
        """Run `body` with 0 to `count` - 1; what it returns comes in the next time.

        Args:
            count: 64-bit; 0 runs nothing.
            initial: What comes in the first time.
            body: Takes the index and what comes in; gives what goes on.

        Returns:
            What came out last.
        """
        builder = self.builder
        before = builder.block
        inside = builder.append_basic_block("loop")
        after = builder.append_basic_block("after")
        builder.cbranch(builder.icmp_signed(">", count, self.integer(0)), inside, after)
        builder.position_at_end(inside)
        index = builder.phi(I64)
        index.add_incoming(self.integer(0), before)
        carried = []
        for value in initial:
            place = builder.phi(value.type)
            place.add_incoming(value, before)
            carried.append(place)
        results = body(index, list(carried))
        following = builder.add(index, self.integer(1))
        last = builder.block
        index.add_incoming(following, last)
        for place, result in zip(carried, results, strict=True):
            place.add_incoming(result, last)
        builder.cbranch(builder.icmp_signed("<", following, count), inside, after)
        builder.position_at_end(after)
        final = []
        for value, result in zip(initial, results, strict=True):
            place = builder.phi(value.type)
            place.add_incoming(value, before)
            place.add_incoming(result, last)
            final.append(place)
        return final

    def inside(self, begin: ir.Value, count: ir.Value) -> ir.Value:
        """For sixteen places from `begin` on, which lie before `count`: sixteen bits."""
        places = ir.Constant(ir.VectorType(I64, LANES), list(range(LANES)))
        indices = self.builder.add(places, self.splat(begin))
        return self.builder.icmp_signed("<", indices, self.splat(count))

    def polynomial(self, x: ir.Value, coefficients: Sequence[float]) -> ir.Value:
        """Horner's scheme, highest power first."""
        value: ir.Value = self.floats(coefficients[0])
        for coefficient in coefficients[1:]:
            value = self.fma(value, x, self.floats(coefficient))
        return value

    def exp(self, x: ir.Value) -> ir.Value:
        """Raise e to the x, within 2 units in the last place and the range of normal numbers."""
        x = self.smallest(self.largest(x, self.floats(_EXP_LOW)), self.floats(_EXP_HIGH))
        power = self.nearest(self.builder.fmul(x, self.floats(_LOG2_E)))
        rest = self.fma(power, self.floats(-_LN2_HIGH), x)
        rest = self.fma(power, self.floats(-_LN2_LOW), rest)
        square = self.builder.fmul(rest, rest)
        value = self.fma(self.polynomial(rest, _EXP), square, rest)
        value = self.builder.fadd(value, self.floats(1.0))
        exponent = self.builder.fptosi(power, INTS)
        shifted = self.builder.shl(exponent, self.ints(23))
        bits = self.builder.add(self.builder.bitcast(value, INTS), shifted)
        return self.builder.bitcast(bits, FLOATS)

    def exp_less_one(self, x: ir.Value) -> ir.Value:
        """Raise e to the x, up to 0, and take 1 off, with all digits near 0 too.

        With x = n ln 2 + r it is 2^n (exp(r) - 1) + (2^n - 1); the polynomial gives the bracket.
        """
        x = self.largest(x, self.floats(_EXP_LOW))
        power = self.nearest(self.builder.fmul(x, self.floats(_LOG2_E)))
        rest = self.fma(power, self.floats(-_LN2_HIGH), x)
        rest = self.fma(power, self.floats(-_LN2_LOW), rest)
        square = self.builder.fmul(rest, rest)
        value = self.fma(self.polynomial(rest, _EXP), square, rest)
        exponent = self.builder.add(self.builder.fptosi(power, INTS), self.ints(127))
        factor = self.builder.bitcast(self.builder.shl(exponent, self.ints(23)), FLOATS)
        return self.fma(value, factor, self.builder.fsub(factor, self.floats(1.0)))

    def gelu(self, x: ir.Value) -> ir.Value:
        """The exact GELU: x times the share of the normal distribution below x, within 1e-6."""
        builder = self.builder
        scaled = builder.fmul(x, self.floats(0.5**0.5))
        size = self.magnitude(scaled)
        steep = self.fma(size, self.floats(_ERF_P), self.floats(1.0))
        t = builder.fdiv(self.floats(1.0), steep)
        tail = builder.fmul(self.polynomial(t, _ERF), t)
        square = builder.fmul(size, builder.fneg(size))
        tail = builder.fmul(tail, self.exp(square))
        # `tail` is 1 - erf(|x|): below zero half of it is what remains, above zero what is missing.
        half = builder.fmul(tail, self.floats(0.5))
        above = builder.fsub(self.floats(1.0), half)
        positive = builder.fcmp_ordered(">", x, self.floats(0.0))
        return builder.fmul(x, builder.select(positive, above, half))
