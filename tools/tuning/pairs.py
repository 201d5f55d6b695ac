"""Every ordered pair of a pool of classifiers as a cascade: what it would answer, and at what cost."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ...runtime.cascade.gate import Gate
from .outcomes import outcomes
from .search import Curve, curve, goal_place
from .temperature import fit_temperature

COSTS = ("energy", "latency", "macs")
POINTS = 200
"""Of the front, at most."""


@dataclass(frozen=True, slots=True)
class Member:
    """A classifier of the pool. logits: (samples, classes) float32. seconds: measured here. joules: modelled for a
    device; None where the profile knows no energy."""

    name: str
    logits: np.ndarray
    right: np.ndarray
    temperature: float
    macs: int
    seconds: float
    joules: float | None

    @property
    def accuracy(self) -> float:
        return float(self.right.mean())

    def cost(self, by: str) -> float:
        """by: one of COSTS."""
        found = {"energy": self.joules, "latency": self.seconds, "macs": float(self.macs)}[by]
        assert found is not None
        return found


class Point(NamedTuple):
    """first, second: places in the pool; second None where the first is alone, without a threshold and a post-check.
    asked: the share of samples for which the second is asked. cost: the mean of an inference."""

    first: int
    second: int | None
    post_check: bool | None
    threshold: float | None
    accuracy: float
    asked: float
    cost: float


@dataclass(frozen=True, slots=True)
class Pairing:
    """point: at the threshold that the goal wants, with the post-check or without it, whichever is better; None where
    it can't be reached."""

    first: int
    second: int
    point: Point | None
    best: float
    """The highest accuracy at any threshold and either way."""


class Found(NamedTuple):
    """pairings: every ordered pair, the best for the goal first. front: what nothing else beats in both accuracy and
    cost, the cheapest first."""

    pairings: list[Pairing]
    front: list[Point]


def member(
    name: str, logits: np.ndarray, labels: np.ndarray, macs: int, seconds: float, joules: float | None
) -> Member:
    """With its temperature fitted to these samples."""
    right = np.where(np.isnan(logits), -np.inf, logits).argmax(axis=1) == labels
    return Member(name, logits, right, fit_temperature(logits, labels).temperature, macs, seconds, joules)


def search(
    members: Sequence[Member], labels: np.ndarray, score: str, post_check: bool | None, by: str, accuracy: float | None,
    most: float | None = None,
) -> Found:  # fmt: skip
    """post_check: of every pair; None: with it or without it, whichever is better. accuracy: the cheapest with so much
    of it is looked for; None: the most accurate, of several the cheapest, that costs `most` at most, where that is
    given."""
    pairings = []
    points = [Point(i, None, None, None, each.accuracy, 0.0, each.cost(by)) for i, each in enumerate(members)]
    for first, second in itertools.permutations(range(len(members)), 2):
        a, b = members[first], members[second]
        costs, tried = (a.cost(by), b.cost(by)), list[Pairing]()
        for check in (True, False) if post_check is None else (post_check,):
            gate = Gate(score, temperature=(a.temperature, b.temperature), post_check=check)
            whole = curve(outcomes((a.logits, b.logits), labels, gate), costs)
            place = goal_place(whole, accuracy, most)
            point = None if place is None else _point(first, second, check, whole, place, costs)
            tried.append(Pairing(first, second, point, float(whole.right.max() / whole.samples)))
            points += [_point(first, second, check, whole, at, costs) for at in _undominated(whole)]
        better = min(tried, key=lambda pairing: _rank(pairing, accuracy))
        pairings.append(replace(better, best=max(pairing.best for pairing in tried)))
    return Found(sorted(pairings, key=lambda pairing: _rank(pairing, accuracy)), _front(points))


def _rank(pairing: Pairing, accuracy: float | None) -> tuple[float, float, float]:
    point = pairing.point
    if point is None:
        return 1.0, -pairing.best, 0.0
    order = (-point.accuracy, point.cost) if accuracy is None else (point.cost, -point.accuracy)
    return 0.0, *order


def _point(first: int, second: int, post_check: bool, whole: Curve, at: int, costs: Sequence[float]) -> Point:
    cost = float(whole.cost[at] / whole.samples)
    asked = round((cost - costs[0]) / costs[1] * whole.samples) / whole.samples if costs[1] else 0.0
    # Without the rounding of the sums, so that a pair whose second is never asked costs what its first does.
    cost = costs[0] + asked * costs[1]
    accuracy = float(whole.right[at] / whole.samples)
    return Point(first, second, post_check, float(whole.thresholds[at]), accuracy, asked, cost)


def _undominated(whole: Curve) -> list[int]:
    """Places of a curve where nothing cheaper is as accurate."""
    cheaper = np.maximum.accumulate(whole.right[::-1])[::-1]
    keep = np.append(whole.right[:-1] > cheaper[1:], True)
    return [int(at) for at in np.flatnonzero(keep)]


def _front(points: Sequence[Point]) -> list[Point]:
    found: list[Point] = []
    for point in sorted(points, key=lambda point: (point.cost, -point.accuracy)):
        if not found or point.accuracy > found[-1].accuracy:
            found.append(point)
    if len(found) <= POINTS:
        return found
    return [found[at] for at in np.unique(np.linspace(0, len(found) - 1, POINTS).round().astype(int))]
