"""Conv by 3x3 kernels onto kernels/winograd.py, where that is estimated to be faster than the direct kernel.

Results are as far from the exact ones as the direct kernel's, or up to a few times as far. An infinity among the inputs
of an output makes it NaN where it would have been infinite; what is not finite reaches no other output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..kernels.winograd import winograd_f32
from ..program.bounds import extent
from ..program.builder import Builder
from ..program.view import Start
from .function_form import function_form
from .product import Geometry, prefetched
from .tile_choice import choose_tile, product_cycles

GAIN = 1.1
"""How much faster it has to be by estimate."""
STRIP = 192 << 10
"""Bytes of transformed inputs and products of a strip, which the second cache holds beside weights."""
FEWEST = 8
"""Squares of a strip."""
_TO_WEIGHTS = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
SPREAD_CYCLES, GATHER_CYCLES = 40, 36
"""Of a vector of channels of one square, in the unit of TileCost, where loads and stores meet the first cache."""


@dataclass(frozen=True)
class Squares:
    """height, width: of the outputs."""

    height: int
    width: int
    channels: int
    outputs: int

    @property
    def across(self) -> int:
        return -(-self.width // 2)

    @property
    def total(self) -> int:
        return self.across * -(-self.height // 2)

    @property
    def strip(self) -> int:
        """Squares of a strip: evenly many in each."""
        most = max(FEWEST, STRIP // (64 * (self.channels + self.outputs)))
        return -(-self.total // -(-self.total // most))


def squares_of(b: Builder, g: Geometry, kernel: tuple[int, int], w: np.ndarray) -> Squares | None:
    """None where the direct kernel serves. g: of one image, strides and dilations being 1. w: (O, 3, 3, C)."""
    found = Squares(g.lines, g.pixels, w.shape[-1], w.shape[0])
    lanes = b.tile_layout("f32").lanes
    if kernel != (3, 3) or min(found.height, found.width) < 2 or min(found.channels, found.outputs) < lanes:
        return None
    if np.array_equal(w, np.rint(w)):
        # Products of whole numbers, as of ConvInteger, stay exact in the direct kernel.
        return None
    direct = product_cycles(b.target, "f32", g.lines, g.pixels, found.outputs, 9 * found.channels)
    strips = -(-found.total // found.strip)
    products = 16 * strips * product_cycles(b.target, "f32", 1, found.strip, found.outputs, found.channels)
    vectors = [-(-n // lanes) for n in (found.channels, found.outputs)]
    ends = strips * found.strip * (vectors[0] * SPREAD_CYCLES + vectors[1] * GATHER_CYCLES)
    return found if direct > GAIN * (products + ends) else None


def transformed(w: np.ndarray) -> np.ndarray:
    """(O, 3, 3, C) -> (16, O, C): G g G', computed in float64."""
    wide = np.einsum("ik,okjc->oijc", _TO_WEIGHTS, w.astype(np.float64))
    wide = np.einsum("jk,oikc->ijoc", _TO_WEIGHTS, wide)
    return wide.reshape(16, w.shape[0], w.shape[3]).astype(np.float32)


def emit_winograd(
    b: Builder,
    s: Squares,
    geometries: Sequence[Geometry],
    w: np.ndarray,
    bias: np.ndarray | None,
    activation: str | None,
    params: Sequence[float],
    residuals: Sequence[tuple[Start, int] | None],
) -> None:
    """geometries, residuals: of each image, as of emit_f32. w: (O, 3, 3, C) float32."""
    layout = b.tile_layout("f32")
    rows, columns, _ = choose_tile(b.target, "f32", 1, s.strip, s.outputs, s.channels)
    packed = np.stack([layout.pack(each[:, None], columns) for each in transformed(w)])
    offsets = np.zeros(s.outputs, np.float32) if bias is None else bias.astype(np.float32)
    form, width = function_form(activation, params), columns * layout.lanes
    constants = {
        "rows": rows, "columns": columns, "activation": form.function, "residual": residuals[0] is not None,
        "ahead": prefetched(b, packed, packed[0, 0].nbytes, -(-s.strip // rows)),
    }  # fmt: skip
    weights, zeros, offset = b.constant(packed), b.constant(np.zeros(width, np.float32)), b.constant(offsets)
    v_bytes, m_bytes = 64 * s.strip * s.channels, 64 * s.strip * max(s.outputs, width)
    for g, residual in zip(geometries, residuals, strict=True):
        other, other_row = residual or (g.y, g.y_row)
        written = extent((s.height, s.width), (g.y_row, g.y_pixel), 4 * s.outputs)
        read = extent((s.height, s.width), (other_row, g.y_pixel), 4 * s.outputs)
        b.call(
            winograd_f32, constants, -(-s.total // s.strip), work=s.height * s.width * w.size,
            x=g.x.touching(*extent((s.height + 2, s.width + 2), (g.x_row, g.x_pixel), 4 * s.channels)),
            w=weights, zeros=zeros, bias=offset, other=other.touching(*read), y=g.y.touching(*written),
            v=b.scratch(v_bytes), m=b.scratch(m_bytes, v_bytes),
            squares=s.total, across=s.across, count=s.strip, height=s.height, width=s.width, channels=s.channels,
            outputs=s.outputs, blocks=packed.shape[1], x_row=g.x_row, x_pixel=g.x_pixel, y_row=g.y_row,
            y_pixel=g.y_pixel, other_row=other_row, panel=packed[0, 0].nbytes, **form.arguments(),
        )  # fmt: skip
