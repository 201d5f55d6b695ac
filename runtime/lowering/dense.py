"""Gemm and MatMul as convolutions of one line of pixels."""

from __future__ import annotations

import numpy as np

from ..ops import integer
from ..ops.registry import Context, Tensor
from ..ops.rounding import scales_exactly_enough
from ..program.builder import Builder
from .product import Geometry, emit_f32
from .product_int8 import Requantization, emit_int8, fits_int8, int8_product
from .product_of_two import MOST_PRODUCTS, emit_product
from .registry import lowers


@lowers("Gemm")
def gemm(ctx: Context, b: Builder) -> bool:
    a, w, c = ctx.input(0), ctx.input(1), ctx.optional(2)
    attrs = ctx.attrs
    rows, outputs = ctx.outputs[0].shape
    if w.data is None or attrs["transA"] or (c is not None and not _per_output(c, outputs)):
        return False
    bias = None if c is None or c.data is None else np.broadcast_to(c.data.reshape(-1), outputs)
    weights = w.data if attrs["transB"] else w.data.T
    if a.quant is None and w.quant is None and a.dtype == np.float32:
        alpha, beta = np.float32(attrs["alpha"]), np.float32(attrs["beta"])
        # Zero times a sum that is infinite is no number, which weights of zero would hide.
        if alpha != 1 and (alpha == 0 or not scales_exactly_enough(weights, np.float64(alpha), 0)):
            return False
        with np.errstate(over="ignore"):
            bias = bias if bias is None or beta == 1 else bias * beta
        _float(ctx, b, rows, weights if alpha == 1 else weights * alpha, bias)
        return True
    if (attrs["alpha"], attrs["beta"]) != (1, 1):
        return False
    return _integer(ctx, b, rows, attrs["transB"], bias)


@lowers("MatMul", limits=f"of two tensors that are computed: float32, {MOST_PRODUCTS} matrices at most")
def matmul(ctx: Context, b: Builder) -> bool:
    a, w, c = ctx.input(0), ctx.input(1), ctx.optional(2)
    if len(a.shape) < 2 or (c is not None and c.data is None):
        return False
    bias = None if c is None else c.data
    if w.data is None or w.data.ndim != 2:
        real = all(tensor.quant is None and tensor.dtype == np.float32 for tensor in (a, w))
        return real and emit_product(ctx, b, bias)
    rows = a.size // a.shape[-1]
    if a.quant is None and w.quant is None and a.dtype == np.float32:
        _float(ctx, b, rows, w.data.T, bias)
        return True
    return _integer(ctx, b, rows, 0, bias)


def _per_output(c: Tensor, outputs: int) -> bool:
    """Whether C is a constant with one number per output, or one for all."""
    return c.data is not None and c.size in (1, outputs) and c.shape[:-1] in ((), (1,))


def _geometry(ctx: Context, b: Builder, rows: int, outputs: int) -> Geometry:
    x = b.input(0, contiguous=True)
    y = b.output(contiguous=True)
    inner = x.shape[-1]
    x_pixel, y_pixel = inner * x.itemsize, outputs * y.itemsize
    return Geometry(
        lines=1, pixels=rows, x=x.start(), x_row=rows * x_pixel, x_pixel=x_pixel,
        y=y.start(), y_row=rows * y_pixel, y_pixel=y_pixel,
        kernel_rows=1, kernel_row=0, taps=1, kernel_tap=0, run=inner,
    )  # fmt: skip


def _float(ctx: Context, b: Builder, rows: int, weights: np.ndarray, bias: np.ndarray | None) -> None:
    """weights: (outputs, inner)."""
    geometry = _geometry(ctx, b, rows, weights.shape[0])
    attrs = ctx.attrs
    emit_f32(b, geometry, weights[:, None], bias, attrs["activation"], attrs["activation_params"])


def _integer(ctx: Context, b: Builder, rows: int, transposed: int, bias: np.ndarray | None) -> bool:
    product = int8_product(ctx, outputs=0 if transposed else 1)
    w = ctx.input(1)
    if product is None or w.data is None:
        return False
    centred = integer.centred(w.data, product.w, np.int16)
    weights = centred if transposed else centred.T
    outputs = weights.shape[0]
    scale = np.broadcast_to(product.scale, outputs)
    if not fits_int8(weights, bias, scale):
        return False
    out = Requantization(scale, int(product.y.zero_point[0]), product.low, product.high)
    x_zero_point = int(product.x.zero_point[0])
    emit_int8(b, _geometry(ctx, b, rows, outputs), weights[:, None], bias, x_zero_point, out)
    return True
