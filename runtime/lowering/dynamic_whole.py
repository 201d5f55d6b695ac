"""What is rounded over its whole range, onto kernels/dynamic_whole.py and conv.py: DynamicQuantizeLinear, DynamicConv,
and DynamicMatMul where it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import msgspec
import numpy as np

from ..kernels.dynamic_whole import find_range, round_lines
from ..ops.conv import far_apart
from ..ops.dynamic_mat_mul import less_zero_point
from ..ops.registry import Context
from ..ops.window import window_of
from ..program.bounds import int32
from ..program.builder import Builder
from ..program.view import NO_BORDER, Border, Start, View
from . import depthwise
from .conv import Geometries, border, join_groups
from .function_form import function_form
from .product import MOST_CALLS, Geometry
from .product_int8 import Reals, emit_int8, fits_int8
from .registry import lowers

ROUND_WORK = 8
"""Multiply-adds that take as long as rounding an element."""
BYTES = {"u8": (0, 0, 255), "i8": (-128, -128, 127)}
"""What is added to 0..255, the lowest and the highest byte."""


class Range(msgspec.Struct, frozen=True):
    """given: a step, float32; the zero as int32; what is divided by, float32. zero: the zero as a byte."""

    given: View
    zero: View


def _range(b: Builder, x: View) -> Range:
    def make() -> Range:
        found = Range(b.temporary((3,), np.float32), b.temporary((1,), np.uint8))
        b.call(find_range, {}, 1, work=x.size, x=x.at(), step=found.given.at(), zero=found.zero.at(), n=x.size)
        return found

    found: Range = b.derived(x, "range", make)
    return found


def _rounded(
    b: Builder, x: View, found: Range, shape: tuple[int, ...], around: Border, real: bool = False
) -> View:
    """What the dense view is, rounded over its range, as an image of this shape in a border: as bytes, which products
    of int8 read, or as real numbers."""
    kind = "f32" if real else "u8" if b.target.family == "x86" else "i8"

    def make() -> View:
        y = b.surrounded(shape, np.float32 if real else np.int8, around, 0, False)
        _round_lines(b, x, found, y, kind, y.surroundings())
        return y

    made: View = b.derived(x, ("rounded", real, shape, around), make)
    return made


def _round_lines(b: Builder, x: View, found: Range, y: View, kind: str, sizes: Mapping[str, int]) -> None:
    step = found.given.at()
    p = step if kind == "f32" else b.constant(int32("a parameter of rounding", BYTES[kind]))
    around = {name: size for name, size in sizes.items() if name not in ("images", "inside")}
    b.call(
        round_lines, {"y": kind}, sizes["images"] * sizes["rows"], work=ROUND_WORK * x.size, x=x.at(),
        y=Start(y.storage, 0).touching(0, y.storage.size), step=step, p=p, n=sizes["inside"] // y.itemsize, **around,
    )  # fmt: skip


@lowers("DynamicQuantizeLinear")
def quantize_whole(ctx: Context, b: Builder) -> bool:
    x, y = b.input(0, contiguous=True), b.output(contiguous=True)
    inner = prod(x.shape[-2:])
    lines = {"images": 1, "rows": x.size // inner, "inside": inner, "row": inner, "image": x.size}
    found = _range(b, x)
    _round_lines(b, x, found, y, "u8", lines | {"before": 0, "gap": 0, "after": 0})
    for index, view in enumerate((found.given, found.zero), 1):
        if index < len(ctx.outputs):
            b.copy(view.part((), ()), b.output(index))
    return True


def _reals(ctx: Context, b: Builder, x: View, part: slice) -> Reals:
    """The outputs of some channels of a product of the dense tensor x, rounded over its whole range."""
    scale, bias = ctx.input(2).data, ctx.optional(3)
    assert scale is not None
    offset = np.zeros(scale.shape, np.float32) if bias is None or bias.data is None else bias.data
    form = function_form(ctx.attrs["activation"], ctx.attrs["activation_params"])
    return Reals(scale[part], offset[part], _range(b, x).given.at(), form)


def known(ctx: Context) -> bool:
    """Whether weights, scales and bias are constants."""
    return all(tensor is None or tensor.data is not None for tensor in ctx.inputs[1:])


@lowers("DynamicConv")
def lower_conv(ctx: Context, b: Builder) -> bool:
    x, w, group = ctx.input(0), ctx.input(1), ctx.attrs["group"]
    if len(x.shape) > 4 or not known(ctx) or far_apart(window_of(ctx, w.shape[1:-1]), x.shape[1:-1]):
        return False
    assert w.data is not None
    each_channel = group > 1 and w.shape[-1] == 1
    if x.shape[0] * (1 if each_channel else group) > MOST_CALLS:
        return False
    if each_channel:
        return _lower_depthwise(ctx, b)
    weights = less_zero_point(w.data, ctx.attrs["w_zero_point"])
    if not fits_int8(weights, None, np.zeros(1, np.float32)):
        return False
    weights, group = join_groups(weights, group, b.tile_layout("i8").lanes)
    dense, wanted = b.input(0, contiguous=True), border(ctx)
    around = wanted[0] if wanted else NO_BORDER
    geometries = Geometries(ctx, b, group, _rounded(b, dense, _range(b, dense), x.shape, around))
    y = b.output()
    for image, g, part in geometries.parts(y):
        out = _reals(ctx, b, dense, part)
        emit_int8(b, geometries.of(y, image, g), geometries.weights(weights[part]), None, 0, out)
    return True


def _lower_depthwise(ctx: Context, b: Builder) -> bool:
    """In float32: integers would save less than it takes to pack their few products."""
    w, scale, bias = ctx.input(1).data, ctx.input(2).data, ctx.optional(3)
    assert w is not None and scale is not None
    weights = less_zero_point(w, ctx.attrs["w_zero_point"]).astype(np.float32)
    taps, wanted = depthwise.taps_of(weights * scale.reshape(-1, *[1] * (w.ndim - 1))), border(ctx)
    if taps is None:
        return False
    x = b.input(0, contiguous=True)
    found, wide = _range(b, x), depthwise.repeated(ctx, b, x)
    rounded = _rounded(b, wide, found, wide.shape, wanted[0] if wanted else NO_BORDER, real=True)
    depthwise.lower_f32(ctx, b, rounded, taps, None if bias is None else bias.data)
    return True


def lower_whole(ctx: Context, b: Builder, weights: np.ndarray) -> bool:
    """weights: (columns, inner) int16."""
    if not fits_int8(weights, None, np.zeros(1, np.float32)):
        return False
    x, y = b.input(0, contiguous=True), b.output(contiguous=True)
    columns, inner = weights.shape
    count = x.size // inner
    steps = _rounded(b, x, _range(b, x), (1, count, inner), NO_BORDER)
    g = Geometry(
        lines=1, pixels=count, x=steps.start(), x_row=count * inner, x_pixel=inner, y=y.start(),
        y_row=4 * columns * count, y_pixel=4 * columns, kernel_rows=1, kernel_row=0, taps=1, kernel_tap=0, run=inner,
    )  # fmt: skip
    emit_int8(b, g, weights[:, None], None, 0, _reals(ctx, b, x, slice(None)))
    return True
