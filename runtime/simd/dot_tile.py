"""Sums of products of float32 along contiguous elements, for a vector of neighbouring outputs at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import types

from ..targets.target import Target
from .tile import TileType
from .traced import applied
from .vector import ELEMENTS, load_at, multiply_add, primitive, shuffle, splat, store_at

if TYPE_CHECKING:
    from .traced import VectorFunction

I32, I64 = ir.IntType(32), ir.IntType(64)


class DotTile:
    """A tile is one vector of partial sums for each of as many outputs as a vector has lanes.

    init() -> tile of zeros. step(tile, x, pitch, w) -> tile: adds a vector of products of each output, whose inputs are
    `pitch` bytes apart. rest(tile, x, pitch, w) -> tile: the same of the `tail` elements that are left of a run.
    store(function, dense)(tile, bias, y, pitch, *numbers): sums, plus the bias at an address, through the function;
    dense: the outputs are neighbours in memory.
    """

    def __init__(self, target: Target, tail: int) -> None:
        self.target, self.lanes, self.tail = target, target.vector_bytes // 4, tail
        self.kind = TileType("f32", self.lanes, 1, self.lanes)
        self.vector = self.kind.vector.llvm
        self.init = primitive(lambda: self.kind, self._init)
        self.step = primitive(lambda tile, x, pitch, w: self.kind, self._step)
        self.rest = primitive(lambda tile, x, pitch, w: self.kind, self._rest)

    def store(self, function: VectorFunction, dense: bool) -> Any:
        def emit(
            b: ir.IRBuilder, c: Any, k: Any, tile: ir.Value, bias: ir.Value, y: ir.Value, pitch: ir.Value,
            *numbers: ir.Value,
        ) -> ir.Value:  # fmt: skip
            sums = self.kind.unpack(b, tile)
            even = list(range(0, 2 * self.lanes, 2))
            while len(sums) > 1:
                pairs = zip(sums[::2], sums[1::2], strict=True)
                sums = [b.fadd(shuffle(b, x, z, even), shuffle(b, x, z, [i + 1 for i in even])) for x, z in pairs]
            offset = splat(b, load_at(b, bias, ELEMENTS["f32"]), self.lanes)
            value = applied(b, self.target, function, b.fadd(sums[0], offset), numbers)
            if dense:
                store_at(b, value, y)
                return c.get_dummy_value()
            for lane in range(self.lanes):
                store_at(b, b.extract_element(value, I32(lane)), y)
                y = b.add(y, pitch)
            return c.get_dummy_value()

        return primitive(lambda tile, bias, y, pitch, first, second: types.none, emit)

    def _init(self, b: ir.IRBuilder, c: Any, k: Any) -> ir.Value:
        return self.kind.pack(b, [ir.Constant(self.vector, None)] * self.lanes)

    def _step(
        self, b: ir.IRBuilder, c: Any, k: Any, tile: ir.Value, x: ir.Value, pitch: ir.Value, w: ir.Value
    ) -> ir.Value:
        return self._added(b, tile, x, pitch, w, self.lanes)

    def _rest(
        self, b: ir.IRBuilder, c: Any, k: Any, tile: ir.Value, x: ir.Value, pitch: ir.Value, w: ir.Value
    ) -> ir.Value:
        for at, size in pieces(self.tail):
            tile = self._added(b, tile, b.add(x, I64(4 * at)), pitch, b.add(w, I64(4 * at)), size)
        return tile

    def _added(
        self, b: ir.IRBuilder, tile: ir.Value, x: ir.Value, pitch: ir.Value, w: ir.Value, size: int
    ) -> ir.Value:
        """The products of `size` elements, zeros in the other lanes: what lies behind them may be no number."""
        weights, sums = self._load(b, w, size), self.kind.unpack(b, tile)
        for i in range(self.lanes):
            sums[i] = multiply_add(b, self.target, self._load(b, x, size), weights, sums[i])
            x = b.add(x, pitch)
        return self.kind.pack(b, sums)

    def _load(self, b: ir.IRBuilder, address: ir.Value, size: int) -> ir.Value:
        if size == self.lanes:
            return load_at(b, address, self.vector)
        part = load_at(b, address, ir.VectorType(ELEMENTS["f32"], size))
        lanes = [min(i, size) for i in range(self.lanes)]
        return shuffle(b, part, ir.Constant(part.type, None), lanes)


def pieces(count: int) -> Iterator[tuple[int, int]]:
    """Places and sizes, which are powers of two, that make up so many elements."""
    at, size = 0, 1 << count.bit_length()
    while size := size // 2:
        if count & size:
            yield at, size
            at += size
