"""Products of bytes where x86 has no VNNI: `pmaddubsw` adds the products of two bytes as int16, which holds them as
long as a pair's weights of one sign are 128 together at most. A step with a pair beyond that is taken twice, half of
such a pair's weights each time, so that every sum is exact."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..simd.tile_layout import TileLayout
from .taken_again import in_order, offsets

if TYPE_CHECKING:
    from .product import Geometry

HOLDS = 128
"""255 times that fits int16."""


def steps_twice(weights: np.ndarray, layout: TileLayout) -> np.ndarray:
    """(channels, segments, run) int8 -> (channels, segments * steps) bool: which steps each channel needs twice."""
    channels, segments, run = weights.shape
    padded = np.zeros((channels, segments, layout.steps(run) * layout.depth), np.int8)
    padded[..., :run] = weights
    return np.asarray(too_large(padded.reshape(channels, -1, 2, 2)).any(2))


def split(packed: np.ndarray, g: Geometry) -> tuple[np.ndarray, np.ndarray]:
    """Packed weights (blocks, segments, steps, columns, lanes * 4) int8 -> those of each block (blocks, bytes), behind
    which lie those of the steps that are taken again, and the offsets (blocks, steps again) of what these read."""
    blocks, segments, steps, columns, width = packed.shape
    pairs = packed.reshape(blocks, segments * steps, columns * width // 4, 2, 2)
    beyond = too_large(pairs)
    twice = np.asarray(beyond.any((2, 3)))
    first = np.where(beyond[..., None], pairs >> 1, pairs)
    order = in_order(twice)
    second = np.take_along_axis(pairs - first, order[:, :, None, None, None], 1)
    return np.concatenate([each.reshape(blocks, -1) for each in (first, second)], 1), offsets(order, g, steps, 4)


def too_large(pairs: np.ndarray) -> np.ndarray:
    """Which pairs of weights of one sign are more than 128 together: (..., 2) int8 -> (...) bool."""
    wide = pairs.astype(np.int16)
    return np.logical_or(np.maximum(wide, 0).sum(-1) > HOLDS, np.minimum(wide, 0).sum(-1) < -HOLDS)
