"""BitCast: the same bits taken for another dtype of the same size."""

from __future__ import annotations

import numpy as np

from .checks import named_dtype
from .registry import Context, Inferred, Op, register


def infer(ctx: Context) -> list[Inferred]:
    x, dtype = ctx.input(0), named_dtype(ctx, ctx.attrs["to"])
    if dtype.itemsize != x.dtype.itemsize or (dtype == np.bool_) > (x.dtype == np.bool_):
        raise ctx.error(f"{x.dtype} and {dtype} have not the same bits")
    return [(x.shape, dtype)]


def bit_cast(x: np.ndarray, *, to: str) -> np.ndarray:
    """to: a dtype's NumPy name, such as "int32"."""
    return np.ascontiguousarray(x).view(to).reshape(x.shape)


register(Op("BitCast", bit_cast, infer, elementwise=True))
