"""MatMul: NumPy's matrix product with an optional bias along the last axis and a fused activation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from . import activation as act
from . import integer, quantized_node
from .conv import BLAS, check_weights, exact_dtype
from .registry import Context, Cost, Inferred, Op, Shape, register


def matmul(
    a: np.ndarray,
    b: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    activation: str | None = None,
    activation_params: Sequence[float] = (),
) -> np.ndarray:
    """a (..., M, K), b (..., K, N), bias (N,); 1-D operands as in numpy.matmul. Integers are accumulated exactly."""
    if a.dtype == np.float16:
        wide = np.matmul(a.astype(np.float32), b.astype(np.float32))
    else:
        wide = np.matmul(a, b)
    if bias is not None:
        wide = wide + bias
    return act.apply(wide, activation, activation_params).astype(a.dtype, copy=False)


def quantized(ctx: Context, a: np.ndarray, b: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
    """Exact integer accumulation and `integer.requantize`; scales of b per tensor or per column."""
    product = quantized_node.product(ctx, outputs=-1)
    if product is None or (product.w.axis is not None and b.ndim == 1):
        return NotImplemented
    weights = integer.centred(b, product.w, np.float64)
    dtype = exact_dtype(weights, (max(b.ndim - 2, 0),))
    acc = np.matmul(integer.centred(a, product.x, dtype), weights.astype(dtype)).astype(np.int64)
    if bias is not None:
        acc = acc + bias
    y, low, high = product.y, product.low, product.high
    return integer.requantize(acc, product.scale, y.zero_point[0], low, high, ctx.outputs[0].dtype)


def output_shape(ctx: Context, a: Shape, b: Shape) -> Shape:
    """Shape of numpy.matmul's result; ModelError where the operands do not fit."""
    if not a or not b:
        raise ctx.error("a matrix product needs operands of at least one dimension")
    rows = (1, *a) if len(a) == 1 else a
    columns = (*b, 1) if len(b) == 1 else b
    if rows[-1] != columns[-2]:
        raise ctx.error(f"operands of shape {a} and {b} do not share the inner dimension")
    try:
        batch = np.broadcast_shapes(rows[:-2], columns[:-2])
    except ValueError:
        raise ctx.error(f"operands of shape {a} and {b} do not broadcast") from None
    return (*batch, *(rows[-2:-1] if len(a) > 1 else ()), *(columns[-1:] if len(b) > 1 else ()))


def infer(ctx: Context) -> list[Inferred]:
    a, b, bias = ctx.input(0), ctx.input(1), ctx.optional(2)
    shape = output_shape(ctx, a.shape, b.shape)
    if a.quant is None and a.dtype.kind in "iu" and a.dtype == b.dtype and ctx.attrs["activation"] is None:
        return [(shape, a.dtype)]
    check_weights(ctx, outputs=shape[-1] if len(b.shape) > 1 else 1)
    act.check(ctx)
    if bias is not None and (len(bias.shape) != 1 or bias.shape != shape[-1:]):
        raise ctx.error(f"bias of shape {bias.shape} does not fit an output of shape {shape}")
    return [(shape, a.dtype)]


def macs(ctx: Context) -> int:
    return ctx.outputs[0].size * ctx.input(0).shape[-1]


def cost(ctx: Context) -> Cost:
    exact = ctx.quantized or ctx.input(0).dtype.kind == "f"
    wide = ctx.input(0).size + ctx.input(1).size + 2 * ctx.outputs[0].size
    return Cost(macs(ctx) // BLAS if exact else 2 * macs(ctx), 8 * wide if exact else 8 * ctx.outputs[0].size)


register(Op("MatMul", matmul, infer, quantized=quantized, macs=macs, cost=cost))
