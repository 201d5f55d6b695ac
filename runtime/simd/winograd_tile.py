"""The transforms of Winograd's F(2x2, 3x3): a vector of channels of 4x4 inputs, and of 2x2 outputs.

Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2015: Y = A' [(G g G') * (B' d B)] A.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import types

from ..targets.target import Target
from .traced import applied
from .vector import ELEMENTS, load_at, primitive, store_at

if TYPE_CHECKING:
    from .traced import VectorFunction

I64 = ir.IntType(64)
Vectors = list[ir.Value]


class WinogradTile:
    """spread(x, row, pixel, v, step): B' d B of the 4x4 inputs at x, written as 16 vectors `step` bytes apart at v.

    gather(function, residual)(m, step, bias, y, row, pixel, other, other_row, *numbers): A' m A of 16 such vectors,
    the bias and the 2x2 vectors at `other` added, the function applied, written at y.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self.kind = ir.VectorType(ELEMENTS["f32"], target.vector_bytes // 4)
        self.spread = primitive(lambda x, row, pixel, v, step: types.none, self._spread)

    def _spread(
        self, b: ir.IRBuilder, c: Any, k: Any, x: ir.Value, row: ir.Value, pixel: ir.Value, v: ir.Value, step: ir.Value
    ) -> ir.Value:
        def four(d: Vectors) -> Vectors:
            return [b.fsub(d[0], d[2]), b.fadd(d[1], d[2]), b.fsub(d[2], d[1]), b.fsub(d[1], d[3])]

        rows = [four(self._line(b, b.add(x, b.mul(row, I64(i))), pixel, 4)) for i in range(4)]
        columns = [four([rows[i][j] for i in range(4)]) for j in range(4)]
        for i in range(4):
            for j in range(4):
                store_at(b, columns[j][i], v)
                v = b.add(v, step)
        return c.get_dummy_value()

    def gather(self, function: VectorFunction, residual: bool) -> Any:
        def emit(
            b: ir.IRBuilder, c: Any, k: Any, m: ir.Value, step: ir.Value, bias: ir.Value, y: ir.Value, row: ir.Value,
            pixel: ir.Value, other: ir.Value, other_row: ir.Value, *numbers: ir.Value,
        ) -> ir.Value:  # fmt: skip
            def two(d: Vectors) -> Vectors:
                middle, between = b.fadd(d[1], d[2]), b.fsub(d[1], d[2])
                return [b.fadd(d[0], middle), b.fsub(between, d[3])]

            lines = [two(self._line(b, b.add(m, b.mul(step, I64(4 * i))), step, 4)) for i in range(4)]
            offset = load_at(b, bias, self.kind)
            for j in range(2):
                for i, value in enumerate(two([line[j] for line in lines])):
                    value, at = b.fadd(value, offset), b.mul(pixel, I64(j))
                    if residual:
                        value = b.fadd(value, load_at(b, b.add(b.add(other, b.mul(other_row, I64(i))), at), self.kind))
                    value = applied(b, self.target, function, value, numbers)
                    store_at(b, value, b.add(b.add(y, b.mul(row, I64(i))), at))
            return c.get_dummy_value()

        return primitive(lambda m, step, bias, y, row, pixel, other, other_row, first, second: types.none, emit)

    def _line(self, b: ir.IRBuilder, address: ir.Value, pitch: ir.Value, count: int) -> Vectors:
        found = []
        for _ in range(count):
            found.append(load_at(b, address, self.kind))
            address = b.add(address, pitch)
        return found
