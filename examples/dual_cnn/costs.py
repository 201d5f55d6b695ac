"""What models cost."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from command import estimates
from data import SOURCES
from figures import Costs

DEVICES = ("jetson-nano", "host")


@cache
def model_cost(dataset: str, model: Path) -> Costs:
    """Of an inference of a model, or of all stages of a cascade."""
    rows, columns, channels = SOURCES[dataset].shape
    found = estimates(model, DEVICES, (1, channels, rows, columns))
    macs = sum(step["macs"] for step in found[DEVICES[0]]["steps"])
    return Costs(float(macs), {name: found[name]["joules"] for name in DEVICES})
