"""Elementwise kernels on stored integers: "u8" or "i8" names how the bytes in memory are read and written.

Zero points are in terms of those bytes. The arithmetic is that of ops/integer.py, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .elementwise import each_row

if TYPE_CHECKING:
    from ..simd.isa import Isa
    from ..simd.traced import Traced


def lookup(isa: Isa) -> Callable[..., None]:
    """y = p[x]: bytes by a table of 256."""
    return each_row(isa.lookup_step)


def cast(isa: Isa, source: str, result: str) -> Callable[..., None]:
    """y = x as another dtype; p is not read."""
    return each_row(lambda vectors: isa.cast_step(source, result, vectors))


def add_int8(isa: Isa, a: str, b: str, y: str, a_scalar: bool, b_scalar: bool) -> Callable[..., None]:
    """integer.add. p: multipliers of a and b, bias, shift; zero point, lowest, highest of y."""

    def function(a: Traced, b: Traced, scale_a: Traced, scale_b: Traced, bias: Traced, shift: Traced) -> Traced:
        return (a * scale_a + b * scale_b + bias).shifted_right(shift)

    return _binary(isa, (a, a_scalar), (b, b_scalar), y, function, 7)


def add_real(isa: Isa, a: str, b: str, y: str, a_scalar: bool, b_scalar: bool) -> Callable[..., None]:
    """integer.quantize of the sum of dequantized a and b. p: zero points of a and b, float32 scales of a, b and y; zero
    point, lowest, highest of y."""

    def function(
        a: Traced, b: Traced, zero_a: Traced, zero_b: Traced, scale_a: Traced, scale_b: Traced, scale_y: Traced
    ) -> Traced:
        total = (a - zero_a).to_float() * scale_a.from_bits() + (b - zero_b).to_float() * scale_b.from_bits()
        return (total / scale_y.from_bits()).rounded()

    return _binary(isa, (a, a_scalar), (b, b_scalar), y, function, 8)


def mul_int8(isa: Isa, a: str, b: str, y: str, a_scalar: bool, b_scalar: bool) -> Callable[..., None]:
    """integer.requantize of products. p: zero points of a and b, float32 scale; zero point, lowest, highest of y."""

    def function(a: Traced, b: Traced, zero_a: Traced, zero_b: Traced, scale: Traced) -> Traced:
        return (((a - zero_a) * (b - zero_b)).to_float() * scale.from_bits()).rounded()

    return _binary(isa, (a, a_scalar), (b, b_scalar), y, function, 6)


def quantize(isa: Isa, y: str, scalar: bool) -> Callable[..., None]:
    """integer.quantize of float32 a by scales b. p: zero point, lowest, highest. scalar: one scale serves a row."""

    def function(x: Traced, scale: Traced) -> Traced:
        return _steps(x / scale)

    return _binary(isa, ("f32", False), ("f32", scalar), y, function, 3)


def quantize_anywhere(isa: Isa, y: str, zero: str, scalar: bool, zero_scalar: bool) -> Callable[..., None]:
    """As `quantize`, by zero points c, read as `zero`. p: what is added to them in y's bytes, lowest, highest. scalar,
    zero_scalar: one scale, one zero point serves a row."""
    from ..simd.row_step import Row
    from ..simd.traced import maximum

    # Without a bound, the least int32, which infinity becomes, could turn positive.
    def function(x: Traced, scale: Traced, zero_point: Traced) -> Traced:
        return _steps(maximum(x / scale, -32768.0)) + zero_point

    rows = [Row("f32"), Row("f32", scalar), Row(zero, zero_scalar)]
    return each_row(lambda vectors: isa.row_step(rows, y, function, 3, vectors))


def dequantize(isa: Isa, x: str, scalar: bool) -> Callable[..., None]:
    """y = float32(a - zero point) * b; b: scales. p: the zero point. x: "u8", "i8" or "i32"."""

    def function(x: Traced, scale: Traced, zero_point: Traced) -> Traced:
        return (x - zero_point).to_float() * scale

    return _binary(isa, (x, False), ("f32", scalar), "f32", function, 1)


def _steps(steps: Traced) -> Traced:
    from ..simd.traced import minimum, where

    return where(steps.compare("==", steps), minimum(steps, 32767.0), 0.0).rounded()


def _binary(
    isa: Isa, a: tuple[str, bool], b: tuple[str, bool], y: str, function: Callable[..., Traced], parameters: int
) -> Callable[..., None]:
    from ..simd.row_step import Row

    rows = [Row(*a), Row(*b)]
    return each_row(lambda vectors: isa.row_step(rows, y, function, parameters, vectors))
