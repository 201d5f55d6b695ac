"""Vector expressions that write LLVM IR as they are evaluated.

A vector function (kernels/functions.py) is ordinary Python arithmetic; called with Traced operands it emits its
instructions in place, so that an elementwise kernel and the epilogue of a convolution share one definition.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from llvmlite import ir

from .requantize import round_to_int
from .vector import call_llvm, multiply_add, splat

if TYPE_CHECKING:
    from ..targets.target import Target


class Traced:
    """One SSA value: a float32 or integer vector, or a vector of booleans."""

    def __init__(self, builder: ir.IRBuilder, value: ir.Value, target: Target) -> None:
        self.builder = builder
        self.value = value
        self.target = target

    def new(self, value: ir.Value) -> Traced:
        return Traced(self.builder, value, self.target)

    @property
    def _scalar(self) -> ir.Type:
        return self.value.type.element

    @property
    def is_float(self) -> bool:
        return isinstance(self._scalar, ir.FloatType)

    def like(self, other: Any) -> Traced:
        """The operand as a vector of this one's type."""
        if isinstance(other, Traced):
            return other
        constant = ir.Constant(self._scalar, float(other) if self.is_float else int(other))
        return self.new(splat(self.builder, constant, self.value.type.count))

    def _emit(self, float_op: str | None, int_op: str | None, a: Traced, b: Traced) -> Traced:
        name = float_op if self.is_float else int_op
        if name is None:
            raise TypeError(f"no such operation on {self.value.type}")
        return self.new(getattr(self.builder, name)(a.value, b.value))

    def __add__(self, other: Any) -> Traced:
        return self._emit("fadd", "add", self, self.like(other))

    def __radd__(self, other: Any) -> Traced:
        return self._emit("fadd", "add", self.like(other), self)

    def __sub__(self, other: Any) -> Traced:
        return self._emit("fsub", "sub", self, self.like(other))

    def __rsub__(self, other: Any) -> Traced:
        return self._emit("fsub", "sub", self.like(other), self)

    def __mul__(self, other: Any) -> Traced:
        return self._emit("fmul", "mul", self, self.like(other))

    def __rmul__(self, other: Any) -> Traced:
        return self._emit("fmul", "mul", self.like(other), self)

    def __truediv__(self, other: Any) -> Traced:
        return self._emit("fdiv", None, self, self.like(other))

    def __rtruediv__(self, other: Any) -> Traced:
        return self._emit("fdiv", None, self.like(other), self)

    def __and__(self, other: Any) -> Traced:
        return self._emit(None, "and_", self, self.like(other))

    def __or__(self, other: Any) -> Traced:
        return self._emit(None, "or_", self, self.like(other))

    def __xor__(self, other: Any) -> Traced:
        return self._emit(None, "xor", self, self.like(other))

    def __lshift__(self, other: Any) -> Traced:
        return self._emit(None, "shl", self, self.like(other))

    def __rshift__(self, other: Any) -> Traced:
        return self._emit(None, "ashr", self, self.like(other))

    def __neg__(self) -> Traced:
        return self.new(self.builder.fneg(self.value)) if self.is_float else self.like(0) - self

    def compare(self, order: str, other: Any) -> Traced:
        """A vector of booleans; a comparison with NaN is false, except "!=", which is true."""
        right = self.like(other).value
        if not self.is_float:
            return self.new(self.builder.icmp_signed(order, self.value, right))
        make = self.builder.fcmp_unordered if order == "!=" else self.builder.fcmp_ordered
        return self.new(make(order, self.value, right))

    def llvm(self, name: str, *others: Any) -> Traced:
        """The LLVM intrinsic llvm.<name>.<type> of this and other operands of the same type."""
        element = "f32" if self.is_float else f"i{self._scalar.width}"
        operands = [self.value, *(self.like(o).value for o in others)]
        full = f"llvm.{name}.v{self.value.type.count}{element}"
        return self.new(call_llvm(self.builder, full, self.value.type, *operands))

    def bits(self) -> Traced:
        """The float32 lanes' bit patterns as int32."""
        return self.new(self.builder.bitcast(self.value, self._with(ir.IntType(32))))

    def from_bits(self) -> Traced:
        return self.new(self.builder.bitcast(self.value, self._with(ir.FloatType())))

    def to_int(self) -> Traced:
        """int32, truncated toward zero; the value must be in range."""
        return self.new(self.builder.fptosi(self.value, self._with(ir.IntType(32))))

    def rounded(self) -> Traced:
        """int32, half to even; the value must be in range, or below it for the least int32."""
        return self.new(round_to_int(self.builder, self.target, self.value))

    def shifted_right(self, count: Traced) -> Traced:
        """Arithmetic shift of int32 lanes by one count, which all lanes of `count` hold."""
        if self.target.family == "arm" or self.target.avx2:
            return self >> count
        # SSE shifts all lanes by one number, which LLVM does not recognise once it is out of the loop.
        b, kind = self.builder, self.value.type
        low = b.and_(count.value, ir.Constant(kind, [-1] + [0] * (kind.count - 1)))
        return self.new(call_llvm(b, "llvm.x86.sse2.psra.d", kind, self.value, low))

    def permuted(self, indices: Traced) -> Traced:
        """The lanes that the low bits of int32 indices name; AVX512's whole vectors of float32, AVX2's of int32."""
        name = "llvm.x86.avx512.permvar.sf.512" if self.is_float else "llvm.x86.avx2.permd"
        return self.new(call_llvm(self.builder, name, self.value.type, self.value, indices.value))

    def scaled(self, exponents: Traced) -> Traced:
        """Times 2^floor(exponent), of float32 exponents; AVX512's whole vectors."""
        everywhere, current = ir.IntType(16)(-1), ir.IntType(32)(4)
        operands = self.value, exponents.value, self.value, everywhere, current
        return self.new(call_llvm(self.builder, "llvm.x86.avx512.mask.scalef.ps.512", self.value.type, *operands))

    def constant(self, lanes: Sequence[float] | range) -> Traced:
        """A vector of this one's type."""
        return self.new(ir.Constant(self.value.type, list(lanes)))

    def to_float(self) -> Traced:
        return self.new(self.builder.sitofp(self.value, self._with(ir.FloatType())))

    def _with(self, scalar: ir.Type) -> ir.VectorType:
        return ir.VectorType(scalar, self.value.type.count)


class VectorFunction(NamedTuple):
    """compute(x, *parameters), where x and the parameters are vectors of one type. parameters: how many there are."""

    compute: Callable[..., Traced]
    parameters: int


def applied(
    b: ir.IRBuilder, target: Target, function: VectorFunction, x: ir.Value, numbers: Sequence[ir.Value]
) -> ir.Value:
    """The function of a vector, by the first of these float32 numbers."""
    lanes = x.type.count
    vectors = (Traced(b, splat(b, number, lanes), target) for number in numbers[: function.parameters])
    return function.compute(Traced(b, x, target), *vectors).value


def where(condition: Traced, x: Any, y: Any) -> Traced:
    """x where the condition holds, else y; at least one of x and y is Traced."""
    known = x if isinstance(x, Traced) else y
    return condition.new(condition.builder.select(condition.value, known.like(x).value, known.like(y).value))


def fma(x: Traced, y: Any, z: Any) -> Traced:
    """x * y + z, rounded once where the target can."""
    return x.new(multiply_add(x.builder, x.target, x.value, x.like(y).value, x.like(z).value))


def maximum(x: Traced, y: Any) -> Traced:
    """The larger; NaN in x stays NaN."""
    y = x.like(y)
    if x.target.family == "arm" and x.is_float:
        return x.llvm("maximum", y)
    return where(x.compare("<", y), y, x)


def minimum(x: Traced, y: Any) -> Traced:
    """The smaller; NaN in x stays NaN."""
    y = x.like(y)
    if x.target.family == "arm" and x.is_float:
        return x.llvm("minimum", y)
    return where(x.compare(">", y), y, x)


def quotient(x: Any, y: Traced) -> Traced:
    """x / y for y >= 1. On Arm, where division is slow, x times 1 / y by two Newton steps: 2 ulp."""
    lanes = y.value.type.count
    if y.target.family != "arm" or lanes == 1:
        return y.like(x) / y
    prefix, suffix = "llvm.aarch64.neon.", f".v{lanes}f32"
    inverse = y.new(call_llvm(y.builder, f"{prefix}frecpe{suffix}", y.value.type, y.value))
    for _ in range(2):
        step = call_llvm(y.builder, f"{prefix}frecps{suffix}", y.value.type, y.value, inverse.value)
        inverse = inverse * y.new(step)
    return inverse if isinstance(x, float) and x == 1 else inverse * x
