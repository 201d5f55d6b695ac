"""What rounding does to constants that are combined before anything runs.

u is the unit roundoff of a floating-point type (2**-24 of float32): an operation's result is off by u times itself, as
long as it neither overflows nor falls below the smallest normal number, where it is off by a fixed amount.
"""

from __future__ import annotations

import numpy as np

DEAD = 256.0
"""By how much denormal weights may shrink, which their own rounding made uncertain by a smallest step each."""


def unit(dtype: np.dtype) -> float:
    """u of a floating-point type."""
    return float(np.finfo(dtype).eps) / 2


def narrowed(wide: np.ndarray, dtype: np.dtype) -> np.ndarray | None:
    """float64 numbers in another floating-point type; None where they are not finite in it."""
    with np.errstate(all="ignore"):
        narrow = wide.astype(dtype)
    return narrow if np.isfinite(narrow).all() else None


def normal(wide: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Which numbers a type holds with all its digits: zero, and what is neither denormal nor infinite in it."""
    limits, size = np.finfo(dtype), np.abs(wide)
    with np.errstate(over="ignore"):
        return (wide == 0) | ((size >= float(limits.tiny)) & (size <= float(limits.max)))


def modest(wide: np.ndarray, dtype: np.dtype) -> bool:
    """Whether numbers are so small that adding one makes a result overflow only where it nearly does without."""
    return bool((np.abs(wide) <= unit(dtype) * float(np.finfo(dtype).max)).all())


def exact_sum(a: np.ndarray, b: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Where a + b (float64) is a number of the type, nothing lost (Knuth's error-free sum)."""
    total = a + b
    part = total - a
    lost = (a - (total - part)) + (b - part)
    with np.errstate(over="ignore"):
        return (lost == 0) & (total.astype(dtype).astype(np.float64) == total)


def long(data: np.ndarray) -> bool:
    """Whether a product with each of these numbers (or a quotient by it) is rounded for nearly every other factor: they
    have at least half of their type's digits, or are zero."""
    digits = np.finfo(data.dtype).nmant + 1
    mantissa = np.frexp(data.astype(np.float64))[0] * 2.0 ** (digits // 2 - 1)
    return bool(((mantissa != np.rint(mantissa)) | (data == 0)).all())


def powers_of_two(data: np.ndarray) -> bool:
    """Whether products with these numbers are all exact."""
    return bool(np.isin(np.abs(np.frexp(data.astype(np.float64))[0]), (0, 0.5)).all())


def scales_exactly_enough(w: np.ndarray, factor: np.ndarray | float, outputs: int | None) -> bool:
    """Whether sums of products with w * factor, rounded to w's type, are as good as the same sums with w, scaled.

    factor: float64, broadcasts to w. outputs: the axis of w along which each index makes a sum of its own, where there
    is one factor for each sum; else None. float32 rounds each product anyway, so that one more rounding of its weight
    costs as much again. What falls below the normal numbers would lose digits, unless it is below u**2 times the
    largest weight of its sum, as the weights themselves are (a factor within a sum says nothing: what it makes small
    may be fed what is as much larger), or was denormal before, as dead channels are, and becomes smaller by DEAD at
    most. Sums of float16 are made in float32, so that nothing may be rounded there.
    """
    with np.errstate(all="ignore"):
        wide = w.astype(np.float64) * factor
    narrow = narrowed(wide, w.dtype)
    if narrow is None:
        return False
    if w.dtype == np.float16:
        return bool((narrow == wide).all())
    whole = normal(wide, w.dtype) & ((wide != 0) | (w == 0) | (np.asarray(factor) == 0))
    whole |= (np.abs(w) < float(np.finfo(w.dtype).tiny)) & (np.abs(factor) * DEAD >= 1)
    if whole.all() or outputs is None:
        return bool(whole.all())
    others = tuple(axis for axis in range(w.ndim) if axis != outputs % w.ndim)
    largest = np.abs(wide).max(axis=others, keepdims=True)
    return bool((whole | (np.abs(wide) <= unit(w.dtype) ** 2 * largest)).all())
