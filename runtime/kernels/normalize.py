"""Normalization of float32: of contiguous rows, and of the pixels of each channel."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..compiler.abi import Float, Int, Ptr

if TYPE_CHECKING:
    from ..simd.isa import Isa
    from ..simd.traced import Traced


def lp_normalize(isa: Isa, p: int) -> Callable[..., None]:
    """Rows of n elements, one after the other, over their 1- or 2-norm, or over 1 where that is 0. A chunk is a row."""
    from ..simd.horizontal import store_first
    from ..simd.traced import where
    from .reduce import reducer

    def divisor(total: Traced) -> Traced:
        return where(total.compare("==", 0.0), 1.0, total.llvm("sqrt") if p == 2 else total)

    row, finish = reducer(isa, "sum_square" if p == 2 else "sum_abs"), isa.function(divisor)
    load, splat, store, width = isa.load("f32"), isa.splat("f32"), isa.store(), isa.lanes

    def kernel(start: Int, stop: Int, x: Ptr, y: Ptr, n: Int) -> None:
        for i in range(start, stop):
            source, target = x + 4 * n * i, y + 4 * n * i
            norm = finish(splat(row(source, n, splat(0.0))))
            for at in range(0, n, width):
                value = load(source + 4 * at) / norm
                if n - at >= width:
                    store(value, target + 4 * at)
                else:
                    store_first(value, target + 4 * at, n - at)

    return kernel


def layer_normalize(isa: Isa) -> Callable[..., None]:
    """Rows of n (count) elements, one after the other, to mean 0 and variance 1, times scale plus bias. A chunk is a
    row."""
    from ..simd.horizontal import store_first
    from ..simd.isa import sqrt
    from .reduce import reducer

    total, squares = reducer(isa, "sum"), reducer(isa, "sum_square", centred=True)
    load, splat, store, width = isa.load("f32"), isa.splat("f32"), isa.store(), isa.lanes

    def kernel(
        start: Int, stop: Int, x: Ptr, y: Ptr, scale: Ptr, bias: Ptr, n: Int, count: Float, epsilon: Float
    ) -> None:
        for i in range(start, stop):
            source, target = x + 4 * n * i, y + 4 * n * i
            mean = splat(total(source, n, splat(0.0))) / splat(count)
            variance = splat(squares(source, n, mean)) / splat(count)
            inverse = splat(1.0) / sqrt(variance + splat(epsilon))
            for at in range(0, n, width):
                value = (load(source + 4 * at) - mean) * inverse * load(scale + 4 * at) + load(bias + 4 * at)
                if n - at >= width:
                    store(value, target + 4 * at)
                else:
                    store_first(value, target + 4 * at, n - at)

    return kernel


def instance_normalize(isa: Isa, lanes: int) -> Callable[..., None]:
    """Each channel of each image to mean 0 and variance 1 over its pixels, times scale plus bias.

    A chunk is one block of `lanes` channels of one image of height x width (count) pixels; blocks: per image; pitches
    in bytes. last_channel: first channel of the last block.
    """
    from ..simd.isa import sqrt

    load, splat, store = isa.load("f32", lanes), isa.splat("f32", lanes), isa.store()

    def kernel(
        start: Int, stop: Int, x: Ptr, y: Ptr, scale: Ptr, bias: Ptr, blocks: Int, last_channel: Int, height: Int,
        width: Int, x_image: Int, x_row: Int, x_pixel: Int, y_image: Int, y_row: Int, y_pixel: Int, count: Float,
        epsilon: Float,
    ) -> None:  # fmt: skip
        for chunk in range(start, stop):
            image = chunk // blocks
            first = 4 * min((chunk - image * blocks) * lanes, last_channel)
            source, target = x + image * x_image + first, y + image * y_image + first
            # Line by line, so that long sums lose less to rounding.
            total = splat(0.0)
            for i in range(height):
                line = splat(0.0)
                for j in range(width):
                    line = line + load(source + i * x_row + j * x_pixel)
                total = total + line
            mean = total / splat(count)
            total = splat(0.0)
            for i in range(height):
                line = splat(0.0)
                for j in range(width):
                    centred = load(source + i * x_row + j * x_pixel) - mean
                    line = line + centred * centred
                total = total + line
            factor = load(scale + first) / sqrt(total / splat(count) + splat(epsilon))
            shift = load(bias + first)
            for i in range(height):
                for j in range(width):
                    value = (load(source + i * x_row + j * x_pixel) - mean) * factor + shift
                    store(value, target + i * y_row + j * y_pixel)

    return kernel
