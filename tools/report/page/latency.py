"""How latencies are distributed, and how they change under load for minutes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..display import duration
from ..run_parts import Latency
from .chart import BOTTOM, COLORS, LEFT, RIGHT, TOP, WIDTH, across, chart, path, title, upward
from .markup import Content, Markup, tag

ROW = 44.0
BINS = 72
NAME = 14.0
"""Between the names of two lines."""
BEYOND = 3.0
"""Times the longest 99th percentile that the axis has; what took longer is in its last column."""
MOST = 8
"""Contenders in one figure; the table has all."""


def distribution(latencies: Sequence[Latency]) -> Markup | None:
    """A row for each contender: how often which latency was seen, with the median and the 99th percentile. None where
    there is nothing to show."""
    shown = [each for each in latencies[:MOST] if each.median > 0]
    values = [value for each in shown for value in (*each.samples, each.min, each.median, each.p99) if value > 0]
    if not shown:
        return None
    height = TOP + BOTTOM + ROW * len(shown)
    longest = min(max(values), BEYOND * max(each.p99 for each in shown))
    axis = across("time of one inference", min(values), longest, log=True, write=_short)
    marks: list[Content] = []
    for place, each in enumerate(shown):
        bottom = TOP + ROW * (place + 1) - 4
        marks.append(tag("text", _fit(each.name), class_="name", x=LEFT + 2, y=bottom - ROW + 15))
        marks += _bars(each, axis.at, bottom, place)
        for value, kind in ((each.median, "median"), (each.p99, "p99")):
            x = axis.at(value)
            said = f"{each.name}: {kind} {duration(value)}"
            marks.append(tag("line", title(said), class_=f"mark {kind}", x1=x, x2=x, y1=bottom - 22, y2=bottom + 3))
    said = "; ".join(f"{each.name}: median {duration(each.median)}, p99 {duration(each.p99)}" for each in shown)
    return chart(f"Latency of one inference. {said}", axis, None, marks, height)


def _bars(each: Latency, at: object, bottom: float, place: int) -> list[Content]:
    assert callable(at)
    if not each.samples:
        return [tag("line", class_=f"line c{place % COLORS}", x1=at(each.min), x2=at(each.p99), y1=bottom, y2=bottom)]
    room = WIDTH - RIGHT - LEFT
    counts = [0] * BINS
    for value in each.samples:
        # What takes longest lies beyond the axis.
        counts[min(BINS - 1, max(0, int((at(value) - LEFT) / room * BINS)))] += 1
    most = max(counts)
    # The root, so that what is seen seldom is seen at all.
    tops = [bottom - (ROW - 18) * math.sqrt(count / most) for count in counts]
    step = room / BINS
    points = [(LEFT, bottom)]
    for number, top in enumerate(tops):
        points += [(LEFT + number * step, top), (LEFT + (number + 1) * step, top)]
    points.append((LEFT + room, bottom))
    return [tag("path", class_=f"area c{place % COLORS}", d=path(points))]


def over_minutes(minutes: Sequence[tuple[float, float, float, float]]) -> Markup | None:
    """minutes: start in seconds, median, 90th and 99th percentile. None where there are fewer than two."""
    if len(minutes) < 2:
        return None
    x = across("minutes under load", minutes[0][0] / 60, minutes[-1][0] / 60)
    y = upward("time of one inference", 0, max(p99 for *_, p99 in minutes), write=_short)
    marks: list[Content] = []
    below = y.start + NAME
    for place, name in enumerate(("median", "p90", "p99"), 1):
        points = [(x.at(row[0] / 60), y.at(row[place])) for row in minutes]
        marks.append(tag("path", title(name), class_=f"line c{place - 1}", d=path(points)))
        below = min(points[-1][1] - 4, below - NAME)
        marks.append(tag("text", name, class_="name", x=x.end - 2, y=below, text_anchor="end"))
    first, last = minutes[0], minutes[-1]
    said = f"median {duration(first[1])} in the first minute, {duration(last[1])} in the last"
    return chart(f"Latency over {len(minutes)} minutes of load: {said}", x, y, marks)


def _short(value: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if value >= scale * 0.9999 or unit == "us":
            return f"{value / scale:.3g} {unit}"
    raise AssertionError


def _fit(name: str, most: int = 46) -> str:
    return name if len(name) <= most else f"{name[: most - 2]}.."
