"""The tiles of `peak_kernels.py`: those of convolutions, with accumulators that come from memory and go there."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types

from ...runtime.simd.float_tile import FloatTile
from ...runtime.simd.isa import Isa
from ...runtime.simd.tile import Int8Tile
from ...runtime.simd.vector import load_at, primitive, store_at

I64 = ir.IntType(64)


class PeakTile:
    """load(acc) -> tile, keep(tile, acc): all accumulators at an address. run: as of the tile."""

    def __init__(self, isa: Isa, element: str, rows: int, columns: int) -> None:
        target = isa.target
        tile: Any
        if element == "f32":
            tile = FloatTile(target, rows, columns, None)
        elif target.family == "x86" and not target.vnni:
            # Pairs of 16 bits are in memory already: a load that repeats one is all that is left.
            tile = Int8Tile(target, rows, columns, widened=True)
        else:
            tile = isa.int8_tile(rows, columns)
        kind = tile.kind
        vectors = kind.rows * kind.columns
        size = 4 * kind.vector.lanes

        def load(b: ir.IRBuilder, c: Any, k: Any, acc: ir.Value) -> ir.Value:
            return kind.pack(b, [load_at(b, b.add(acc, I64(i * size)), kind.vector.llvm) for i in range(vectors)])

        def keep(b: ir.IRBuilder, c: Any, k: Any, value: ir.Value, acc: ir.Value) -> ir.Value:
            for i, vector in enumerate(kind.unpack(b, value)):
                store_at(b, vector, b.add(acc, I64(i * size)))
            return c.get_dummy_value()

        self.run = tile.run
        self.load = primitive(lambda acc: kind, load)
        self.keep = primitive(lambda tile, acc: types.none, keep)
