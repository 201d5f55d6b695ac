"""Cast and CastLike: another dtype.

Floats become integers by dropping the fraction. What is too large becomes the nearest int32 (int64 for uint32, and
64-bit results their own limits) and NaN becomes 0; in narrower integers that wraps around, as integers do. ONNX leaves
this undefined; here it is the same on every target, and within an int32 what its peers give. Anything but zero becomes
True. The attributes saturate and round_mode concern 8-bit floats, which tensors cannot be.
"""

from __future__ import annotations

import numpy as np

from .checks import named_dtype
from .registry import Context, Inferred, Op, register


def convert(data: np.ndarray, dtype: np.dtype) -> np.ndarray:
    with np.errstate(invalid="ignore", over="ignore"):
        return (_whole(data, dtype) if data.dtype.kind == "f" and dtype.kind in "iu" else data).astype(dtype)


def _whole(data: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Floats as int32, or as int64 where the result is longer than an int32 or as uint64 where it is one."""
    wide = np.dtype(dtype if dtype.itemsize == 8 else np.int64 if dtype == np.uint32 else np.int32)
    limits, whole = np.iinfo(wide), np.trunc(data.astype(np.float64))
    inside = (whole >= float(limits.min)) & (whole < 2.0 ** (8 * wide.itemsize - (wide.kind == "i")))
    result = np.where(inside, whole, 0).astype(wide)
    return np.where(inside | np.isnan(whole), result, np.where(whole < 0, limits.min, limits.max).astype(wide))


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
