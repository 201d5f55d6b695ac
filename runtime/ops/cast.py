"""Cast and CastLike: another dtype.

Floats become integers by dropping the fraction (what does not fit is undefined, as in ONNX), anything but zero
becomes True, and integers that do not fit wrap around. The attributes saturate and round_mode concern 8-bit floats,
which tensors cannot be.
"""

from __future__ import annotations

import numpy as np

from .checks import named_dtype
from .registry import Context, Inferred, Op, register


def convert(data: np.ndarray, dtype: np.dtype) -> np.ndarray:
    with np.errstate(invalid="ignore", over="ignore"):
        return data.astype(dtype)


def infer_cast(ctx: Context) -> list[Inferred]:
    return [(ctx.input(0).shape, named_dtype(ctx, ctx.attrs["to"]))]


def infer_cast_like(ctx: Context) -> list[Inferred]:
    return [(ctx.input(0).shape, ctx.input(1).dtype)]


def cast(data: np.ndarray, *, to: str, saturate: int = 1, round_mode: str = "up") -> np.ndarray:
    """to: a dtype's NumPy name, such as "float32"."""
    return convert(data, np.dtype(to))


def cast_like(data: np.ndarray, like: np.ndarray, *, saturate: int = 1, round_mode: str = "up") -> np.ndarray:
    return convert(data, like.dtype)


register(Op("Cast", cast, infer_cast, elementwise=True, decompresses=True))
register(Op("CastLike", cast_like, infer_cast_like, elementwise=True))
