"""What a workload cost and how accurate it was, beside the large network alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from workloads import Answers

Z95 = 1.959964


@dataclass(frozen=True)
class Costs:
    """Of one inference. joules: modelled, by device profile, the idle board's share included."""

    macs: float
    joules: Mapping[str, float]

    def __add__(self, other: Costs) -> Costs:
        return Costs(self.macs + other.macs, {name: self.joules[name] + other.joules[name] for name in self.joules})

    def __rmul__(self, times: float) -> Costs:
        return Costs(times * self.macs, {name: times * joules for name, joules in self.joules.items()})

    def cut(self, of: Costs) -> dict[str, float]:
        """By how much this is less than another, as shares: of "macs" and of each profile's energy."""
        return {
            "macs": 1 - self.macs / of.macs,
            **{name: 1 - joules / of.joules[name] for name, joules in self.joules.items()},
        }


class Difference(NamedTuple):
    """Of two accuracies on the same images, with its 95 % interval."""

    value: float
    low: float
    high: float


def paired_difference(right: NDArray[np.bool_], reference: NDArray[np.bool_]) -> Difference:
    """From the images that only one of both knows, as in McNemar's test (Wald's interval for paired shares)."""
    gained, lost, count = int((right & ~reference).sum()), int((reference & ~right).sum()), right.size
    value = (gained - lost) / count
    half = Z95 * math.sqrt(gained + lost - (gained - lost) ** 2 / count) / count
    return Difference(value, value - half, value + half)


def mean_cost(answers: Answers, stages: list[Costs], hit: Costs) -> Costs:
    """Of an image. stages: what each network takes, the gate behind it included. hit: what a remembered answer does."""
    asked = [float((answers.ran > number).mean()) for number in range(len(stages))]
    total = float((answers.ran == 0).mean()) * hit
    for share, cost in zip(asked, stages, strict=True):
        total += share * cost
    return total


def usage(answers: Answers) -> dict[str, float]:
    """Shares: of images that the second network was asked for, of those that were not remembered; and remembered."""
    known = answers.ran == 0
    return {
        "second_asked": float((answers.ran[~known] > 1).mean()) if not known.all() else 0.0,
        "remembered": float(known.mean()),
    }
