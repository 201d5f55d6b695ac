"""A cascade's temperatures, post-check and thresholds for a claim, from samples, and a proof of it from others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...runtime.cascade.gate import Gate
from .claims import Accuracy, Answered, Claim, Loss
from .outcomes import Outcomes, Setting, outcomes
from .proof import prove
from .report import answered_on_samples, numbers, on_samples, points
from .search import best, cost_of
from .temperature import fit_temperature

if TYPE_CHECKING:
    from .logits import Said

Drawn = tuple[np.ndarray, np.ndarray]
"""The numbers of the samples that tune and of those that prove."""


def find_thresholds(
    gate: Gate, said: Sequence[Said], labels: np.ndarray, claim: Claim | None, drawn: Drawn | None, delta: float,
    keep_temperatures: bool, post_check: bool | None, budget: float | None = None,
) -> tuple[dict[str, Any], Callable[[int], list[dict[str, Any]]]]:  # fmt: skip
    """What there is to say, and so many points at most of what other settings would do.

    claim: None for the best accuracy, with budget multiply-adds on average at most, where that is given. drawn: where
    the claim is to be proved. post_check: None for what serves the claim better on the samples that tune.
    """
    tuning = np.arange(len(labels)) if drawn is None else drawn[0]
    gate = gate if keep_temperatures else _calibrated(gate, said, labels, tuning)
    costs = [float(each.macs) for each in said]
    abstain = None if drawn is not None else gate.abstain
    checks = (True, False) if post_check is None else (post_check,)
    tried = [outcomes([z.logits for z in said], labels, replace(gate, post_check=check)) for check in checks]
    tuned = [each.take(tuning) for each in tried]
    chosen = serving_best(tuned, claim, costs, abstain, budget) if len(tried) > 1 else 0
    whole = tried[chosen]
    proof: dict[str, Any] = {}
    shown = whole
    if drawn is not None:
        assert claim is not None
        shown = whole.take(drawn[1])
        setting, text, proof = _proved(whole, claim, drawn, costs, delta)
        wanted = claim.text
    elif isinstance(claim, Answered):
        setting, wanted, text = answered_on_samples(whole, claim, claim.least)
    else:
        least = claim.least if isinstance(claim, Accuracy) else None
        setting, wanted, text = on_samples(whole, costs, least, abstain, budget)
    report = {
        "claim": wanted, "text": text, "temperatures": list(gate.temperatures(len(said))),
        "temperatures_fitted": not keep_temperatures, "post_check": checks[chosen],
        "post_check_chosen": len(tried) > 1, **numbers(shown, setting, costs), **proof,
    }  # fmt: skip
    answering, others = isinstance(claim, Answered), whole.take(tuning)
    return report, lambda most: points(others, costs, abstain, answering, most)


def serving_best(
    tried: Sequence[Outcomes], claim: Claim | None, costs: Sequence[float], abstain: float | None,
    budget: float | None = None,
) -> int:  # fmt: skip
    """Which of these serves a claim best on these samples; of equal ones the first."""
    ranks = [_rank(found, claim, costs, abstain, budget) for found in tried]
    return ranks.index(max(ranks))


def _rank(
    found: Outcomes, claim: Claim | None, costs: Sequence[float], abstain: float | None, budget: float | None
) -> tuple[bool, float, float]:  # fmt: skip
    if isinstance(claim, Answered):
        setting = answered_on_samples(found, claim, claim.least)[0]
        return setting is not None, 0.0 if setting is None else float(found.answered(setting).mean()), 0.0
    least = None
    if isinstance(claim, Accuracy):
        least = claim.least
    elif isinstance(claim, Loss):
        least = float(found.alone[:, -1].mean()) - claim.most
    setting = best(found, costs, least, abstain, budget)
    reached = setting is not None
    setting = setting or best(found, costs, None, abstain)
    assert setting is not None
    right, cost = float(found.right_of(setting).mean()), cost_of(found, costs, setting)
    return (True, -cost, right) if reached and least is not None else (reached, right, -cost)


def _calibrated(gate: Gate, said: Sequence[Said], labels: np.ndarray, tuning: np.ndarray) -> Gate:
    fits = [fit_temperature(each.logits[tuning], labels[tuning]) for each in said]
    return replace(gate, temperature=tuple(fit.temperature for fit in fits))


def _proved(
    whole: Outcomes, claim: Claim, drawn: Drawn, costs: list[float], delta: float
) -> tuple[Setting | None, str, dict[str, Any]]:  # fmt: skip
    tuning, proving = drawn
    found = prove(whole.take(tuning), whole.take(proving), claim, costs, delta)
    many = "thresholds" if len(costs) == 2 else "settings of the thresholds"
    text = (
        f"on new samples of the same kind with probability {1 - delta:g}. How: {claim.method}, a fixed sequence of "
        f"{found.tried} {many} from {len(tuning)} samples, which also gave the temperatures; {len(proving)} others, "
        "drawn at random, prove it. Assumed: new samples are drawn independently from what these are from, and no "
        "sample that proves was seen by a stage's training or by whoever chose the stages and their order"
    )
    if found.setting is None:
        needed = f"about {found.needed} proving samples like these would do" if found.needed is not None else (
            "nor would many more be, as these hardly bear it out, if at all")  # fmt: skip
        text = f"no threshold is safe with {len(proving)} proving samples, {needed}"
    return found.setting, text, {
        "delta": delta, "method": claim.method, "tried": found.tried, "tuning_samples": len(tuning),
        "proof_samples": len(proving), "needed_samples": found.needed,
    }  # fmt: skip
