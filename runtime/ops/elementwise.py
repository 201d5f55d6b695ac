"""What elementwise functions of one tensor share: their inference, and tables of 256 entries for int8 tensors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from . import integer
from .checks import FLOATS, NUMBERS, require_kind
from .registry import Context, Inferred

CHEAP, COSTLY = 6, 40
"""Work of a few instructions, and of a polynomial."""


def infer_floats(ctx: Context) -> list[Inferred]:
    return [(ctx.input(0).shape, require_kind(ctx, ctx.input(0), FLOATS))]


def infer_numbers(ctx: Context) -> list[Inferred]:
    return [(ctx.input(0).shape, require_kind(ctx, ctx.input(0), NUMBERS))]


def by_table(reference: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """Quantized implementation of an elementwise reference: int8 in, int8 out, both per tensor."""

    def quantized(ctx: Context, x: np.ndarray, *rest: np.ndarray | None) -> np.ndarray:
        table = int8_table(ctx, reference, *rest)
        return NotImplemented if table is None else table[x.astype(np.int64) + 128]

    return quantized


def int8_table(ctx: Context, reference: Callable[..., np.ndarray], *rest: np.ndarray | None) -> np.ndarray | None:
    """The node's int8 outputs for inputs -128..127; None where it does not map one int8 tensor to another."""
    x, y = ctx.input(0), ctx.outputs[0]
    if x.quant is None or y.quant is None or x.quant.scale.size > 1 or (x.dtype, y.dtype) != (np.int8, np.int8):
        return None
    return integer.unary_table(lambda real: reference(real, *rest, **ctx.attrs), x.quant, y.quant)
