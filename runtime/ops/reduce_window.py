"""ReduceWindow: what a function makes of each window that slides over a tensor, along all of its axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .checks import same_dtype
from .dilate import dilated, dilated_shape
from .registry import Context, Cost, Inferred, Op, Shape, register

FUNCTIONS: dict[str, Any] = {
    "add": np.add,
    "mul": np.multiply,
    "min": np.minimum,
    "max": np.maximum,
    "all": np.logical_and,
    "any": np.logical_or,
}


def output_shape(shape: Shape, attrs: dict[str, Any]) -> Shape:
    """ValueError where the attributes do not fit."""
    rank = len(shape)
    sizes, strides = attrs["window"], attrs["strides"] or [1] * rank
    dilations, bases = attrs["dilations"] or [1] * rank, attrs["base_dilations"] or [1] * rank
    pads = attrs["pads"] or [0] * (2 * rank)
    if not len(sizes) == len(strides) == len(dilations) == len(bases) == rank or len(pads) != 2 * rank:
        raise ValueError(f"window, strides, dilations and pads do not fit {rank} dimensions")
    if min([*sizes, *strides, *dilations, *bases], default=1) < 1:
        raise ValueError("window, strides and dilations must be 1 or more")
    found = []
    for axis, size in enumerate(dilated_shape(shape, bases)):
        whole = size + pads[axis] + pads[rank + axis]
        extent = (sizes[axis] - 1) * dilations[axis] + 1
        found.append(max((whole - extent) // strides[axis] + 1, 0) if whole > 0 else 0)
    return tuple(found)


def infer(ctx: Context) -> list[Inferred]:
    x, initial = ctx.input(0), ctx.input(1)
    same_dtype(ctx, [x, initial])
    if initial.size != 1:
        raise ctx.error(f"the initial value has {initial.size} elements, not one")
    if ctx.attrs["function"] not in FUNCTIONS:
        raise ctx.error(f"function '{ctx.attrs['function']}' is none of {', '.join(FUNCTIONS)}")
    try:
        return [(output_shape(x.shape, ctx.attrs), x.dtype)]
    except ValueError as problem:
        raise ctx.error(str(problem)) from None


def reduce_window(
    x: np.ndarray,
    initial: np.ndarray,
    *,
    function: str,
    window: Sequence[int],
    strides: Sequence[int] = (),
    dilations: Sequence[int] = (),
    base_dilations: Sequence[int] = (),
    pads: Sequence[int] = (),
) -> np.ndarray:
    """One number for each axis; pads: all before, then all after, of the initial value, from which every window is
    reduced. base_dilations: of x. Pads below 0 cut off."""
    attrs = {"window": window, "strides": strides, "dilations": dilations, "base_dilations": base_dilations}
    shape, rank, start = output_shape(x.shape, {**attrs, "pads": pads}), x.ndim, initial.reshape(())
    steps, spread = list(strides) or [1] * rank, list(dilations) or [1] * rank
    sides = list(pads) or [0] * (2 * rank)
    wide = dilated(x, list(base_dilations) or [1] * rank, start)
    wide = wide[tuple(slice(max(-sides[i], 0), size - max(-sides[rank + i], 0)) for i, size in enumerate(wide.shape))]
    edges = [(max(sides[i], 0), max(sides[rank + i], 0)) for i in range(rank)]
    wide = np.pad(wide, edges, constant_values=start) if rank else wide
    result = np.full(shape, start, x.dtype)
    for place in np.ndindex(*window):
        firsts = [at * by for at, by in zip(place, spread, strict=True)]
        part = wide[tuple(slice(f, f + (n - 1) * s + 1, s) for f, n, s in zip(firsts, shape, steps, strict=True))]
        result = FUNCTIONS[function](result, part)
    return result.astype(x.dtype, copy=False)


def cost(ctx: Context) -> Cost:
    taps = int(np.prod(ctx.attrs["window"]))
    return Cost(2 * taps * ctx.outputs[0].size + 2000 * taps, 16 * ctx.input(0).size)


register(Op("ReduceWindow", reduce_window, infer, cost=cost))
