"""Transpose: dimensions in another order; without perm, reversed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .registry import Context, Inferred, Op, register


def infer(ctx: Context) -> list[Inferred]:
    data, perm = ctx.input(0), ctx.attrs["perm"]
    rank = len(data.shape)
    if perm is None:
        return [(data.shape[::-1], data.dtype)]
    if sorted(perm) != list(range(rank)):
        raise ctx.error(f"perm {list(perm)} is not an order of the {rank} dimensions of '{data.name}'")
    return [(tuple(data.shape[axis] for axis in perm), data.dtype)]


def transpose(data: np.ndarray, *, perm: Sequence[int] | None = None) -> np.ndarray:
    return np.transpose(data, perm)


register(Op("Transpose", transpose, infer, rearranges=True, text=True))
