"""Logsumexp, entropy and the largest elements of rows, in one look at memory: what a confidence gate asks for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arguments import whole
from ..errors import InputError
from ..kernels.softmax_statistics import HEAD, ITEM
from .runner import run_statistics


@dataclass(frozen=True, slots=True, eq=False)
class SoftmaxStatistics:
    """Of softmax(x) along an axis, which the arrays lack; float32.

    logsumexp: ln of the sum of e^x. entropy: in nats. values, indices: the k largest elements of x and where along the
    axis they are, in a last axis of their own, largest first, of equal ones the first; no NaN is among them, and where
    too few others are, values are -inf.
    """

    logsumexp: np.ndarray
    entropy: np.ndarray
    values: np.ndarray
    indices: np.ndarray

    @property
    def probabilities(self) -> np.ndarray:
        """Softmax of the k largest."""
        return np.asarray(np.exp(self.values - self.logsumexp[..., None]))

    @property
    def margin(self) -> np.ndarray:
        """The largest probability minus the second largest; k must be 2 or more."""
        best = self.probabilities
        return np.asarray(best[..., 0] - best[..., 1])


def softmax_statistics(x: np.ndarray, axis: int = -1, k: int = 2, threads: int = 1) -> SoftmaxStatistics:
    """Logsumexp, entropy and the k largest elements of x along an axis. x: float32; threads share the rows.

    Raises InputError where x is of another dtype, axis is not one of its axes, or it has fewer than k elements.
    """
    if not isinstance(x, np.ndarray) or x.dtype != np.float32:
        raise InputError(f"softmax_statistics takes a float32 array, not {getattr(x, 'dtype', type(x).__name__)}")
    if not -x.ndim <= whole("axis", axis) < x.ndim:
        raise InputError(f"softmax_statistics: axis {axis} is not one of an array of shape {x.shape}")
    if not 0 <= whole("k", k) <= x.shape[axis] or x.shape[axis] == 0:
        raise InputError(f"softmax_statistics: no {k} largest of {x.shape[axis]} elements")
    whole("threads", threads, 1)
    rows = np.ascontiguousarray(np.moveaxis(x, axis, -1))
    records = np.zeros((*rows.shape[:-1], HEAD + ITEM * k), np.uint8)
    if records.size and run_statistics(rows, records, k, threads):
        parts = records[..., :8], records[..., HEAD : HEAD + 4 * k], records[..., HEAD + 4 * k :]
        sums, values = (np.ascontiguousarray(part).view(np.float32) for part in parts[:2])
        found = sums[..., 0].copy(), sums[..., 1].copy(), values, np.ascontiguousarray(parts[2]).view(np.int32)
        redo = records[..., 8] == 0
    else:
        shape = rows.shape[:-1]
        found = (
            np.empty(shape, np.float32), np.empty(shape, np.float32),
            np.empty((*shape, k), np.float32), np.empty((*shape, k), np.int32),
        )  # fmt: skip
        redo = np.ones(shape, bool)
    if redo.any():
        for array, exact in zip(found, _reference(rows[redo], k), strict=True):
            array[redo] = exact
    return SoftmaxStatistics(*found)


def _reference(rows: np.ndarray, k: int) -> tuple[np.ndarray, ...]:
    """In float64, of rows with NaN, infinities and huge numbers; the same four arrays."""
    wide = rows.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        peak = wide.max(-1, keepdims=True)
        shift = np.where(np.isfinite(peak), peak, 0.0)
        exponentials = np.exp(wide - shift)
        total = exponentials.sum(-1)
        logsumexp = np.log(total) + shift[..., 0]
        share = exponentials / total[..., None]
        entropy = np.log(total) - np.where(share > 0, share * (wide - shift), np.where(share >= 0, 0.0, share)).sum(-1)
    keys = np.where(np.isnan(rows), -np.inf, rows)
    indices = np.argsort(-keys, axis=-1, kind="stable")[..., :k]
    values = np.take_along_axis(keys, indices, -1)
    return logsumexp.astype(np.float32), entropy.astype(np.float32), values, indices.astype(np.int32)
