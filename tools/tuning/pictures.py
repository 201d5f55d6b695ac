"""What `mj pair` and `mj tune` found, drawn with matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..report.picture import axes, save

if TYPE_CHECKING:
    from .complementarity import Cover
    from .pairs import Found, Member

COSTS = {"energy": ("energy, mJ", 1e3), "latency": ("latency, us", 1e6), "macs": ("multiply-adds, millions", 1e-6)}
"""How a cost is called, and what it is multiplied by."""
NUMBERED = 12
"""Models up to which the matrix has its numbers in it."""
MARKERS, COLORS = "x+12", 10
"""A model's marker changes where matplotlib's colors begin anew."""
WIDE = 10.0
"""From where on the costs are drawn by their logarithm: the dearest beside the cheapest."""


def draw_pairs(
    members: Sequence[Member], found: Found, covers: Sequence[Sequence[Cover]], by: str, picture: str
) -> None:
    """The complementarity of all pairs, and accuracy over cost of all pairs, all models and the front."""
    figure, (left, right) = axes(2, height=4.5)
    _matrix(figure, left, [each.name for each in members], covers)
    _front(figure, right, members, found, by)
    save(figure, picture)


def draw_thresholds(report: Mapping[str, Any], curve: Sequence[Mapping[str, Any]], picture: str) -> None:
    """Accuracy and how often the last stage is asked over the threshold, or of more than two stages over the cost."""
    figure, (axis,) = axes(1, width=7.0, height=4.5)
    known = [point for point in curve if point["accuracy"] is not None]
    single = len(report["alone"]) == 2
    x = [_place(point, single) for point in known]
    lines = axis.plot(x, [point["accuracy"] for point in known], color="tab:blue", label="accuracy")
    axis.set_ylabel("accuracy", color="tab:blue")
    axis.set_xlabel("threshold" if single else "mean multiply-adds, millions")
    other = axis.twinx()
    lines += other.plot(x, [point["asked"][-1] for point in known], color="tab:orange", label="last stage asked")
    if any(point["abstain"] is not None for point in known):
        answered = [point["answered"] for point in known]
        lines += other.plot(x, answered, color="tab:green", linestyle="--", label="answered")
    other.set_ylabel("share of the samples")
    other.set_ylim(-0.02, 1.02)
    if report["thresholds"] is not None:
        listed = ", ".join(f"{threshold:.4g}" for threshold in report["thresholds"])
        lines.append(axis.axvline(_place(report, single), color="dimgray", linestyle=":", label=f"chosen: {listed}"))
    _percent(axis.yaxis, other.yaxis)
    of = f"\nthe curves: of the {report['tuning_samples']} samples that tuned" if "tuning_samples" in report else ""
    axis.set_title(f"{report['claim']}{of}", fontsize="medium")
    figure.legend(handles=lines, loc="outside lower center", ncols=len(lines), fontsize="small")
    save(figure, picture)


def _place(point: Mapping[str, Any], single: bool) -> float:
    place: float = min(point["thresholds"][0], 1.0) if single else point["macs"] / 1e6
    return place


def _matrix(figure: Any, axis: Any, names: Sequence[str], covers: Sequence[Sequence[Cover]]) -> None:
    shares = [[cover.complementarity for cover in row] for row in covers]
    most = max(max(row) for row in shares) or 1.0
    image = axis.imshow(shares, cmap="Blues", vmin=0.0, vmax=most)
    if len(names) <= NUMBERED:
        for at, row in enumerate(shares):
            for other, share in enumerate(row):
                if at != other:
                    color = "white" if share > most / 2 else "black"
                    axis.text(other, at, f"{share:.1%}", ha="center", va="center", color=color, fontsize="small")
    else:
        _percent(figure.colorbar(image, ax=axis).ax.yaxis)
    axis.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    axis.set_yticks(range(len(names)), names)
    axis.set_title("complementarity", fontsize="medium")


def _front(figure: Any, axis: Any, members: Sequence[Member], found: Found, by: str) -> None:
    from matplotlib.ticker import LogLocator

    name, scale = COSTS[by]
    points = [pairing.point for pairing in found.pairings if pairing.point is not None]
    costs = [point.cost * scale for point in (*points, *found.front)] + [each.cost(by) * scale for each in members]
    if min(costs) > 0 and max(costs) > WIDE * min(costs):
        axis.set_xscale("log")
        axis.xaxis.set_minor_locator(LogLocator(subs=(2, 5)))
        axis.xaxis.set_major_formatter("{x:g}")
        axis.xaxis.set_minor_formatter("{x:g}")
    front = ([point.cost * scale for point in found.front], [point.accuracy for point in found.front])
    axis.plot(*front, drawstyle="steps-post", color="silver", zorder=1, label="nothing beats these")
    axis.scatter([p.cost * scale for p in points], [p.accuracy for p in points], s=14, color="dimgray",
                 label="pairs, for the goal")  # fmt: skip
    for at, each in enumerate(members):
        marker = MARKERS[at // COLORS % len(MARKERS)]
        axis.scatter([each.cost(by) * scale], [each.accuracy], marker=marker, label=f"{each.name} alone")
    if points:
        best = points[0]
        assert best.second is not None
        text = f"chosen: {members[best.first].name},\nthen {members[best.second].name}"
        axis.scatter([best.cost * scale], [best.accuracy], marker="*", s=90, facecolor="none", edgecolor="black",
                     label=text)  # fmt: skip
    axis.set_xlabel(f"{name}, mean of an inference")
    axis.set_ylabel("accuracy")
    _percent(axis.yaxis)
    figure.legend(loc="outside right upper", fontsize="small")


def _percent(*scales: Any) -> None:
    from matplotlib.ticker import PercentFormatter

    for scale in scales:
        scale.set_major_formatter(PercentFormatter(1.0))
