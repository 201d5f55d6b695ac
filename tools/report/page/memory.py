"""The arena over the steps: what lies where, and for how long."""

from __future__ import annotations

from ..display import shorten, size
from ..run_parts import MemoryMap
from .chart import COLORS, across, chart, title, upward
from .markup import Content, Markup, tag

MOST = 250
"""Buffers that are drawn, the largest: thousands would make a page slow."""


def arena_map(memory: MemoryMap) -> Markup | None:
    """None where nothing lies in the arena."""
    if not memory.buffers or not memory.arena_bytes:
        return None
    steps = max(buffer.last for buffer in memory.buffers) + 1
    x = across("step", 0, steps)
    unit, scale = ("MiB", 1 << 20) if memory.arena_bytes >= 4 << 20 else ("KiB", 1 << 10)
    y = upward(f"place in the arena, {unit}", 0, memory.arena_bytes / scale)
    shown = sorted(memory.buffers, key=lambda buffer: buffer.size * (buffer.last - buffer.first + 1), reverse=True)[
        :MOST
    ]
    marks: list[Content] = []
    for place, buffer in enumerate(sorted(shown, key=lambda each: (each.first, each.offset))):
        lived = f"steps {buffer.first} to {buffer.last}" if buffer.last > buffer.first else f"step {buffer.first}"
        said = f"{shorten(buffer.name, 40)}: {size(buffer.size)} at {buffer.offset}, {lived}"
        left, right = x.at(buffer.first), x.at(buffer.last + 1)
        top, bottom = y.at((buffer.offset + buffer.size) / scale), y.at(buffer.offset / scale)
        box = {"x": left, "y": top, "width": right - left, "height": max(0.5, bottom - top)}
        marks.append(tag("rect", title(said), class_=f"block c{place % COLORS}", **box))
    more = len(memory.buffers) - len(shown)
    said = (
        f"{len(memory.buffers)} values in {size(memory.arena_bytes)} over {steps} steps; at the busiest step "
        f"{size(memory.lower_bound)} are alive" + (f"; the {more} smallest are not drawn" if more else "")
    )
    return chart(f"Memory map of the arena: {said}", x, y, marks)
