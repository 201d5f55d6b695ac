"""Accuracy over modelled energy of every workload, drawn with matplotlib."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from table import SETS, TITLES

DEVICE = "jetson-nano"
COLORS = {"": "black", "accuracy": "tab:blue", "energy": "tab:orange", "share": "tab:green"}
MARKERS = {"dual": "o", "dual, post-check": "s", "dual, post-check, memory": "*", "large": "D", "large, memory": "X"}


def draw(found: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """A row for each data set, a column for each set of images."""
    import matplotlib

    # So that the same results give the same file.
    matplotlib.rcParams["svg.hashsalt"] = "dual_cnn"
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4 * len(found)), layout="constrained")
    axes = figure.subplots(len(found), len(SETS), squeeze=False, sharey="row")
    lines: dict[str, Any] = {}
    for across, (name, results) in zip(axes, found.items(), strict=True):
        for axis, (images, title) in zip(across, SETS.items(), strict=True):
            for row in results["rows"]:
                if row["images"] == images:
                    label = f"{row['workload']}{', for ' + row['goal'] if row['goal'] else ''}"
                    lines[label] = axis.scatter(
                        1e3 * row["joules"][DEVICE], row["accuracy"], marker=MARKERS[row["workload"]], s=45,
                        color=COLORS[row["goal"]], label=label,
                    )  # fmt: skip
            axis.axhline(results["large"]["accuracy"] - 0.003, color="silver", linestyle=":", zorder=0)
            axis.set_title(f"{TITLES[name]}: {title}", fontsize="medium")
            axis.set_xlim(left=0)
            axis.yaxis.set_major_formatter("{x:.1%}")
        across[0].set_ylabel("accuracy")
    for axis in axes[-1]:
        axis.set_xlabel("mJ an image, modelled for a Jetson Nano")
    figure.legend(handles=lines.values(), loc="outside lower center", ncols=3, fontsize="small")
    figure.savefig(path, metadata={"Date": None})
