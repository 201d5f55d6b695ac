"""QuantizeLinear, DequantizeLinear and Requantize onto kernels/quantized.py; Reinterpret, which takes no step."""

from __future__ import annotations

import numpy as np

from ..kernels.quantized import dequantize, quantize, quantize_anywhere
from ..ops import integer, quantized_node
from ..ops.registry import Context, Tensor
from ..program.bounds import int32
from ..program.builder import Builder
from ..program.view import View
from .byte_views import element, emit_table, is_byte, offset, shifted_view
from .registry import lowers
from .row_layout import OperandRows

WORK = 12


@lowers("QuantizeLinear")
def quantize_linear(ctx: Context, b: Builder) -> bool:
    x, y = ctx.input(0), ctx.outputs[0]
    zero_point = _zero_point(ctx)
    if x.dtype != np.float32 or not is_byte(y) or not _plain(ctx):
        return False
    if zero_point is None:
        return _quantize_anywhere(ctx, b)
    source, scale, to = b.input(0), _scale(ctx, b), b.output()
    rows = OperandRows(b, [source, scale], to)
    low, high = (0, 255) if element(to) == "u8" else (-128, 127)
    p = b.constant(int32("a parameter of quantization", [zero_point + offset(to), low, high]))
    rows.call(quantize, {"y": element(to), "scalar": rows.scalars[1]}, WORK, p)
    return True


def _quantize_anywhere(ctx: Context, b: Builder) -> bool:
    """By zero points that are known at run time only, or of which there are several."""
    if not is_byte(ctx.input(2)):
        return False
    source, scale, zero_point, to = b.input(0), _scale(ctx, b), _spread(ctx, b, 2), b.output()
    rows = OperandRows(b, [source, scale, zero_point], to)
    low, high = (0, 255) if element(to) == "u8" else (-128, 127)
    p = b.constant(int32("a parameter of quantization", [offset(to) - offset(zero_point), low, high]))
    constants = {
        "y": element(to), "zero": element(zero_point), "scalar": rows.scalars[1], "zero_scalar": rows.scalars[2]
    }  # fmt: skip
    rows.call(quantize_anywhere, constants, WORK, p)
    return True


@lowers("DequantizeLinear")
def dequantize_linear(ctx: Context, b: Builder) -> bool:
    x, y = ctx.input(0), ctx.outputs[0]
    zero_point = _zero_point(ctx)
    wide = x.dtype == np.int32
    if zero_point is None or not (is_byte(x) or (wide and zero_point == 0)):
        return False
    if y.dtype != np.float32 or y.quant is not None or not _plain(ctx):
        return False
    source, scale, to = b.input(0), _scale(ctx, b), b.output()
    rows = OperandRows(b, [source, scale], to)
    p = b.constant(int32("a parameter of quantization", [zero_point + offset(source)]))
    constants = {"x": "i32" if wide else element(source), "scalar": rows.scalars[1]}
    rows.call(dequantize, constants, WORK, p)
    return True


@lowers("Requantize")
def requantize(ctx: Context, b: Builder) -> bool:
    x, y = ctx.input(0), ctx.outputs[0]
    target = quantized_node.output_range(ctx)
    quant = x.quant
    if quant is None or target is None or quant.scale.size > 1 or target[0].scale.size > 1:
        return False
    if not (is_byte(x) and is_byte(y)):
        return False
    source = b.input(0)
    if _only_shifts(x, y):
        _shift(b, source, y)
    else:
        out, low, high = target
        emit_table(b, source, b.output(), lambda q: integer.rescale(q, quant, out, low, high, y.dtype))
    return True


@lowers("Reinterpret")
def reinterpret(ctx: Context, b: Builder) -> bool:
    b.alias(b.input(0))
    return True


def _only_shifts(x: Tensor, y: Tensor) -> bool:
    """Whether the same real numbers are stored as uint8 on one side and 128 less as int8 on the other."""
    assert x.quant is not None and y.quant is not None
    shift = {("uint8", "int8"): -128, ("int8", "uint8"): 128}.get((x.dtype.name, y.dtype.name))
    return (
        shift is not None
        and np.array_equal(x.quant.scale, y.quant.scale)
        and np.array_equal(x.quant.zero_point + shift, y.quant.zero_point)
    )


def _shift(b: Builder, source: View, y: Tensor) -> None:
    """Where int8 is held as q + 128, both are the same bytes."""
    if b.target.family == "x86":
        b.alias(shifted_view(source))
    elif y.dtype == np.int8:
        b.copy(shifted_view(source), b.output())
    else:
        b.copy(source, shifted_view(b.output()))


def _plain(ctx: Context) -> bool:
    """Whether the scale is float32, per tensor or per axis, and rows can be made."""
    return ctx.input(1).dtype == np.float32 and ctx.attrs["block_size"] == 0 and OperandRows.fit(ctx.outputs[0])


def _zero_point(ctx: Context) -> int | None:
    """The one constant zero point; None where there are several, or it is known at run time only."""
    tensor = ctx.optional(2)
    if tensor is None:
        return 0
    if tensor.data is None or np.ptp(tensor.data.astype(np.int64)) != 0:
        return None
    return int(tensor.data.reshape(-1)[0])


def _scale(ctx: Context, b: Builder) -> View:
    """The scales as they broadcast against the input."""
    return _spread(ctx, b, 1)


def _spread(ctx: Context, b: Builder, index: int) -> View:
    """Scales or zero points as they broadcast against the input."""
    x = ctx.input(0)
    found = b.input(index, contiguous=True)
    shape = [1] * len(x.shape)
    if found.size > 1:
        shape[ctx.attrs["axis"]] = found.size
    return found.reshape(tuple(shape))
