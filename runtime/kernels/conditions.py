"""Comparisons, boolean operators and Where. Booleans are bytes of 0 and 1; p is never read."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .elementwise import each_row

if TYPE_CHECKING:
    from ..simd.isa import Isa
    from ..simd.traced import Traced

UNARY: dict[str, Callable[[Traced], Traced]] = {
    "Not": lambda x: x.compare("==", 0),
    "IsNaN": lambda x: x.compare("!=", x),
}


def _compare(order: str) -> Callable[[Traced, Traced], Traced]:
    """A comparison. Floats, of which denormal ones would count as zero, are compared as integers in the same order."""

    def function(a: Traced, b: Traced) -> Traced:
        if not a.is_float:
            return a.compare(order, b)
        numbers = a.compare("==", a) & b.compare("==", b)
        return _ordered(a).compare(order, _ordered(b)) & numbers

    return function


def _ordered(x: Traced) -> Traced:
    """int32 in the order of the float32 numbers, both zeros as 0."""
    from ..simd import traced

    bits = x.bits()
    return traced.where(bits.compare("<", 0), -(bits & 0x7FFFFFFF), bits)


BINARY: dict[str, Callable[[Traced, Traced], Traced]] = {
    "Equal": _compare("=="),
    "Less": _compare("<"),
    "LessOrEqual": _compare("<="),
    "Greater": _compare(">"),
    "GreaterOrEqual": _compare(">="),
    "And": lambda a, b: (a & b).compare("!=", 0),
    "Or": lambda a, b: (a | b).compare("!=", 0),
    "Xor": lambda a, b: (a ^ b).compare("!=", 0),
}


def predicate(isa: Isa, function: str, element: str) -> Callable[..., None]:
    """Booleans y = function(x), an entry of UNARY. element: a Row's."""
    from ..simd.row_step import Row

    return each_row(lambda vectors: isa.row_step([Row(element)], "bool", UNARY[function], 0, vectors))


def compare(isa: Isa, function: str, element: str, a_scalar: bool, b_scalar: bool) -> Callable[..., None]:
    """Booleans y = function(a, b), an entry of BINARY."""
    from ..simd.row_step import Row

    rows = [Row(element, a_scalar), Row(element, b_scalar)]
    return each_row(lambda vectors: isa.row_step(rows, "bool", BINARY[function], 0, vectors))


def where(isa: Isa, element: str, a_scalar: bool, b_scalar: bool, c_scalar: bool) -> Callable[..., None]:
    """y = b where the boolean a holds, else c. element: "i32" or "i64", for any dtype of that size."""
    from ..simd import traced
    from ..simd.row_step import Row

    def function(condition: Traced, x: Traced, y: Traced) -> Traced:
        return traced.where(condition.compare("!=", 0), x, y)

    rows = [Row("u8", a_scalar), Row(element, b_scalar), Row(element, c_scalar)]
    return each_row(lambda vectors: isa.row_step(rows, element, function, 0, vectors))
