"""Lowering of what sums up or compares the elements of windows, onto kernels/pool.py: pools and reductions."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from ..kernels.pool import pool
from ..ops.window import Window
from ..program.bounds import int32
from ..program.builder import Builder
from ..program.view import Place, View
from .chunking import blocks_of_a_chunk
from .function_form import function_form

SHORT_SUM = 256
GROUP, WINDOW = 8, 16
"""Elements of a row, and of a whole window, that are read at once."""
VECTORS = 4
SEPARATE = 1.5
"""How many times fewer elements two passes must read than one, to be worth the temporary between them."""
EXACT_COUNT = 1 << 14
"""Elements from which on PoolTile.store_average is not exact."""
REACH = 1 << 30
"""What scaled totals must stay below, to be int32."""


class Table(msgspec.Struct, frozen=True):
    """The windows along one axis, one row per output: byte offset into x, byte offset into y, elements of the window
    inside x, elements that a mean counts. tap: bytes between a window's elements."""

    entries: np.ndarray
    tap: int

    @property
    def widest(self) -> int:
        return int(self.entries[:, 2].max())

    @property
    def reads(self) -> tuple[int, int]:
        """The least and the greatest byte offset into x of an element in a window; (0, 0) where there is none."""
        begin, count = self.entries[self.entries[:, 2] > 0][:, [0, 2]].T
        last = begin + (count - 1) * self.tap
        return (int(min(begin.min(), last.min())), int(max(begin.max(), last.max()))) if begin.size else (0, 0)

    @property
    def writes(self) -> tuple[int, int]:
        """The least and the greatest byte offset into y."""
        return int(self.entries[:, 1].min()), int(self.entries[:, 1].max())


class Reduction(msgspec.Struct, frozen=True):
    """What is done to the elements of each window; see kernels/pool.py. Integers are those of int8, never flipped."""

    operation: str
    epilogue: str
    activation: str | None = None
    params: tuple[float, ...] = ()
    bias: int = 0
    pad_bias: int = 0
    ratio: float = 1.0
    offset: float = 0.0
    zero_point: int = 0
    low: int = -128
    high: int = 127
    divided: bool = True


def single(x_pitch: int = 0, y_pitch: int = 0, count: int = 1) -> Table:
    """`count` windows of one element each."""
    steps = np.arange(count)
    return Table(np.stack([steps * x_pitch, steps * y_pitch, steps * 0 + 1, steps * 0 + 1], 1), 0)


def whole(count: int, pitch: int) -> Table:
    """One window of `count` elements."""
    return Table(np.array([[0, 0, count, count]]), pitch)


def sliding(window: Window, axis: int, size: int, pitches: tuple[int, int], include_pad: bool) -> Table:
    """The windows of a pool along one spatial axis of `size` elements; pitches: of x and y."""
    kernel, stride, dilation = window.kernel[axis], window.strides[axis], window.dilations[axis]
    outputs = np.arange(window.output[axis])
    start = outputs * stride - window.begin[axis]

    def taps_below(limit: int) -> np.ndarray:
        return np.clip(-((start - limit) // dilation), 0, kernel)

    skipped, within = taps_below(0), taps_below(size)
    inside = np.maximum(within - skipped, 0)
    count = taps_below(size + window.given_end[axis]) if include_pad else inside
    first = np.clip(start + skipped * dilation, 0, size - 1)
    return Table(np.stack([first * pitches[0], outputs * pitches[1], inside, count], 1), dilation * pitches[0])


def counted(window: Window, spatial: Sequence[int], include_pad: bool) -> bool:
    """Whether every window counts at least one element."""
    tables = [sliding(window, axis, size, (0, 0), include_pad) for axis, size in enumerate(spatial)]
    return all(bool((table.entries[:, 3] > 0).all()) for table in tables)


def repeated(table: Table, images: int, x_image: int, y_image: int) -> Table:
    """The table of one image for each of several."""
    if images == 1:
        return table
    shift = np.arange(images)[:, None, None] * np.array([x_image, y_image, 0, 0])
    return Table((table.entries[None] + shift).reshape(-1, 4), table.tap)


def channel_vectors(channels: int, widest: int, few: bool = False) -> tuple[int, tuple[int, ...], int]:
    """How a line of channels is covered: lanes of a vector (a power of two, at most widest), first channels of a
    block's vectors, blocks. The last block and, in a single block, the last vector may overlap the one before. few:
    whether few ways are to serve any number of channels."""
    lanes = min(widest, 1 << (channels.bit_length() - 1))
    if few:
        columns = min(VECTORS, 1 << ((channels // lanes).bit_length() - 1))
        return lanes, tuple(v * lanes for v in range(columns)), -(-channels // (columns * lanes))
    vectors = -(-channels // lanes)
    if vectors <= VECTORS:
        return lanes, tuple(min(v * lanes, channels - lanes) for v in range(vectors)), 1
    blocks = -(-vectors // VECTORS)
    columns = min(-(-vectors // blocks), channels // lanes)
    return lanes, tuple(v * lanes for v in range(columns)), -(-channels // (columns * lanes))


def emit(b: Builder, x: View, y: View, channels: int, rows: Table, columns: Table, r: Reduction) -> None:
    """Appends the call. x and y: of one element type and form (flipped or not); offsets count from their first."""
    rows, columns = _joined(rows, columns)
    element = "f32" if x.dtype == np.float32 else "u8" if x.flipped or x.dtype == np.uint8 else "i8"
    lanes, offsets, blocks = channel_vectors(channels, _widest(b, element, r.operation), b.tiles.few)
    long = element != "f32" and r.operation == "sum" and rows.widest * columns.widest > SHORT_SUM
    width = offsets[-1] + lanes
    # Sums of floats depend on how many are added at once.
    few = b.tiles.few and (element != "f32" or r.operation in ("max", "min"))
    flip, form = 128 if x.flipped else 0, function_form(r.activation, r.params)
    constants = {
        "element": element, "operation": r.operation, "lanes": lanes, "offsets": offsets, "epilogue": r.epilogue,
        **_at_once(rows, columns, few), "long": long, "activation": form.function,
    }  # fmt: skip
    lines = len(rows.entries)
    together = blocks_of_a_chunk(b, lines, blocks)
    pixel = channels * x.itemsize
    b.call(
        pool, constants, blocks // together * lines, work=_work(rows, columns, channels),
        x=x.start().touching(*_both(rows.reads, columns.reads, pixel)),
        y=y.start().touching(*_both(rows.writes, columns.writes, pixel)),
        rows=_constant(b, rows), columns=_constant(b, columns),
        lines=lines, blocks=together, pixels=len(columns.entries), tap_row=rows.tap, tap=columns.tap,
        last_channel=channels - width,
        bias=r.bias - flip, pad_bias=r.pad_bias, ratio=r.ratio, offset=r.offset,
        zero_point=r.zero_point + flip, low=r.low + flip, high=r.high + flip, **form.arguments(),
    )  # fmt: skip


def _both(rows: tuple[int, int], columns: tuple[int, int], pixel: int) -> tuple[int, int]:
    """The bytes touched, from the least and greatest offsets along each axis and the bytes of a pixel."""
    return rows[0] + columns[0], rows[1] + columns[1] + pixel


def _constant(b: Builder, table: Table) -> Place:
    return b.constant(int32("an offset or a count of a window", table.entries))


def separable(rows: Table, columns: Table, height: int) -> bool:
    """Whether windows of rows x columns are read in two passes, first along the lines of `height` rows."""
    tall, wide, lines = rows.widest, columns.widest, len(rows.entries)
    return lines * tall * wide > SEPARATE * (height * wide + lines * tall)


def _joined(rows: Table, columns: Table) -> tuple[Table, Table]:
    """One long row of elements where a window's rows follow each other in memory and one column is left."""
    tall = rows.widest
    if len(columns.entries) > 1 or columns.widest * columns.tap != rows.tap or (rows.entries[:, 2] != tall).any():
        return rows, columns
    lines, one = rows.entries.copy(), columns.entries.copy()
    lines[:, 2], one[:, 2] = 1, tall * columns.widest
    return Table(lines, 0), Table(one, columns.tap)


def _widest(b: Builder, element: str, operation: str) -> int:
    """Lanes of a whole vector of accumulators."""
    size = 4 if element == "f32" else 2 if operation == "sum" else 1
    return b.target.vector_bytes // size


def _at_once(rows: Table, columns: Table, few: bool) -> dict[str, int]:
    """The window that is read at once: all of it, or so many elements of a row that few are left; or as many of any."""
    tall, wide = max(rows.widest, 1), max(columns.widest, 1)
    if few:
        return {"window_rows": 1, "window_taps": GROUP // 2}
    if tall * wide <= WINDOW:
        return {"window_rows": tall, "window_taps": wide}
    taps = wide if wide <= GROUP else next((n for n in range(GROUP, 2, -1) if wide % n == 0), GROUP // 2)
    return {"window_rows": 1, "window_taps": taps}


def _work(rows: Table, columns: Table, channels: int) -> int:
    return int(rows.entries[:, 2].sum()) * int(columns.entries[:, 2].sum()) * channels // 4
