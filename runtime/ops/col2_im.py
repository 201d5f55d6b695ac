"""Col2Im: the windows of an image added up where they overlap, back to the image."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .checks import NUMBERS, integer_vector, require_kind
from .registry import Context, Cost, Inferred, Op, register
from .window import Window, slide


def windows(image: Sequence[int], block: Sequence[int], attrs: dict[str, Sequence[int]]) -> Window:
    return slide(image, block, attrs["strides"], attrs["dilations"], attrs["pads"], "NOTSET")


def infer(ctx: Context) -> list[Inferred]:
    x = ctx.input(0)
    require_kind(ctx, x, NUMBERS)
    image, block = integer_vector(ctx, 1), integer_vector(ctx, 2)
    assert image is not None and block is not None
    try:
        window = windows(image, block, ctx.attrs)
    except ValueError as problem:
        raise ctx.error(str(problem)) from None
    each, count = math.prod(block), math.prod(window.output)
    if len(image) != len(block) or len(x.shape) != 3 or x.shape[1] % each or x.shape[2] != count:
        raise ctx.error(f"an input of shape {x.shape} is not {count} windows of {each} elements for each channel")
    return [((x.shape[0], x.shape[1] // each, *image), x.dtype)]


def col2_im(
    x: np.ndarray,
    image_shape: np.ndarray,
    block_shape: np.ndarray,
    *,
    dilations: Sequence[int] = (),
    pads: Sequence[int] = (),
    strides: Sequence[int] = (),
) -> np.ndarray:
    """x (N, C * elements of a block, windows) -> (N, C, *image_shape). What lies in the padding is dropped."""
    image, block = [int(n) for n in image_shape.reshape(-1)], [int(n) for n in block_shape.reshape(-1)]
    window = windows(image, block, {"strides": strides, "dilations": dilations, "pads": pads})
    parts = x.reshape(x.shape[0], -1, *block, *window.output)
    sizes = [n + before + after for n, before, after in zip(image, window.begin, window.end, strict=True)]
    padded = np.zeros((*parts.shape[:2], *sizes), x.dtype)
    whole = (slice(None), slice(None))
    for position in np.ndindex(*block):
        steps = tuple(
            slice(p * d, p * d + (o - 1) * s + 1, s)
            for p, d, o, s in zip(position, window.dilations, window.output, window.strides, strict=True)
        )
        padded[whole + steps] += parts[whole + position]
    inside = tuple(slice(before, before + n) for before, n in zip(window.begin, image, strict=True))
    return np.ascontiguousarray(padded[whole + inside])


def cost(ctx: Context) -> Cost:
    return Cost(4 * ctx.input(0).size, 16 * ctx.outputs[0].size)


register(Op("Col2Im", col2_im, infer, cost=cost))
