"""ReduceMean: the average over axes, all of them by default."""

from __future__ import annotations

from math import prod

import numpy as np

from . import quantized_sum
from .reduce import infer, reduction, total, wide
from .registry import Op, register


def mean(data: np.ndarray, axes: tuple[int, ...], keep: bool) -> np.ndarray:
    """NaN over no elements (0 for integers). The mean of integers drops its fraction."""
    count = prod(data.shape[axis] for axis in axes)
    if data.dtype.kind != "f":
        return np.trunc(np.sum(data, axes, np.float64, keepdims=keep) / max(count, 1))
    with np.errstate(invalid="ignore"):
        numbers = wide(data)
        return total(numbers, axes, keep) / numbers.dtype.type(count)


register(Op("ReduceMean", reduction(mean), infer, quantized=quantized_sum.reduction(divided=True), reduces=True))
