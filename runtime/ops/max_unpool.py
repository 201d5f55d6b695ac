"""MaxUnpool: elements written to the places that a MaxPool took them from, zeros elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from ..errors import ModelError
from .checks import INTEGERS, integer_vector, require_kind
from .registry import Context, Inferred, Op, Shape, register
from .window import per_axis


def pooled_from(
    x: Shape, kernel: Sequence[int], pads: Sequence[int], strides: Sequence[int], ctx: Context | None = None
) -> Shape:
    """The smallest shape that such a MaxPool makes x of; ValueError where the attributes do not fit."""
    rank = len(x) - 2
    kernel, steps = per_axis("kernel_shape", kernel, rank, 1, 1), per_axis("strides", strides, rank, 1, 1)
    edges = per_axis("pads", pads, 2 * rank, 0, 0)
    sizes = zip(x[2:], kernel, steps, edges[:rank], edges[rank:], strict=True)
    return (*x[:2], *((n - 1) * s - before - after + k for n, k, s, before, after in sizes))


def infer(ctx: Context) -> list[Inferred]:
    x, indices = ctx.input(0), ctx.input(1)
    require_kind(ctx, indices, INTEGERS)
    if len(x.shape) < 3 or indices.shape != x.shape:
        raise ctx.error(f"indices of shape {indices.shape} do not fit an input of shape {x.shape}")
    a = ctx.attrs
    try:
        shape = pooled_from(x.shape, a["kernel_shape"], a["pads"], a["strides"])
    except ValueError as problem:
        raise ctx.error(str(problem)) from None
    wanted = integer_vector(ctx, 2) if ctx.optional(2) else None
    if wanted is not None:
        if len(wanted) != len(shape) or any(new < old for new, old in zip(wanted, shape, strict=True)):
            raise ctx.error(f"output_shape {wanted} is no shape of at least {list(shape)}")
        shape = tuple(wanted)
    return [(shape, x.dtype)]


def max_unpool(
    x: np.ndarray,
    indices: np.ndarray,
    output_shape: np.ndarray | None = None,
    *,
    kernel_shape: Sequence[int],
    pads: Sequence[int] = (),
    strides: Sequence[int] = (),
) -> np.ndarray:
    """x, indices (N, C, *spatial): indices of the flattened tensor that was pooled, as MaxPool gives them. What
    output_shape has more lies behind."""
    shape = pooled_from(x.shape, kernel_shape, pads, strides)
    flat, places = np.zeros(prod(shape), x.dtype), indices.reshape(-1)
    if places.size and not 0 <= places.min() <= places.max() < flat.size:
        raise ModelError(f"indices lie outside of the {flat.size} elements that were pooled")
    flat[places] = x.reshape(-1)
    found = flat.reshape(shape)
    if output_shape is None:
        return found
    larger = np.zeros([int(n) for n in output_shape], x.dtype)
    larger[tuple(slice(n) for n in shape)] = found
    return larger


register(Op("MaxUnpool", max_unpool, infer))
