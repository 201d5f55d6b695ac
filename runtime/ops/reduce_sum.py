"""ReduceSum: the sum over axes, all of them by default."""

from __future__ import annotations

from . import quantized_sum
from .reduce import infer, reduction, total, wide
from .registry import Op, register

register(
    Op(
        "ReduceSum",
        reduction(lambda data, axes, keep: total(wide(data), axes, keep)),
        infer,
        quantized=quantized_sum.reduction(divided=False),
        reduces=True,
    )
)
