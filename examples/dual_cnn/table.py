"""The results as a Markdown table, and into the documentation between two marks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pairs import SHARE

BEGIN, END = "<!-- made by examples/dual_cnn/experiment.py: begin -->", "<!-- end -->"
TITLES = {"fashion_mnist": "Fashion-MNIST", "cifar10": "CIFAR-10 (JPEG)"}
GOALS = {"accuracy": "best accuracy", "energy": "least energy", "share": "a share of the energy"}
SETS = {"plain": "test set", "duplicated": "each image twice"}
HEAD = (
    "images", "pair for", "workload", "accuracy", "less the large one's, points", "multiply-adds", "latency here",
    "mJ, Jetson Nano", "mJ, this machine", "second asked", "remembered", "cut: energy, Nano", "energy, here",
    "multiply-adds",
)  # fmt: skip
LEFT = 3
"""Columns of words, before those of numbers."""


def table(results: Mapping[str, Any]) -> str:
    """Of one data set: a row for each workload on each set of images."""
    lines = [_line(HEAD), _line(["---"] * LEFT + ["---:"] * (len(HEAD) - LEFT))]
    for name in SETS:
        lines += [_line(_row(name, row)) for row in results["rows"] if row["images"] == name]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _row(images: str, row: Mapping[str, Any]) -> list[str]:
    difference = row["difference"]
    points = "" if difference is None else (
        f"{100 * difference[0]:+.2f} ({100 * difference[1]:+.2f} to {100 * difference[2]:+.2f})"
    )  # fmt: skip
    joules, cut = row["joules"], row["cut"]
    return [
        SETS[images],
        GOALS.get(row["goal"], ""),
        row["workload"],
        f"{row['accuracy']:.2%}",
        points,
        f"{row['macs']:,.0f}",
        "" if row["seconds"] is None else _duration(row["seconds"]),
        f"{1e3 * joules['jetson-nano']:.3g}",
        f"{1e3 * joules['host']:.3g}",
        f"{row['second_asked']:.1%}" if row["goal"] else "",
        f"{row['remembered']:.1%}" if row["remembered"] else "",
        *("" if cut is None else f"{cut[name]:.1%}" for name in ("jetson-nano", "host", "macs")),
    ]


def _duration(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f} us"


def section(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Of all data sets."""
    parts = [f"**{TITLES[name]}**. {pairs(results)}\n\n{table(results)}" for name, results in found.items()]
    return "\n\n".join(parts)


def pairs(results: Mapping[str, Any]) -> str:
    """Which were chosen, and for what, in words."""
    sentences = []
    for goal, found in results["goals"].items():
        chosen = found["chosen"]
        goals = {
            "accuracy": "the best accuracy",
            "energy": f"the least energy with the large one's accuracy {100 * (results['margin'] or 0):+.1f} points",
            "share": f"the best accuracy with {SHARE:.0%} of the large one's energy at most",
        }
        sentences.append(f"For {goals[goal]}: `{chosen['first']}`, then `{chosen['second']}`.")
    return " ".join(sentences)


def replace_between(path: Path, text: str) -> None:
    """Puts the text between the marks of a file. Ends the program where there are none."""
    content = path.read_text(encoding="utf-8")
    before, begin, rest = content.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{path} has no place for the table, between {BEGIN} and {END}")
    path.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")
