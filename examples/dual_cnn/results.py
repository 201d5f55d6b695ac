"""All figures of the experiment on one data set, as plain data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from costs import model_cost
from data import Labels
from figures import Costs, mean_cost, paired_difference, usage
from machine import processor
from measured import Key
from pairs import WORKLOADS, cascade_path
from places import LARGE
from workloads import Answers

RESULTS = Path(__file__).resolve().parent / "results.json"


def put_together(
    dataset: str, models: Mapping[str, Path], work: Path, answers: Mapping[Key, Answers], labels: Labels,
    times: Mapping[Key, float],
) -> dict[str, Any]:  # fmt: skip
    """labels: of the test images."""
    chosen = json.loads((work / "pairs.json").read_text(encoding="utf-8"))
    cost, alone = model_cost(dataset, models[LARGE]), ("plain", "", LARGE)
    reference = answers[alone].label == labels
    rows = []
    for key, asked in answers.items():
        images, goal, workload = key
        stages = [cost] if not goal else _stages(dataset, models, chosen, work, goal, workload.removesuffix(", memory"))
        spent = mean_cost(asked, stages, _hit(asked, stages[0]))
        right = asked.label[: len(labels)] == labels
        rows.append({
            "images": images, "goal": goal, "workload": workload,
            "accuracy": float((asked.label == np.resize(labels, len(asked.label))).mean()),
            "difference": list(paired_difference(right, reference)) if goal else None,
            "macs": spent.macs, "joules": dict(spent.joules), "seconds": times.get(key),
            **usage(asked), "cut": None if workload == LARGE else spent.cut(cost),
        })  # fmt: skip
    return {
        "dataset": dataset,
        "machine": processor(),
        "images": len(labels),
        "large": {
            "accuracy": float(reference.mean()), "macs": cost.macs, "joules": dict(cost.joules),
            "seconds": times.get(alone),
        },
        "goals": chosen["goals"],
        "margin": chosen["margin"],
        "rows": rows,
    }  # fmt: skip


def _stages(
    dataset: str, models: Mapping[str, Path], chosen: Mapping[str, Any], work: Path, goal: str, workload: str
) -> list[Costs]:
    """Of the two networks of a pair, the gate counted with the first."""
    assert workload in WORKLOADS
    pair = chosen["goals"][goal]["chosen"]
    first, second = (model_cost(dataset, models[pair[which]]) for which in ("first", "second"))
    gate = model_cost(dataset, cascade_path(work, goal, workload)) + -1.0 * (first + second)
    return [first + Costs(0.0, gate.joules), second]


def _hit(asked: Answers, first: Costs) -> Costs:
    """What a remembered answer takes: the share of the first network's energy that it takes of that one's time here."""
    known, alone = asked.ran == 0, asked.ran == 1
    if not known.any() or not alone.any():
        return 0.0 * first
    share = float(np.median(asked.seconds[known]) / np.median(asked.seconds[alone]))
    return Costs(0.0, (share * first).joules)
