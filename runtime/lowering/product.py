"""Lowering of what is a matrix product at heart: convolution and fully connected layers, onto kernels/conv.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from msgspec.structs import replace

from ..kernels.conv import conv_f32
from ..program.bounds import extent
from ..program.builder import CHUNKS_PER_THREAD, NOTHING, SHARED_WORK, Builder
from ..program.overlap import lead_of
from ..program.program import Lines
from ..program.view import Place, Start
from ..simd.tile_layout import LINE, TileLayout
from .chunking import blocks_of_a_chunk
from .function_form import function_form
from .tile_choice import cheapest_tile

MOST_CALLS = 4096
"""Kernel calls of one node, each of which is planned and encoded: a node that needs more runs in NumPy."""

AHEAD_WEIGHTS, AHEAD_PANEL = 128 << 10, 8 << 10
"""Bytes of packed weights, and of those of one block, from which on the next block's are prefetched."""


class Geometry(msgspec.Struct, frozen=True):
    """Where a product reads and writes: `lines` rows of `pixels` outputs each.

    Pitches in bytes. The reduction runs over kernel_rows x taps runs of `run` contiguous elements, each of them read
    `passes` times against different weights.
    """

    lines: int
    pixels: int
    x: Start
    x_row: int
    x_pixel: int
    y: Start
    y_row: int
    y_pixel: int
    kernel_rows: int
    kernel_row: int
    taps: int
    kernel_tap: int
    run: int
    passes: int = 1

    def reads(self, itemsize: int) -> Place:
        """The input, of elements of so many bytes."""
        counts = self.lines, self.pixels, self.kernel_rows, self.taps
        pitches = self.x_row, self.x_pixel, self.kernel_row, self.kernel_tap
        return self.x.touching(*extent(counts, pitches, self.run * itemsize))

    def writes(self, pixel: int) -> Place:
        """The output, of which a pixel's channels are so many bytes."""
        return self.y.touching(*extent((self.lines, self.pixels), (self.y_row, self.y_pixel), pixel))


def shared(b: Builder, g: Geometry, rows: int, work: int) -> Geometry:
    """A single line of pixels cut into equal ones for the threads.

    Cut after the tile was chosen, so that the kernels that a model needs do not depend on the number of threads.
    """
    if b.threads == 1 or g.lines > 1 or work < SHARED_WORK:
        return g
    cuts = [n for n in range(1, g.pixels // rows + 1) if g.pixels % n == 0]
    enough = [n for n in cuts if n >= CHUNKS_PER_THREAD * b.threads] or cuts[-1:]
    lines = min(enough, key=lambda n: n * -(-(g.pixels // n) // rows))
    pixels = g.pixels // lines
    return replace(g, lines=lines, pixels=pixels, x_row=pixels * g.x_pixel, y_row=pixels * g.y_pixel)


def emit_f32(
    b: Builder,
    g: Geometry,
    weights: np.ndarray,
    bias: np.ndarray | None,
    activation: str | None,
    params: Sequence[float],
    residual: tuple[Start, int] | None = None,
) -> None:
    """weights: (channels, kernel_rows * taps, run) float32. residual: place and row pitch; pixels as the output's."""
    layout = b.tile_layout("f32")
    bias = np.zeros(weights.shape[0], np.float32) if bias is None else bias.astype(np.float32)
    channels, segments, _ = weights.shape
    steps = segments * g.run
    (rows, columns, tall), _ = cheapest_tile(b.target, "f32", g.lines, g.pixels, channels, steps, tiles=b.tiles)
    b.tiles.made.add(("f32", rows, columns, tall))
    packed, work = layout.pack(weights, columns), g.lines * g.pixels * weights.size
    width = columns * layout.lanes
    tail = None if channels >= width else channels - (columns - 1) * layout.lanes
    other, other_row = residual or (g.y, g.y_row)
    if g.lines == 1:
        g = shared(b, g, rows, work)
        other_row = g.y_row
    form = function_form(activation, params)
    constants = {
        "rows": rows, "columns": columns, "tail": None if tail == layout.lanes else tail, "activation": form.function,
        "residual": residual is not None, "tall": tall, "ahead": product_ahead(b, g, layout, packed, rows, columns),
    }  # fmt: skip
    together, lines = product_blocks(b, g, packed, 4 * channels, tall), -(-g.lines // tall)
    pitches = {"x": (g.x_row, g.x_pixel), "y": (g.y_row, g.y_pixel), "other": (other_row, g.y_pixel)}
    by_lines = lines_of(g, rows, tall, len(packed) // together, pitches)
    x, rest = g.reads(4), replace(g, y=other, y_row=other_row).writes(4 * channels)
    leads: dict[str, int | None] = {}
    if len(packed) == 1:
        leads = leads_of(g, {"x": x, "other": rest}, g.writes(4 * channels), pitches, rows, tall)
    b.call(
        conv_f32, constants, len(packed) // together * lines, NOTHING, by_lines, leads, work=work, blocks=together,
        lines=lines, x=x, other=rest, other_row=other_row,
        **product_arguments(b, g, layout, packed, bias, columns, channels, 4, packed.shape[2]), **form.arguments(),
    )  # fmt: skip


def lines_of(
    g: Geometry, rows: int, tall: int, chunks: int, pitches: Mapping[str, tuple[int, int]]
) -> Lines | None:
    """rows, tall: of the tile. chunks: of a line. pitches: of each place that moves with lines, the bytes between lines
    and between pixels, which are the lines where there is but one."""
    if tall > 1:
        return None
    if g.lines == 1:
        return Lines(g.pixels, {name: pixel for name, (_, pixel) in pitches.items()}, ("pixels",), 0, rows)
    return Lines(g.lines, {name: line for name, (line, _) in pitches.items()}, ("lines", "height"), chunks)


def leads_of(
    g: Geometry, read: Mapping[str, Place], written: Place, pitches: Mapping[str, tuple[int, int]], rows: int,
    at_once: int,
) -> dict[str, int | None]:  # fmt: skip
    """See overlap.lead_of, for a call that is done with `at_once` lines before it goes on, or with `rows` pixels of a
    single one. pitches: as of lines_of."""
    count, axis = (g.pixels, 1) if g.lines == 1 else (g.lines, 0)
    at_once = rows if g.lines == 1 else min(at_once, count)
    return {
        name: lead_of(place, written, count, pitches[name][axis], pitches["y"][axis], at_once)
        for name, place in read.items()
    }


def lines_ahead(
    b: Builder, layout: TileLayout, packed: np.ndarray, panel: int, rows: int, columns: int, tiles: int
) -> int:
    """How many lines of the next block's weights a tile asks the second cache for in each group of steps, while the
    `panel` bytes of this block are used by so many tiles: all lines together, where the second cache holds no more than
    a few such layers. A single tile reads them in one go, which CPUs foresee."""
    if b.target.family != "x86" or packed.nbytes < AHEAD_WEIGHTS or panel < AHEAD_PANEL or tiles == 1:
        return 0
    lines = layout.at_once(b.target, rows) * layout.step_bytes(columns) // LINE
    return 1 if b.tiles.few else max(1, -(-lines // tiles))


def product_ahead(b: Builder, g: Geometry, layout: TileLayout, packed: np.ndarray, rows: int, columns: int) -> int:
    return lines_ahead(b, layout, packed, packed[0].nbytes, rows, columns, -(-g.lines * g.pixels // rows))


def product_blocks(b: Builder, g: Geometry, packed: np.ndarray, y_pixel: int, tall: int) -> int:
    """y_pixel: bytes of an output pixel's channels."""
    data = g.lines * g.pixels * (min(g.x_pixel, g.run * packed.itemsize) + y_pixel)
    return blocks_of_a_chunk(b, -(-g.lines // tall), len(packed), packed.nbytes, data)


def product_arguments(
    b: Builder,
    g: Geometry,
    layout: TileLayout,
    packed: np.ndarray,
    bias: np.ndarray,
    columns: int,
    channels: int,
    itemsize: int,
    steps: int,
) -> dict[str, Place | int]:
    """itemsize: bytes of an input's element and of an output's. steps: of a run."""
    return {
        "y": g.writes(itemsize * channels),
        "w": b.constant(packed), "bias": b.constant(layout.pack_channels(bias, columns)),
        "height": g.lines, "pixels": g.pixels, "x_row": g.x_row, "x_pixel": g.x_pixel,
        "y_row": g.y_row, "y_pixel": g.y_pixel, "kernel_rows": g.kernel_rows, "kernel_row": g.kernel_row,
        "taps": g.taps, "kernel_tap": g.kernel_tap, "passes": g.passes, "steps": steps,
        "panel": packed[0].nbytes, "last_channel": max(0, channels - columns * layout.lanes),
    }  # fmt: skip
