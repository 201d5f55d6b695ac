"""Products of bytes where x86 has no VNNI: `pmaddubsw` adds the products of two bytes as int16, which holds them as
long as a pair's weights of one sign are 128 together at most. A step with a pair beyond that is taken twice, half of
such a pair's weights each time, so that every sum is exact."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..simd.tile_layout import TileLayout

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


def most_again(twice: np.ndarray, layout: TileLayout, columns: int) -> int:
    """How many steps a block of so many columns takes again, at most. twice: as of steps_twice."""
    width, starts = columns * layout.lanes, layout.starts(len(twice), columns)
    whole = len(starts) - 1
    blocks = twice[: whole * width].reshape(whole, width, twice.shape[1])
    return int(max(blocks.any(1).sum(1).max(initial=0), twice[starts[-1] :].any(0).sum()))


def split(packed: np.ndarray, g: Geometry) -> tuple[np.ndarray, np.ndarray]:
    """Packed weights (blocks, segments, steps, columns, lanes * 4) int8 -> those of each block (blocks, bytes), behind
    which lie those of the steps that are taken again, and the offsets (blocks, steps again) of what these read."""
    blocks, segments, steps, columns, width = packed.shape
    pairs = packed.reshape(blocks, segments * steps, columns * width // 4, 2, 2)
    beyond = too_large(pairs)
    twice = beyond.any((2, 3))
    first = np.where(beyond[..., None], pairs >> 1, pairs)
    # Blocks with fewer such steps than others take some again whose second weights are zero.
    order = np.argsort(~twice, axis=1, kind="stable")[:, : int(twice.sum(1).max())]
    second = np.take_along_axis(pairs - first, order[:, :, None, None, None], 1)
    segment, step = np.divmod(order, steps)
    places = segment // g.taps * g.kernel_row + segment % g.taps * g.kernel_tap + 4 * step
    return np.concatenate([each.reshape(blocks, -1) for each in (first, second)], 1), places


def too_large(pairs: np.ndarray) -> np.ndarray:
    """Which pairs of weights of one sign are more than 128 together: (..., 2) int8 -> (...) bool."""
    wide = pairs.astype(np.int16)
    return np.logical_or(np.maximum(wide, 0).sum(-1) > HOLDS, np.minimum(wide, 0).sum(-1) < -HOLDS)
