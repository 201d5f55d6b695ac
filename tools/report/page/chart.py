"""What charts are made of: axes with ticks, and the frame around what is drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .markup import Content, Markup, tag

WIDTH, HEIGHT = 400.0, 250.0
LEFT, RIGHT, TOP, BOTTOM = 62.0, 12.0, 10.0, 44.0
LETTER = 6.5
"""The width of one in a label."""
TICKS = 5
COLORS = 6
"""Classes c0, c1, ... of the page's style."""


@dataclass(frozen=True, slots=True)
class Axis:
    """low, high: of the data. start, end: where these are drawn. write: a tick's label."""

    label: str
    low: float
    high: float
    start: float
    end: float
    log: bool = False
    write: Callable[[float], str] = lambda value: f"{value:g}"

    def at(self, value: float) -> float:
        if self.log:
            low, high, value = math.log10(self.low), math.log10(self.high), math.log10(max(value, self.low))
        else:
            low, high = self.low, self.high
        return self.start + (self.end - self.start) * (value - low) / (high - low)

    def ticks(self) -> list[float]:
        found = _log_ticks(self.low, self.high) if self.log else []
        return found if len(found) > 1 else _linear_ticks(self.low, self.high)


def across(label: str, low: float, high: float, log: bool = False, write: Callable[[float], str] | None = None) -> Axis:
    """The horizontal axis."""
    return Axis(label, *_apart(low, high, log), LEFT, WIDTH - RIGHT, log, write or (lambda value: f"{value:g}"))


def upward(
    label: str,
    low: float,
    high: float,
    log: bool = False,
    write: Callable[[float], str] | None = None,
    height: float = HEIGHT,
) -> Axis:
    """The vertical axis."""
    return Axis(label, *_apart(low, high, log), height - BOTTOM, TOP, log, write or (lambda value: f"{value:g}"))


def chart(said: str, x: Axis, y: Axis | None, marks: Sequence[Content], height: float = HEIGHT) -> Markup:
    """said: what a screen reader says in place of the picture."""
    bottom = height - BOTTOM
    lines: list[Content] = []
    taken = 0.0
    for value in x.ticks():
        place, label = x.at(value), x.write(value)
        lines.append(tag("line", class_="grid", x1=place, x2=place, y1=TOP, y2=bottom))
        half = LETTER * len(label) / 2
        if place - half >= taken:
            lines.append(tag("text", label, class_="tick", x=place, y=bottom + 15, text_anchor="middle"))
            taken = place + half + LETTER
    for value in y.ticks() if y is not None else ():
        assert y is not None
        place = y.at(value)
        lines.append(tag("line", class_="grid", x1=LEFT, x2=WIDTH - RIGHT, y1=place, y2=place))
        lines.append(tag("text", y.write(value), class_="tick", x=LEFT - 5, y=place + 4, text_anchor="end"))
    middle = (LEFT + WIDTH - RIGHT) / 2
    lines.append(tag("text", x.label, class_="label", x=middle, y=height - 8, text_anchor="middle"))
    if y is not None:
        turn = f"rotate(-90 12 {(TOP + bottom) / 2:.1f})"
        lines.append(
            tag("text", y.label, class_="label", x=12, y=(TOP + bottom) / 2, transform=turn, text_anchor="middle")
        )
    return tag("svg", lines, marks, viewBox=f"0 0 {WIDTH:g} {height:g}", role="img", aria_label=said)


def title(text: str) -> Markup:
    """What a pointer that rests on a mark shows."""
    return tag("title", text)


def path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _apart(low: float, high: float, log: bool) -> tuple[float, float]:
    """Bounds with something between them."""
    if log:
        low = max(low, 1e-30)
        return (low / 1.5, max(high, low) * 1.5) if high <= low * 1.05 else (low, high)
    return (low, high) if high > low else (low - 0.5 * (abs(low) or 1), low + 0.5 * (abs(low) or 1))


def _linear_ticks(low: float, high: float) -> list[float]:
    rough = (high - low) / TICKS
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 12) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    spread = math.log10(high / low)
    factors = (1, 2, 5) if spread < 2.5 else (1,)
    skip = max(1, round(spread / 6))
    return [
        factor * 10.0**decade
        for decade in decades
        for factor in factors
        if decade % skip == 0 and low * 0.999 <= factor * 10.0**decade <= high * 1.001
    ]
