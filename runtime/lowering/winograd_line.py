"""Conv of int8 by 3x3 kernels onto kernels/winograd_line.py, where products are of int16 (x86 without VNNI)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..kernels.winograd_line import winograd_line
from ..program.builder import CHUNKS_PER_THREAD, SHARED_WORK, Builder
from .product import Geometry
from .product_int8 import Requantization
from .winograd import GAIN, SPARE, Sizes, Squares, direct_cycles, fits, image_arguments, requantizing

BAND = 20 << 10
"""Bytes of a band's transformed inputs, which the first cache holds beside weights."""
NEAR = 24 << 10
"""Bytes of weights that the first cache holds beside them: all are read for every pair."""
COLUMNS = 2
"""Of a tile, whose 4 x columns accumulators leave registers for the rest."""
STEP_CYCLES, PAIR_CYCLES, SPREAD_CYCLES = 9.5, 36.0, 18.0
"""Of a tile's step and its ends, for two columns, and of a vector of channels of a pair that is transformed, in the
unit of TileCost. Fitted to an Intel Emerald Rapids held to AVX2, where 32 x 32 pixels of 16 channels take 30 us (the
direct kernel 39, squares as long), 16 x 16 of 32 channels 28.7 (squares 29.5)."""


@dataclass(frozen=True)
class Lines(Sizes):
    def band(self, b: Builder, work: int) -> int:
        """Lines of a chunk: evenly many in each, and enough chunks for the threads."""
        most = max(1, BAND // (8 * self.across * self.channels) - 2)
        chunks = -(-self.height // most)
        if b.threads > 1 and work >= SHARED_WORK:
            chunks = max(chunks, min(self.height, CHUNKS_PER_THREAD * b.threads))
        return -(-self.height // chunks)


def lines_of(b: Builder, g: Geometry, kernel: tuple[int, int], w: np.ndarray, squares: Squares | None) -> Lines | None:
    """None where another kernel serves. g: of one image, strides and dilations being 1. w: (O, 3, 3, C), differences
    from their zero point. squares: where these are faster than the direct kernel."""
    layout, (outputs, channels) = b.tile_layout("i8"), (w.shape[0], w.shape[-1])
    if layout.dtype != np.int16 or kernel != (3, 3) or g.pixels < 2 or channels < 2 * layout.lanes:
        return None
    if not fits(w, 2) or 24 * channels * outputs > NEAR:
        return None
    columns = _columns(layout.lanes, outputs)
    blocks, steps = len(layout.starts(outputs, columns)), layout.steps(channels)
    pairs = g.lines * -(-g.pixels // 2)
    cycles = pairs * pair_cycles(blocks * columns, steps, -(-channels // (2 * layout.lanes)))
    rival = direct_cycles(b, "i8", g, w) if squares is None else squares.cycles
    return Lines(g.lines, g.pixels, channels, outputs) if rival > GAIN * cycles else None


def pair_cycles(columns: int, steps: int, vectors: int) -> float:
    """Of a pair of outputs, estimated. columns: of all blocks. steps: of a line of the kernel. vectors: of channels."""
    return columns / COLUMNS * (3 * steps * STEP_CYCLES + PAIR_CYCLES) + vectors * SPREAD_CYCLES


def _columns(lanes: int, outputs: int) -> int:
    return min(COLUMNS, -(-outputs // lanes))


def transformed(w: np.ndarray) -> np.ndarray:
    """(O, 3, 3, C) -> (4, O, 3, C): twice G g of each line, int16."""
    left, middle, right = (w[:, :, place].astype(np.int16) for place in range(3))
    return np.stack([2 * left, left + middle + right, left - middle + right, 2 * right])


def emit_winograd_line(
    b: Builder,
    s: Lines,
    geometries: Sequence[Geometry],
    w: np.ndarray,
    bias: np.ndarray | None,
    x_zero_point: int,
    out: Requantization,
) -> None:
    """geometries: of each image, as of emit_int8. w: (O, 3, 3, C), differences from their zero point."""
    layout = b.tile_layout("i8")
    columns, steps = _columns(layout.lanes, s.outputs), layout.steps(s.channels)
    # (places, blocks, lines, steps, columns, ...): the places of a step lie side by side.
    packed = np.stack([layout.pack(each, columns) for each in transformed(w)])
    packed = np.ascontiguousarray(np.moveaxis(packed, 0, 3))
    of_bytes, ends = requantizing(b, columns, w, bias, x_zero_point, out)
    weights, work = b.constant(packed), s.height * s.width * w.size // 4
    band = s.band(b, work)
    for g in geometries:
        b.call(
            winograd_line, {"columns": columns, **of_bytes}, -(-s.height // band), work=work, w=weights,
            v=b.scratch(8 * (band + 2) * s.across * s.channels + SPARE), band=band, across=s.across, steps=steps,
            blocks=packed.shape[0], **ends, **image_arguments(s, g, 1),
        )  # fmt: skip
