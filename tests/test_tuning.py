"""Thresholds are the best there are, and guarantees hold as often as they say, on simulated cascades."""

from __future__ import annotations

import math

import numpy as np
import pytest

from millijoule.tools.tuning.guarantee import binomial_cdf, fixed_sequence, of_accuracy, of_loss, samples_needed
from millijoule.tools.tuning.outcomes import Outcomes, from_records
from millijoule.tools.tuning.search import NEVER, curve, least_cost, most_accurate


def simulated(n: int, seed: int) -> Outcomes:
    """A first stage that is right 85 % of the time, the surer the more often, and a second one that is right 91 %."""
    rng = np.random.default_rng(seed)
    score = rng.beta(3, 1, n)
    first = rng.random(n) < 0.35 + 0.67 * score
    second = rng.random(n) < np.minimum(0.72 + 0.25 * score, 1)
    return Outcomes(score, first, second, second)


def test_the_search_is_exact() -> None:
    """Against every threshold tried one by one, also with equal scores."""
    for seed in range(20):
        found = simulated(60, seed)
        found = Outcomes(np.round(found.score, 1 + seed % 2), found.first, found.asked, found.second)
        whole = curve(found)
        for threshold, right, asked in zip(whole.thresholds, whole.right, whole.asked, strict=True):
            assert found.right(threshold).sum() == right and round(found.usage(threshold) * 60) == asked
        tried = [found.right(t).sum() for t in [NEVER, *np.unique(found.score)]]
        best = most_accurate(whole)
        assert whole.right[best] == max(tried)
        assert len(whole.thresholds) == np.unique(found.score).size + 1
        cheapest = least_cost(whole, 0.8)
        options = [found.usage(t) for t in [NEVER, *np.unique(found.score)] if found.right(t).mean() >= 0.8]
        assert (cheapest is None) == (not options)
        if cheapest is not None:
            assert whole.asked[cheapest] / 60 == pytest.approx(min(options))


def test_equal_accuracies_ask_the_second_stage_least() -> None:
    right = np.ones(4, bool)
    whole = curve(Outcomes(np.array([0.1, 0.2, 0.3, 0.4]), right, right, right))
    assert whole.asked[most_accurate(whole)] == 0 and least_cost(whole, 1.1) is None


def test_outcomes_after_the_post_check() -> None:
    records = np.array([[[0.3, 1], [0.2, 2]], [[0.3, 1], [0.4, 2]], [[0.3, 1], [0.3, 2]]])
    labels = np.array([2, 2, 1])
    found = from_records(records, labels, post_check=True)
    assert found.asked.tolist() == [False, True, True] and found.second.tolist() == [True, True, False]
    assert from_records(records, labels, post_check=False).asked.tolist() == [True, True, False]


def test_the_binomial_is_exact() -> None:
    for n, p in ((1, 0.5), (10, 0.3), (50, 0.02), (200, 0.97)):
        for k in (-1, 0, n // 3, n - 1, n):
            exact = sum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1))
            assert binomial_cdf(k, n, p) == pytest.approx(exact, rel=1e-9, abs=1e-15)
    assert [binomial_cdf(182, 2000, 0.1) <= 0.1, binomial_cdf(183, 2000, 0.1) <= 0.1] == [True, False]
    assert [binomial_cdf(961, 10_000, 0.1) <= 0.1, binomial_cdf(962, 10_000, 0.1) <= 0.1] == [True, False]


def test_a_sequence_ends_at_the_first_failure() -> None:
    assert fixed_sequence([0.01, 0.1, 0.2, 0.01], 0.1) == 1
    assert fixed_sequence([0.2, 0.01], 0.1) is None and fixed_sequence([], 0.1) is None


def test_how_many_samples_would_do() -> None:
    assert samples_needed(1.0, 0.95, 0.1) == 45 and samples_needed(1.0, 0.99, 0.05) == 299
    assert samples_needed(0.9, 0.9, 0.1) is None
    needed = samples_needed(0.92, 0.9, 0.1)
    assert needed is not None and binomial_cdf(math.floor(needed * 0.08), needed, 0.1) <= 0.1


GRID = np.concatenate([[NEVER], np.linspace(1, 0, 201)])
DELTA, DRAWS = 0.1, 400
LIMIT = DELTA + 3 * math.sqrt(DELTA * (1 - DELTA) / DRAWS)


@pytest.mark.parametrize("claim", ["accuracy", "loss", "no loss"])
def test_guarantees_hold_as_often_as_they_say(claim: str) -> None:
    """Judged by a very large sample. The same search without a guarantee breaks the claim about every other time."""
    truth = simulated(400_000, 1_000_000)
    accuracies = np.array([truth.right(t).mean() for t in GRID])
    floor = {"accuracy": 0.885, "loss": truth.second.mean() - 0.01, "no loss": truth.second.mean()}[claim]
    broken = unproved = useful = 0
    for seed in range(DRAWS):
        found = simulated(1000, seed)
        if claim == "accuracy":
            p = (of_accuracy(found.right(t), 0.885) for t in GRID)
            greedy = [found.right(t).mean() >= 0.885 for t in GRID]
        else:
            loss = 0.01 if claim == "loss" else 0.0
            p = (of_loss(found.right(t), found.second, loss, DELTA) for t in GRID)
            greedy = [found.right(t).mean() >= found.second.mean() - loss for t in GRID]
        place = fixed_sequence(p, DELTA)
        broken += place is not None and accuracies[place] < floor - 1e-9
        useful += place is not None and place > 0
        unproved += accuracies[np.flatnonzero(greedy)[-1]] < floor - 1e-9 if any(greedy) else 0
    assert broken <= LIMIT * DRAWS
    if claim != "no loss":
        assert useful > DRAWS // 3 and unproved > 0.25 * DRAWS
