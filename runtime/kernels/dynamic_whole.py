"""A tensor of float32 rounded to bytes over its whole range, as DynamicQuantizeLinear says."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..compiler.abi import Int, Ptr
from .elementwise import VECTORS
from .reduce import reducer

if TYPE_CHECKING:
    from ..simd.isa import Isa
    from ..simd.traced import Traced

STEPS, WHOLE = 255.0, 2.0**23


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
