"""MatMul of two float32 tensors of which neither is a constant: the second is packed as it comes."""

from __future__ import annotations

from math import prod

import numpy as np

from ..kernels.conv import conv_f32
from ..ops.registry import Context
from ..program.builder import Builder
from ..program.view import Shape, View, dense
from .chunking import blocks_of_a_chunk
from .function_form import function_form
from .product import Geometry, shared
from .tile_choice import cheapest_tile

MOST_PRODUCTS = 256
"""Of matrices in one node, each of which is a call: more run in NumPy."""


def emit_product(ctx: Context, b: Builder, bias: np.ndarray | None) -> bool:
    """a (..., M, K) times w (..., K, N), whose leading dimensions broadcast."""
    a_shape, w_shape = ctx.input(0).shape, ctx.input(1).shape
    batch = ctx.outputs[0].shape[:-2]
    if len(a_shape) < 2 or len(w_shape) < 2 or prod(batch) > MOST_PRODUCTS:
        return False
    if prod(w_shape[:-2]) == 1:
        # All rows are multiplied by the one matrix.
        batch, a_shape, w_shape = (), (prod(a_shape[:-1]), a_shape[-1]), w_shape[-2:]
    a, w = (b.input(at, contiguous=True).reshape(shape) for at, shape in enumerate((a_shape, w_shape)))
    rows = a_shape[-2]
    y = b.output(contiguous=True).reshape((*batch, rows, w_shape[-1]))
    product = _Product(ctx, b, w, rows, bias)
    for index in np.ndindex(*batch):
        product.emit(_matrix(a, index), product.place(index), _matrix(y, index))
    return True


def _matrix(x: View, index: Shape) -> View:
    """The one that takes part in the product at this index of the result's leading dimensions."""
    return x.part(x.shape[-2:], x.strides[-2:], _offset(x.shape[:-2], x.strides, index))


def _offset(shape: Shape, strides: Shape, index: Shape) -> int:
    own = index[len(index) - len(shape) :]
    return sum(i * stride for i, stride, size in zip(own, strides, shape, strict=False) if size > 1)


class _Product:
    """Products of the matrices of w, all of one shape, packed once."""

    def __init__(self, ctx: Context, b: Builder, w: View, rows: int, bias: np.ndarray | None) -> None:
        self._ctx, self._b, self._rows = ctx, b, rows
        *self._leading, self._inner, self._channels = w.shape
        self._layout = b.tile_layout("f32")
        (self._tile_rows, self._columns, _), _ = cheapest_tile(
            b.target, "f32", 1, rows, self._channels, self._inner, tiles=b.tiles, whole=b.tiles.few
        )
        b.tiles.made.add(("f32", self._tile_rows, self._columns, 1))
        self._width = self._columns * self._layout.lanes
        offsets = np.zeros(self._channels, np.float32) if bias is None else bias.astype(np.float32)
        self._bias = b.constant(self._layout.pack_channels(offsets, self._columns))
        self._starts = self._layout.starts(self._channels, self._columns)
        self._packed: View = b.derived(w, ("packed", self._columns), lambda: self._pack(w))

    def _pack(self, w: View) -> View:
        """(matrices, blocks, inner, width); the memory of w where that is the same."""
        shape = (prod(self._leading), len(self._starts), self._inner, self._width)
        if self._channels == self._width:
            return w.reshape(shape)
        to = self._b.temporary(shape, w.dtype)
        row, matrix, block = w.strides[-2], self._inner * w.strides[-2], self._width * w.itemsize
        regular = len(self._starts) - (self._starts[-1] != (len(self._starts) - 1) * self._width)
        width = min(self._width, self._channels)
        parts = [(0, regular, 0), (regular, 1, self._starts[-1])] if regular < len(self._starts) else [(0, regular, 0)]
        for first, count, channel in parts:
            if count:
                piece = (shape[0], count, self._inner, width)
                source = w.part(piece, (matrix, block, row, w.itemsize), channel * w.itemsize)
                self._b.copy(source, to.part(piece, to.strides, first * to.strides[1]))
        return to

    def place(self, index: Shape) -> View:
        """The packed matrix for this index of the result's leading dimensions."""
        of = dense(tuple(self._leading), 1) if self._leading else ()
        matrix = _offset(tuple(self._leading), of, index)
        return self._packed.part(self._packed.shape[1:], self._packed.strides[1:], matrix * self._packed.strides[0])

    def emit(self, a: View, w: View, y: View) -> None:
        b, channels = self._b, self._channels
        g = Geometry(
            lines=1, pixels=self._rows, x=a.start(), x_row=self._rows * a.strides[0], x_pixel=a.strides[0],
            y=y.start(), y_row=self._rows * y.strides[0], y_pixel=y.strides[0], kernel_rows=1, kernel_row=0, taps=1,
            kernel_tap=0, run=self._inner,
        )  # fmt: skip
        work = self._rows * self._inner * channels
        g = shared(b, g, self._tile_rows, work)
        form = function_form(self._ctx.attrs["activation"], self._ctx.attrs["activation_params"])
        tail = None if channels >= self._width else channels - (self._columns - 1) * self._layout.lanes
        constants = {
            "rows": self._tile_rows, "columns": self._columns, "tail": None if tail == self._layout.lanes else tail,
            "activation": form.function, "residual": False, "tall": 1, "ahead": 0,
        }  # fmt: skip
        panel = self._inner * self._width * 4
        data, blocks = work // channels * 4 + 4 * self._rows * channels, len(self._starts)
        together = blocks_of_a_chunk(b, g.lines, blocks, panel * blocks, data)
        place = g.writes(4 * channels)
        b.call(
            conv_f32, constants, blocks // together * g.lines, work=work, blocks=together, lines=g.lines,
            x=g.reads(4), w=w.at(), bias=self._bias, other=place, y=place, other_row=g.y_row, height=g.lines,
            pixels=g.pixels, x_row=g.x_row, x_pixel=g.x_pixel, y_row=g.y_row, y_pixel=g.y_pixel, kernel_rows=1,
            kernel_row=0, taps=1, kernel_tap=0, passes=1, steps=self._inner, panel=panel,
            last_channel=max(0, channels - self._width), **form.arguments(),
        )  # fmt: skip
