"""How a target's matrix-product tiles want their weights in memory. No numba: packing happens on warm starts too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

if TYPE_CHECKING:
    from ..targets.target import Target


NARROW, BYTE_PAIRS = "i8 narrow", "i8 byte pairs"
"""Forms of int8 products on x86 without VNNI, beside "i8", whose weights are int16: weights that are widened as they
are loaded; and those whose products with bytes are added in pairs as int16, which has to hold the sums."""

LINE = 64
"""Bytes of a line of the caches."""
UNROLLED = 4
"""Steps at once on x86, where a loop's own instructions are a third of those of a step: a core that shares its front
end with another thread, or has a narrow one, has no room for them beside the products."""
GROUPED = 4
"""Rows of a tile up to which LLVM has a register for each one's address (x86)."""
FEW_ROWS = 8
"""Of floats with AVX512, up to which several steps at once are faster: on an Intel Sapphire Rapids MiniLM, whose tiles
are 8x3, takes 0.93 of the time, vww, whose tiles are 13x2, 1.05."""


class TileLayout(msgspec.Struct, frozen=True):
    """Format of packed weights for one element type on one target: "f32", "i8", or one of the forms above.

    lanes: output channels per vector. depth: input elements per step. dtype: of packed weights.
    pairs: a vector's bytes are two halves, of the first and the second pair of inputs (plain NEON).
    interleaved: output channels of a block are permuted, so that in-lane pack instructions restore their order (x86).
    row_pairs: an accumulator holds two rows of two channels (i8mm).
    unroll: steps whose elements are loaded as one vector, as the products take one of its lanes (Arm).
    """

    lanes: int
    depth: int
    dtype: np.dtype
    pairs: bool = False
    interleaved: bool = False
    row_pairs: bool = False
    unroll: int = 1

    @staticmethod
    def of(target: Target, element: str) -> TileLayout:
        lanes = target.vector_bytes // 4
        if element == "f32":
            return TileLayout(lanes, 1, np.dtype(np.float32), unroll=4 if target.family == "arm" else 1)
        if target.i8mm:
            return TileLayout(lanes, 8, np.dtype(np.int8), row_pairs=True)
        if target.dotprod:
            return TileLayout(lanes, 4, np.dtype(np.int8), unroll=4)
        if target.family == "arm":
            return TileLayout(lanes, 4, np.dtype(np.int8), pairs=True)
        if target.vnni:
            return TileLayout(lanes, 4, np.dtype(np.int8), interleaved=True)
        if element == BYTE_PAIRS:
            return TileLayout(lanes, 4, np.dtype(np.int8), interleaved=True)
        return TileLayout(lanes, 2, np.dtype(np.int8 if element == NARROW else np.int16), interleaved=True)

    @property
    def vector_bytes(self) -> int:
        return self.lanes * self.depth * self.dtype.itemsize

    def steps(self, run: int) -> int:
        """Steps that a run of so many elements takes. Where one more makes them a multiple of `unroll` it is added,
        with zero weights: three by themselves take longer. Not for floats, as zero times infinity is NaN."""
        steps = -(-run // self.depth)
        whole = self.dtype == np.int8 and self.unroll > 1 and steps % self.unroll == self.unroll - 1
        return steps + 1 if whole else steps

    def at_once(self, target: Target, rows: int) -> int:
        """Steps that the inner loop of a tile of so many rows does at once."""
        if target.family != "x86":
            return self.unroll
        if target.vector_registers == 16:
            # Instructions of SSE overwrite an operand, so that large tiles leave no register.
            return UNROLLED if target.fma or rows <= GROUPED else 1
        # Those of AVX512 do more each: there it is worth less, and with many rows nothing.
        return UNROLLED if self.dtype == np.float32 and rows <= FEW_ROWS else 1

    def step_bytes(self, columns: int) -> int:
        return columns * self.vector_bytes

    def channels(self, columns: int) -> np.ndarray:
        """Output channel, within a block of columns * lanes, of each vector's lanes: int array (columns, lanes)."""
        return channel_order(columns, self.lanes, self.interleaved)

    def starts(self, count: int, columns: int) -> list[int]:
        """First channel of each block of columns; the last block ends with the last channel and may overlap."""
        width = columns * self.lanes
        if count <= width:
            return [0]
        return [*range(0, count - width, width), count - width]

    def pack(self, weights: np.ndarray, columns: int) -> np.ndarray:
        """weights (channels, segments, run) -> packed (blocks, segments, steps, columns, lanes * depth)."""
        channels, segments, run = weights.shape
        steps = self.steps(run)
        width = columns * self.lanes
        starts, order = self.starts(channels, columns), self.channels(columns)
        parts = (2, self.depth // 2) if self.pairs else (1, self.depth)
        packed = np.empty((len(starts), segments, steps, columns, parts[0], self.lanes, parts[1]), self.dtype)
        # Block by block, as whole copies of the weights in every intermediate order would be held at once otherwise.
        for block, start in zip(packed, starts, strict=True):
            part = weights[start : start + width]
            padded = np.zeros((width, segments, steps * self.depth), self.dtype)
            padded[: len(part), :, :run] = part
            split = padded[order].reshape(columns, self.lanes, segments, steps, *parts)
            block[...] = split.transpose(2, 3, 0, 4, 1, 5)
        return packed.reshape(*packed.shape[:4], -1)

    def pack_channels(self, values: np.ndarray, columns: int) -> np.ndarray:
        """A vector of per-channel parameters (bias, scale) -> (blocks, columns, lanes) in the order of `pack`."""
        width = columns * self.lanes
        padded = np.zeros(max(len(values), width), values.dtype)
        padded[: len(values)] = values
        order = self.channels(columns)
        return np.stack([padded[start : start + width][order] for start in self.starts(len(values), columns)])


def channel_order(columns: int, lanes: int, interleaved: bool) -> np.ndarray:
    """Channel within a block of each vector's lanes: int array (columns, lanes)."""
    order = np.arange(columns * lanes).reshape(columns, lanes)
    if interleaved and lanes >= 4:
        lane = np.arange(lanes)
        for first in range(0, columns, 4):
            width = min(4, columns - first)
            for v in range(width):
                order[first + v] = first * lanes + 4 * (width * (lane // 4) + v) + lane % 4
    return order


def finish_of(zero_point: int, low: int, high: int, unsigned: bool) -> str:
    """Which finish of requantize_store suffices for these numbers, as stored."""
    if (low, high) != ((0, 255) if unsigned else (-128, 127)):
        return "clamp"
    return "shift" if zero_point else "plain"
