"""The transforms of Winograd's F(2x2, 3x3): a vector of channels of 4x4 inputs, and of 2x2 outputs.

Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2015: Y = A' [(G g G') * (B' d B)] A.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import types

from ..targets.target import Target
from .requantize import requantize_store
from .traced import applied
from .vector import ELEMENTS, load_at, primitive, splat, store_at

if TYPE_CHECKING:
    from .traced import VectorFunction

I8, I16, I32, I64 = (ir.IntType(width) for width in (8, 16, 32, 64))
Vectors = list[ir.Value]
Binary = Callable[[ir.Value, ir.Value], ir.Value]


class WinogradTile:
    """element: "f32", or "i8", whose inputs are unsigned bytes, transformed ones int16, and products int32.

    spread(x, row, pixel, v, step): B' d B of the 4x4 inputs at x, written as 16 vectors `step` bytes apart at v.
    gather(function, residual)(m, step, bias, *places, pixel, other, other_row, *numbers): A' m A of
    16 such vectors, the bias and the 2x2 vectors at `other` added, the function applied, each written at its place.
    gather_int8(columns, tail, finish)(m, step, bias, y, row, pixel, scale, zero_point, low, high): a quarter of A' m A
    of 16 rows of vectors of int32, the bias added, requantized (see requantize.py), written at y.
    """

    def __init__(self, target: Target, element: str) -> None:
        self.target, self.element = target, element
        self.lanes = target.vector_bytes // 4
        self.spread = primitive(lambda x, row, pixel, v, step: types.none, self._spread)

    def _spread(
        self, b: ir.IRBuilder, c: Any, k: Any, x: ir.Value, row: ir.Value, pixel: ir.Value, v: ir.Value, step: ir.Value
    ) -> ir.Value:
        add, subtract = (b.fadd, b.fsub) if self.element == "f32" else (b.add, b.sub)
        count = self.lanes if self.element == "f32" else 2 * self.lanes
        kind = ir.VectorType(ELEMENTS[self.element], count)

        def four(d: Vectors) -> Vectors:
            return [subtract(d[0], d[2]), add(d[1], d[2]), subtract(d[2], d[1]), subtract(d[1], d[3])]

        def line(i: int) -> Vectors:
            found = _line(b, b.add(x, b.mul(row, I64(i))), pixel, 4, kind)
            return found if self.element == "f32" else [b.zext(d, ir.VectorType(I16, count)) for d in found]

        rows = [four(line(i)) for i in range(4)]
        columns = [four([rows[i][j] for i in range(4)]) for j in range(4)]
        for i in range(4):
            for j in range(4):
                store_at(b, columns[j][i], v)
                v = b.add(v, step)
        return c.get_dummy_value()

    def gather(self, function: VectorFunction, residual: bool) -> Any:
        kind = ir.VectorType(ELEMENTS["f32"], self.lanes)

        def emit(
            b: ir.IRBuilder, c: Any, k: Any, m: ir.Value, step: ir.Value, bias: ir.Value, *rest: ir.Value
        ) -> ir.Value:
            places, (pixel, other, other_row, *numbers) = rest[:4], rest[4:]
            offset = load_at(b, bias, kind)
            for i, line in enumerate(_outputs(b, m, step, kind, b.fadd, b.fsub)):
                for j, value in enumerate(line):
                    value = b.fadd(value, offset)
                    if residual:
                        at = b.add(b.add(other, b.mul(other_row, I64(i))), b.mul(pixel, I64(j)))
                        value = b.fadd(value, load_at(b, at, kind))
                    store_at(b, applied(b, self.target, function, value, numbers), places[2 * i + j])
            return c.get_dummy_value()

        return primitive(
            lambda m, step, bias, upper, upper_right, lower, lower_right, pixel, other, other_row, first, second:
            types.none,
            emit,
        )  # fmt: skip

    def gather_int8(self, columns: int, tail: int | None, finish: str) -> Any:
        kind, size = ir.VectorType(I32, self.lanes), 4 * self.lanes

        def emit(
            b: ir.IRBuilder, c: Any, k: Any, m: ir.Value, step: ir.Value, bias: ir.Value, y: ir.Value, row: ir.Value,
            pixel: ir.Value, *rest: ir.Value,
        ) -> ir.Value:  # fmt: skip
            acc: Vectors = [ir.Constant(kind, ir.Undefined)] * (4 * columns)
            for column in range(columns):
                offset = load_at(b, b.add(bias, I64(size * column)), kind)
                lines = _outputs(b, b.add(m, I64(size * column)), step, kind, b.add, b.sub)
                for at, value in enumerate(value for line in lines for value in line):
                    acc[at * columns + column] = b.add(b.ashr(value, splat(b, I32(2), self.lanes)), offset)
            below = b.add(y, row)
            places = [y, b.add(y, pixel), below, b.add(below, pixel)]
            requantize_store(b, self.target, 4, columns, acc, places, rest, tail, finish)
            return c.get_dummy_value()

        return primitive(lambda m, step, bias, y, row, pixel, scale, zero_point, low, high: types.none, emit)


def _outputs(
    b: ir.IRBuilder, m: ir.Value, step: ir.Value, kind: ir.Type, add: Binary, subtract: Binary
) -> list[Vectors]:
    """A' m A: two lines of two vectors."""

    def two(d: Vectors) -> Vectors:
        middle, between = add(d[1], d[2]), subtract(d[1], d[2])
        return [add(d[0], middle), subtract(between, d[3])]

    lines = [two(_line(b, b.add(m, b.mul(step, I64(4 * i))), step, 4, kind)) for i in range(4)]
    columns = [two([line[j] for line in lines]) for j in range(2)]
    return [[column[i] for column in columns] for i in range(2)]


def _line(b: ir.IRBuilder, address: ir.Value, pitch: ir.Value, count: int, kind: ir.Type) -> Vectors:
    found = []
    for _ in range(count):
        found.append(load_at(b, address, kind))
        address = b.add(address, pitch)
    return found
