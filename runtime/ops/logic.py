"""And, Or, Xor, Not on booleans."""

from __future__ import annotations

import numpy as np

from .checks import BOOL, infer_elementwise, require_kind
from .registry import Context, Inferred, Op, register


def infer(ctx: Context) -> list[Inferred]:
    for index in range(len(ctx.inputs)):
        require_kind(ctx, ctx.input(index), BOOL)
    return infer_elementwise(ctx)


def and_(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(a & b)


def or_(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(a | b)


def xor(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(a ^ b)


def not_(a: np.ndarray) -> np.ndarray:
    return np.asarray(~a)


register(Op("And", and_, infer, broadcasts=True))
register(Op("Or", or_, infer, broadcasts=True))
register(Op("Xor", xor, infer, broadcasts=True))
register(Op("Not", not_, infer, elementwise=True))
