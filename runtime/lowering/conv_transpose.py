"""ConvTranspose over one or two axes, onto the kernels of Conv, one phase of outputs after the other."""

from __future__ import annotations

from itertools import product as pairs
from math import prod

import numpy as np
from msgspec.structs import replace

from ..ops import activation, integer
from ..ops.conv_transpose import Spread, spread
from ..ops.registry import Context
from ..ops.window import mostly_padding
from ..program.builder import Builder
from ..program.view import Border, View
from .conv import join_groups
from .elementwise import emit_unary, is_costly
from .phases import NONE, Phase, covers, joined, phases
from .product import MOST_CALLS, Geometry, emit_f32
from .product_int8 import Requantization, emit_int8, fits_int8, int8_product
from .registry import lowers
from .row_layout import OperandRows

ONE_ROW = Spread((1,), (1,), (1,), (0,), (1,))


def border(ctx: Context) -> tuple[Border, int] | None:
    """What the phases read outside of the input, filled with the zero point."""
    x = ctx.input(0)
    if len(x.shape) > 4 or _far_apart(ctx):
        return None
    wanted = _reach(ctx)
    return (wanted, 0 if x.quant is None else int(x.quant.zero_point[0])) if wanted else None


def _far_apart(ctx: Context) -> bool:
    """Whether what lies around the input would be out of proportion to what is read."""
    (_, *spatial, _), (_, *output, _) = ctx.input(0).shape, ctx.outputs[0].shape
    wanted = _reach(ctx)
    height, width = (1, *spatial)[-2:]
    padded = [wanted.top + height + wanted.bottom, wanted.left + width + wanted.right]
    return mostly_padding(padded, prod(spatial) + prod(output) * prod(ctx.input(1).shape[1:-1]))


def _reach(ctx: Context) -> Border:
    x = ctx.input(0)
    reaches = []
    for separate, size in zip(_axes(ctx), (1, *x.shape[1:-1])[-2:], strict=True):
        least = min((phase.reach[0] for phase in separate), default=0)
        most = max((phase.reach[1] for phase in separate), default=0)
        reaches.append((max(0, -least), max(0, most - size + 1)))
    (top, bottom), (left, right) = reaches
    return Border(top, left, bottom, right)


def _axes(ctx: Context) -> list[list[Phase]]:
    """The phases along the height and the width."""
    geometry = spread(ctx.input(0).shape[1:-1], ctx.input(1).shape[1:-1], ctx.attrs)
    found = [phases(geometry, axis) for axis in range(len(geometry.kernel))]
    return found if len(found) == 2 else [phases(ONE_ROW, 0), *found]


@lowers("ConvTranspose", border=border)
def lower(ctx: Context, b: Builder) -> bool:
    x, w, bias = ctx.input(0), ctx.input(1), ctx.optional(2)
    if len(x.shape) > 4 or w.data is None or (bias is not None and bias.data is None):
        return False
    rows, columns = _axes(ctx)
    if len(rows) * len(columns) * x.shape[0] * ctx.attrs["group"] > MOST_CALLS:
        return False
    if _far_apart(ctx):
        return False
    product, group = int8_product(ctx, outputs=-1), ctx.attrs["group"]
    bias_data = None if bias is None else bias.data
    if product is None:
        if x.dtype != np.float32 or w.dtype != np.float32:
            return False
        _Phases(ctx, b, _as_conv(w.data, group), bias_data, None).emit()
        return True
    weights = _as_conv(integer.centred(w.data, product.w, np.int16), group)
    scale = product.scale if product.scale.size == 1 else np.tile(product.scale, group)
    scale = np.broadcast_to(scale, len(weights))
    if not fits_int8(weights, bias_data, scale):
        return False
    out = Requantization(scale, int(product.y.zero_point[0]), product.low, product.high)
    _Phases(ctx, b, weights, bias_data, out).emit()
    return True


def _as_conv(w: np.ndarray, group: int) -> np.ndarray:
    """(C, *kernel, O / group) of one or two axes -> (O, height, width, C / group)."""
    w = w if w.ndim == 4 else w[:, None]
    split = w.reshape(group, w.shape[0] // group, *w.shape[1:])
    return np.moveaxis(split, (4, 1), (1, 4)).reshape(-1, *w.shape[1:3], w.shape[0] // group)


class _Phases:
    """Emits all phases of one node. weights: (O, height, width, C / group); out: None for float32."""

    def __init__(
        self, ctx: Context, b: Builder, weights: np.ndarray, bias: np.ndarray | None, out: Requantization | None
    ) -> None:
        self.ctx, self.b, self.bias, self.out = ctx, b, bias, out
        self.group = ctx.attrs["group"]
        lanes = b.tile_layout("f32" if out is None else "i8").lanes
        if out is not None:
            weights, self.group = join_groups(weights, self.group, lanes)
        self.weights, self.channels = weights, weights.shape[0]
        self.rows, self.columns = _axes(ctx)
        height, width = (1, *ctx.outputs[0].shape[1:-1])[-2:]
        self.covered = covers(self.rows, height) and covers(self.columns, width)
        together = joined(self.columns, width)
        # A float's zero weight for what only its neighbours read would make NaN of infinities.
        sound = out is not None or not any((phase.taps == NONE).any() for phase in together)
        if self.group == 1 and 2 * self.channels <= lanes and sound:
            self.columns = together
        wanted = border(ctx)
        self.x = b.input(0, border=wanted[0] if wanted else None, fill=wanted[1] if wanted else 0)
        self.y = self.result = b.output()
        self.activation = ctx.attrs["activation"]
        outputs = self.channels * max((column.members for column in self.columns), default=1)
        if out is None and is_costly(self.activation) and 2 * outputs <= lanes and OperandRows.fit(ctx.outputs[0]):
            # Vectors of pixels waste no lanes on the activation, as those of a pixel's few channels do.
            self.y, self.activation = b.temporary(self.y.shape, self.y.dtype), None

    def emit(self) -> None:
        if not self.covered:
            self._fill()
        for row, column in pairs(self.rows, self.columns):
            for image in range(self.x.shape[0]):
                for group in range(self.group):
                    self._convolve(row, column, image, group)
        if self.y is not self.result:
            attrs = self.ctx.attrs
            emit_unary(self.b, attrs["activation"], self.y, self.result, attrs["activation_params"])

    def _convolve(self, row: Phase, column: Phase, image: int, group: int) -> None:
        geometry, weights = self._geometry(row, column, image, group), self._weights(row, column, group)
        each = self.channels // self.group
        part = slice(group * each, (group + 1) * each)
        bias = None if self.bias is None else np.tile(self.bias[part], column.members)
        if self.out is None:
            emit_f32(self.b, geometry, weights, bias, self.activation, self.ctx.attrs["activation_params"])
            return
        x_quant = self.ctx.input(0).quant
        assert x_quant is not None
        out = replace(self.out, scale=np.tile(self.out.scale[part], column.members))
        emit_int8(self.b, geometry, weights, bias, int(x_quant.zero_point[0]), out)

    def _geometry(self, row: Phase, column: Phase, image: int, group: int) -> Geometry:
        x_image, x_row, x_pixel = self.x.pitches()
        y_image, y_row, y_pixel = self.y.pitches()
        item, inputs = self.x.itemsize, self.weights.shape[-1]
        x_at = image * x_image + row.start * x_row + column.start * x_pixel + group * inputs * item
        y_at = image * y_image + row.first * y_row + column.first * y_pixel + group * self.channels // self.group * item
        merged = self._merged(column)
        return Geometry(
            lines=row.count, pixels=column.count, x=self.x.start().shifted(x_at), x_row=x_row, x_pixel=x_pixel,
            y=self.y.start().shifted(y_at), y_row=row.step * y_row, y_pixel=column.step * y_pixel,
            kernel_rows=row.taps.shape[1], kernel_row=row.dilation * x_row,
            taps=1 if merged else column.taps.shape[1], kernel_tap=column.dilation * x_pixel,
            run=inputs * (column.taps.shape[1] if merged else 1),
        )  # fmt: skip

    def _merged(self, column: Phase) -> bool:
        """Whether a row's taps read one contiguous run."""
        width = column.taps.shape[1]
        dense = self.x.pitches()[2] == self.weights.shape[-1] * self.x.itemsize
        return self.group == 1 and (width == 1 or (column.dilation == 1 and dense))

    def _weights(self, row: Phase, column: Phase, group: int) -> np.ndarray:
        """(members * O / group, segments, run)."""
        each = self.channels // self.group
        chosen = self.weights[group * each : (group + 1) * each, row.taps[0]]
        found = np.where(column.taps[:, None, None, :, None] == NONE, 0, np.moveaxis(chosen[:, :, column.taps], 2, 0))
        members, outputs, height, width = found.shape[:4]
        segments = height if self._merged(column) else height * width
        return found.astype(self.weights.dtype).reshape(members * outputs, segments, -1)

    def _fill(self) -> None:
        """What outputs are that no input reaches, written to all of them: the bias, finished like any accumulator."""
        bias = np.zeros(self.channels, np.float32 if self.out is None else np.int32) if self.bias is None else self.bias
        if self.out is None:
            data = activation.apply(bias, self.activation, self.ctx.attrs["activation_params"])
        else:
            out = self.out
            data = integer.requantize(bias, out.scale, out.zero_point, out.low, out.high, np.int8)
        data = data.astype(self.y.dtype)
        shape = self.y.channels_last()
        target = self.y.part(shape, (*self.y.pitches(), data.itemsize), 0)
        source = View(self.b.constant(data).storage, 0, shape, (0, 0, 0, data.itemsize), data.dtype)
        self.b.copy(source, target)
