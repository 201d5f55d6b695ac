"""Products of bytes by weights of more than 8 bits, as uint8 weights less their zero point are: steps with such a
weight are taken again, with what the first time lacked, so that every sum is exact."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..simd.tile_layout import TileLayout
from .taken_again import in_order, offsets

if TYPE_CHECKING:
    from .product import Geometry

LEAST, MOST = -128, 127
WORTH = 0.75
"""Of all steps, that may be taken again: beyond that, all of them are, which takes no list of places."""


def lacking(weights: np.ndarray) -> list[np.ndarray]:
    """What is to be added to the weights as far as 8 bits hold them: arrays of 8 bits, none where they hold all."""
    found, rest = [], weights - np.clip(weights, LEAST, MOST)
    while rest.any():
        found.append(np.clip(rest, LEAST, MOST))
        rest = rest - found[-1]
    return found


def steps_again(weights: np.ndarray, layout: TileLayout) -> np.ndarray:
    """(channels, segments, run) -> (channels, segments * steps) int: how often each channel needs each step again."""
    channels, segments, run = weights.shape
    padded = np.zeros((channels, segments, layout.steps(run) * layout.depth), weights.dtype)
    padded[..., :run] = weights
    by_step = padded.reshape(channels, -1, layout.depth)
    found = np.zeros(by_step.shape[:2], np.int64)
    for part in lacking(by_step):
        found += part.any(-1)
    return found


def split(packed: np.ndarray, g: Geometry, depth: int) -> tuple[np.ndarray, np.ndarray]:
    """Packed weights (blocks, segments, steps, columns, lanes * depth) int16 -> those of each block as int8 (blocks,
    bytes), behind which lie those of the steps that are taken again, and the offsets (blocks, steps again) of what
    these read."""
    blocks, segments, steps = packed.shape[:3]
    by_step = packed.reshape(blocks, segments * steps, -1)
    again, places = [np.clip(by_step, LEAST, MOST)], []
    for part in lacking(by_step):
        order = in_order(np.asarray(part.any(-1)))
        again.append(np.take_along_axis(part, order[:, :, None], 1))
        places.append(offsets(order, g, steps, depth))
    flat = np.concatenate([each.reshape(blocks, -1) for each in again], 1).astype(np.int8)
    return flat, np.concatenate(places, 1)
