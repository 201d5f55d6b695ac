"""Depthwise convolution of int8: one kernel row for a few neighbouring outputs and a block of channels at a time.

Neighbouring pixels are transposed so that each lane holds those of one channel, which a dot product then multiplies
with the channel's weights. The same transposed pixels serve every output that overlaps them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.core.types.containers import UniTuple

from ..targets.target import Target
from .depthwise_layout import DepthwiseLayout
from .dot import pmaddwd
from .requantize import requantize_store
from .tile import TileType
from .vector import call_llvm, load_at, one_address, primitive, row_addresses, shuffle

I8, I16, I32, I64 = (ir.IntType(width) for width in (8, 16, 32, 64))


class DepthwiseTile:
    """init(bias) -> tile; step(tile, x, pitch, w) -> tile; scan(tile, tile, tile, x, pitch, w) -> the three tiles, each
    with the same input row times its own row of weights, the first tile's last; store(tile, y, pitch, scale,
    zero_point, low, high).

    A tile is `repeat` times layout.pixels outputs of layout.width channels. pitch: bytes between pixels that a kernel
    row reads one after the other. dense: a pixel's block of channels is followed by the next pixel's. joined: a block
    holds the channels of so many neighbouring outputs, whose weights are shifted; only where dense. parts: a row of
    weights is the sum of so many that follow each other, and row_bytes the size of them all.
    """

    def __init__(
        self, target: Target, layout: DepthwiseLayout, repeat: int, dense: bool, joined: int, parts: int
    ) -> None:
        self.target, self.layout, self.repeat, self.dense = target, layout, repeat, dense
        self.joined, self.parts = joined, parts
        self.row_bytes = parts * layout.row_bytes
        self.pixels = repeat * layout.pixels
        self.kind = TileType("i32", self.pixels, layout.columns, layout.lanes)
        self.init = primitive(lambda bias: self.kind, self._init)
        self.step = primitive(lambda tile, x, pitch, w: self.kind, self._step)
        triple = UniTuple(self.kind, 3)
        self.scan = primitive(lambda first, second, third, x, pitch, w: triple, self._scan)

    def store(self, finish: str) -> Any:
        def emit(
            b: ir.IRBuilder, c: Any, k: Any, tile: ir.Value, y: ir.Value, pitch: ir.Value, *rest: ir.Value
        ) -> ir.Value:
            rows = row_addresses(b, y, pitch, self.pixels, self.pixels, None)
            acc = [b.extract_value(tile, i) for i in range(self.pixels * self.layout.columns)]
            requantize_store(
                b, self.target, self.pixels, self.layout.columns, acc, rows, rest, None, finish, self.layout.lanes
            )
            return c.get_dummy_value()

        return primitive(lambda tile, y, pitch, scale, zero_point, low, high: types.none, emit)

    def _init(self, b: ir.IRBuilder, c: Any, k: Any, bias: ir.Value) -> ir.Value:
        size = 4 * self.layout.lanes
        vectors = [load_at(b, b.add(bias, I64(v * size)), self.kind.vector.llvm) for v in range(self.layout.columns)]
        return self.kind.pack(b, vectors * self.pixels)

    def _step(
        self, b: ir.IRBuilder, c: Any, k: Any, tile: ir.Value, x: ir.Value, pitch: ir.Value, w: ir.Value
    ) -> ir.Value:
        return self._add_row(b, [tile], x, pitch, w)[0]

    def _scan(self, b: ir.IRBuilder, c: Any, k: Any, *values: ir.Value) -> ir.Value:
        *tiles, x, pitch, w = values
        return c.make_tuple(b, UniTuple(self.kind, 3), self._add_row(b, tiles, x, pitch, w))

    def _add_row(
        self, b: ir.IRBuilder, tiles: list[ir.Value], x: ir.Value, pitch: ir.Value, w: ir.Value
    ) -> list[ir.Value]:
        """Adds one row of input to tiles of as many output rows, each by its own row of weights."""
        layout, x = self.layout, one_address(b, self.target, x)
        acc = [[b.extract_value(tile, i) for i in range(self.pixels * layout.columns)] for tile in tiles]
        products = layout.products()
        for repeat in range(self.repeat):
            first = repeat * layout.pixels * layout.stride
            for group in range(layout.groups):
                vectors = self._gather(b, x, pitch, first + group * layout.depth)
                for row, tile in enumerate(acc):
                    for index, (p, g) in enumerate(products):
                        if g != group:
                            continue
                        for part in range(self.parts):
                            at = (row * self.parts + part) * layout.row_bytes
                            at += index * layout.columns * layout.vector_bytes
                            for v, weights in enumerate(self._weights(b, b.add(w, I64(at)))):
                                i = (repeat * layout.pixels + p) * layout.columns + v
                                tile[i] = self._multiply(b, tile[i], vectors[v], weights)
        return [self.kind.pack(b, tile) for tile in acc]

    def _weights(self, b: ir.IRBuilder, address: ir.Value) -> Iterator[ir.Value]:
        """The bytes of one product's weights, a vector for each column; those of 8 bytes come in pairs, as the halves
        of a register are multiplied as they are."""
        size = self.layout.vector_bytes
        count = 2 if size == 8 and self.layout.columns % 2 == 0 else 1
        for v in range(0, self.layout.columns, count):
            block = load_at(b, b.add(address, I64(v * size)), ir.VectorType(I8, count * size))
            for half in range(count):
                yield shuffle(b, block, block, list(range(half * size, half * size + size))) if count > 1 else block

    def _gather(self, b: ir.IRBuilder, x: ir.Value, pitch: ir.Value, first: int) -> list[ir.Value]:
        """`depth` pixels from `first` on, as one vector per column: lane by lane the pixels of one channel, as bytes,
        or pairs of pixels or a single one as int16.

        Pixels beyond the last that any output needs are read from the last instead: their weights are zero.
        """
        layout, depth = self.layout, self.layout.depth
        width = layout.width // self.joined
        last = (self.pixels - 1) * layout.stride + layout.kernel - 1
        offsets = [min(first + i, last) for i in range(depth)]
        order = layout.order() % width
        if depth == 1:
            return self._widened(b, b.add(x, b.mul(pitch, I64(offsets[0]))), order)
        if depth == 2 and layout.interleaved and layout.columns == 2 and layout.lanes >= 4:
            return self._unpack_pair(b, [b.add(x, b.mul(pitch, I64(o))) for o in offsets])
        consecutive = offsets == list(range(first, first + depth))
        if self.dense and consecutive and width * depth <= 2 * self.target.vector_bytes:
            size = min(width * depth, self.target.vector_bytes)
            kind = ir.VectorType(I8, size)
            blocks = [load_at(b, b.add(x, I64(first * width + at)), kind) for at in range(0, width * depth, size)]
            return [
                shuffle(b, blocks[0], blocks[-1], [i * width + int(ch) for ch in order[v] for i in range(depth)])
                for v in range(layout.columns)
            ]
        kind = ir.VectorType(I8, width)
        pixels = [load_at(b, b.add(x, b.mul(pitch, I64(o))), kind) for o in offsets]
        if depth == 4 and layout.interleaved and layout.columns == 4:
            return self._unpack_quads(b, pixels)
        pairs = [self._interleave(b, pixels[i], pixels[i + 1], width) for i in range(0, depth, 2)]
        if depth == 2:
            return [self._select(b, pairs[0], order[v], 2) for v in range(layout.columns)]
        words = [b.bitcast(p, ir.VectorType(I16, width)) for p in pairs]
        quads = self._interleave(b, words[0], words[1], width)
        flat = b.bitcast(quads, ir.VectorType(I8, 4 * width))
        return [self._select(b, flat, order[v], 4) for v in range(layout.columns)]

    @staticmethod
    def _widened(b: ir.IRBuilder, address: ir.Value, order: np.ndarray) -> list[ir.Value]:
        """One pixel as int16. Eight bytes are loaded at a time: of 16, LLVM widens every four by themselves."""
        size = min(int(order.max()) + 1, 8)
        starts = range(0, int(order.max()) + 1, size)
        blocks = [load_at(b, b.add(address, I64(at)), ir.VectorType(I8, size)) for at in starts]
        wide = [b.sext(block, ir.VectorType(I16, size)) for block in blocks]
        return [
            shuffle(b, wide[lanes[0] // size], wide[lanes[0] // size], [channel % size for channel in lanes])
            for lanes in order.tolist()
        ]

    def _unpack_pair(self, b: ir.IRBuilder, addresses: list[ir.Value]) -> list[ir.Value]:
        """Two pixels as int16, in-lane: twice as many channels as a vector has lanes, as they are loaded."""
        width = self.layout.width
        loaded = [load_at(b, address, ir.VectorType(I8, width)) for address in addresses]
        first, second = (b.zext(pixel, ir.VectorType(I16, width)) for pixel in loaded)
        return [_unpack(b, first, second, 1, high) for high in (False, True)]

    def _unpack_quads(self, b: ir.IRBuilder, pixels: list[ir.Value]) -> list[ir.Value]:
        """Four whole vectors of bytes transposed by in-lane unpacking, whose order the in-lane packing undoes."""
        halves = [_unpack(b, pixels[i], pixels[i + 1], 1, high) for high in (False, True) for i in (0, 2)]
        return [_unpack(b, halves[h], halves[h + 1], 2, high) for h in (0, 2) for high in (False, True)]

    @staticmethod
    def _interleave(b: ir.IRBuilder, x: ir.Value, y: ir.Value, count: int) -> ir.Value:
        return shuffle(b, x, y, [i // 2 + (i % 2) * count for i in range(2 * count)])

    @staticmethod
    def _select(b: ir.IRBuilder, flat: ir.Value, channels: Any, depth: int) -> ir.Value:
        return shuffle(b, flat, flat, [int(ch) * depth + i for ch in channels for i in range(depth)])

    def _multiply(self, b: ir.IRBuilder, acc: ir.Value, x: ir.Value, w: ir.Value) -> ir.Value:
        """acc + dot products of x, bytes (unsigned on x86, signed on Arm) or int16, with the packed weights w."""
        lanes, depth = self.layout.lanes, self.layout.depth
        kind = acc.type
        if depth == 4 and self.target.family == "arm":
            if lanes == 4:
                return call_llvm(b, "llvm.aarch64.neon.sdot.v4i32.v16i8", kind, acc, x, w)
            if lanes == 2:
                return call_llvm(b, "llvm.aarch64.neon.sdot.v2i32.v8i8", kind, acc, x, w)
            return self._plain(b, acc, x, w)
        if depth == 4 and lanes >= 4:
            words = ir.VectorType(I32, lanes)
            name = f"llvm.x86.avx512.vpdpbusd.{32 * lanes}"
            return call_llvm(b, name, kind, acc, b.bitcast(x, words), b.bitcast(w, words))
        if depth == 2 and lanes >= 4:
            words = ir.VectorType(I16, 2 * lanes)
            pairs = x if x.type == words else b.zext(x, words)
            return b.add(acc, pmaddwd(b, pairs, b.bitcast(w, words)))
        return self._plain(b, acc, x, w)

    def _plain(self, b: ir.IRBuilder, acc: ir.Value, x: ir.Value, w: ir.Value) -> ir.Value:
        """Products in int32, for vectors too short for the instructions above and for plain NEON (smlal on int16)."""
        lanes, depth, item = self.layout.lanes, self.layout.depth, self.layout.dtype.itemsize
        wide = ir.VectorType(I32, lanes * depth)
        half = ir.VectorType(I16, lanes * depth)
        values = x if depth == 1 else (b.sext if self.target.family == "arm" else b.zext)(x, half)
        stored = b.bitcast(w, ir.VectorType(I8 if item == 1 else I16, lanes * depth))
        factors = stored if item == 2 else b.sext(stored, half)
        product = b.mul(b.sext(values, wide), b.sext(factors, wide))
        for i in range(depth):
            part = product if depth == 1 else shuffle(b, product, product, [lane * depth + i for lane in range(lanes)])
            acc = b.add(acc, part)
        return acc


def _unpack(b: ir.IRBuilder, x: ir.Value, y: ir.Value, size: int, high: bool) -> ir.Value:
    """punpckl/h: within each 16 bytes, the low or high halves of x and y interleaved in units of `size` elements."""
    count, half = x.type.count, 64 // x.type.element.width
    indices: list[int] = []
    for lane in range(0, count, 2 * half):
        for unit in range(half // size):
            at = lane + (half if high else 0) + unit * size
            indices += [at + i for i in range(size)] + [count + at + i for i in range(size)]
    return shuffle(b, x, y, indices)
