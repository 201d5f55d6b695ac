"""Depthwise Conv (one input channel per group) onto kernels/depthwise.py."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np

from ..compiler.abi import Kernel
from ..kernels.depthwise import depthwise_f32, depthwise_int8, depthwise_scan_int8
from ..ops import integer
from ..ops.quantized_node import Product
from ..ops.registry import Context
from ..ops.window import window_of
from ..program.bounds import extent, int32
from ..program.builder import NOTHING, Builder
from ..program.overlap import lead_of
from ..program.program import Lines
from ..program.view import Border, Place, View
from ..simd.depthwise_layout import DepthwiseLayout
from ..simd.tile_layout import finish_of
from .chunking import blocks_of_a_chunk
from .function_form import function_form
from .product_int8 import byte_parts, fits_int8, int8_product

PIXELS_F32 = 8
LONGEST_ROW = 32
"""Taps of a kernel row, which are unrolled: the shorter axis of larger kernels is."""
WIDEST_TILE = 64
"""Taps that the outputs of a float tile read along a row."""
WIDEST_STRIDE = 32
"""From one output of an int8 tile to the next."""
ACCUMULATORS = 8
FEW_ACCUMULATORS = 4
"""Of a tile, or of each of three that are alive together, where 16 registers hold the transposed pixels, too."""
SINGLE_ACCUMULATORS = 6
"""Of each of three tiles that are alive together, where single products are added."""
BANDS_PER_THREAD, LEAST_BAND = 2, 3
"""A band is rows of outputs that a thread walks down; two more rows of inputs are read."""
BAND = 128 << 10
"""Bytes of inputs and outputs of a band, which the second cache holds while block after block goes over them."""
TILE_OVERHEAD = 0.5
"""Of a tile of int8 outputs, in outputs."""


def lower(ctx: Context, b: Builder, wanted: tuple[Border, int] | None) -> bool:
    """Whether the node was lowered; the caller has seen that it is depthwise, of rank 3 or 4, with constant weights."""
    w, bias = ctx.input(1), ctx.optional(2)
    assert w.data is not None
    product = int8_product(ctx, outputs=0)
    if ctx.optional(3) is not None:
        return False
    if product is None and ctx.input(0).dtype != np.float32:
        return False
    taps = taps_of(w.data if product is None else integer.centred(w.data, product.w, np.int32))
    if taps is None:
        return False
    bias_data = None if bias is None else bias.data
    if product is not None and not fits_int8(taps, bias_data, product.scale):
        return False
    x = b.input(0, border=wanted[0] if wanted else None, fill=wanted[1] if wanted else 0)
    x = repeated(ctx, b, x)
    if product is None:
        lower_f32(ctx, b, x, taps, bias_data)
    else:
        _lower_int8(ctx, b, x, taps, bias_data, product)
    return True


def taps_of(w: np.ndarray) -> np.ndarray | None:
    """(O, *kernel, 1) -> (O, height, width); None where that is too many."""
    taps = w.reshape(w.shape[0], *(w.shape[1:-1] if w.ndim == 4 else (1, w.shape[1])))
    return None if min(taps.shape[1:]) > LONGEST_ROW else taps


def repeated(ctx: Context, b: Builder, x: View) -> View:
    """With as many channels as there are outputs."""
    outputs, group = ctx.input(1).shape[0], ctx.attrs["group"]
    return x if outputs == group else _repeat_channels(b, x, outputs // group)


def _repeat_channels(b: Builder, x: View, times: int) -> View:
    """(..., C) -> (..., C * times), every channel repeated in place; the border is repeated with the elements."""
    border = x.border
    shape = (*x.shape[:-1], x.shape[-1] * times)
    wide = b.bordered(shape, x.dtype, border, x.fill, x.flipped) if border else b.temporary(shape, x.dtype, x.flipped)
    item = x.itemsize
    source = x.part((*x.shape, times), (*x.strides, 0))
    target = wide.part((*x.shape, times), (*wide.strides[:-1], item * times, item))
    b.copy(source, target)
    return wide


class _Scan:
    """How the outputs are walked: along the longer axis of the kernel, so that its rows are long."""

    def __init__(self, ctx: Context, x: View, y: View, kernel: tuple[int, int]) -> None:
        window = window_of(ctx, ctx.input(1).shape[1:-1])
        two = len(window.kernel) == 2
        strides = window.strides if two else (1, *window.strides)
        dilations = window.dilations if two else (1, *window.dilations)
        begin = window.begin if two else (0, *window.begin)
        _, x_row, x_pixel = x.pitches()
        _, y_row, y_pixel = y.pitches()
        _, height, width, _ = y.channels_last()
        self.offset = -begin[0] * x_row - begin[1] * x_pixel
        axes = [
            (height, strides[0], dilations[0], x_row, y_row, kernel[0]),
            (width, strides[1], dilations[1], x_pixel, y_pixel, kernel[1]),
        ]
        # Outputs are computed in pairs and more: along a square kernel's axis that wastes fewer.
        wasteful = kernel[0] == kernel[1] and strides[0] == strides[1] and width % 2 > height % 2 and width < height
        self.swapped = kernel[0] > kernel[1] or wasteful
        if max(kernel) > LONGEST_ROW:
            self.swapped = kernel[0] < kernel[1]
        if self.swapped:
            axes.reverse()
        (self.lines, self.line_stride, self.line_dilation, x_line, self.y_line, self.kernel_rows) = axes[0]
        (self.pixels, self.stride, self.dilation, x_step, self.y_pixel, self.kernel) = axes[1]
        self.x_line = x_line * self.line_stride
        self.kernel_row = x_line * self.line_dilation
        self.x_pixel = x_step * self.stride
        self.x_tap = x_step * self.dilation
        self.adjacent = x_step
        self.joined = 1

    def rows(self, taps: np.ndarray) -> np.ndarray:
        """(channels, height, width) -> (kernel rows, kernel, channels)."""
        return taps.transpose(2, 1, 0) if self.swapped else taps.transpose(1, 2, 0)

    @property
    def scanned(self) -> bool:
        """Whether the kernel that walks down strips of outputs serves."""
        return (self.kernel_rows, self.line_stride, self.line_dilation, self.dilation) == (3, 1, 1, 1)

    def join(self, count: int) -> None:
        """Takes `count` neighbouring outputs as channels of one."""
        self.joined = count
        self.kernel += (count - 1) * self.stride
        self.stride *= count
        self.pixels //= count
        self.x_pixel *= count
        self.y_pixel *= count

    def places(self, x: View, y: View, image: int) -> dict[str, Place]:
        """Where the taps of one image's outputs are read, and the outputs written."""
        counts = self.lines, self.pixels, self.kernel_rows, self.kernel
        taps = extent(counts, (self.x_line, self.x_pixel, self.kernel_row, self.x_tap), x.shape[-1] * x.itemsize)
        outputs = extent((self.lines, self.pixels), (self.y_line, self.y_pixel), self.joined * y.shape[-1] * y.itemsize)
        return {
            "x": x.start(image).shifted(self.offset).touching(*taps),
            "y": y.start(image).touching(*outputs),
        }  # fmt: skip

    def by_lines(self, chunks: int, counted: tuple[str, ...] = ("lines",)) -> Lines:
        return Lines(self.lines, {"x": self.x_line, "y": self.y_line}, counted, chunks)

    def leads(self, places: Mapping[str, Place], band: int | None) -> dict[str, int | None]:
        """band: rows of outputs that are done before the next ones are looked at; None where there is no such order."""
        if band is None:
            return {}
        return {"x": lead_of(places["x"], places["y"], self.lines, self.x_line, self.y_line, band)}

    def band(self, x: View, y: View) -> int:
        """Rows of outputs that all blocks go over before the next ones."""
        bytes_ = sum(view.itemsize * prod(view.shape) for view in (x, y)) // x.shape[0]
        return max(1, min(self.lines, BAND * self.lines // bytes_))

    def arguments(self) -> dict[str, int]:
        return {
            "lines": self.lines, "pixels": self.pixels,
            "x_row": self.x_line, "x_pixel": self.x_pixel, "x_tap": self.x_tap,
            "y_row": self.y_line, "y_pixel": self.y_pixel,
            "kernel_rows": self.kernel_rows, "kernel_row": self.kernel_row,
        }  # fmt: skip


def lower_f32(ctx: Context, b: Builder, x: View, taps: np.ndarray, bias: np.ndarray | None) -> None:
    """x: with the border that is wanted and as many channels as taps. taps: as of taps_of."""
    y = b.output()
    channels = taps.shape[0]
    scan = _Scan(ctx, x, y, (taps.shape[1], taps.shape[2]))
    lanes = b.tile_layout("f32").lanes
    while lanes > channels:
        lanes //= 2
    most = min(PIXELS_F32, 1 + (WIDEST_TILE - scan.kernel) // scan.stride)
    count = 1 if scan.dilation > 1 else _even(scan.pixels, most, b.tiles.few)
    starts = [*range(0, channels - lanes, lanes), channels - lanes]
    weights = np.stack([scan.rows(taps)[..., s : s + lanes] for s in starts]).astype(np.float32)
    bias = np.zeros(channels, np.float32) if bias is None else bias.astype(np.float32)
    form = function_form(ctx.attrs["activation"], ctx.attrs["activation_params"])
    constants = {
        "lanes": lanes, "kernel": scan.kernel, "stride": 1 if count == 1 else scan.stride, "count": count,
        "activation": form.function,
    }  # fmt: skip
    w, packed_bias = b.constant(weights), b.constant(np.stack([bias[s : s + lanes] for s in starts]))
    together = blocks_of_a_chunk(b, scan.lines, len(starts))
    band = scan.band(x, y)
    at_once = None if together < len(starts) else 1 if together == 1 else band
    for image in range(x.shape[0]):
        places = scan.places(x, y, image)
        b.call(
            depthwise_f32, constants, len(starts) // together * scan.lines, NOTHING,
            scan.by_lines(len(starts) // together), scan.leads(places, at_once),
            work=ctx.outputs[0].size * taps[0].size // x.shape[0], band=band,
            w=w, bias=packed_bias, last_channel=channels - lanes, blocks=together,
            **places, **scan.arguments(), **form.arguments(),
        )  # fmt: skip


def _lower_int8(ctx: Context, b: Builder, x: View, taps: np.ndarray, bias: np.ndarray | None, product: Product) -> None:
    y = b.output()
    channels = taps.shape[0]
    scan = _Scan(ctx, x, y, (taps.shape[1], taps.shape[2]))
    flip = 128 if b.target.family == "x86" else 0
    rows = scan.rows(taps)
    joined = _joined(b, scan, channels)
    total = np.zeros(channels, np.int64) if bias is None else bias.astype(np.int64)
    start = total - (int(product.x.zero_point[0]) + flip) * taps.sum((1, 2), dtype=np.int64)
    scale = np.broadcast_to(product.scale, channels).astype(np.float32)
    low, high = product.low + flip, product.high + flip
    if joined > 1:
        rows = _side_by_side(rows, joined, scan.stride)
        start, scale, channels = np.tile(start, joined), np.tile(scale, joined), channels * joined
        scan.join(joined)
    constants, layout = _tile(b, scan, channels, joined)
    constants["finish"] = finish_of(int(product.y.zero_point[0]) + flip, low, high, flip > 0)
    if scan.scanned:
        rows = rows[::-1]
    parts = byte_parts(rows) if layout.dtype == np.int8 else [rows]
    constants["parts"] = len(parts)
    packed = layout.pack(np.stack(parts, 1).reshape(-1, *rows.shape[1:]))
    shared: dict[str, Place | int] = {
        "w": b.constant(packed),
        "bias": b.constant(layout.pack_channels(int32("a bias", start))),
        "scale": b.constant(layout.pack_channels(scale)),
        "panel": packed[0].nbytes, "last_channel": channels - layout.width,
        "zero_point": int(product.y.zero_point[0]) + flip, "low": low, "high": high,
    }  # fmt: skip
    kernel: Kernel = depthwise_int8
    arguments, lines = scan.arguments() | {"band": scan.band(x, y)}, scan.lines
    if scan.scanned:
        strips = -(-scan.pixels // (layout.pixels * int(constants["repeat"])))
        bands = 1 if b.threads == 1 else max(1, min(BANDS_PER_THREAD * b.threads, scan.lines // LEAST_BAND))
        band = -(-scan.lines // bands)
        bands = -(-scan.lines // band)
        arguments |= {"rows": scan.lines, "lines": band, "strips": strips, "bands": bands}
        del arguments["kernel_rows"], arguments["kernel_row"], arguments["band"], constants["dilation"]
        kernel, lines = depthwise_scan_int8, bands
    together = blocks_of_a_chunk(b, lines, len(packed))
    by_lines: Lines | None = scan.by_lines(len(packed) // together)
    if scan.scanned:
        by_lines = scan.by_lines(0, ("rows", "lines")) if lines == 1 else None
    at_once = None if scan.scanned or together < len(packed) else 1 if together == 1 else scan.band(x, y)
    for image in range(x.shape[0]):
        places = scan.places(x, y, image)
        work = ctx.outputs[0].size * taps[0].size // x.shape[0]
        b.call(
            kernel, constants, len(packed) // together * lines, NOTHING, by_lines, scan.leads(places, at_once),
            work=work, blocks=together, **places, **shared, **arguments,
        )  # fmt: skip


def _joined(b: Builder, scan: _Scan, channels: int) -> int:
    """How many neighbouring outputs fill a vector that one's channels do not."""
    count = b.tile_layout("i8").lanes // channels
    dense = scan.adjacent == channels == scan.y_pixel and scan.dilation == 1
    fits = b.target.vnni and count * channels == b.tile_layout("i8").lanes and channels >= 4
    return count if count > 1 and dense and fits and scan.pixels % count == 0 else 1


def _side_by_side(rows: np.ndarray, count: int, stride: int) -> np.ndarray:
    """(kernel rows, kernel, channels) -> (kernel rows, wider kernel, count * channels), shifted by the stride."""
    height, kernel, channels = rows.shape
    wide = np.zeros((height, kernel + (count - 1) * stride, count, channels), rows.dtype)
    for i in range(count):
        wide[:, i * stride : i * stride + kernel, i] = rows
    return wide.reshape(height, -1, count * channels)


def _tile(b: Builder, scan: _Scan, channels: int, joined: int) -> tuple[dict[str, int | bool | str], DepthwiseLayout]:
    """The constants that choose the tile, without `finish`, and its layout."""
    narrow = joined > 1
    layout = DepthwiseLayout.of(b.target, channels, scan.kernel, scan.stride, scan.dilation, narrow)
    if layout.pixels > scan.pixels:
        narrow = True
        layout = DepthwiseLayout.of(b.target, channels, scan.kernel, scan.stride, scan.dilation, narrow)
    while layout.pixels * layout.columns > _widest(b, scan, layout):
        layout = DepthwiseLayout.of(b.target, layout.width // 2, scan.kernel, scan.stride, scan.dilation, narrow)
    repeat = 1
    if scan.dilation == 1 and scan.stride <= WIDEST_STRIDE:
        room = _room(b, scan, layout)
        most = max(1, min(room // (layout.pixels * layout.columns), scan.pixels // layout.pixels))
        repeat = min(range(1, most + 1), key=lambda n: _cost(scan.pixels, n * layout.pixels))
    dense = scan.adjacent * joined == layout.width and scan.dilation == 1
    # Of a tile of one output the stride is of no concern, of dilations only whether there is one.
    alone = repeat * layout.pixels == 1
    constants: dict[str, int | bool | str] = {
        "channels": layout.width, "kernel": scan.kernel, "stride": 1 if alone else scan.stride,
        "dilation": min(scan.dilation, 2), "narrow": narrow or alone, "repeat": repeat, "dense": dense,
        "joined": joined,
    }  # fmt: skip
    return constants, layout


def _few(b: Builder) -> bool:
    return b.target.vnni and b.target.vector_registers == 16


def _widest(b: Builder, scan: _Scan, layout: DepthwiseLayout) -> int:
    """Accumulators of the least tile of a block; wider blocks are divided."""
    if _few(b):
        return FEW_ACCUMULATORS * (1 if scan.scanned else 2)
    narrow = scan.scanned and (layout.depth == 1 or b.target.in_order)
    return 2 * layout.pixels if narrow else layout.pixels * layout.columns


def _room(b: Builder, scan: _Scan, layout: DepthwiseLayout) -> int:
    """Accumulators of a tile, three of which are alive in a scan; transposing narrow blocks takes registers of its
    own."""
    if _few(b):
        return FEW_ACCUMULATORS // 2 if scan.scanned and layout.columns == 1 else FEW_ACCUMULATORS
    if scan.scanned and layout.depth == 1:
        return SINGLE_ACCUMULATORS
    if scan.scanned:
        return ACCUMULATORS // 2 if layout.columns == 2 else ACCUMULATORS
    return ACCUMULATORS if b.target.vector_registers == 16 else 2 * ACCUMULATORS


def _cost(pixels: int, tile: int) -> float:
    """Relative time of a row of outputs in tiles that may overlap."""
    return -(-pixels // tile) * (tile + TILE_OVERHEAD)


def _even(total: int, most: int, few: bool) -> int:
    """The size of equal parts, at most `most`, that cover the total with the least overlap; or few of which serve any
    total."""
    most = min(total, most)
    if few:
        return 1 << (most.bit_length() - 1)
    parts = -(-total // most)
    return -(-total // parts)
