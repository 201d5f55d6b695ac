"""Register tiles: rows x columns vectors of accumulators that stay in registers through a matrix product's inner loop.

A tile is one numba value whose data model is an LLVM array of vectors. Its memory formats are those of
tile_layout.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.datamodel import models
from numba.core.extending import register_model

from .dot import dot_product
from .requantize import requantize_store
from .target import Target
from .tile_layout import TileLayout
from .traced import Traced
from .vector import ELEMENTS, Vector, load_at, multiply_add, primitive, shuffle, splat, store_at

I64 = ir.IntType(64)


class TileType(types.Type):
    def __init__(self, element: str, rows: int, columns: int, lanes: int) -> None:
        self.vector = Vector(element, lanes)
        self.rows, self.columns = rows, columns
        super().__init__(name=f"tile({rows}x{columns} {self.vector.name})")


@register_model(TileType)
class _TileModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: TileType) -> None:
        super().__init__(manager, kind, ir.ArrayType(kind.vector.llvm, kind.rows * kind.columns))


class Tile:
    """Primitives on tiles of one size: accumulators float32 ("f32") or int32 (of int8 products, "i8").

    init(bias) -> tile: every row is the vectors at address bias.
    step(tile, a, pitch, b) -> tile: adds the products of `layout.depth` elements at a + row * pitch with the packed
        weights at b (`layout.step_bytes` bytes).
    store(tile, y, pitch, ...): see store_float and store_int8.
    """

    def __init__(self, target: Target, element: str, rows: int, columns: int) -> None:
        self.layout = TileLayout.of(target, element)
        self.target, self.rows, self.columns = target, rows, columns
        self.kind = TileType("f32" if element == "f32" else "i32", rows, columns, self.layout.lanes)
        self.depth = self.layout.depth
        self.step_bytes = self.layout.step_bytes(columns)
        self.init = primitive(lambda bias: self.kind, self._init)
        self.step = primitive(lambda tile, a, pitch, b: self.kind, self._step)

    def _init(self, b: ir.IRBuilder, c: Any, k: Any, bias: ir.Value) -> ir.Value:
        vectors = [load_at(b, self._at(b, bias, v), self.kind.vector.llvm) for v in range(self.columns)]
        return self._pack(b, vectors * self.rows)

    def _step(
        self, b: ir.IRBuilder, c: Any, k: Any, tile: ir.Value, a: ir.Value, pitch: ir.Value, w: ir.Value
    ) -> ir.Value:
        acc = self._unpack(b, tile)
        size = self.layout.vector_bytes
        if self.kind.vector.is_float:
            weights = [load_at(b, self._at(b, w, v, size), self.kind.vector.llvm) for v in range(self.columns)]
        else:
            weights = [self.layout_load(b, self._at(b, w, v, size)) for v in range(self.columns)]
        address = a
        for row in range(self.rows):
            if row:
                address = b.add(address, pitch)
            if self.kind.vector.is_float:
                left = splat(b, load_at(b, address, ELEMENTS["f32"]), self.layout.lanes)
                for v in range(self.columns):
                    i = row * self.columns + v
                    acc[i] = multiply_add(b, self.target, left, weights[v], acc[i])
            else:
                product = dot_product(b, self.target, self.layout, address)
                for v in range(self.columns):
                    i = row * self.columns + v
                    acc[i] = product(acc[i], weights[v])
        return self._pack(b, acc)

    def layout_load(self, b: ir.IRBuilder, address: ir.Value) -> ir.Value:
        return load_at(b, address, ir.VectorType(ir.IntType(8), self.layout.vector_bytes))

    def store_float(self, function: Callable[[Traced], Traced], tail: int | None = None, residual: bool = False) -> Any:
        """store(tile, y, pitch, residual): applies a vector function and writes each row at y + row * pitch.

        tail: lanes written of the last column. residual: adds the float32 rows at address residual (same pitch) first.
        """
        lanes = self.layout.lanes

        def emit(
            b: ir.IRBuilder, c: Any, k: Any, tile: ir.Value, y: ir.Value, pitch: ir.Value, other: ir.Value
        ) -> ir.Value:
            acc = self._unpack(b, tile)
            for row in range(self.rows):
                for v in range(self.columns):
                    count = tail if tail and v == self.columns - 1 else lanes
                    value = acc[row * self.columns + v]
                    if residual:
                        part = load_at(b, self._at(b, other, v), ir.VectorType(ELEMENTS["f32"], count))
                        if count < lanes:
                            part = shuffle(b, part, part, [min(i, count - 1) for i in range(lanes)])
                        value = b.fadd(value, part)
                    value = function(Traced(b, value, self.target)).value
                    if count < lanes:
                        value = shuffle(b, value, value, list(range(count)))
                    store_at(b, value, self._at(b, y, v))
                if row + 1 < self.rows:
                    y, other = b.add(y, pitch), b.add(other, pitch)
            return c.get_dummy_value()

        return primitive(lambda tile, y, pitch, residual: types.none, emit)

    def store_int8(self, tail: int | None, finish: str) -> Any:
        """store(tile, y, pitch, scale, zero_point, low, high): requantizes (see requantize.py) and writes bytes.

        scale: address of float32 per column. tail: channels written where they are fewer than the tile's.
        """

        def emit(b: ir.IRBuilder, c: Any, k: Any, tile: ir.Value, *rest: ir.Value) -> ir.Value:
            requantize_store(b, self.target, self.rows, self.columns, self._unpack(b, tile), rest, tail, finish)
            return c.get_dummy_value()

        return primitive(lambda tile, y, pitch, scale, zero_point, low, high: types.none, emit)

    def _at(self, b: ir.IRBuilder, address: ir.Value, v: int, size: int | None = None) -> ir.Value:
        offset = v * (size if size is not None else 4 * self.layout.lanes)
        return b.add(address, I64(offset)) if offset else address

    def _unpack(self, b: ir.IRBuilder, tile: ir.Value) -> list[ir.Value]:
        return [b.extract_value(tile, i) for i in range(self.rows * self.columns)]

    def _pack(self, b: ir.IRBuilder, vectors: Sequence[ir.Value]) -> ir.Value:
        tile = ir.Constant(ir.ArrayType(self.kind.vector.llvm, len(vectors)), ir.Undefined)
        for i, value in enumerate(vectors):
            tile = b.insert_value(tile, value, i)
        return tile
