"""Elementwise kernels: one nest of loops over the rows of up to three operands.

The operands' dimensions are n0 x n1 x n2 rows of n3 elements; pitches in bytes, 0 where an operand is repeated. A chunk
is `part` elements of each row (the last part of a row may be shorter) and `group` indices of the outermost dimension.
Of operands that there are not, address and pitches are never used: LLVM leaves them out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..compiler.abi import Int, Ptr

if TYPE_CHECKING:
    from ..simd.isa import Isa
    from ..simd.traced import Traced

LEVELS = 4
OPERANDS = 3
PART = 8192
"""Elements of a chunk, about."""
VECTORS = 4
"""How many of them a step does at a time, until fewer are left."""


def unary_f32(isa: Isa, function: str) -> Callable[..., None]:
    """y = function(x), an entry of functions.FUNCTIONS. p: the numbers that it takes."""
    from ..simd.row_step import Row
    from .functions import bind

    compute, parameters = bind(function)

    def applied(x: Traced, *numbers: Traced) -> Traced:
        return compute(x, *(number.from_bits() for number in numbers))

    return each_row(lambda vectors: isa.row_step([Row("f32")], "f32", applied, parameters, vectors))


def binary_f32(isa: Isa, function: str, a_scalar: bool, b_scalar: bool, activation: str | None) -> Callable[..., None]:
    """y = activation(function(a, b)), function an entry of functions.BINARY. p: the numbers that the activation takes.

    *_scalar: one element of that operand serves a whole row.
    """
    from ..simd.row_step import Row
    from .functions import BINARY, bind

    combine, (after, parameters) = BINARY[function], bind(activation)
    rows = [Row("f32", a_scalar), Row("f32", b_scalar)]

    def applied(a: Traced, b: Traced, *numbers: Traced) -> Traced:
        return after(combine(a, b), *(number.from_bits() for number in numbers))

    return each_row(lambda vectors: isa.row_step(rows, "f32", applied, parameters, vectors))


def each_row(make: Callable[[int], Any]) -> Callable[..., None]:
    """The kernel of a step, such as RowStep, that make(vectors) returns."""
    big_step, small_step = make(VECTORS), make(1)
    prepare, big, little, partial = big_step.prepare, big_step.step, small_step.step, small_step.partial
    most, least, y_pitch = big_step.elements, small_step.elements, big_step.pitch
    a_pitch, b_pitch, c_pitch = (*big_step.pitches, 0, 0)[:OPERANDS]

    def kernel(
        start: Int, stop: Int, a: Ptr, b: Ptr, c: Ptr, y: Ptr, p: Ptr,
        n0: Int, n1: Int, n2: Int, n3: Int, group: Int, part: Int,
        a0: Int, a1: Int, a2: Int, b0: Int, b1: Int, b2: Int, c0: Int, c1: Int, c2: Int, y0: Int, y1: Int, y2: Int,
    ) -> None:  # fmt: skip
        state = prepare(p)
        parts = (n3 + part - 1) // part
        for chunk in range(start, stop):
            block = chunk // parts
            first = block * group
            begin = (chunk - block * parts) * part
            count = min(part, n3 - begin)
            aa = a + first * a0 + begin * a_pitch
            ba = b + first * b0 + begin * b_pitch
            ca = c + first * c0 + begin * c_pitch
            ya = y + first * y0 + begin * y_pitch
            for _ in range(min(group, n0 - first)):
                ab, bb, cb, yb = aa, ba, ca, ya
                for _ in range(n1):
                    ac, bc, cc, yc = ab, bb, cb, yb
                    for _ in range(n2):
                        at = 0
                        while at + most <= count:
                            big(state, ac + at * a_pitch, bc + at * b_pitch, cc + at * c_pitch, yc + at * y_pitch)
                            at = at + most
                        if at < count:
                            if count >= least:
                                while at < count:
                                    i = min(at, count - least)
                                    little(
                                        state, ac + i * a_pitch, bc + i * b_pitch, cc + i * c_pitch, yc + i * y_pitch
                                    )
                                    at = at + least
                            else:
                                partial(state, ac, bc, cc, yc, count)
                        ac, bc, cc, yc = ac + a2, bc + b2, cc + c2, yc + y2
                    ab, bb, cb, yb = ab + a1, bb + b1, cb + c1, yb + y1
                aa, ba, ca, ya = aa + a0, ba + b0, ca + c0, ya + y0

    return kernel
