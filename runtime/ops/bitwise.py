"""BitwiseAnd, BitwiseOr, BitwiseXor, BitwiseNot and BitShift on integers."""

from __future__ import annotations

import numpy as np

from .checks import INTEGERS, infer_elementwise, require_kind
from .registry import Context, Inferred, Op, register


def infer(ctx: Context) -> list[Inferred]:
    for index in range(len(ctx.inputs)):
        require_kind(ctx, ctx.input(index), INTEGERS)
    return infer_elementwise(ctx)


def infer_shift(ctx: Context) -> list[Inferred]:
    if ctx.attrs["direction"] not in ("LEFT", "RIGHT"):
        raise ctx.error(f"direction '{ctx.attrs['direction']}' is neither LEFT nor RIGHT")
    for index in range(2):
        require_kind(ctx, ctx.input(index), INTEGERS)
    return infer_elementwise(ctx)


def bitwise_and(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(a & b)


def bitwise_or(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(a | b)


def bitwise_xor(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(a ^ b)


def bitwise_not(a: np.ndarray) -> np.ndarray:
    return np.asarray(~a)


def bit_shift(a: np.ndarray, b: np.ndarray, *, direction: str) -> np.ndarray:
    """Shifting by the width of the dtype or more, or by less than nothing, leaves 0, or the sign to the right."""
    return np.asarray(a << b if direction == "LEFT" else a >> b)


register(Op("BitwiseAnd", bitwise_and, infer, broadcasts=True))
register(Op("BitwiseOr", bitwise_or, infer, broadcasts=True))
register(Op("BitwiseXor", bitwise_xor, infer, broadcasts=True))
register(Op("BitwiseNot", bitwise_not, infer, elementwise=True))
register(Op("BitShift", bit_shift, infer_shift, broadcasts=True))
