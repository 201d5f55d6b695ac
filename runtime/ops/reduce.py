"""The reductions but for ReduceSum and ReduceMean: products, extremes and norms over axes (all of them by default).

noop_with_empty_axes: without axes nothing is summed up, but what is done to each element still is (a square, a
magnitude, a logarithm). float16 is computed in float32; integers wrap around as their dtype does.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .checks import NUMBERS, integer_vector, normalize_axes, require_kind
from .registry import Context, Inferred, Op, Shape, register

Axes = tuple[int, ...]


def reduced_shape(ctx: Context) -> Shape:
    data = ctx.input(0)
    rank = len(data.shape)
    axes = integer_vector(ctx, 1)
    if not axes:
        axes = [] if ctx.attrs["noop_with_empty_axes"] else list(range(rank))
    axes = normalize_axes(ctx, axes, rank)
    if ctx.attrs["keepdims"]:
        return tuple(1 if axis in axes else dim for axis, dim in enumerate(data.shape))
    return tuple(dim for axis, dim in enumerate(data.shape) if axis not in axes)


def infer(ctx: Context) -> list[Inferred]:
    require_kind(ctx, ctx.input(0), NUMBERS)
    return [(reduced_shape(ctx), ctx.input(0).dtype)]


def infer_extreme(ctx: Context) -> list[Inferred]:
    require_kind(ctx, ctx.input(0), NUMBERS + "b")
    return [(reduced_shape(ctx), ctx.input(0).dtype)]


def over(axes: np.ndarray | None, rank: int, noop: int) -> Axes:
    """The axes to reduce."""
    if axes is None or axes.size == 0:
        return () if noop else tuple(range(rank))
    return tuple(axes.reshape(-1).tolist())


def wide(data: np.ndarray) -> np.ndarray:
    """What sums of the data are computed in."""
    return data.astype(np.float32) if data.dtype == np.float16 else data


def real(data: np.ndarray) -> np.ndarray:
    """Floats for what needs roots or logarithms."""
    return wide(data) if data.dtype.kind == "f" else data.astype(np.float64)


def total(data: np.ndarray, axes: Axes, keep: bool) -> np.ndarray:
    return np.sum(data, axes, data.dtype, keepdims=keep)


def product(data: np.ndarray, axes: Axes, keep: bool) -> np.ndarray:
    return np.prod(wide(data), axes, wide(data).dtype, keepdims=keep)


def lowest(dtype: np.dtype) -> float | int | bool:
    if dtype.kind == "f":
        return -np.inf
    return False if dtype.kind == "b" else int(np.iinfo(dtype).min)


def highest(dtype: np.dtype) -> float | int | bool:
    if dtype.kind == "f":
        return np.inf
    return True if dtype.kind == "b" else int(np.iinfo(dtype).max)


def maximum(data: np.ndarray, axes: Axes, keep: bool) -> np.ndarray:
    return np.max(data, axes, keepdims=keep, initial=lowest(data.dtype))


def minimum(data: np.ndarray, axes: Axes, keep: bool) -> np.ndarray:
    return np.min(data, axes, keepdims=keep, initial=highest(data.dtype))


def sum_of_magnitudes(data: np.ndarray, axes: Axes, keep: bool) -> np.ndarray:
    return total(np.abs(wide(data)), axes, keep)


def sum_of_squares(data: np.ndarray, axes: Axes, keep: bool) -> np.ndarray:
    return total(np.square(wide(data)), axes, keep)


def euclidean(data: np.ndarray, axes: Axes, keep: bool) -> np.ndarray:
    return np.sqrt(total(np.square(real(data)), axes, keep))


def log_of_sum(data: np.ndarray, axes: Axes, keep: bool) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(total(real(data), axes, keep))


def log_of_sum_of_exponentials(data: np.ndarray, axes: Axes, keep: bool) -> np.ndarray:
    """max + log(sum(exp(x - max))), so that no exponential overflows."""
    numbers = real(data)
    peak = maximum(numbers, axes, True)
    peak = np.where(np.isfinite(peak), peak, 0)
    with np.errstate(divide="ignore", over="ignore"):
        result = np.log(total(np.exp(numbers - peak), axes, True)) + peak
    return result if keep else np.squeeze(result, axes)


def reduction(compute: Callable[[np.ndarray, Axes, bool], np.ndarray]) -> Callable[..., np.ndarray]:
    """The reference that reduces with compute."""

    def reference(
        data: np.ndarray, axes: np.ndarray | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0
    ) -> np.ndarray:
        result = compute(data, over(axes, data.ndim, noop_with_empty_axes), bool(keepdims))
        with np.errstate(invalid="ignore", over="ignore"):
            return np.asarray(result).astype(data.dtype, copy=False)

    return reference


register(Op("ReduceProd", reduction(product), infer, reduces=True))
register(Op("ReduceMax", reduction(maximum), infer_extreme, moves_data=True, reduces=True))
register(Op("ReduceMin", reduction(minimum), infer_extreme, moves_data=True, reduces=True))
register(Op("ReduceL1", reduction(sum_of_magnitudes), infer, reduces=True))
register(Op("ReduceL2", reduction(euclidean), infer, reduces=True))
register(Op("ReduceSumSquare", reduction(sum_of_squares), infer, reduces=True))
register(Op("ReduceLogSum", reduction(log_of_sum), infer, reduces=True))
register(Op("ReduceLogSumExp", reduction(log_of_sum_of_exponentials), infer, reduces=True))
