"""Power over time, with the windows of load and rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..energy_run import EnergyRun
from .chart import across, chart, path, title, upward
from .markup import Content, Markup, tag

COLUMNS = 400
"""Of the picture; more samples than these are shown by the lowest, mean and highest of each."""
MOST_WINDOWS = 200
KINDS = {"load": "load", "window": "load", "idle": "idle", "between": "idle"}


def power_trace(run: EnergyRun) -> Markup | None:
    """None where the run has no trace."""
    times, watts = run.trace.seconds, run.trace.watts
    known = [value for value in watts if value is not None]
    if len(times) < 2 or not known:
        return None
    x = across("seconds", times[0], times[-1])
    y = upward("watts", min(0.0, *known), max(known) * 1.05 or 1.0)
    marks: list[Content] = []
    for window in [*run.windows, *run.between][:MOST_WINDOWS]:
        said = f"{window.kind} {window.number}: {window.energy_uj / 1e6:.4g} J, {window.watts:.4g} W" + (
            f", {window.inferences} inferences" if window.inferences is not None else ""
        )
        left, right = x.at(window.start_s), x.at(window.end_s)
        box = {"x": left, "y": y.end, "width": max(0.5, right - left), "height": y.start - y.end}
        marks.append(tag("rect", title(said), class_=f"window {KINDS[window.kind]}", **box))
    for columns in _pieces(list(_columns(times, watts))):
        if len(watts) > COLUMNS:
            edge = [(x.at(time), y.at(high)) for time, _, _, high in columns]
            edge += [(x.at(time), y.at(low)) for time, low, _, _ in reversed(columns)]
            marks.append(tag("path", class_="area c0", d=path(edge)))
        marks.append(
            tag("path", class_="line thin c0", d=path([(x.at(time), y.at(mean)) for time, _, mean, _ in columns]))
        )
    said = f"{times[-1] - times[0]:.3g} s, {min(known):.4g} to {max(known):.4g} W, {len(run.windows)} windows"
    return chart(f"Power over time: {said}", x, y, marks)


Column = tuple[float, float, float, float]


def _columns(times: Sequence[float], watts: Sequence[float | None]) -> Iterator[Column | None]:
    """Time, lowest, mean and highest power of neighbours; None where it is not known."""
    group = -(-len(watts) // COLUMNS)
    for first in range(0, len(watts), group):
        last = min(first + group, len(watts))
        some = [value for value in watts[first:last] if value is not None]
        yield ((times[first] + times[last]) / 2, min(some), sum(some) / len(some), max(some)) if some else None


def _pieces(columns: Sequence[Column | None]) -> Iterator[list[Column]]:
    piece: list[Column] = []
    for column in columns:
        if column is not None:
            piece.append(column)
        elif piece:
            yield piece
            piece = []
    if piece:
        yield piece
