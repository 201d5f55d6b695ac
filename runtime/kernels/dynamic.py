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

STEPS, SMALLEST, WHOLE = 255.0, 2.0**-100, 2.0**23


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


def find_range(isa: Isa) -> Callable[..., None]:
    """ops/dynamic_quantize_linear.py's scale and zero point of n float32. A single chunk.

    step: float32, then the zero point as int32, then what x is divided by, float32. zero: the zero point as a byte.
    """
    from ..simd.isa import to_int
    from ..simd.traced import maximum, minimum, where

    lowest, highest = reducer(isa, "min"), reducer(isa, "max")
    splat, store, load, put = isa.splat("f32"), isa.store(1), isa.scalar_load("i32"), isa.scalar_store("i8")
    larger, smaller = isa.function(lambda x, y: maximum(x, y), 2), isa.function(lambda x, y: minimum(x, y), 2)
    divisor = isa.function(lambda x: where(x.compare(">", 0.0), x, 1.0))
    # Sums of this size have no bits for a fraction.
    nearest = isa.function(lambda x: where(x.compare("==", x), x, 0.0) + WHOLE - WHOLE)

    def kernel(start: Int, stop: Int, x: Ptr, step: Ptr, zero: Ptr, n: Int) -> None:
        none, full = splat(0.0), splat(STEPS)
        low, high = smaller(splat(lowest(x, n, none)), none), larger(splat(highest(x, n, none)), none)
        scale = (high - low) / full
        by = divisor(scale)
        store(scale, step)
        store(to_int(smaller(nearest((none - low) / by), full)), step + 4)
        store(by, step + 8)
        put(load(step + 4), zero)

    return kernel


def round_lines(isa: Isa, y: str) -> Callable[..., None]:
    """Rows of `n` dense float32 rounded by what `find_range` found, each between borders of the zero point, as
    copy.fill_border's. A chunk is a row.

    y: bytes, "u8" or "i8" (128 less); or "f32": the real numbers that the bytes stand for. p: for bytes, what is added
    to 0..255, the lowest and the highest one; else as step.
    """
    from ..simd.row_step import Row
    from ..simd.traced import maximum, minimum

    def to_byte(x: Traced, by: Traced, zero: Traced) -> Traced:
        return (x / by).rounded() + zero

    def to_real(x: Traced, step: Traced, zero: Traced, by: Traced) -> Traced:
        first, steps = -zero.to_float(), (x / by.from_bits()).rounded().to_float()
        return minimum(maximum(steps, first), first + STEPS) * step.from_bits()

    real = y == "f32"
    operands = [Row("f32")] if real else [Row("f32"), Row("f32", True), Row("i32", True)]
    item, less, function = 4 if real else 1, 128 if y == "i8" else 0, to_real if real else to_byte
    big_step, small_step = (isa.row_step(operands, y, function, 3, vectors) for vectors in (VECTORS, 1))
    prepare, big, little, partial = big_step.prepare, big_step.step, small_step.step, small_step.partial
    most, least, fill = big_step.elements, small_step.elements, isa.fill()
    load, load_real = isa.scalar_load("i32"), isa.scalar_load("f32")

    def kernel(
        start: Int, stop: Int, x: Ptr, y: Ptr, step: Ptr, p: Ptr, n: Int, rows: Int, image: Int, row: Int, before: Int,
        gap: Int, after: Int,
    ) -> None:  # fmt: skip
        state, by, zero = prepare(p), step + 8, step + 4
        value: int = 0
        if not real:
            value = (load(zero) - less) & 255
        elif load_real(step) * 0.0 != 0.0:
            # What no step times such a step is: of these bytes a float32 is no number.
            value = 255
        for i in range(start, stop):
            number = i // rows
            line = i - number * rows
            source: int = x + 4 * i * n
            to: int = y + number * image + before + line * row
            if line == 0:
                fill(to - before, before, value)
            at = 0
            while at + most <= n:
                big(state, source + 4 * at, by, zero, to + item * at)
                at = at + most
            if at < n:
                if n >= least:
                    while at < n:
                        last = min(at, n - least)
                        little(state, source + 4 * last, by, zero, to + item * last)
                        at = at + least
                else:
                    partial(state, source, by, zero, to, n)
            if line == rows - 1:
                fill(to + item * n, after, value)
            else:
                fill(to + item * n, gap, value)

    return kernel
