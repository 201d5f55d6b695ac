"""Shrink: what lies within lambd of zero becomes zero, all else moves towards zero by bias."""

from __future__ import annotations

import numpy as np

from .elementwise import CHEAP, by_table, infer_numbers
from .registry import Op, register


def shrink(x: np.ndarray, *, bias: float = 0.0, lambd: float = 0.5) -> np.ndarray:
    """NaN lies on neither side of lambd and becomes zero. Integers are moved as real numbers, and lose what fraction
    that leaves."""
    return np.where(x < -lambd, x + bias, np.where(x > lambd, x - bias, 0)).astype(x.dtype)


register(Op("Shrink", shrink, infer_numbers, quantized=by_table(shrink), work=CHEAP, elementwise=True))
