"""Sliding windows over the spatial axes of a channels-last tensor: their sizes, padding and views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .registry import Context, Shape

AUTO_PADS = ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")


@dataclass(frozen=True, slots=True)
class Window:
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

    With ceil_mode a last partial window counts only where it starts before the padding after the input.
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
    begin, end, given, output = [], [], [], []
    for i, size in enumerate(spatial):
        extent = (kernel[i] - 1) * dilations[i] + 1
        before, after = pads[i], pads[rank + i]
        if auto_pad.startswith("SAME"):
            out = -(-size // strides[i])
            total = max((out - 1) * strides[i] + extent - size, 0)
            before = total // 2 if auto_pad == "SAME_UPPER" else total - total // 2
            after = total - before
        room = size + before + after - extent
        if room < 0:
            raise ValueError(f"window of {extent} is larger than the padded input of {size + before + after}")
        out = room // strides[i] + 1
        if ceil_mode and room % strides[i] and out * strides[i] < size + before:
            out += 1
        begin.append(before)
        given.append(after)
        end.append(max(after, (out - 1) * strides[i] + extent - size - before))
        output.append(out)
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
