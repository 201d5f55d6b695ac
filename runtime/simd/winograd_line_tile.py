"""Winograd's F(2, 3) along a line: a pair of outputs of a 3x3 kernel's line from four products in place of six.

Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2015, in one dimension: Y = A' [(G g) * (B' d)].
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types

from ..targets.target import Target
from .dot import accumulate, operands
from .requantize import requantize_store
from .tile import TileType, over_steps
from .tile_layout import TileLayout
from .vector import load_at, primitive, splat, store_at

I8, I16, I32, I64 = (ir.IntType(width) for width in (8, 16, 32, 64))
PLACES = 4
"""Products of a pair, each of other inputs and other weights."""


class WinogradLineTile:
    """Of int8, exactly, where products are of int16 (x86 without VNNI): 4 x columns vectors of int32 accumulators.

    spread(x, pixel, v, plane): B' d of a vector of channels of the 4 inputs at x, written as int16 `plane` bytes apart
    at v.
    init() -> tile: zeros. run(tile, v, plane, turn, w, steps, distance) -> tile, end of w: adds the products of
    2 * steps channels of the transformed inputs at v, each with weights of its own: `step_bytes` a step.
    store(tail, finish)(tile, bias, y, pixel, scale, zero_point, low, high): half of A' m, the bias added, requantized
    (see requantize.py), as two pixels at y.
    """

    def __init__(self, target: Target, columns: int) -> None:
        self.target, self.columns = target, columns
        self.layout = TileLayout.of(target, "i8")
        self.kind = TileType("i32", PLACES, columns, self.layout.lanes)
        self.step_bytes = PLACES * self.layout.step_bytes(columns)
        self.spread = primitive(lambda x, pixel, v, plane: types.none, self._spread)
        self.init = primitive(lambda: self.kind, self._init)
        unroll = self.layout.at_once(target, PLACES)
        self.run = over_steps(target, self.kind, self._step, unroll, 2 * self.layout.depth, self.step_bytes)

    def _spread(
        self, b: ir.IRBuilder, c: Any, k: Any, x: ir.Value, pixel: ir.Value, v: ir.Value, plane: ir.Value
    ) -> ir.Value:
        count = 2 * self.layout.lanes
        bytes_, words = ir.VectorType(I8, count), ir.VectorType(I16, count)
        d = []
        for _ in range(PLACES):
            d.append(b.zext(load_at(b, x, bytes_), words))
            x = b.add(x, pixel)
        for value in (b.sub(d[0], d[2]), b.add(d[1], d[2]), b.sub(d[2], d[1]), b.sub(d[1], d[3])):
            store_at(b, value, v)
            v = b.add(v, plane)
        return c.get_dummy_value()

    def _init(self, b: ir.IRBuilder, c: Any, k: Any) -> ir.Value:
        zero = ir.Constant(self.kind.vector.llvm, None)
        return self.kind.pack(b, [zero] * (PLACES * self.columns))

    def _step(
        self, b: ir.IRBuilder, tile: ir.Value, v: ir.Value, plane: ir.Value, turn: ir.Value, w: ir.Value, count: int
    ) -> ir.Value:
        acc, size = self.kind.unpack(b, tile), self.layout.vector_bytes
        for place in range(PLACES):
            (left,) = operands(b, self.target, self.layout, v, count, widened=True)
            v = b.add(v, plane)
            for column in range(self.columns):
                i = place * self.columns + column
                weights = load_at(b, b.add(w, I64(i * size)), ir.VectorType(I8, size))
                acc[i] = accumulate(b, self.target, self.layout, acc[i], left, weights)
        return self.kind.pack(b, acc)

    def store(self, tail: int | None, finish: str) -> Any:
        kind, size, columns = self.kind.vector.llvm, 4 * self.layout.lanes, self.columns

        def emit(
            b: ir.IRBuilder, c: Any, k: Any, tile: ir.Value, bias: ir.Value, y: ir.Value, pixel: ir.Value,
            *rest: ir.Value,
        ) -> ir.Value:  # fmt: skip
            m, acc = self.kind.unpack(b, tile), [ir.Constant(kind, ir.Undefined)] * (2 * columns)
            one = splat(b, I32(1), self.layout.lanes)
            for column in range(columns):
                offset = load_at(b, b.add(bias, I64(size * column)), kind)
                first, second, third, fourth = (m[place * columns + column] for place in range(PLACES))
                sums = b.add(first, b.add(second, third)), b.sub(b.sub(second, third), fourth)
                for place, value in enumerate(sums):
                    acc[place * columns + column] = b.add(b.ashr(value, one), offset)
            requantize_store(b, self.target, 2, columns, acc, [y, b.add(y, pixel)], rest, tail, finish)
            return c.get_dummy_value()

        return primitive(lambda tile, bias, y, pixel, scale, zero_point, low, high: types.none, emit)
