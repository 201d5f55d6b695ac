"""Channels-last axes, (N, *spatial, C), as places in ONNX's order, (N, C, *spatial)."""

from __future__ import annotations

import numpy as np

from ..onnx.layout import to_first


def place(axis: int, rank: int) -> int:
    """Where an axis of a channels-last tensor is once the channels come second."""
    return to_first(rank).index(axis % rank)


def places(axes: np.ndarray, rank: int) -> np.ndarray:
    """The same of several, int64."""
    return np.array([place(int(axis), rank) for axis in axes.reshape(-1)], np.int64)


def moved(array: np.ndarray) -> np.ndarray:
    """A channels-last array with its channels second."""
    return np.ascontiguousarray(array.transpose(to_first(array.ndim)))
