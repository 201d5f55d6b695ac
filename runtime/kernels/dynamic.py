"""Products of float32 rows with int8 weights on integer units: each row is rounded over its own range."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..compiler.abi import Float, Int, Ptr
from ..simd.tile_layout import LINE
from .elementwise import VECTORS
from .reduce import reducer

if TYPE_CHECKING:
    from ..simd.isa import Isa
    from ..simd.traced import Traced

STEPS, SMALLEST = 255.0, 2.0**-100


def round_rows(isa: Isa, y: str, widened: bool) -> Callable[..., None]:
    """ops/dynamic_mat_mul.rounded_rows of dense rows of n float32. A chunk is one row.

    y: bytes, "u8" (128 more) or "i8", y_row from row to row; widened: as int16, through the row of bytes in scratch
    memory at `narrow`. p: what is added to 0..255, the lowest and the highest byte. scale: what a step of each row is,
    zero: int32, of which number 0 is, as in memory; factor: a float32 for each row, used in between.
    """
    from ..simd.isa import floor, to_int
    from ..simd.row_step import Row
    from ..simd.traced import maximum, minimum, where

    def function(x: Traced, factor: Traced, zero: Traced) -> Traced:
        return (x * factor).rounded() + zero

    rows = [Row("f32"), Row("f32", True), Row("i32", True)]
    big_step, small_step = (isa.row_step(rows, y, function, 3, vectors) for vectors in (VECTORS, 1))
    prepare, big, little, partial = big_step.prepare, big_step.step, small_step.step, small_step.partial
    most, least = big_step.elements, small_step.elements
    lowest, highest, widen = reducer(isa, "min"), reducer(isa, "max"), isa.widen()
    splat, store = isa.splat("f32"), isa.store(1)
    larger, smaller = isa.function(lambda x, y: maximum(x, y), 2), isa.function(lambda x, y: minimum(x, y), 2)
    number = isa.function(lambda x: where(x.compare("==", x), x, 0.0))

    def kernel(
        start: Int, stop: Int, x: Ptr, y: Ptr, narrow: Ptr, scale: Ptr, factor: Ptr, zero: Ptr, p: Ptr, n: Int,
        y_row: Int,
    ) -> None:  # fmt: skip
        state, none = prepare(p), splat(0.0)
        for i in range(start, stop):
            source, by, offset = x + 4 * i * n, factor + 4 * i, zero + 4 * i
            low, high = smaller(splat(lowest(source, n, none)), none), larger(splat(highest(source, n, none)), none)
            span = larger(high - low, splat(SMALLEST))
            inverse = splat(STEPS) / span
            store(span / splat(STEPS) + (span - span), scale + 4 * i)
            store(inverse, by)
            store(to_int(floor(number((none - low) * inverse) + splat(0.5))), offset)
            to: int = y + i * y_row
            if widened:
                to = narrow
            at = 0
            while at + most <= n:
                big(state, source + 4 * at, by, offset, to + at)
                at = at + most
            if at < n:
                if n >= least:
                    while at < n:
                        last = min(at, n - least)
                        little(state, source + 4 * last, by, offset, to + last)
                        at = at + least
                else:
                    partial(state, source, by, offset, to, n)
            if widened:
                widen(narrow, y + i * y_row, n)

    return kernel


def product_rows(
    isa: Isa, rows: int, columns: int, tail: int | None, activation: str | None, ahead: int, widened: bool
) -> Callable[..., None]:
    """What `round_rows` made, times packed weights, times the scales of row and column, with a bias and a fused
    activation by up to two numbers. Loops, chunks and arguments are those of conv.py, of one tap.

    begin: what the sums of each column begin with, for bytes that are less than the numbers of the zeros. sums: of
    each column's weights. row_scale, row_zero: of the first line; scale_row: bytes from line to line.
    """
    from .functions import bind

    tile = isa.int8_tile(rows, columns, rows, ahead, widened)
    init, run, store = tile.init, tile.run, tile.store_real(tail, bind(activation), False)
    width, span, pace = columns * isa.lanes, tile.group_bytes, LINE * ahead

    def kernel(
        start: Int, stop: Int, x: Ptr, w: Ptr, begin: Ptr, scale: Ptr, bias: Ptr, sums: Ptr, row_scale: Ptr,
        row_zero: Ptr, y: Ptr,
        lines: Int, blocks: Int, pixels: Int, x_row: Int, x_pixel: Int, y_row: Int, y_pixel: Int, scale_row: Int,
        steps: Int, panel: Int, last_channel: Int, first_number: Float, second_number: Float,
    ) -> None:  # fmt: skip
        chunk: int = start
        while chunk < stop:
            group = chunk // lines
            first_line = chunk - group * lines
            last_line = min(lines, first_line + stop - chunk)
            chunk = chunk + last_line - first_line
            for block in range(group * blocks, group * blocks + blocks):
                weights, parameters = w + block * panel, block * width * 4
                first = y + min(block * width, last_channel) * 4
                ahead_line = 0
                for line in range(first_line, last_line):
                    done = 0
                    while done < pixels:
                        pixel = min(done, pixels - rows)
                        done = done + rows
                        ahead_line = ahead_line + pace if ahead_line + pace < span else 0
                        acc, _ = run(
                            init(begin + parameters), x + line * x_row + pixel * x_pixel, x_pixel, x_pixel, weights,
                            steps, panel + ahead_line,
                        )  # fmt: skip
                        place = line * scale_row + 4 * pixel
                        store(
                            acc, first + line * y_row + pixel * y_pixel, y_pixel, y_pixel, scale + parameters,
                            bias + parameters, sums + parameters, row_scale + place, row_zero + place,
                            first_number, second_number,
                        )  # fmt: skip

    return kernel
