"""How depthwise kernels want their weights in memory. No numba: packing happens on warm starts too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from .tile_layout import channel_order

if TYPE_CHECKING:
    from ..targets.target import Target


class DepthwiseLayout(msgspec.Struct, frozen=True):
    """One kernel row of a depthwise convolution for `pixels` neighbouring outputs and a block of channels.

    The row's input pixels are taken in groups of `depth` (4: dot products of bytes, 2: of 16-bit pairs, 1: single
    products); each output multiplies each group that it overlaps with weights shifted to its place.

    lanes, columns: channels of a block as vectors of accumulators. dtype: of packed weights.
    interleaved: see TileLayout.
    """

    depth: int
    lanes: int
    columns: int
    dtype: np.dtype
    interleaved: bool
    kernel: int
    stride: int
    pixels: int

    @staticmethod
    def of(target: Target, channels: int, kernel: int, stride: int, dilation: int, narrow: bool) -> DepthwiseLayout:
        """The layout for int8 with at least `channels` channels in memory. narrow: one output at a time."""
        lanes = target.vector_bytes // 4
        while lanes > channels:
            lanes //= 2
        depth = 1
        dtype: np.dtype = np.dtype(np.int16)
        if target.vnni or target.dotprod:
            depth, dtype = 4, np.dtype("int8")
        elif target.family == "x86":
            depth = 2
        most = 4 if depth == 4 or target.family == "arm" else 2
        columns = max(c for c in (4, 2, 1) if c <= most and c * lanes <= channels)
        pixels = 1
        if depth > 1 and dilation == 1 and stride == 1 and not narrow:
            pixels = depth if kernel > 3 or depth == 2 else 4 - kernel + 1
        return DepthwiseLayout(depth, lanes, columns, dtype, target.family == "x86", kernel, stride, pixels)

    @property
    def width(self) -> int:
        """Channels of a block."""
        return self.lanes * self.columns

    @property
    def groups(self) -> int:
        """Groups of input pixels that one kernel row of the tile's outputs reads."""
        return -(-((self.pixels - 1) * self.stride + self.kernel) // self.depth)

    def products(self) -> list[tuple[int, int]]:
        """(output pixel, group) of every product that is not with zeros only, in the order of packed weights."""
        return [
            (p, g)
            for g in range(self.groups)
            for p in range(self.pixels)
            if any(0 <= g * self.depth + i - p * self.stride < self.kernel for i in range(self.depth))
        ]

    @property
    def vector_bytes(self) -> int:
        return self.lanes * self.depth * self.dtype.itemsize

    @property
    def row_bytes(self) -> int:
        """Packed weights of one kernel row of one block."""
        return len(self.products()) * self.columns * self.vector_bytes

    def order(self) -> np.ndarray:
        """Channel of each lane: int array (columns, lanes)."""
        return channel_order(self.columns, self.lanes, self.interleaved)

    def starts(self, channels: int) -> list[int]:
        """First channel of each block; the last may overlap the one before."""
        return [*range(0, channels - self.width, self.width), channels - self.width]

    def pack(self, weights: np.ndarray) -> np.ndarray:
        """weights (kernel rows, kernel, channels) -> (blocks, kernel rows, products, columns, lanes, depth)."""
        rows, kernel, channels = weights.shape
        products = self.products()
        shifted = np.zeros((rows, len(products), self.depth, channels), self.dtype)
        for index, (p, g) in enumerate(products):
            for i in range(self.depth):
                tap = g * self.depth + i - p * self.stride
                if 0 <= tap < kernel:
                    shifted[:, index, i] = weights[:, tap]
        order = self.order()
        blocks = [shifted[..., start : start + self.width][..., order] for start in self.starts(channels)]
        return np.ascontiguousarray(np.moveaxis(np.stack(blocks), 3, -1))

    def pack_channels(self, values: np.ndarray) -> np.ndarray:
        """Per-channel parameters -> (blocks, columns, lanes)."""
        order = self.order()
        return np.stack([values[start : start + self.width][order] for start in self.starts(len(values))])
