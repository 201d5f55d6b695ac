"""Layers against what the CPU can do: multiply-adds per byte, and multiply-adds a second."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..display import duration
from ..run_parts import Bounds, Layer
from .chart import across, chart, title, upward
from .markup import Content, Markup, tag

MOST = 80
LABELLED = 5
LEAST = 0.05
"""Of the time."""
APART = 15.0
"""Between two numbers, in the chart's units."""


def roofline(layers: Sequence[Layer], bounds: Bounds | None) -> Markup | None:
    """A point for each layer that multiplies, larger where it takes more of the time; the longest ones carry the number
    of their step. None where none does."""
    timed = [layer for layer in layers if layer.macs and layer.seconds and layer.weight_bytes + layer.data_bytes]
    if not timed:
        return None
    timed = sorted(timed, key=_seconds, reverse=True)[:MOST]
    whole = sum(layer.seconds or 0 for layer in layers)
    dense, speeds = [_density(layer) for layer in timed], [layer.macs / _seconds(layer) for layer in timed]
    peaks = list(bounds.macs_per_second.items()) if bounds is not None else []
    x = across("multiply-adds per byte", min(dense) / 1.5, max(dense) * 1.5, log=True)
    top = max([*speeds, *(peak for _, peak in peaks)])
    y = upward("multiply-adds a second", min(speeds) / 2, top * 1.4, log=True, write=_giga)
    marks: list[Content] = []
    for name, peak in peaks:
        marks.append(tag("line", class_="roof", x1=x.start, x2=x.end, y1=y.at(peak), y2=y.at(peak)))
        said = f"{name} at most {_giga(peak)}"
        marks.append(tag("text", said, class_="name", x=x.end - 4, y=y.at(peak) - 4, text_anchor="end"))
    if bounds is not None:
        marks += _memory_roof(bounds.bytes_per_second, x.low, x.high, top, x.at, y.at, y.low)
    longest: list[tuple[float, float, int]] = []
    for layer in reversed(timed):
        share = _seconds(layer) / whole
        cx, cy = x.at(_density(layer)), y.at(layer.macs / _seconds(layer))
        said = f"step {layer.index} {layer.operator} {layer.node}: {duration(_seconds(layer))}, {share:.1%} of the time"
        marks.append(tag("circle", title(said), class_="dot c0", cx=cx, cy=cy, r=3 + 14 * math.sqrt(share)))
        if share >= LEAST:  # a number would hide a smaller dot
            longest.append((cx, cy, layer.index))
    marks += _numbers(longest[::-1])
    slowest = timed[0]
    said = (
        f"the longest is step {slowest.index}, {slowest.operator}, with {_giga(slowest.macs / _seconds(slowest))} "
        f"multiply-adds a second at {_density(slowest):.3g} per byte"
    )
    return chart(f"Roofline of {len(timed)} layers: {said}", x, y, marks)


def _numbers(points: Sequence[tuple[float, float, int]]) -> list[Content]:
    """Of the first points, the longest, as far as the numbers do not cover each other."""
    written: list[tuple[float, float]] = []
    found: list[Content] = []
    for x, y, index in points:
        if len(found) < LABELLED and all(abs(x - left) > APART or abs(y - top) > APART for left, top in written):
            written.append((x, y))
            found.append(tag("text", str(index), class_="point", x=x, y=y + 4, text_anchor="middle"))
    return found


def _memory_roof(
    rate: float, low: float, high: float, top: float, across_at: object, upward_at: object, floor: float
) -> list[Content]:
    """What memory lets through at each density, up to the top."""
    assert callable(across_at) and callable(upward_at)
    start, end = max(low, floor / rate), min(high, top / rate)
    if end <= start:
        return []
    said = f"memory at most {rate / 1e9:.3g} GB/s"
    return [
        tag("line", title(said), class_="roof", x1=across_at(start), x2=across_at(end), y1=upward_at(start * rate),
            y2=upward_at(end * rate)),
        tag("text", said, class_="name", x=across_at(start) + 24, y=upward_at(start * rate) - 6),
    ]  # fmt: skip


def _seconds(layer: Layer) -> float:
    return layer.seconds or 0.0


def _density(layer: Layer) -> float:
    return layer.macs / (layer.weight_bytes + layer.data_bytes)


def _giga(value: float) -> str:
    return f"{value / 1e9:.3g} G" if value >= 1e8 else f"{value / 1e6:.3g} M"
