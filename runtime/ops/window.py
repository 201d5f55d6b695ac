"""Sliding windows over the spatial axes of a channels-last tensor: their sizes, padding and views."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from .registry import Context, Cost, Shape

CALL = 2_000
"""Cost.work of one call of NumPy on a few elements."""

PADDED, APART = 1 << 20, 16
"""Pixels of an image with its padding, and how many times as many as are read, beyond which it is not padded."""
MOST_PADDED = (1 << 31) - 1
"""Elements along an axis with its padding: byte offsets of windows are computed in 64 bits."""
AUTO_PADS = ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")


class Window(msgspec.Struct, frozen=True):
    """A window's geometry, one number per spatial axis.

    begin, end: padding in elements before and after; `end` includes what ceil_mode reaches beyond the given padding.
    given_end: the padding after that the model asked for (what count_include_pad counts).
    """

    kernel: Shape
    strides: Shape
    dilations: Shape
    begin: Shape
    end: Shape
    given_end: Shape
    output: Shape

    @property
    def padded(self) -> bool:
        return any(self.begin) or any(self.end)


def per_axis(name: str, values: Sequence[int], rank: int, default: int, least: int) -> Shape:
    """An attribute with one number per spatial axis, default where it is empty; ValueError on a bad one."""
    values = tuple(int(v) for v in values) or (default,) * rank
    if len(values) != rank:
        raise ValueError(f"{name} has {len(values)} entries for {rank} dimensions")
    if min(values, default=least) < least:
        raise ValueError(f"{name} {list(values)} must be at least {least}")
    return values


def slide(
    spatial: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    pads: Sequence[int],
    auto_pad: str,
    ceil_mode: int = 0,
) -> Window:
    """The windows of a convolution or pool over an input of these spatial sizes (formulas of ONNX Conv and MaxPool).

    With ceil_mode a last partial window counts, even as the only one, where it starts before the padding after the
    input. A stride or a dilation beyond the padded input leads nowhere, and is as large as that.
    ValueError where the attributes contradict each other or nothing is left to compute.
    """
    rank = len(spatial)
    kernel = per_axis("kernel_shape", kernel, rank, 1, 1)
    strides = per_axis("strides", strides, rank, 1, 1)
    dilations = per_axis("dilations", dilations, rank, 1, 1)
    if auto_pad not in AUTO_PADS:
        raise ValueError(f"auto_pad '{auto_pad}' is none of {', '.join(AUTO_PADS)}")
    if auto_pad == "NOTSET":
        pads = per_axis("pads", pads, 2 * rank, 0, 0)
    else:
        pads = (0,) * (2 * rank)
    begin, end, given, output, padded = [], [], [], [], []
    for i, size in enumerate(spatial):
        extent = (kernel[i] - 1) * dilations[i] + 1
        before, after = pads[i], pads[rank + i]
        if auto_pad.startswith("SAME"):
            out = -(-size // strides[i])
            total = max((out - 1) * strides[i] + extent - size, 0)
            before = total // 2 if auto_pad == "SAME_UPPER" else total - total // 2
            after = total - before
        padded.append(size + before + after)
        if padded[i] > MOST_PADDED:
            raise ValueError(f"a padded input of {padded[i]} is larger than {MOST_PADDED}")
        room = padded[i] - extent
        out = room // strides[i] + 1
        if ceil_mode and room % strides[i] and out * strides[i] < size + before:
            out += 1
        if out < 1:
            raise ValueError(f"window of {extent} is larger than the padded input of {padded[i]}")
        begin.append(before)
        given.append(after)
        end.append(max(after, (out - 1) * strides[i] + extent - size - before))
        output.append(out)
    strides = tuple(map(min, strides, padded))
    dilations = tuple(map(min, dilations, padded))
    return Window(kernel, strides, dilations, tuple(begin), tuple(end), tuple(given), tuple(output))


def window_of(ctx: Context, kernel: Sequence[int]) -> Window:
    """The windows of a convolution or pool node; ModelError naming the node where they do not fit its input."""
    a = ctx.attrs
    try:
        return slide(
            ctx.input(0).shape[1:-1],
            kernel,
            a["strides"],
            a["dilations"],
            a["pads"],
            a["auto_pad"],
            a.get("ceil_mode", 0),
        )
    except ValueError as problem:
        raise ctx.error(str(problem)) from None


def met(window: Window, axis: int, size: int) -> Iterator[tuple[int, int, int]]:
    """The kernel's elements along a spatial axis of so many inputs that meet one: its place in the kernel, the first
    output for which it does, and the one behind the last."""
    stride, dilation, begin = window.strides[axis], window.dilations[axis], window.begin[axis]
    last = (window.output[axis] - 1) * stride
    for tap in range(max(0, -((last - begin) // dilation)), window.kernel[axis]):
        # Output o reads input o * stride - missing.
        missing = begin - tap * dilation
        if missing <= -size:
            return
        first, stop = max(0, -(-missing // stride)), min(window.output[axis], (size - 1 + missing) // stride + 1)
        if first < stop:
            yield tap, first, stop


def combine(x: np.ndarray, window: Window, function: np.ufunc, start: float) -> np.ndarray:
    """(N, *output, C): the elements of x (N, *spatial, C) in every window, padding left out, combined with start by a
    function of two elements that may be applied in any order: along one axis after the other."""
    for axis in range(len(window.kernel)):
        size, shape = x.shape[axis + 1], list(x.shape)
        shape[axis + 1] = window.output[axis]
        source, result = np.moveaxis(x, axis + 1, 0), np.full(shape, start, x.dtype)
        target, stride = np.moveaxis(result, axis + 1, 0), window.strides[axis]
        for tap, first, stop in met(window, axis, size):
            at = first * stride + tap * window.dilations[axis] - window.begin[axis]
            reached = target[first:stop]
            function(reached, source[at : at + (stop - first - 1) * stride + 1 : stride], out=reached)
        x = result
    return x


def combining(window: Window, x: Shape) -> Cost:
    """Of `combine` on a tensor of this shape."""
    work = scratch = 0
    shape = list(x)
    for axis, output in enumerate(window.output):
        reach = (shape[axis + 1] + (output - 1) * window.strides[axis]) // window.dilations[axis] + 1
        shape[axis + 1] = output
        work += min(window.kernel[axis], reach) * (CALL + math.prod(shape))
        scratch = max(scratch, 8 * math.prod(shape))
    return Cost(work, scratch)


def counts(window: Window, spatial: Sequence[int], include_pad: bool) -> np.ndarray:
    """int64 (1, *output, 1): elements inside the input of each window; with include_pad also those of the padding that
    the model asked for, never those that ceil_mode adds behind it."""
    found = np.ones((), np.int64)
    for axis, size in enumerate(spatial):
        begin, end = (window.begin[axis], window.given_end[axis]) if include_pad else (0, 0)
        first = np.arange(window.output[axis], dtype=np.int64) * window.strides[axis] - window.begin[axis]
        below, within = (
            np.clip(-((first - limit) // window.dilations[axis]), 0, window.kernel[axis])
            for limit in (-begin, size + end)
        )
        found = found[..., None] * np.maximum(within - below, 0)
    return found[None, ..., None]


def mostly_padding(padded: Sequence[int], read: int) -> bool:
    """Whether an image of these sizes is out of proportion to so many pixels that are read or given, at most."""
    return math.prod(padded) > max(PADDED, APART * read)


def pad(x: np.ndarray, window: Window, value: float) -> np.ndarray:
    if not window.padded:
        return x
    widths = [(0, 0), *zip(window.begin, window.end, strict=True), (0, 0)]
    return np.pad(x, widths, constant_values=value)


def patches(padded: np.ndarray, window: Window) -> np.ndarray:
    """View of shape (N, *output, C, *kernel) of a padded input (N, *spatial, C)."""
    rank = len(window.kernel)
    extents = tuple((k - 1) * d + 1 for k, d in zip(window.kernel, window.dilations, strict=True))
    view = np.lib.stride_tricks.sliding_window_view(padded, extents, axis=tuple(range(1, rank + 1)))
    steps = tuple(slice(0, (o - 1) * s + 1, s) for o, s in zip(window.output, window.strides, strict=True))
    taps = tuple(slice(None, None, d) for d in window.dilations)
    index = (slice(None), *steps, slice(None), *taps)
    return view[index]


def tap(padded: np.ndarray, window: Window, position: Sequence[int]) -> np.ndarray:
    """View (N, *output, C) of the elements that one kernel position meets in every window."""
    steps = (
        slice(p * d, p * d + (o - 1) * s + 1, s)
        for p, d, o, s in zip(position, window.dilations, window.output, window.strides, strict=True)
    )
    index = (slice(None), *steps)
    return padded[index]
