"""DynamicMatMul onto kernels/dynamic.py, or dynamic_whole.py here."""

from __future__ import annotations

import msgspec
import numpy as np
from msgspec.structs import replace

from ..kernels.dynamic import product_rows, round_rows
from ..ops.dynamic_mat_mul import less_zero_point
from ..ops.registry import Context
from ..program.bounds import extent, int32
from ..program.builder import Builder
from ..program.view import Place, View
from .dynamic_whole import BYTES, ROUND_WORK, known, lower_whole
from .function_form import function_form
from .product import Geometry, product_ahead, product_blocks, shared
from .product_int8 import fits_int8
from .registry import lowers
from .tile_choice import cheapest_tile


class RoundedRows(msgspec.Struct, frozen=True):
    """steps: (rows, pitch) bytes, or int16 where `widened`. scale: float32 of each row; zero: int32, its zero."""

    steps: View
    scale: View
    zero: View
    widened: bool


@lowers("DynamicMatMul")
def lower(ctx: Context, b: Builder) -> bool:
    w, scale, bias = ctx.input(1).data, ctx.input(2).data, ctx.optional(3)
    if not known(ctx) or w is None or scale is None:
        return False
    weights = less_zero_point(w.T, ctx.attrs["w_zero_point"])
    if ctx.attrs["whole"]:
        return lower_whole(ctx, b, weights)
    # Arm's sums of two products of bytes hold no weight of -128.
    if weights.min() < -127 or not fits_int8(weights, None, np.zeros(1, np.float32)):
        return False
    x = b.input(0, contiguous=True)
    rounded: RoundedRows = b.derived(x, "rounded rows", lambda: _round(b, x))
    _emit(ctx, b, rounded, weights, scale, bias if bias is None else bias.data)
    return True


def _round(b: Builder, x: View) -> RoundedRows:
    count, inner = x.size // x.shape[-1], x.shape[-1]
    x86 = b.target.family == "x86"
    widened = x86 and not b.target.vnni
    whole = b.target.vector_bytes // 2
    pitch = -(-inner // whole) * whole if widened else inner
    steps = b.temporary((count, pitch), np.int16 if widened else np.int8)
    scale, factor = (b.temporary((count,), np.float32) for _ in range(2))
    zero = b.temporary((count,), np.int32)
    p = int32("a parameter of rounding", BYTES["u8" if x86 else "i8"])
    narrow = b.scratch(pitch) if widened else steps.at()
    b.call(
        round_rows, {"y": "u8" if x86 else "i8", "widened": widened}, count, work=ROUND_WORK * x.size, x=x.at(),
        y=steps.at(), narrow=narrow, scale=scale.at(), factor=factor.at(), zero=zero.at(), p=b.constant(p), n=inner,
        y_row=pitch * steps.itemsize,
    )  # fmt: skip
    return RoundedRows(steps, scale, zero, widened)


def _emit(
    ctx: Context, b: Builder, x: RoundedRows, weights: np.ndarray, scale: np.ndarray, bias: np.ndarray | None
) -> None:
    """weights: (columns, inner) int16."""
    y, channels = b.output(contiguous=True), weights.shape[0]
    count, row = x.steps.shape[0], x.steps.shape[1] * x.steps.itemsize
    inner = ctx.input(0).shape[-1]
    g = Geometry(
        lines=1, pixels=count, x=x.steps.start(), x_row=count * row, x_pixel=row, y=y.start(),
        y_row=4 * channels * count, y_pixel=4 * channels, kernel_rows=1, kernel_row=0, taps=1, kernel_tap=0, run=inner,
    )  # fmt: skip
    # In the channels' own order: nothing is packed on the way to float32.
    layout = replace(b.tile_layout("i8"), interleaved=False)
    (rows, columns, _), _ = cheapest_tile(b.target, "i8", 1, count, channels, layout.steps(inner), tiles=b.tiles)
    b.tiles.made.add(("i8", rows, columns, 1))
    packed, work = layout.pack(weights[:, None], columns), count * weights.size // 4
    g = shared(b, g, rows, work)
    sums = weights.sum(1, dtype=np.int64)
    begin = int32("a sum's start", sums * (0 if b.target.family == "x86" else 128))
    offsets = np.zeros(channels, np.float32) if bias is None else bias
    together = product_blocks(b, g, packed, 4 * channels, 1)
    form = function_form(ctx.attrs["activation"], ctx.attrs["activation_params"])
    constants = {
        "rows": rows, "columns": columns, "tail": channels if channels < columns * layout.lanes else None,
        "activation": form.function, "ahead": product_ahead(b, g, layout, packed, rows, columns), "widened": x.widened,
    }  # fmt: skip
    b.call(
        product_rows, constants, len(packed) // together * g.lines, work=work, x=g.reads(x.steps.itemsize),
        y=g.writes(4 * channels), w=b.constant(packed), begin=b.constant(layout.pack_channels(begin, columns)),
        scale=b.constant(layout.pack_channels(scale, columns)),
        bias=b.constant(layout.pack_channels(offsets.astype(np.float32), columns)),
        sums=b.constant(layout.pack_channels(int32("a sum of weights", sums), columns)), row_scale=_of_rows(x.scale, g),
        row_zero=_of_rows(x.zero, g), lines=g.lines, blocks=together, pixels=g.pixels, x_row=g.x_row,
        x_pixel=g.x_pixel, y_row=g.y_row, y_pixel=g.y_pixel, scale_row=4 * g.pixels, steps=packed.shape[2],
        panel=packed[0].nbytes, last_channel=max(0, channels - columns * layout.lanes), **form.arguments(),
    )  # fmt: skip


def _of_rows(numbers: View, g: Geometry) -> Place:
    return numbers.start().touching(*extent((g.lines * g.pixels,), (4,), 4))
