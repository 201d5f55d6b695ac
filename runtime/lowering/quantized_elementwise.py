"""Elementwise operators on int8: any function of one tensor by a table, Add, Sub and Mul by fixed-point arithmetic."""

from __future__ import annotations

import numpy as np

from ..compiler.abi import Kernel
from ..graph import Quantization
from ..kernels.quantized import add_int8, add_real, mul_int8
from ..ops import integer, quantized_node
from ..ops.elementwise import int8_table
from ..ops.registry import Context, find
from ..program.bounds import int32
from ..program.builder import Builder
from .byte_views import element, emit_table, is_byte, offset
from .row_layout import OperandRows

WORK = 12


def table(ctx: Context, b: Builder) -> bool:
    """An elementwise function of one int8 tensor with constant further inputs."""
    rest = [ctx.optional(i) for i in range(1, len(ctx.inputs))]
    if any(t is not None and t.data is None for t in rest):
        return False
    op = find(ctx.node.op)
    assert op is not None
    values = int8_table(ctx, op.reference, *(None if t is None else t.data for t in rest))
    if values is None or not OperandRows.fit(ctx.outputs[0]):
        return False
    emit_table(b, b.input(0), b.output(), lambda q: values[q.astype(np.int64) + 128])
    return True


def binary(ctx: Context, b: Builder) -> bool:
    """Add, Sub or Mul of int8 tensors quantized per tensor."""
    if len(ctx.inputs) != 2 or not OperandRows.fit(ctx.outputs[0]):
        return False
    if any(not is_byte(t) or t.quant is None for t in (ctx.input(0), ctx.input(1), ctx.outputs[0])):
        return False
    if ctx.node.op == "Mul":
        return _mul(ctx, b)
    return ctx.node.op in ("Add", "Sub") and _add(ctx, b)


def _add(ctx: Context, b: Builder) -> bool:
    qa, qb, target = ctx.input(0).quant, ctx.input(1).quant, quantized_node.output_range(ctx)
    if target is None or qa is None or qb is None or qa.scale.size > 1 or qb.scale.size > 1:
        return False
    if ctx.attrs["real"]:
        return _add_real(ctx, b, qa, qb, *target)
    out, low, high = target
    scale_a, scale_b, bias, shift = integer.add_parameters(qa, qb, out, -1 if ctx.node.op == "Sub" else 1)
    reach = 255 * (abs(scale_a) + abs(scale_b)) + abs(bias)
    if reach >= 2**31:
        return False
    views = b.input(0), b.input(1)
    bias -= offset(views[0]) * scale_a + offset(views[1]) * scale_b
    _emit(ctx, b, add_int8, [scale_a, scale_b, bias, shift], int(out.zero_point[0]), low, high)
    return True


def _add_real(
    ctx: Context, b: Builder, qa: Quantization, qb: Quantization, y: Quantization, low: int, high: int
) -> bool:
    if 255 * float(qa.scale[0] + qb.scale[0]) / float(y.scale[0]) >= 2**31 - 2**16:
        return False
    zeros = [int(q.zero_point[0]) + offset(b.input(i)) for i, q in enumerate((qa, qb))]
    # Subtracting is adding what a negative scale makes of the other operand.
    scales = np.concatenate([qa.scale, -qb.scale if ctx.node.op == "Sub" else qb.scale, y.scale])
    bits = scales.astype(np.float32).view(np.int32).tolist()
    _emit(ctx, b, add_real, [*zeros, *bits], int(y.zero_point[0]), low, high)
    return True


def _mul(ctx: Context, b: Builder) -> bool:
    product = quantized_node.product(ctx)
    if product is None or product.scale.size > 1 or product.x.scale.size > 1:
        return False
    if 255 * 255 * float(product.scale[0]) >= 2**31 - 2**16:
        return False
    zeros = [int(q.zero_point[0]) + offset(b.input(i)) for i, q in enumerate((product.x, product.w))]
    scale = int(product.scale.astype(np.float32).view(np.int32)[0])
    _emit(ctx, b, mul_int8, [*zeros, scale], int(product.y.zero_point[0]), product.low, product.high)
    return True


def _emit(
    ctx: Context, b: Builder, kernel: Kernel, parameters: list[int], zero_point: int, low: int, high: int
) -> None:
    views, y = (b.input(0), b.input(1)), b.output()
    rows = OperandRows(b, views, y)
    constants = {
        "a": element(views[0]), "b": element(views[1]), "y": element(y),
        "a_scalar": rows.scalars[0], "b_scalar": rows.scalars[1],
    }  # fmt: skip
    numbers = [*parameters, *(v + offset(y) for v in (zero_point, low, high))]
    rows.call(kernel, constants, WORK, b.constant(int32("a parameter of quantization", numbers)))
