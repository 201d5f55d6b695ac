"""A pair for each goal, and its thresholds with the post-check and without it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from command import mj, save_samples
from data import Images, Labels
from places import SMALL

DEVICE = "jetson-nano"
"""Whose modelled energy a pair for the least energy is chosen by: the paper's."""
MARGINS = (0.003, 0.0, -0.003)
"""What is asked of a pair for the least energy beyond the large network's accuracy: against luck with the samples, what
can be reached of these."""
SHARE = 0.22
"""Of the large network's energy that a pair may take where none of these can be reached: against the same luck, less
than the quarter that the experiment aims for."""
WORKLOADS = {"dual": False, "dual, post-check": True}
"""Whether each has a post-check."""


def cascade_path(work: Path, goal: str, workload: str) -> Path:
    return work / f"{goal}, {workload}.mj"


def choose_pairs(
    models: Mapping[str, Path], large: Mapping[str, float], joules: float, parts: Mapping[str, tuple[Images, Labels]],
    work: Path,
) -> dict[str, Any]:  # fmt: skip
    """By goal, what was chosen and found; the cascades lie at cascade_path. models: the small ones are the pool. large:
    the large network's accuracy on the parts; joules: its energy on DEVICE. parts: "choose" and "tune"."""
    for path in work.glob("*, dual*.mj"):
        # Of earlier samples or networks, for a goal that may not be reached now.
        path.unlink()
    samples = {part: save_samples(work / f"{part}.npz", *parts[part]) for part in ("choose", "tune")}
    small = [path for name, path in models.items() if name in SMALL]
    device = ("--profile", DEVICE, "--by", "energy")
    search: tuple[str | Path, ...] = ("pair", *small, "--samples", samples["choose"], *device)
    most = mj(*search, "-o", work / "accuracy.mj")
    margin = next((each for each in MARGINS if large["choose"] + each <= most["chosen"]["accuracy"]), None)
    found = {"accuracy": _tuned("accuracy", most, None, samples["tune"], work)}
    limit = SHARE * joules
    if margin is None and min(each["joules"] for each in most["models"]) <= limit:
        within = mj(*search, "--at-most", f"{limit:.6g}", "-o", work / "share.mj")
        found["share"] = _tuned("share", within, None, samples["tune"], work, _macs(within, limit))
    if margin is not None:
        cheapest = mj(*search, "--accuracy", f"{large['choose'] + margin:.6f}", "-o", work / "energy.mj")
        found["energy"] = _tuned("energy", cheapest, large["tune"] + margin, samples["tune"], work)
    chosen = {"large": dict(large), "margin": margin, "goals": found}
    (work / "pairs.json").write_text(json.dumps(chosen, indent=1), encoding="utf-8")
    return chosen


def _macs(report: Mapping[str, Any], joules: float) -> float:
    """Multiply-adds of the chosen pair where it takes so much energy."""
    models = {each["name"]: each for each in report["models"]}
    first, second = (models[report["chosen"][which]] for which in ("first", "second"))
    return float(first["macs"] + (joules - first["joules"]) / second["joules"] * second["macs"])


def _tuned(
    goal: str, report: Mapping[str, Any], least: float | None, samples: Path, work: Path, most: float | None = None
) -> dict[str, Any]:
    """least: the accuracy to ask for; the best where it cannot be reached, or None. most: multiply-adds at most."""
    thresholds, limit = {}, () if most is None else ("--at-most", f"{most:.0f}")
    for workload, check in WORKLOADS.items():
        search: tuple[str | Path, ...] = ("tune", work / f"{goal}.mj", samples, f"--{'' if check else 'no-'}post-check")
        write: tuple[str | Path, ...] = ("-o", cascade_path(work, goal, workload))
        tuned = mj(*search, *write, *limit)
        if least is not None and least <= tuned["accuracy"]:
            tuned = mj(*search, *write, "--accuracy", f"{least:.6f}")
        keys = ("claim", "thresholds", "temperatures", "accuracy", "asked")
        thresholds[workload] = {key: tuned[key] for key in keys}
    keys = ("goal", "models", "chosen", "complementarity", "exactly_one_right")
    return {**{key: report[key] for key in keys}, "thresholds": thresholds}
