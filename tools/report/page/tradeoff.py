"""Accuracy against energy, or against time where no energy is known, for several runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from ..contents import Named, accuracies, energy, typical_seconds
from .chart import COLORS, across, chart, title, upward
from .markup import Content, Markup, tag

ROOM: Final = 14.0
"""Pixels between two numbers that can be told apart."""


class Point(NamedTuple):
    """number: of the run in the overview, counted from 1. cost: millijoules of one inference, or milliseconds."""

    number: int
    name: str
    cost: float
    accuracy: float


def tradeoff(runs: Sequence[Named]) -> Markup | None:
    """None where fewer than two runs have an accuracy and what it is held against."""
    joules = _points(runs, by_energy=True)
    points = joules if len(joules) > 1 else _points(runs, by_energy=False)
    if len(points) < 2:
        return None
    unit, label = (
        ("mJ", "millijoules of one inference") if points is joules else ("ms", "milliseconds of one inference")
    )
    costs = [point.cost for point in points]
    shares = [100 * point.accuracy for point in points]
    room = 0.1 * (max(shares) - min(shares)) or 1.0
    wide = max(costs) > 10 * min(costs)
    low, high = (min(costs) / 1.4, max(costs) * 1.4) if wide else (0.0, max(costs) * 1.1)
    x = across(label, low, high, log=wide)
    y = upward("accuracy, %", min(shares) - room, max(shares) + room)
    marks: list[Content] = []
    written: list[tuple[float, float]] = []
    for point in points:
        cx, cy = x.at(point.cost), y.at(100 * point.accuracy)
        said = f"{point.name}: {point.accuracy:.2%}, {point.cost:.4g} {unit}"
        marks.append(tag("circle", title(said), class_=f"dot c{(point.number - 1) % COLORS}", cx=cx, cy=cy, r=9))
        written.append((cx, _free(cx, cy, written)))
    for point, (at, height) in zip(points, written, strict=True):
        marks.append(tag("text", str(point.number), class_="point", x=at, y=height + 4, text_anchor="middle"))
    said = "; ".join(f"{point.number} {point.name}: {point.accuracy:.2%}, {point.cost:.4g} {unit}" for point in points)
    return chart(f"Accuracy against {label}: {said}", x, y, marks)


def _free(at: float, height: float, written: Sequence[tuple[float, float]]) -> float:
    """The height for a number that would lie on others: above them."""
    while any(abs(at - left) < ROOM and abs(height - top) < ROOM for left, top in written):
        height -= ROOM
    return height


def _points(runs: Sequence[Named], *, by_energy: bool) -> list[Point]:
    known = accuracies(runs)
    found = []
    for number, each in enumerate(runs, 1):
        model = each.run.model
        accuracy = None if model is None else known.get(model.sha256)
        cost = _millijoules(each) if by_energy else 1000 * (typical_seconds(each.run) or 0)
        if accuracy is not None and cost:
            found.append(Point(number, each.name, cost, accuracy[1]))
    return found


def _millijoules(each: Named) -> float | None:
    """Above idle where that is known, as it is what the inference adds; else in total."""
    total, above, _ = energy(each.run)
    interval = above or total
    return None if interval is None or interval.value <= 0 else interval.value
