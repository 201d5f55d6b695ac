"""Steps of integer products that are taken again with other weights, which lie behind a block's own: how many, and
where they read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..simd.tile_layout import TileLayout

if TYPE_CHECKING:
    from .product import Geometry


def most_again(needed: np.ndarray, layout: TileLayout, columns: int) -> int:
    """How many steps a block of so many columns takes again, at most. needed: (channels, steps), how often each channel
    needs each step again."""
    width, starts = columns * layout.lanes, layout.starts(len(needed), columns)
    whole = len(starts) - 1
    blocks = needed[: whole * width].reshape(whole, width, needed.shape[1])
    return int(max(blocks.max(1, initial=0).sum(1).max(initial=0), needed[starts[-1] :].max(0).sum()))


def in_order(needed: np.ndarray) -> np.ndarray:
    """Which steps each block takes again: (blocks, steps) bool -> (blocks, as many as any block needs) int. Blocks that
    need fewer take others, too, whose weights are then zero."""
    return np.argsort(~needed, axis=1, kind="stable")[:, : int(needed.sum(1).max())]


def offsets(order: np.ndarray, g: Geometry, steps: int, depth: int) -> np.ndarray:
    """In bytes from a pixel's first element. steps: of a run, each of `depth` elements."""
    segment, step = np.divmod(order, steps)
    return np.asarray(segment // g.taps * g.kernel_row + segment % g.taps * g.kernel_tap + depth * step)
