"""Weights as int8: a scale for each output, never -128, wide enough for the bias that is added to their sums."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...runtime.graph import Node
from .products import output_axis, per_channel
from .ranges import SMALLEST

LARGEST = 127
BIAS_ROOM = 1 << 30
"""What a bias in steps of input scale * weight scale stays below, so that products still can be added to it."""
BIAS_STEPS = 1 << 20
"""Steps that a bias has where the weights are all zero and leave the scale open."""


@dataclass(frozen=True, slots=True)
class IntegerWeights:
    """data: int8 in the node's form. scale: float32, one number, or one for each index of axis."""

    data: np.ndarray
    scale: np.ndarray
    axis: int | None

    def real(self) -> np.ndarray:
        """float32, what the integers stand for."""
        return self.data.astype(np.float32) * spread(self.scale, self.axis, self.data.ndim)


def spread(scale: np.ndarray, axis: int | None, rank: int) -> np.ndarray:
    """Scales shaped to broadcast against weights of this rank."""
    if axis is None:
        return scale.reshape(())
    shape = [1] * rank
    shape[axis] = -1
    return scale.reshape(shape)


def scales(node: Node, w: np.ndarray, bias: np.ndarray | None, x_scale: float | None) -> tuple[np.ndarray, int | None]:
    """float32 scales, and the axis that they are along. x_scale: the input's, None where it stays in float."""
    axis = output_axis(node, w)
    if per_channel(node):
        largest = np.abs(w).max(tuple(i for i in range(w.ndim) if i != axis)).astype(np.float64)
        added = np.zeros(largest.size) if bias is None else np.abs(bias).astype(np.float64)
    else:
        largest = np.abs(w).max().reshape(1).astype(np.float64)
        added = np.zeros(1) if bias is None else np.abs(bias).max().reshape(1).astype(np.float64)
    found = largest / LARGEST
    if x_scale is not None:
        found = np.maximum(found, added / (x_scale * BIAS_ROOM))
        found = np.where(largest == 0, added / (x_scale * BIAS_STEPS), found)
    found = np.where(found > SMALLEST, found, 1.0 if x_scale is None else np.where(largest > 0, SMALLEST, 1.0))
    return found.astype(np.float32), (axis if per_channel(node) else None)


def by_rows(w: np.ndarray) -> IntegerWeights:
    """Of a recurrent layer, (directions, rows, inputs): each weight rounded by itself, a scale for each row."""
    scale = np.abs(w).max((0, 2)).astype(np.float64) / LARGEST
    scale = np.where(scale > SMALLEST, scale, 1.0).astype(np.float32)
    return IntegerWeights(np.rint(w / spread(scale, 1, w.ndim)).astype(np.int8), scale, 1)


def nearest(node: Node, w: np.ndarray, bias: np.ndarray | None, x_scale: float | None) -> IntegerWeights:
    """Each weight rounded by itself."""
    scale, axis = scales(node, w, bias, x_scale)
    steps = np.rint(w / spread(scale, axis, w.ndim))
    return IntegerWeights(np.clip(steps, -LARGEST, LARGEST).astype(np.int8), scale, axis)
