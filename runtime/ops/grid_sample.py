"""GridSample: an image at any places, channels-last, interpolated from the pixels around each."""

from __future__ import annotations

from itertools import product

import numpy as np

from .checks import FLOATS, require_kind
from .registry import Context, Cost, Inferred, Op, register

MODES = {"nearest": 1, "linear": 2, "cubic": 4}
"""How many pixels along each axis a place looks at."""
PADDINGS = ("zeros", "border", "reflection")
CUBIC = -0.75
"""a of Keys, Cubic convolution interpolation (1981), as PyTorch and ONNX have it."""


def infer(ctx: Context) -> list[Inferred]:
    x, grid = ctx.input(0), ctx.input(1)
    require_kind(ctx, grid, FLOATS)
    rank = len(x.shape) - 2
    if rank < 1 or len(grid.shape) != rank + 2 or grid.shape[0] != x.shape[0] or grid.shape[-1] != rank:
        raise ctx.error(f"a grid of shape {grid.shape} does not fit an image of shape {x.shape}")
    for name, known in (("mode", tuple(MODES)), ("padding_mode", PADDINGS)):
        if ctx.attrs[name] not in known:
            raise ctx.error(f"{name} '{ctx.attrs[name]}' is none of {', '.join(known)}")
    if 0 in x.shape[1:-1] and 0 not in grid.shape[:-1]:
        raise ctx.error(f"an image of shape {x.shape} has no pixels")
    return [((*grid.shape[:-1], x.shape[-1]), x.dtype)]


def grid_sample(
    x: np.ndarray,
    grid: np.ndarray,
    *,
    align_corners: int = 0,
    mode: str = "linear",
    padding_mode: str = "zeros",
) -> np.ndarray:
    """x (N, *spatial, C), grid (N, *output, rank): places in -1..1, the last axis of the image first; with
    align_corners -1 and 1 are the centres of the outermost pixels, else the image's edges."""
    sizes, wide = x.shape[1:-1], np.result_type(grid.dtype, np.float32)
    taps = []
    for axis, size in enumerate(sizes):
        at = grid[..., len(sizes) - 1 - axis].astype(wide)
        low, high = (0.0, size - 1.0) if align_corners else (-0.5, size - 0.5)
        at = (at + 1) / 2 * (size - 1) if align_corners else ((at + 1) * size - 1) / 2
        if mode == "nearest":
            at = np.rint(at)
        # As in PyTorch, whose cubic looks at pixels around places outside.
        if mode != "cubic" or padding_mode == "reflection":
            at = np.where((at < low) | (at > high), _inside(at, low, high, size, padding_mode), at)
        taps.append([(_pixel(place, low, high, size, padding_mode), weight) for place, weight in _around(at, mode)])
    found = np.zeros((*grid.shape[:-1], x.shape[-1]), np.result_type(x.dtype, wide) if x.dtype.kind == "f" else x.dtype)
    batch = np.arange(x.shape[0]).reshape(-1, *[1] * len(sizes))
    for chosen in product(*taps):
        weight: np.ndarray | float = 1.0
        places = [batch]
        for (place, there), factor in chosen:
            places.append(place)
            weight = weight * np.where(there, factor, 0)
        found += (x[tuple(places)] * np.asarray(weight)[..., None]).astype(found.dtype, copy=False)
    return found.astype(x.dtype, copy=False)


def _around(at: np.ndarray, mode: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Whole places next to each, and their weights."""
    if mode == "nearest":
        return [(at, np.ones_like(at))]
    first = np.floor(at)
    t = at - first
    if mode == "linear":
        return [(first, 1 - t), (first + 1, t)]
    near = [((CUBIC + 2) * s - (CUBIC + 3)) * s * s + 1 for s in (t, 1 - t)]
    far = [((CUBIC * s - 5 * CUBIC) * s + 8 * CUBIC) * s - 4 * CUBIC for s in (t + 1, 2 - t)]
    return [(first - 1, far[0]), (first, near[0]), (first + 1, near[1]), (first + 2, far[1])]


def _inside(at: np.ndarray, low: float, high: float, size: int, padding_mode: str) -> np.ndarray:
    """Places outside of the image moved to its border, or reflected there until they lie inside."""
    if padding_mode == "border":
        return np.clip(at, 0, size - 1)
    if padding_mode == "zeros" or high == low:
        return at if padding_mode == "zeros" else np.zeros_like(at)
    span = high - low
    beyond = np.where(at < low, low - at, at - high)
    turns = np.floor(beyond / span)
    rest = beyond - turns * span
    from_low = (at < low) == (turns % 2 == 0)
    return np.where(from_low, low + rest, high - rest)


def _pixel(place: np.ndarray, low: float, high: float, size: int, padding_mode: str) -> tuple[np.ndarray, np.ndarray]:
    """Indices that lie within the image, and whether there is such a pixel."""
    if padding_mode == "reflection":
        place = np.trunc(np.where((place < low) | (place > high), _inside(place, low, high, size, padding_mode), place))
    # NaN is nowhere.
    there = (place >= 0) & (place < size)
    if padding_mode != "zeros":
        there = ~np.isnan(place)
    return np.clip(np.nan_to_num(place), 0, size - 1).astype(np.int64), there


def cost(ctx: Context) -> Cost:
    taps = MODES[ctx.attrs["mode"]] ** (len(ctx.input(0).shape) - 2)
    size = ctx.outputs[0].size
    return Cost(10 * taps * size, 32 * size)


register(Op("GridSample", grid_sample, infer, cost=cost))
