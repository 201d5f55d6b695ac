"""Reductions: of contiguous rows onto kernels/reduce.py, of anything else as windows (kernels/pool.py)."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from ..kernels.reduce import reduce_rows
from ..ops import quantized_sum
from ..ops.reduce import over
from ..ops.registry import Context
from ..program.builder import Builder
from ..program.view import Shape, View, dense, levels
from . import windows
from .registry import lowers
from .windows import Reduction, Table

OPERATIONS = {
    "ReduceSum": ("sum", None),
    "ReduceMean": ("sum", None),
    "ReduceMax": ("max", None),
    "ReduceMin": ("min", None),
    "ReduceProd": ("product", None),
    "ReduceL1": ("sum_abs", None),
    "ReduceL2": ("sum_square", "Sqrt"),
    "ReduceSumSquare": ("sum_square", None),
    "ReduceLogSum": ("sum", "Log"),
}
"""What is accumulated, and the function of the result."""
LONGEST_TABLE = 1 << 14
"""Results outside of contiguous runs that are listed one by one."""


@lowers(*OPERATIONS)
def reduce(ctx: Context, b: Builder) -> bool:
    x = ctx.input(0)
    rank = len(x.shape)
    axes = [a % rank for a in over(ctx.optional_constant(1), rank, ctx.attrs["noop_with_empty_axes"])]
    if not axes or not x.size:
        return False
    count = prod(x.shape[axis] for axis in axes)
    reduction = _float(ctx) if x.dtype == np.float32 else _integer(ctx, count)
    if reduction is None:
        return False
    kept = [axis for axis, n in enumerate(x.shape) if n > 1 and axis not in axes]
    if x.dtype == np.float32 and max(kept, default=-1) < min(axes):
        _rows(b, count, reduction)
        return True
    if len(_levels(x.shape, dense(x.shape, 1), axes)[0]) > 2 or prod(x.shape[a] for a in kept[:-1]) > LONGEST_TABLE:
        return False
    source = b.input(0)
    if len(_levels(source.shape, source.strides, axes)[0]) > 2:
        source = b.contiguous(source)
    _windows(b, source, axes, kept, reduction)
    return True


def _float(ctx: Context) -> Reduction:
    operation, function = OPERATIONS[ctx.node.op]
    return Reduction(operation, "mean" if ctx.node.op == "ReduceMean" else "plain", function)


def _integer(ctx: Context, count: int) -> Reduction | None:
    """Extremes of stored integers; sums and means as ops/quantized_sum.py has them. None: there is no kernel."""
    x, y, name = ctx.input(0).quant, ctx.outputs[0].quant, ctx.node.op
    if ctx.input(0).dtype != np.int8 or ctx.outputs[0].dtype != np.int8:
        return None
    if name in ("ReduceMax", "ReduceMin") and x == y:
        return Reduction(OPERATIONS[name][0], "bytes")
    if name not in ("ReduceSum", "ReduceMean") or x is None or y is None or x.axis is not None or y.axis is not None:
        return None
    divisor = count if name == "ReduceMean" else 1
    scale, offset = quantized_sum.parameters(x, y, count, divisor)
    if 255 * count >= windows.REACH or 255 * count * float(scale) + abs(float(offset)) >= windows.REACH:
        return None
    ratio = float(x.scale[0] / y.scale[0])
    return Reduction("sum", "scaled_offset", ratio=ratio, offset=float(offset), divided=name == "ReduceMean")


def _rows(b: Builder, count: int, reduction: Reduction) -> None:
    x, y = b.input(0, contiguous=True), b.output(contiguous=True)
    mean = reduction.epilogue == "mean"
    constants = {"operation": reduction.operation, "mean": mean, "function": reduction.activation}
    b.call(
        reduce_rows, constants, x.size // count, work=x.size // 4, x=x.at(), y=y.at(), n=count,
        x_row=x.itemsize * count, count=float(count),
    )  # fmt: skip


def _levels(shape: Shape, strides: Shape, axes: Sequence[int]) -> tuple[Shape, Shape]:
    """Sizes and strides of some axes, merged where they can be."""
    sizes, (merged,) = levels(tuple(shape[a] for a in axes), (tuple(strides[a] for a in axes),))
    return sizes, merged


def _windows(b: Builder, x: View, axes: Sequence[int], kept: Sequence[int], reduction: Reduction) -> None:
    y = b.output(contiguous=True)
    shape = tuple(x.shape[a] for a in kept)
    item = x.itemsize
    sizes, (x_steps, y_steps) = levels(shape, (tuple(x.strides[a] for a in kept), dense(shape, item)))
    channels = 1
    if x_steps[-1] == y_steps[-1] == item:
        channels, sizes, x_steps, y_steps = sizes[-1], sizes[:-1], x_steps[:-1], y_steps[:-1]
    places = np.indices(sizes).reshape(len(sizes), prod(sizes))
    (tall, wide), (tap_row, tap) = ((1,) * (2 - len(v)) + v for v in _levels(x.shape, x.strides, sorted(axes)))
    counts = (tall, wide) if reduction.divided else (1, 1)
    rows = np.full((prod(sizes), 4), [0, 0, tall, counts[0]])
    rows[:, 0], rows[:, 1] = np.array(x_steps, int) @ places, np.array(y_steps, int) @ places
    columns = Table(np.array([[0, 0, wide, counts[1]]]), tap)
    windows.emit(b, x, y, channels, Table(rows, tap_row), columns, reduction)
