"""Gemm: alpha * A' B' + beta * C with either factor transposed, and a fused activation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from . import activation as act
from . import integer, quantized_node
from .conv import BLAS, check_weights, exact_dtype
from .registry import Context, Cost, Inferred, Op, register


def gemm(
    a: np.ndarray,
    b: np.ndarray,
    c: np.ndarray | None = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,
    transB: int = 0,
    activation: str | None = None,
    activation_params: Sequence[float] = (),
) -> np.ndarray:
    """a (M, K), or (K, M) with transA; b (K, N), or (N, K) with transB; c broadcasts to (M, N)."""
    wide = np.result_type(a.dtype, np.float32)
    left = (a.T if transA else a).astype(wide, copy=False)
    right = (b.T if transB else b).astype(wide, copy=False)
    y = left @ right
    if alpha != 1:
        y *= wide.type(alpha)
    if c is not None:
        y += c if beta == 1 else c.astype(wide) * wide.type(beta)
    return act.apply(y, activation, activation_params).astype(a.dtype, copy=False)


def quantized(ctx: Context, a: np.ndarray, b: np.ndarray, c: np.ndarray | None = None) -> np.ndarray:
    """Exact integer accumulation and `integer.requantize`; needs alpha = beta = 1, scales of b per output or one."""
    attrs = ctx.attrs
    product = quantized_node.product(ctx, outputs=0 if attrs["transB"] else 1)
    if product is None or (attrs["alpha"], attrs["beta"]) != (1, 1):
        return NotImplemented
    weights = integer.centred(b, product.w, np.float64)
    weights = weights.T if attrs["transB"] else weights
    dtype = exact_dtype(weights, (0,))
    left = integer.centred(a.T if attrs["transA"] else a, product.x, dtype)
    acc = (left @ weights.astype(dtype)).astype(np.int64)
    if c is not None:
        acc += c
    y, low, high = product.y, product.low, product.high
    return integer.requantize(acc, product.scale, y.zero_point[0], low, high, ctx.outputs[0].dtype)


def infer(ctx: Context) -> list[Inferred]:
    a, b, c = ctx.input(0), ctx.input(1), ctx.optional(2)
    if len(a.shape) != 2 or len(b.shape) != 2:
        raise ctx.error(f"operands of shape {a.shape} and {b.shape} must be matrices")
    rows, inner = a.shape[::-1] if ctx.attrs["transA"] else a.shape
    inner_b, columns = b.shape[::-1] if ctx.attrs["transB"] else b.shape
    if inner != inner_b:
        raise ctx.error(f"operands of shape {a.shape} and {b.shape} do not share the inner dimension")
    check_weights(ctx, outputs=columns)
    act.check(ctx)
    if c is not None:
        try:
            fits = np.broadcast_shapes(c.shape, (rows, columns)) == (rows, columns)
        except ValueError:
            fits = False
        if not fits:
            raise ctx.error(f"C of shape {c.shape} does not broadcast to the output {(rows, columns)}")
    return [((rows, columns), a.dtype)]


def macs(ctx: Context) -> int:
    inner = ctx.input(0).shape[0 if ctx.attrs["transA"] else 1]
    return ctx.outputs[0].size * inner


def cost(ctx: Context) -> Cost:
    wide = ctx.input(0).size + ctx.input(1).size + 2 * ctx.outputs[0].size
    return Cost(macs(ctx) // BLAS, 8 * wide)


register(Op("Gemm", gemm, infer, quantized=quantized, macs=macs, cost=cost))
