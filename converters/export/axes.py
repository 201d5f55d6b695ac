"""Channels-last axes, (N, *spatial, C), as places in ONNX's order, (N, C, *spatial)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..onnx.layout import to_first


def place(axis: int, rank: int) -> int:
    """Where an axis of a channels-last tensor is once the channels come second."""
    return to_first(rank).index(axis % rank)


def moved(array: np.ndarray) -> np.ndarray:
    """A channels-last array with its channels second."""
    return np.ascontiguousarray(array.transpose(to_first(array.ndim)))


def reordered(of_axes: Sequence[int]) -> list[int]:
    """One number for each axis of a channels-last tensor, in ONNX's order."""
    return [of_axes[axis] for axis in to_first(len(of_axes))]
