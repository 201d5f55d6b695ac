"""What the levels of a model's layers cost and lose: the front of a search under a budget, as table and picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...runtime.fidelity import Fidelity


def described(fidelity: Fidelity) -> dict[str, Any] | None:
    """For programs; None where there was no budget. Costs are bytes, seconds or joules."""
    if not fidelity.budget:
        return None
    return {
        "what": fidelity.budget,
        "cost": fidelity.cost,
        "levels": dict(fidelity.levels),
        "front": [
            {"cost": each.cost, "loss": each.loss, "agreement": each.agreement, "layers": dict(each.layers)}
            for each in fidelity.front
        ],
    }


def show(report: Mapping[str, Any]) -> None:
    """For people."""
    from ..report.display import emit_sentence, table

    what, front = report["what"], report["front"]
    kinds = [kind for kind in front[0]["layers"] if any(each["layers"][kind] for each in front)]
    rows = [
        [
            amount(what, each["cost"]),
            f"{each['loss']:.3g}",
            "" if each["agreement"] is None else f"{100 * each['agreement']:.1f} %",
            *(each["layers"][kind] or "" for kind in kinds),
        ]
        for each in front
    ]
    table(
        f"what {what} buys, on samples that levels were chosen by",
        [f">{what}", ">loss", ">same class", *(f">{kind}" for kind in kinds)],
        rows,
    )
    emit_sentence(f"the model takes {amount(what, report['cost'])}; the columns behind count the layers of each level")


def draw(report: Mapping[str, Any], picture: str) -> None:
    """Writes the front's picture."""
    from ..report.picture import axes, save

    unit, factor = {"size": ("kB", 1e-3), "latency": ("ms", 1e3), "energy": ("mJ", 1e3)}[report["what"]]
    figure, (axis,) = axes(1)
    costs = [each["cost"] * factor for each in report["front"]]
    axis.plot(costs, [each["loss"] for each in report["front"]], marker="o", drawstyle="steps-post", color="tab:blue")
    axis.axvline(report["cost"] * factor, color="tab:orange", label="the model")
    axis.set_xlabel(f"{report['what']}, {unit}")
    axis.set_ylabel("loss")
    axis.set_yscale("symlog", linthresh=1e-6)
    axis.legend()
    save(figure, picture)


def amount(what: str, cost: float) -> str:
    """With its unit."""
    from ..report.display import duration, size

    if what == "size":
        return size(round(cost))
    return duration(cost) if what == "latency" else f"{cost * 1e3:.3g} mJ"
