"""Concat: tensors one after the other along an axis, with a fused activation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from . import activation as act
from .checks import normalize_axis, same_dtype
from .integer import dequantize, quantize, rescale
from .quantized_node import output_range
from .registry import Context, Inferred, Op, register


def infer(ctx: Context) -> list[Inferred]:
    if not ctx.inputs:
        raise ctx.error("it needs at least one input")
    tensors = [ctx.input(index) for index in range(len(ctx.inputs))]
    first = tensors[0].shape
    axis = normalize_axis(ctx, ctx.attrs["axis"], len(first))
    for tensor in tensors:
        shape = tensor.shape
        if len(shape) != len(first) or (*shape[:axis], *shape[axis + 1 :]) != (*first[:axis], *first[axis + 1 :]):
            raise ctx.error(f"shapes {first} and {shape} differ outside axis {axis}")
    act.check(ctx)
    total = sum(tensor.shape[axis] for tensor in tensors)
    return [((*first[:axis], total, *first[axis + 1 :]), same_dtype(ctx, tensors))]


def concat(
    *inputs: np.ndarray, axis: int, activation: str | None = None, activation_params: Sequence[float] = ()
) -> np.ndarray:
    joined = np.concatenate(inputs, axis)
    return act.apply(joined, activation, activation_params).astype(joined.dtype, copy=False)


def quantized(ctx: Context, *inputs: np.ndarray) -> np.ndarray:
    """`integer.rescale` of each input to the output, clamped by the activation.

    Through real numbers where the activation is no clamp.
    """
    y = ctx.outputs[0]
    quants = [ctx.input(index).quant for index in range(len(inputs))]
    if y.quant is None or any(quant is None or quant.axis is not None for quant in (*quants, y.quant)):
        raise ctx.error("its inputs and its output must all be quantized per tensor, or none of them")
    known = [quant for quant in quants if quant is not None]
    target = output_range(ctx)
    if target is None:
        reals = [dequantize(data, quant) for data, quant in zip(inputs, known, strict=True)]
        return quantize(concat(*reals, **ctx.attrs), y.quant, y.dtype)
    parts = [rescale(data, quant, *target, y.dtype) for data, quant in zip(inputs, known, strict=True)]
    return np.concatenate(parts, ctx.attrs["axis"])


register(Op("Concat", concat, infer, quantized=quantized, moves_data=True, text=True))
