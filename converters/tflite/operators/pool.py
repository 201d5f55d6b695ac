"""AVERAGE_POOL_2D, MAX_POOL_2D, L2_POOL_2D."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..handlers import handles
from ..operator import Operator
from .conv import auto_pad, strides


def _window(op: Operator) -> dict[str, Any]:
    return {
        "kernel_shape": [op.option("FilterHeight"), op.option("FilterWidth")],
        "strides": strides(op),
        "auto_pad": auto_pad(op, op.option("Padding")),
    }


@handles("AVERAGE_POOL_2D")
def average_pool(op: Operator) -> None:
    """Halves are rounded away from zero as they are stored: those of uint8 up."""
    half_up = {"half_up": 1} if op.tensor(0).dtype == np.uint8 else {}
    op.finish("AveragePool", [op.input(0)], **_window(op), **half_up)


@handles("MAX_POOL_2D")
def max_pool(op: Operator) -> None:
    op.finish("MaxPool", [op.input(0)], **_window(op))


@handles("L2_POOL_2D")
def l2_pool(op: Operator) -> None:
    """The square root of the mean of squares."""
    x = op.real_input(0)
    mean = op.new("AveragePool", [op.new("Mul", [x, x])], **_window(op))
    op.finish_real(op.new("Sqrt", [mean]))
