"""Register tiles: rows x columns vectors of accumulators that stay in registers through a matrix product's inner loop.

A tile is one numba value whose data model is an LLVM array of vectors. Its memory formats are those of
tile_layout.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.datamodel import models
from numba.core.extending import register_model

from .dot import dot_product
from .requantize import requantize_store
from .target import Target
from .tile_layout import TileLayout
from .vector import Vector, load_at, primitive

I64 = ir.IntType(64)


class TileType(types.Type):
    """rows x columns vectors of `lanes` elements, row by row; those of the last column may be shorter."""

    def __init__(self, element: str, rows: int, columns: int, lanes: int, last: int | None = None) -> None:
        self.vector = Vector(element, lanes)
        self.last = Vector(element, lanes if last is None else last)
        self.rows, self.columns = rows, columns
        super().__init__(name=f"tile({rows}x{columns} {self.vector.name} {self.last.name})")

    @property
    def llvm(self) -> ir.LiteralStructType:
        row = [self.vector.llvm] * (self.columns - 1) + [self.last.llvm]
        return ir.LiteralStructType(row * self.rows)

    def pack(self, b: ir.IRBuilder, vectors: Sequence[ir.Value]) -> ir.Value:
        tile = ir.Constant(self.llvm, ir.Undefined)
        for i, value in enumerate(vectors):
            tile = b.insert_value(tile, value, i)
        return tile

    def unpack(self, b: ir.IRBuilder, tile: ir.Value) -> list[ir.Value]:
        return [b.extract_value(tile, i) for i in range(self.rows * self.columns)]


@register_model(TileType)
class _TileModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: TileType) -> None:
        super().__init__(manager, kind, kind.llvm)


class Int8Tile:
    """Primitives on tiles of int32 accumulators of int8 products.

    init(bias) -> tile: every row is the vectors at address bias.
    step(tile, a, pitch, b) -> tile: adds the products of `layout.depth` elements at a + row * pitch with the packed
        weights at b (`layout.step_bytes` bytes).
    store(tile, y, pitch, ...): see `store`.
    """

    def __init__(self, target: Target, rows: int, columns: int) -> None:
        self.layout = TileLayout.of(target, "i8")
        self.target, self.rows, self.columns = target, rows, columns
        self.kind = TileType("i32", rows, columns, self.layout.lanes)
        self.depth = self.layout.depth
        self.step_bytes = self.layout.step_bytes(columns)
        self.init = primitive(lambda bias: self.kind, self._init)
        self.step = primitive(lambda tile, a, pitch, b: self.kind, self._step)

    def _init(self, b: ir.IRBuilder, c: Any, k: Any, bias: ir.Value) -> ir.Value:
        vectors = [load_at(b, self._at(b, bias, v), self.kind.vector.llvm) for v in range(self.columns)]
        return self.kind.pack(b, vectors * self.rows)

    def _step(
        self, b: ir.IRBuilder, c: Any, k: Any, tile: ir.Value, a: ir.Value, pitch: ir.Value, w: ir.Value
    ) -> ir.Value:
        acc = self.kind.unpack(b, tile)
        size = self.layout.vector_bytes
        kind = ir.VectorType(ir.IntType(8), size)
        weights = [load_at(b, self._at(b, w, v, size), kind) for v in range(self.columns)]
        address = a
        for row in range(self.rows):
            if row:
                address = b.add(address, pitch)
            product = dot_product(b, self.target, self.layout, address)
            for v in range(self.columns):
                i = row * self.columns + v
                acc[i] = product(acc[i], weights[v])
        return self.kind.pack(b, acc)

    def store(self, tail: int | None, finish: str) -> Any:
        """store(tile, y, pitch, scale, zero_point, low, high): requantizes (see requantize.py) and writes bytes.

        scale: address of float32 per column. tail: channels written where they are fewer than the tile's.
        """

        def emit(b: ir.IRBuilder, c: Any, k: Any, tile: ir.Value, *rest: ir.Value) -> ir.Value:
            requantize_store(b, self.target, self.rows, self.columns, self.kind.unpack(b, tile), rest, tail, finish)
            return c.get_dummy_value()

        return primitive(lambda tile, y, pitch, scale, zero_point, low, high: types.none, emit)

    def _at(self, b: ir.IRBuilder, address: ir.Value, v: int, size: int | None = None) -> ir.Value:
        offset = v * (size if size is not None else 4 * self.layout.lanes)
        return b.add(address, I64(offset)) if offset else address
