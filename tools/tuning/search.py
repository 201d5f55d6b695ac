"""The best thresholds for the samples at hand. Accuracy changes only where a score is, so that of one threshold, the
others given, every value there can be is compared: exact for two stages; for more, none can be better alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .outcomes import NEVER, Outcomes, Setting

STARTS = (NEVER, 0.9, 0.7, 0.5, 0.3)
PRICES = np.geomspace(1e-3, 4.0, 60)
"""What all stages for every sample may cost, in shares of the samples answered rightly."""
TURNS, REFINED = 20, 12


@dataclass(frozen=True, slots=True)
class Curve:
    """All that one threshold can do: from the next stage always asked down to never. thresholds: between scores. right:
    how many samples are answered rightly. cost: of all samples, in the unit of the stages' costs."""

    thresholds: np.ndarray
    right: np.ndarray
    cost: np.ndarray
    samples: int


def curve(found: Outcomes, costs: Sequence[float], stage: int = 0, setting: Setting | None = None) -> Curve:
    """Of the threshold of a stage, in n log n for n samples. costs: of each stage. setting: the other thresholds, where
    there are any; abstaining counts as wrong."""
    setting = Setting((NEVER,) * (found.stages - 1)) if setting is None else setting
    sums = np.cumsum(np.asarray(costs, np.float64))
    passing = list(setting.thresholds)
    passing[stage] = NEVER
    go = Setting(tuple(passing), setting.abstain)
    ends, right = found.ends(go), found.right_of(go).astype(np.int64)
    spent = sums[ends]
    reached = np.flatnonzero(ends > stage)
    order = reached[np.argsort(-found.score[reached, stage], kind="stable")]
    score = found.score[order, stage]
    gain = np.concatenate([[0], np.cumsum(found.right[order, stage].astype(np.int64) - right[order])])
    saved = np.concatenate([[0.0], np.cumsum(spent[order] - sums[stage])])
    # Equal scores go together: a threshold may stand only where the next score is another.
    places = np.concatenate([[0], 1 + np.flatnonzero(np.diff(score)), [score.size]]) if score.size else np.array([0])
    between = [NEVER, *_between(score[places[1:-1] - 1], score[places[1:-1]]), 0.0][: places.size]
    return Curve(np.array(between), int(right.sum()) + gain[places], float(spent.sum()) - saved[places], len(found))


def most_accurate(of: Curve) -> int:
    """The place of the highest accuracy, of several the cheapest."""
    return int(np.flatnonzero(of.right == of.right.max())[-1])


def least_cost(of: Curve, accuracy: float) -> int | None:
    """The place that costs least while so large a share is right; None where it never is."""
    enough = np.flatnonzero(of.right >= accuracy * of.samples)
    return int(enough[-1]) if enough.size else None


def most_accurate_within(of: Curve, most: float) -> int | None:
    """The same of the places whose mean cost is `most` at most; None where there is none."""
    affordable = np.flatnonzero(of.cost <= most * of.samples)
    if not affordable.size:
        return None
    right = of.right[affordable]
    return int(affordable[np.flatnonzero(right == right.max())[-1]])


def goal_place(of: Curve, accuracy: float | None, most: float | None) -> int | None:
    """The cheapest place with such an accuracy; without that the most accurate, of those that cost so much at most."""
    if accuracy is not None:
        return least_cost(of, accuracy)
    return most_accurate(of) if most is None else most_accurate_within(of, most)


def best(
    found: Outcomes, costs: Sequence[float], accuracy: float | None, abstain: float | None = None,
    most: float | None = None,
) -> Setting | None:  # fmt: skip
    """The most accurate setting, of several the cheapest, and of those with a mean cost of `most` at most; or the
    cheapest with such an accuracy. None where there is none."""
    if found.stages == 2:
        whole = curve(found, costs, setting=Setting((NEVER,), abstain))
        place = goal_place(whole, accuracy, most)
        return None if place is None else Setting((float(whole.thresholds[place]),), abstain)
    tried = [_improve(Setting((t,) * (found.stages - 1), abstain), found, costs, most_accurate) for t in STARTS]
    if accuracy is None and most is not None:
        return _best_within(found, costs, [*tried, *frontier(found, costs, abstain)], most)
    if accuracy is None:
        return max(tried, key=lambda setting: _worth(found, costs, setting))
    tried += frontier(found, costs, abstain)
    enough = [setting for setting in tried if found.right_of(setting).sum() >= accuracy * len(found)]
    if not enough:
        return None
    enough.sort(key=lambda setting: cost_of(found, costs, setting))
    cheaper = [
        _improve(setting, found, costs, lambda of: least_cost(of, accuracy) or 0) for setting in enough[:REFINED]
    ]
    return min(cheaper, key=lambda setting: cost_of(found, costs, setting))


def _best_within(
    found: Outcomes, costs: Sequence[float], tried: Sequence[Setting], most: float
) -> Setting | None:  # fmt: skip
    affordable = [setting for setting in tried if cost_of(found, costs, setting) <= most]
    if not affordable:
        return None

    def choose(of: Curve) -> int:
        place = most_accurate_within(of, most)
        # Sums of costs in another order may be more by a rounding.
        return of.cost.size - 1 if place is None else place

    affordable.sort(key=lambda setting: _worth(found, costs, setting), reverse=True)
    better = [_improve(setting, found, costs, choose) for setting in affordable[:REFINED]]
    kept = [setting for setting in (*better, affordable[0]) if cost_of(found, costs, setting) <= most]
    return max(kept, key=lambda setting: _worth(found, costs, setting))


def frontier(found: Outcomes, costs: Sequence[float], abstain: float | None = None) -> list[Setting]:
    """Settings from the most accurate to the cheapest: those that are best where asking all stages costs so much of
    the accuracy, for many prices."""
    whole, setting = float(sum(costs)) or 1.0, Setting((NEVER,) * (found.stages - 1), abstain)
    setting = max(
        (_improve(Setting((t,) * (found.stages - 1), abstain), found, costs, most_accurate) for t in STARTS),
        key=lambda one: _worth(found, costs, one),
    )
    settings = [setting]
    for price in PRICES:

        def cheap(of: Curve, price: float = float(price)) -> int:
            worth = of.right - price * of.cost / whole
            return int(np.flatnonzero(worth >= worth.max() - 1e-9)[-1])

        setting = _improve(setting, found, costs, cheap)
        settings.append(setting)
    unique = list(dict.fromkeys(settings))
    return sorted(unique, key=lambda setting: -cost_of(found, costs, setting))


def cost_of(found: Outcomes, costs: Sequence[float], setting: Setting) -> float:
    """The mean over the samples."""
    return float(found.asked(setting) @ np.asarray(costs, np.float64))


def _worth(found: Outcomes, costs: Sequence[float], setting: Setting) -> tuple[int, float]:
    return int(found.right_of(setting).sum()), -cost_of(found, costs, setting)


def _improve(setting: Setting, found: Outcomes, costs: Sequence[float], choose: Callable[[Curve], int]) -> Setting:
    """Each threshold in turn as good as the others allow, until none changes."""
    for _ in range(TURNS):
        before = setting
        for stage in reversed(range(found.stages - 1)):
            of = curve(found, costs, stage, setting)
            thresholds = list(setting.thresholds)
            thresholds[stage] = float(of.thresholds[choose(of)])
            setting = Setting(tuple(thresholds), setting.abstain)
        if setting == before:
            break
    return setting


def _between(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Midway between neighbouring scores; where float32 has nothing between them, the upper one."""
    middle = ((above.astype(np.float64) + below) / 2).astype(np.float32)
    return np.where(middle > below, middle, above)
