"""Concat: tensors one after the other along an axis, with a fused activation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from . import activation as act
from .checks import normalize_axis, same_dtype
from .quantized_copy import convert
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
    """Each input requantized to the output's scale where it differs, then clamped by the activation."""
    target = output_range(ctx)
    tensors = [ctx.input(index) for index in range(len(inputs))]
    if target is None:
        return NotImplemented
    quant, low, high = target
    parts = []
    for tensor, data in zip(tensors, inputs, strict=True):
        if tensor.quant is None:
            return NotImplemented
        parts.append(convert(data, tensor.quant, quant, ctx.outputs[0].dtype))
    return np.clip(np.concatenate(parts, ctx.attrs["axis"]), low, high)


register(Op("Concat", concat, infer, quantized=quantized, moves_data=True))
