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


def best(
    found: Outcomes, costs: Sequence[float], accuracy: float | None, abstain: float | None = None
) -> Setting | None:
    """The most accurate setting, of several the cheapest; or the cheapest with such an accuracy, None where there is
    none."""
    if found.stages == 2:
        whole = curve(found, costs, setting=Setting((NEVER,), abstain))
        place = most_accurate(whole) if accuracy is None else least_cost(whole, accuracy)
        return None if place is None else Setting((float(whole.thresholds[place]),), abstain)
    tried = [_improve(Setting((t,) * (found.stages - 1), abstain), found, costs, most_accurate) for t in STARTS]
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
