"""Depthwise convolution of float32: one kernel row for a few neighbouring outputs and one vector of channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import types

from ..targets.target import Target
from .tile import TileType
from .traced import applied
from .vector import load_at, multiply_add, one_address, primitive, store_at

if TYPE_CHECKING:
    from .traced import VectorFunction

I64 = ir.IntType(64)


class WindowTile:
    """init(bias) -> tile; step(tile, x, pitch, w) -> tile; store(function)(tile, y, pitch, *its numbers).

    A tile is `pixels` outputs of `lanes` channels. pitch: bytes between pixels that a kernel row reads one after the
    other. Packed weights of a row are `kernel` vectors.
    """

    def __init__(self, target: Target, lanes: int, kernel: int, stride: int, pixels: int) -> None:
        self.target, self.lanes, self.kernel, self.stride, self.pixels = target, lanes, kernel, stride, pixels
        self.kind = TileType("f32", pixels, 1, lanes)
        self.init = primitive(lambda bias: self.kind, self._init)
        self.step = primitive(lambda tile, x, pitch, w: self.kind, self._step)

    def store(self, function: VectorFunction) -> Any:
        def emit(
            b: ir.IRBuilder, c: Any, k: Any, tile: ir.Value, y: ir.Value, pitch: ir.Value, *numbers: ir.Value
        ) -> ir.Value:
            for p in range(self.pixels):
                store_at(b, applied(b, self.target, function, b.extract_value(tile, p), numbers), y)
                y = b.add(y, pitch)
            return c.get_dummy_value()

        return primitive(lambda tile, y, pitch, first, second: types.none, emit)

    def _init(self, b: ir.IRBuilder, c: Any, k: Any, bias: ir.Value) -> ir.Value:
        return self.kind.pack(b, [load_at(b, bias, self.kind.vector.llvm)] * self.pixels)

    def _step(
        self, b: ir.IRBuilder, c: Any, k: Any, tile: ir.Value, x: ir.Value, pitch: ir.Value, w: ir.Value
    ) -> ir.Value:
        kind = self.kind.vector.llvm
        acc = [b.extract_value(tile, p) for p in range(self.pixels)]
        weights = [load_at(b, b.add(w, I64(4 * self.lanes * i)), kind) for i in range(self.kernel)]
        address = one_address(b, self.target, x)
        for column in range((self.pixels - 1) * self.stride + self.kernel):
            value = None
            for p in range(self.pixels):
                tap = column - p * self.stride
                if 0 <= tap < self.kernel:
                    value = load_at(b, address, kind) if value is None else value
                    acc[p] = multiply_add(b, self.target, value, weights[tap], acc[p])
            address = b.add(address, pitch)
        return self.kind.pack(b, acc)
