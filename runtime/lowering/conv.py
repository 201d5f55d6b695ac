"""Conv onto kernels: direct convolution per group; depthwise has kernels of its own."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..ops import integer
from ..ops.conv import far_apart
from ..ops.registry import Context
from ..ops.window import Window, window_of
from ..program.builder import Builder
from ..program.view import Border, Start, View
from . import depthwise
from .conv_dot import emit_dot, serves_dot
from .product import MOST_CALLS, Geometry, emit_f32
from .product_int8 import Requantization, emit_int8, fits_int8, int8_product
from .registry import lowers
from .winograd import Squares, emit_winograd, emit_winograd_int8, squares_of
from .winograd_line import Lines, emit_winograd_line, lines_of

GROUP_OVERHEAD = 50
"""Of a convolution by one group of channels, in steps of its inner loop."""


def border(ctx: Context) -> tuple[Border, int] | None:
    """The padding that a convolution over at most two spatial axes reads, filled with the zero point."""
    x, w = ctx.input(0), ctx.input(1)
    if len(x.shape) > 4:
        return None
    window = window_of(ctx, w.shape[1:-1])
    if not window.padded or far_apart(window, x.shape[1:-1]):
        return None
    fill = int(x.quant.zero_point[0]) if x.quant is not None else 0
    return _border(window), fill


def _border(window: Window) -> Border:
    if len(window.kernel) == 1:
        return Border(0, window.begin[0], 0, window.end[0])
    return Border(window.begin[0], window.begin[1], window.end[0], window.end[1])


@lowers("Conv", border=border)
def lower(ctx: Context, b: Builder) -> bool:
    x, w = ctx.input(0), ctx.input(1)
    bias = ctx.optional(2)
    if len(x.shape) > 4 or w.data is None or (bias is not None and bias.data is None):
        return False
    if far_apart(window_of(ctx, w.shape[1:-1]), x.shape[1:-1]):
        return False
    product = int8_product(ctx, outputs=0)
    if (x.dtype != np.float32 or w.dtype != np.float32) if product is None else ctx.optional(3) is not None:
        return False
    group = ctx.attrs["group"]
    if x.shape[0] * (1 if w.shape[-1] == 1 else group) > MOST_CALLS:
        return False
    if group > 1 and w.shape[-1] == 1:
        return depthwise.lower(ctx, b, border(ctx))
    bias_data = None if bias is None else bias.data
    assert w.data is not None
    if product is None:
        _lower_f32(ctx, b, w.data, bias_data)
        return True
    centred = integer.centred(w.data, product.w, np.int16)
    scale = np.broadcast_to(product.scale, w.shape[0])
    if not fits_int8(centred, bias_data, scale):
        return False
    weights, group = join_groups(centred, group, b.tile_layout("i8").lanes)
    geometries = Geometries(ctx, b, group)
    x_zero, y_zero = int(product.x.zero_point[0]), int(product.y.zero_point[0])
    y = b.output()
    squares = _squares(b, "i8", geometries, weights, y, None)
    found = _lines(b, geometries, weights, y, squares) or squares
    if found is not None:
        each = [geometries.of(y, image, 0) for image in range(x.shape[0])]
        whole = Requantization(scale, y_zero, product.low, product.high)
        if isinstance(found, Lines):
            emit_winograd_line(b, found, each, weights, bias_data, x_zero, whole)
        else:
            emit_winograd_int8(b, found, each, weights, bias_data, x_zero, whole)
        return True
    for image, g, part in geometries.parts(y):
        out = Requantization(scale[part], y_zero, product.low, product.high)
        part_bias = None if bias_data is None else bias_data[part]
        emit_int8(b, geometries.of(y, image, g), geometries.weights(weights[part]), part_bias, x_zero, out)
    return True


def _lower_f32(ctx: Context, b: Builder, w: np.ndarray, bias: np.ndarray | None) -> None:
    group = ctx.attrs["group"]
    geometries = Geometries(ctx, b, group)
    residual = None if ctx.optional(3) is None else b.input(3)
    y = b.output()
    if residual is not None and residual.pitches()[2] != y.pitches()[2]:
        residual = b.contiguous(residual)
    squares = _squares(b, "f32", geometries, w, y, residual)
    if squares is not None:
        images = range(geometries.images)
        places = [geometries.of(y, image, 0, residual) for image in images]
        added = [geometries.residual(residual, y, image, 0) for image in images]
        emit_winograd(b, squares, places, w, bias, ctx.attrs["activation"], ctx.attrs["activation_params"], added)
        return
    for image, g, part in geometries.parts(y, residual):
        geometry, weights = geometries.of(y, image, g, residual), geometries.weights(w[part])
        offsets, activation = None if bias is None else bias[part], ctx.attrs["activation"]
        params = ctx.attrs["activation_params"]
        if residual is None and serves_dot(b, geometry, weights):
            emit_dot(b, geometry, weights, offsets, activation, params)
            continue
        others = geometries.residual(residual, y, image, g)
        emit_f32(b, geometry, weights, offsets, activation, params, others)


def _squares(
    b: Builder, element: str, geometries: Geometries, w: np.ndarray, y: View, residual: View | None
) -> Squares | None:
    """Where Winograd's algorithm is to compute it."""
    if not _is_plain(geometries):
        return None
    return squares_of(b, element, geometries.of(y, 0, 0, residual), geometries.kernel, w)


def _lines(b: Builder, geometries: Geometries, w: np.ndarray, y: View, squares: Squares | None) -> Lines | None:
    """Where that in one dimension is to compute integers."""
    return lines_of(b, geometries.of(y, 0, 0), geometries.kernel, w, squares) if _is_plain(geometries) else None


def _is_plain(geometries: Geometries) -> bool:
    return (geometries.group, geometries.strides, geometries.dilations) == (1, (1, 1), (1, 1))


def join_groups(w: np.ndarray, group: int, lanes: int) -> tuple[np.ndarray, int]:
    """Weights (O, *kernel, C / group) of neighbouring groups as one of more channels, zeros between them, and the
    number of groups left: where a group's outputs do not fill a vector, its lanes would be idle anyway.

    Not for floats: a group's zero weights for the others would make NaN of their infinities.
    """
    outputs, inputs = w.shape[0] // group, w.shape[-1]

    def cost(count: int) -> float:
        vectors = -(-count * outputs // lanes)
        return group // count * (vectors * count * inputs * w[0, ..., 0].size + GROUP_OVERHEAD)

    count = min((n for n in range(1, group + 1) if group % n == 0), key=cost)
    if count == 1:
        return w, group
    split = w.reshape(group // count, count, outputs, *w.shape[1:])
    joined = np.zeros((*split.shape[:-1], count, inputs), w.dtype)
    for i in range(count):
        joined[:, i, ..., i, :] = split[:, i]
    return joined.reshape(*w.shape[:-1], count * inputs), group // count


class Geometries:
    """How one convolution reads its input, whatever part of it is asked for."""

    def __init__(self, ctx: Context, b: Builder, group: int, x: View | None = None) -> None:
        """x: what is read instead of the input, with the border that the convolution wants."""
        self.ctx, self.b, self.group = ctx, b, group
        self.window = window_of(ctx, ctx.input(1).shape[1:-1])
        wanted = border(ctx)
        fill = wanted[1] if wanted else 0
        self.x = b.input(0, border=wanted[0] if wanted else None, fill=fill) if x is None else x
        self.images, _, _, self.channels = self.x.channels_last()
        kernel, strides, dilations = (
            self._two(v) for v in (self.window.kernel, self.window.strides, self.window.dilations)
        )
        self.kernel, self.strides, self.dilations = kernel, strides, dilations
        self.image_pitch, self.row_pitch, self.pixel_pitch = self.x.pitches()
        packed = self.pixel_pitch == self.channels * self.x.itemsize
        self.merged = self.group == 1 and (kernel[1] == 1 or (dilations[1] == 1 and packed))
        self.run = self.channels // self.group * (kernel[1] if self.merged else 1)
        self.taps = 1 if self.merged else kernel[1]

    @staticmethod
    def _two(values: tuple[int, ...]) -> tuple[int, int]:
        """(height, width) of one number per spatial axis."""
        return (values[0], values[1]) if len(values) == 2 else (1, values[0])

    def weights(self, w: np.ndarray) -> np.ndarray:
        """(O, *kernel, C) -> (O, segments, run)."""
        return np.ascontiguousarray(w).reshape(w.shape[0], self.kernel[0] * self.taps, self.run)

    def separate(self, *outputs: View | None) -> bool:
        """Whether images must be done one by one, their rows not being equally far apart."""
        if self.images == 1:
            return False
        stride = self.strides[0]
        rows = self.window.output[0] if len(self.window.output) == 2 else 1
        views = [v for v in outputs if v is not None]
        even = all(v.pitches()[0] == rows * v.pitches()[1] for v in views) if len(self.x.shape) == 4 else True
        return not (even and self.image_pitch == rows * stride * self.row_pitch) and not self._pointwise(*views)

    def parts(self, y: View, residual: View | None = None) -> Iterator[tuple[int | None, int, slice]]:
        """What is computed at once, as `of` takes it: an image or all of them, a group, and the group's outputs."""
        each = y.shape[-1] // self.group
        for image in range(self.images) if self.separate(y, residual) else [None]:
            for group in range(self.group):
                yield image, group, slice(group * each, (group + 1) * each)

    def of(self, y: View, image: int | None, group: int, residual: View | None = None) -> Geometry:
        """The geometry of one image (None: of all of them) and one group. residual: what is added, if anything."""
        item = self.x.itemsize
        per_group = self.channels // self.group
        _, height, width, outputs = y.channels_last()
        _, y_row, y_pixel = y.pitches()
        images = self.images if image is None else 1
        first = image or 0
        top, left = self._begin()
        x_start = self.x.start().shifted(first * self.image_pitch - top * self.row_pitch - left * self.pixel_pitch)
        lines, pixels = images * height, width
        x_row, y_row_ = self.row_pitch * self.strides[0], y_row
        x_pixel = self.pixel_pitch * self.strides[1]
        if self._column(y, residual):
            lines, pixels, x_pixel, y_pixel = 1, lines, x_row, y_row
        elif self._pointwise(*(view for view in (y, residual) if view is not None)):
            lines, pixels = 1, images * height * width
            x_row, y_row_ = pixels * self.pixel_pitch, pixels * y_pixel
        return Geometry(
            lines=lines, pixels=pixels,
            x=x_start.shifted(group * per_group * item), x_row=x_row, x_pixel=x_pixel,
            y=y.start(first).shifted(group * (outputs // self.group) * y.itemsize), y_row=y_row_, y_pixel=y_pixel,
            kernel_rows=self.kernel[0], kernel_row=self.row_pitch * self.dilations[0],
            taps=self.taps, kernel_tap=self.pixel_pitch * self.dilations[1], run=self.run,
        )  # fmt: skip

    def residual(self, view: View | None, y: View, image: int | None, group: int) -> tuple[Start, int] | None:
        if view is None:
            return None
        outputs = y.shape[-1] // self.group
        start = view.start(image or 0).shifted(group * outputs * view.itemsize)
        if self._pointwise(y, view):
            return start, self.of(y, image, group, view).y_row
        return start, view.pitches()[1]

    @staticmethod
    def _column(y: View, residual: View | None) -> bool:
        """Whether the output is one pixel wide, so that its rows make one line: a tile of several pixels reads the
        weights once."""
        return y.channels_last()[2] == 1 and (residual is None or residual.pitches()[1] == y.pitches()[1])

    def _begin(self) -> tuple[int, int]:
        return self._two(self.window.begin) if len(self.window.begin) == 2 else (0, self.window.begin[0])

    def _pointwise(self, *outputs: View) -> bool:
        """Whether every output pixel reads one input pixel and both lie densely, so that rows make one line."""
        return (
            self.kernel == (1, 1) and self.strides == (1, 1) and not self.window.padded
            and self.x.contiguous and all(v.contiguous for v in outputs)
        )  # fmt: skip
