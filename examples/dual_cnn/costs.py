"""The large network, to which all is compared: as it is here, or as it was where its file was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from command import estimates
from data import SOURCES, Images, Labels
from figures import Costs
from machine import processor
from measured import Key
from numpy.typing import NDArray
from places import LARGE, UNTRAINED, model_path, scores_path
from workloads import Answers, ask

DEVICES = ("jetson-nano", "host")
HERE = "int8, run here"
SCORED = "accuracy: of its committed scores, float32"
Right = NDArray[np.bool_]
Parts = Mapping[str, tuple[Images, Labels]]


@dataclass(frozen=True)
class Baseline:
    """cost: of an inference. right: which test images it knows. seconds: of an inference here, where it was timed.
    source: where all that is from."""

    cost: Costs
    right: Right
    seconds: float | None
    source: str


@cache
def model_cost(dataset: str, model: Path) -> Costs:
    """Of an inference of a model, or of all stages of a cascade."""
    rows, columns, channels = SOURCES[dataset].shape
    found = estimates(model, DEVICES, (1, channels, rows, columns))
    macs = sum(step["macs"] for step in found[DEVICES[0]]["steps"])
    return Costs(float(macs), {name: found[name]["joules"] for name in DEVICES})


def large_one(dataset: str, folder: Path) -> str:
    """The large network, or in its place the same layers with random weights, which say what it costs and nothing of
    what it knows."""
    return LARGE if model_path(folder, dataset, LARGE).exists() else UNTRAINED


def large_cost(dataset: str, models: Mapping[str, Path], results: Path) -> Costs:
    """Of the large network, as it or its untrained layers are here, or as earlier results say. Ends the program where
    none of these is there."""
    for name in (LARGE, UNTRAINED):
        if name in models:
            return model_cost(dataset, models[name])
    of = _earlier(dataset, results)["large"]
    return Costs(of["macs"], of["joules"])


def _earlier(dataset: str, results: Path) -> dict[str, Any]:
    found: dict[str, Any] | None = None
    if results.exists():
        found = json.loads(results.read_text(encoding="utf-8")).get(dataset)
    if found is None:
        raise SystemExit(
            f"{dataset}: neither the large network's ONNX file nor {results} says what it costs; "
            "export.py --untrained writes a file that does"
        )
    return found


def accuracies(dataset: str, models: Mapping[str, Path], folder: Path, parts: Parts) -> dict[str, float]:
    """On "choose" and "tune". Without the network's file: by its committed scores, in float."""
    found = {}
    for part in ("choose", "tune"):
        images, labels = parts[part]
        said = (
            ask(models[LARGE], images).label
            if LARGE in models
            else _scores(dataset, folder, part)[: len(labels)].argmax(1)
        )
        found[part] = float((said == labels).mean())
    return found


def baseline(
    dataset: str, models: Mapping[str, Path], folder: Path, labels: Labels, answers: Mapping[Key, Answers],
    times: Mapping[Key, float], results: Path,
) -> Baseline:  # fmt: skip
    """labels: of the test images. Ends the program where neither the network's file nor earlier results say what it
    costs."""
    key = ("plain", "", LARGE)
    if LARGE in models:
        right = answers[key].label == labels
        return Baseline(large_cost(dataset, models, results), right, times.get(key), HERE)
    right = _scores(dataset, folder, "test")[: len(labels)].argmax(1) == labels
    if UNTRAINED in models:
        source = f"{SCORED}; costs: of the same layers with random weights, {HERE}"
        return Baseline(large_cost(dataset, models, results), right, times.get(key), source)
    earlier = _earlier(dataset, results)
    # Results that were not made where the network is hand on whose costs they have.
    source = earlier["large"]["source"]
    if source == HERE:
        source = f"{SCORED}; costs: of {results.name}, {earlier['machine']}"
    seconds = earlier["large"]["seconds"] if earlier["machine"] == processor() else None
    return Baseline(large_cost(dataset, models, results), right, seconds, source)


def _scores(dataset: str, folder: Path, part: str) -> NDArray[np.float16]:
    with np.load(scores_path(folder, dataset)) as archive:
        found: NDArray[np.float16] = archive["test" if part == "test" else "tune"]
    return {"choose": found[0::2], "tune": found[1::2], "test": found}[part]
