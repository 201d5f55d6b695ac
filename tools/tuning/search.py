"""The best threshold for the samples at hand, exactly: accuracy changes only where a score is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .outcomes import Outcomes

NEVER = 2.0
"""A threshold that no score reaches: the second stage is always asked."""


@dataclass(frozen=True, slots=True)
class Curve:
    """All that thresholds can do: from the second stage always asked down to never. thresholds: midway between scores.
    right: how many samples are answered rightly; asked: for how many the second stage is asked."""

    thresholds: np.ndarray
    right: np.ndarray
    asked: np.ndarray
    samples: int


def curve(found: Outcomes) -> Curve:
    """In n log n for n samples."""
    order = np.argsort(-found.score, kind="stable")
    score = found.score[order].astype(np.float64)
    gain = np.concatenate([[0], np.cumsum(found.first[order].astype(np.int64) - found.asked[order])])
    # Equal scores go together: a threshold may stand only where the next score is another.
    places = np.concatenate([[0], 1 + np.flatnonzero(np.diff(score)), [score.size]]) if score.size else np.array([0])
    between = [NEVER, *((score[places[1:-1] - 1] + score[places[1:-1]]) / 2), 0.0][: places.size]
    return Curve(np.array(between), int(found.asked.sum()) + gain[places], score.size - places, score.size)


def most_accurate(of: Curve) -> int:
    """The place of the highest accuracy, of several the one that asks the second stage least."""
    return int(np.flatnonzero(of.right == of.right.max())[-1])


def least_cost(of: Curve, accuracy: float) -> int | None:
    """The place where the second stage is asked least while so large a share is right; None where it never is."""
    enough = np.flatnonzero(of.right >= accuracy * of.samples)
    return int(enough[-1]) if enough.size else None
