"""A pair for each goal, and its thresholds with the post-check and without it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from command import mj, save_samples
from data import Images, Labels

DEVICE = "jetson-nano"
"""Whose modelled energy a pair for the least energy is chosen by: the paper's."""
MARGINS = (0.003, 0.0, -0.003)
"""What is asked of a pair for the least energy beyond the large network's accuracy: against luck with the samples, what
can be reached of these."""
WORKLOADS = {"dual": False, "dual, post-check": True}
"""Whether each has a post-check."""


def cascade_path(work: Path, goal: str, workload: str) -> Path:
    return work / f"{goal}, {workload}.mj"


def choose_pairs(
    models: Mapping[str, Path], large: Mapping[str, float], parts: Mapping[str, tuple[Images, Labels]], work: Path
) -> dict[str, Any]:
    """By goal, what was chosen and found; the cascades lie at cascade_path. models: the small networks'. large: the
    large network's accuracy on the parts. parts: "choose" and "tune"."""
    for path in work.glob("*, dual*.mj"):
        # Of earlier samples or networks, for a goal that may not be reached now.
        path.unlink()
    samples = {part: save_samples(work / f"{part}.npz", *parts[part]) for part in ("choose", "tune")}
    small = [path for name, path in models.items() if name != "large"]
    device = ("--profile", DEVICE, "--by", "energy")
    search: tuple[str | Path, ...] = ("pair", *small, "--samples", samples["choose"], *device)
    most = mj(*search, "-o", work / "accuracy.mj")
    margin = next((each for each in MARGINS if large["choose"] + each <= most["chosen"]["accuracy"]), None)
    found = {"accuracy": _tuned("accuracy", most, None, samples["tune"], work)}
    if margin is not None:
        cheapest = mj(*search, "--accuracy", f"{large['choose'] + margin:.6f}", "-o", work / "energy.mj")
        found["energy"] = _tuned("energy", cheapest, large["tune"] + margin, samples["tune"], work)
    chosen = {"large": dict(large), "margin": margin, "goals": found}
    (work / "pairs.json").write_text(json.dumps(chosen, indent=1), encoding="utf-8")
    return chosen


def _tuned(goal: str, report: Mapping[str, Any], least: float | None, samples: Path, work: Path) -> dict[str, Any]:
    """least: the accuracy to ask for; the best where it cannot be reached, or None."""
    thresholds = {}
    for workload, check in WORKLOADS.items():
        search: tuple[str | Path, ...] = ("tune", work / f"{goal}.mj", samples, f"--{'' if check else 'no-'}post-check")
        write: tuple[str | Path, ...] = ("-o", cascade_path(work, goal, workload))
        tuned = mj(*search, *write)
        if least is not None and least <= tuned["accuracy"]:
            tuned = mj(*search, *write, "--accuracy", f"{least:.6f}")
        keys = ("claim", "thresholds", "temperatures", "accuracy", "asked")
        thresholds[workload] = {key: tuned[key] for key in keys}
    keys = ("goal", "models", "chosen", "complementarity", "exactly_one_right")
    return {**{key: report[key] for key in keys}, "thresholds": thresholds}
