"""Conv by 3x3 kernels onto kernels/winograd.py, where that is estimated to be faster than the direct kernel.

Integers are exact, and computed so where products are of int16, which hold what is transformed. Floats are as far from
the exact ones as the direct kernel's, or up to a few times as far. An infinity among the inputs of an output makes it
NaN where it would have been infinite; what is not finite reaches no other output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..kernels.winograd import winograd_f32, winograd_int8
from ..program.bounds import extent, int32
from ..program.builder import CHUNKS_PER_THREAD, SHARED_WORK, Builder
from ..program.view import Place, Start
from ..simd.tile_layout import finish_of
from .function_form import function_form
from .product import Geometry, lines_ahead
from .product_int8 import Requantization, int8_tile, started
from .tile_choice import choose_tile, product_cycles

GAIN = 1.1
"""How much faster it has to be by estimate."""
STRIP = 192 << 10
"""Bytes of transformed inputs and products of a strip, which the second cache holds beside weights."""
FEWEST = 8
"""Squares of a strip."""
SPARE = 128
"""Bytes of scratch memory behind transformed int16, for the last product of an odd number of channels."""
STREAM, HELD = 0.3, 256 << 10
"""Of a byte of weights of int8, beyond those that the second cache holds. Fitted to an AMD Zen 3 that reads 12 GB/s."""
_TO_WEIGHTS = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
SPREAD_CYCLES, GATHER_CYCLES = {"f32": 40, "i8": 48}, {"f32": 36, "i8": 60}
"""Of a vector of channels of one square (of int16 and int32, where those are 8 bits), in the unit of TileCost, where
loads and stores meet the first cache."""


@dataclass(frozen=True)
class Sizes:
    """height, width: of the outputs."""

    height: int
    width: int
    channels: int
    outputs: int

    @property
    def across(self) -> int:
        """Squares or pairs of a line."""
        return -(-self.width // 2)


@dataclass(frozen=True)
class Squares(Sizes):
    """element: "f32" or "i8". cycles: estimated, in the unit of TileCost."""

    element: str
    cycles: float = 0.0

    @property
    def total(self) -> int:
        return self.across * -(-self.height // 2)

    @property
    def strip(self) -> int:
        """Squares of a strip: evenly many in each."""
        transformed = 64 if self.element == "f32" else 32
        most = max(FEWEST, STRIP // (transformed * self.channels + 64 * self.outputs))
        return -(-self.total // -(-self.total // most))

    def shared_strip(self, b: Builder, rows: int, work: int) -> int:
        """Cut further for the threads, after the tile of so many rows was chosen."""
        if b.threads == 1 or work < SHARED_WORK:
            return self.strip
        enough = min(CHUNKS_PER_THREAD * b.threads, self.total // rows)
        return -(-self.total // max(enough, -(-self.total // self.strip)))


def squares_of(b: Builder, element: str, g: Geometry, kernel: tuple[int, int], w: np.ndarray) -> Squares | None:
    """None where the direct kernel serves. g: of one image, strides and dilations being 1. w: (O, 3, 3, C), integers
    being differences from their zero point."""
    found = Squares(g.lines, g.pixels, w.shape[-1], w.shape[0], element)
    layout = b.tile_layout(element)
    # Of float outputs, too, there is a vector at least: those of integers are stored with a tail.
    vector, fewest = (layout.lanes,) * 2 if element == "f32" else (2 * layout.lanes, 1)
    if kernel != (3, 3) or min(found.height, found.width) < 2 or found.channels < vector or found.outputs < fewest:
        return None
    if element == "f32" and np.array_equal(w, np.rint(w)):
        # Products of whole numbers, as of ConvInteger, stay exact in the direct kernel.
        return None
    if element == "i8" and (layout.dtype != np.int16 or not fits(w, 4)):
        return None
    strips = -(-found.total // found.strip)
    steps = layout.steps(found.channels)
    products = 16 * strips * product_cycles(b.target, element, 1, found.strip, found.outputs, steps)
    spread = -(-found.channels // vector) * SPREAD_CYCLES[element]
    gather = -(-found.outputs // layout.lanes) * GATHER_CYCLES[element]
    if element == "i8":
        products += STREAM * max(0, 32 * found.outputs * found.channels - HELD)
    cycles = products + strips * found.strip * (spread + gather)
    return replace(found, cycles=cycles) if direct_cycles(b, element, g, w) > GAIN * cycles else None


def direct_cycles(b: Builder, element: str, g: Geometry, w: np.ndarray) -> float:
    """What the direct kernel takes by estimate. Arguments as of `squares_of`."""
    outputs = w.shape[0]
    if element == "f32":
        return product_cycles(b.target, element, g.lines, g.pixels, outputs, g.kernel_rows * g.taps * g.run)
    tile = int8_tile(b, g, w.reshape(outputs, -1, g.run))
    return tile.cycles + STREAM * max(0, w.size * b.tile_layout(tile.element).dtype.itemsize - HELD)


def fits(w: np.ndarray, times: int) -> bool:
    """Whether so many times an output's sum of products of bytes fits int32."""
    return bool((np.abs(w.reshape(len(w), -1)).sum(1, dtype=np.int64) * times * 255 < 2**31).all())


def transformed(w: np.ndarray) -> np.ndarray:
    """(O, 3, 3, C) -> (16, O, C): G g G', computed in float64."""
    wide = np.einsum("ik,okjc->oijc", _TO_WEIGHTS, w.astype(np.float64))
    wide = np.einsum("jk,oikc->ijoc", _TO_WEIGHTS, wide)
    return wide.reshape(16, w.shape[0], w.shape[3])


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
    packed = np.stack([layout.pack(each[:, None], columns) for each in transformed(w).astype(np.float32)])
    offsets = np.zeros(s.outputs, np.float32) if bias is None else bias.astype(np.float32)
    form, width = function_form(activation, params), columns * layout.lanes
    constants = {
        "rows": rows, "columns": columns, "activation": form.function, "residual": residuals[0] is not None,
        "ahead": lines_ahead(b, layout, packed, packed[0, 0].nbytes, rows, columns, -(-s.strip // rows)),
    }  # fmt: skip
    weights, zeros, offset = b.constant(packed), b.constant(np.zeros(width, np.float32)), b.constant(offsets)
    work = s.height * s.width * w.size
    count = s.shared_strip(b, rows, work)
    v_bytes, m_bytes = max(64 * count * s.channels, 4 * s.outputs), 64 * count * max(s.outputs, width)
    for g, residual in zip(geometries, residuals, strict=True):
        other, other_row = residual or (g.y, g.y_row)
        read = extent((s.height, s.width), (other_row, g.y_pixel), 4 * s.outputs)
        b.call(
            winograd_f32, constants, -(-s.total // count), work=work, w=weights, zeros=zeros, bias=offset,
            other=other.touching(*read), other_row=other_row, v=b.scratch(v_bytes), m=b.scratch(m_bytes, v_bytes),
            outputs=s.outputs, **_arguments(s, g, count, packed, 4), **form.arguments(),
        )  # fmt: skip


def emit_winograd_int8(
    b: Builder,
    s: Squares,
    geometries: Sequence[Geometry],
    w: np.ndarray,
    bias: np.ndarray | None,
    x_zero_point: int,
    out: Requantization,
) -> None:
    """geometries: of each image, as of emit_int8. w: (O, 3, 3, C), differences from their zero point."""
    layout = b.tile_layout("i8")
    steps = layout.steps(s.channels)
    rows, columns, _ = choose_tile(b.target, "i8", 1, s.strip, s.outputs, steps)
    packed = np.stack([layout.pack(each[:, None], columns) for each in (4 * transformed(w)).astype(np.int16)])
    width, blocks = columns * layout.lanes, packed.shape[1]
    of_bytes, ends = requantizing(b, columns, w, bias, x_zero_point, out)
    constants = {
        "rows": rows, "columns": columns, **of_bytes,
        "ahead": lines_ahead(b, layout, packed, packed[0, 0].nbytes, rows, columns, -(-s.strip // rows)),
    }  # fmt: skip
    weights, zeros = b.constant(packed), b.constant(np.zeros(width, np.int32))
    work = s.height * s.width * w.size // 4
    count = s.shared_strip(b, rows, work)
    v_bytes, m_bytes = 32 * count * s.channels + SPARE, 64 * count * blocks * width
    for g in geometries:
        b.call(
            winograd_int8, constants, -(-s.total // count), work=work, w=weights, zeros=zeros, v=b.scratch(v_bytes),
            m=b.scratch(m_bytes, v_bytes), steps=steps, **ends, **_arguments(s, g, count, packed, 1),
        )  # fmt: skip


def requantizing(
    b: Builder, columns: int, w: np.ndarray, bias: np.ndarray | None, x_zero_point: int, out: Requantization
) -> tuple[dict[str, Any], dict[str, Place | int]]:
    """Constants and arguments by which a kernel makes bytes of its sums. columns: of its tile. w: (O, ...)."""
    layout, outputs = b.tile_layout("i8"), len(w)
    width = columns * layout.lanes
    zero_point, low, high = out.zero_point + 128, out.low + 128, out.high + 128
    offset = layout.pack_channels(int32("a bias", started(w, bias, x_zero_point + 128)), columns)
    scale = layout.pack_channels(out.scale.astype(np.float32), columns)
    constants = {
        "tail": outputs if outputs < width else None, "finish": finish_of(zero_point, low, high, True)
    }  # fmt: skip
    return constants, {
        "bias": b.constant(offset), "scale": b.constant(scale), "last_channel": max(0, outputs - width),
        "zero_point": zero_point, "low": low, "high": high,
    }  # fmt: skip


def image_arguments(s: Sizes, g: Geometry, item: int) -> dict[str, Place | int]:
    """An image and its outputs. item: bytes of an input's element and of an output's."""
    return {
        "x": g.x.touching(*extent((s.height + 2, s.width + 2), (g.x_row, g.x_pixel), item * s.channels)),
        "y": g.y.touching(*extent((s.height, s.width), (g.y_row, g.y_pixel), item * s.outputs)),
        "height": s.height, "width": s.width, "channels": s.channels,
        "x_row": g.x_row, "x_pixel": g.x_pixel, "y_row": g.y_row, "y_pixel": g.y_pixel,
    }  # fmt: skip


def _arguments(s: Squares, g: Geometry, count: int, packed: np.ndarray, item: int) -> dict[str, Place | int]:
    return {
        "squares": s.total, "across": s.across, "count": count, "blocks": packed.shape[1], "panel": packed[0, 0].nbytes,
        **image_arguments(s, g, item),
    }  # fmt: skip
