"""Conv of very few output channels onto kernels/conv_dot.py, where that is estimated to be faster."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..kernels.conv_dot import conv_dot_f32
from ..program.builder import Builder
from .function_form import function_form
from .product import Geometry
from .tile_choice import product_cycles

SUM_CYCLES = 5.0
"""Of an output, in the unit of TileCost: adding up its vector's lanes, and its store."""
GAIN = 1.3
"""How much faster it has to be by estimate."""


def serves_dot(b: Builder, g: Geometry, weights: np.ndarray) -> bool:
    """weights: (channels, kernel_rows * taps, run)."""
    channels, segments, run = weights.shape
    lanes = b.tile_layout("f32").lanes
    if g.pixels < lanes or g.lines * g.pixels < 4 * lanes:
        return False
    vectors = segments * (run // lanes + (run % lanes).bit_count())
    outputs = channels * g.lines * -(-g.pixels // lanes) * lanes
    direct = product_cycles(b.target, "f32", g.lines, g.pixels, channels, segments * run)
    return direct > GAIN * outputs * (vectors + SUM_CYCLES)


def emit_dot(
    b: Builder, g: Geometry, weights: np.ndarray, bias: np.ndarray | None, activation: str | None,
    params: Sequence[float],
) -> None:  # fmt: skip
    """As emit_f32."""
    channels, _, run = weights.shape
    lanes, form = b.tile_layout("f32").lanes, function_form(activation, params)
    packed = np.ascontiguousarray(weights, np.float32)
    offsets = np.zeros(channels, np.float32) if bias is None else bias.astype(np.float32)
    b.call(
        conv_dot_f32, {"tail": run % lanes, "activation": form.function, "dense": g.y_pixel == 4}, g.lines,
        work=g.lines * g.pixels * weights.size, x=g.reads(4), y=g.writes(4 * channels), w=b.constant(packed),
        bias=b.constant(offsets), pixels=g.pixels, outputs=channels, x_row=g.x_row, x_pixel=g.x_pixel, y_row=g.y_row,
        y_pixel=g.y_pixel, kernel_rows=g.kernel_rows, kernel_row=g.kernel_row, taps=g.taps, kernel_tap=g.kernel_tap,
        steps=run // lanes, panel=packed[0].nbytes, **form.arguments(),
    )  # fmt: skip
