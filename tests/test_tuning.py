"""Thresholds are the best there are, and guarantees hold as often as they say, on simulated cascades."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from millijoule.runtime.cascade.gate import Gate
from millijoule.runtime.memory.binomial import binomial_cdf
from millijoule.runtime.ops.confidence_gate import SCORES, confidence_gate
from millijoule.tools.tuning import proof
from millijoule.tools.tuning.claims import Accuracy, Answered, Claim, Loss
from millijoule.tools.tuning.complementarity import cover
from millijoule.tools.tuning.guarantee import fixed_sequence, samples_needed
from millijoule.tools.tuning.outcomes import NEVER, Outcomes, Setting, from_answers, outcomes
from millijoule.tools.tuning.pairs import Point, member, search
from millijoule.tools.tuning.proof import ordered, prove
from millijoule.tools.tuning.report import answered_on_samples
from millijoule.tools.tuning.scores import confidence
from millijoule.tools.tuning.search import best, cost_of, curve, frontier, least_cost, most_accurate
from millijoule.tools.tuning.temperature import fit_temperature

COSTS = (1.0, 3.0)


def simulated(n: int, seed: int) -> Outcomes:
    """A first stage that is right 85 % of the time, the surer the more often, and a second one that is right 91 %."""
    rng = np.random.default_rng(seed)
    score = rng.beta(3, 1, n)
    first = rng.random(n) < 0.35 + 0.67 * score
    second = rng.random(n) < np.minimum(0.72 + 0.25 * score, 1)
    other = np.where(second, rng.beta(4, 1, n), rng.beta(2, 2, n))
    return from_answers(
        [each.astype(np.float32) for each in (score, other)], [~first, ~second], np.zeros(n, bool), post_check=False
    )


def rounded(found: Outcomes, digits: int) -> Outcomes:
    return Outcomes(np.round(found.score, digits), np.round(found.best, digits), found.right, found.alone)


def one(threshold: float) -> Setting:
    return Setting((float(threshold),))


def test_the_search_is_exact() -> None:
    """Against every threshold tried one by one, also with equal scores."""
    for seed in range(20):
        found = rounded(simulated(60, seed), 1 + seed % 2)
        whole = curve(found, COSTS)
        np.testing.assert_array_equal(found.counts([one(t) for t in whole.thresholds])[0], whole.right)
        for threshold, right, cost in zip(whole.thresholds, whole.right, whole.cost, strict=True):
            assert found.right_of(one(threshold)).sum() == right
            assert cost_of(found, COSTS, one(threshold)) * 60 == pytest.approx(cost)
        every = [one(t) for t in [NEVER, *np.unique(found.score[:, 0])]]
        assert whole.right[most_accurate(whole)] == max(found.right_of(t).sum() for t in every)
        assert len(whole.thresholds) == len(every)
        for most in (0.5, *np.linspace(1, 4, 7)):
            affordable = [t for t in every if cost_of(found, COSTS, t) <= most]
            setting = best(found, COSTS, None, most=most)
            assert (setting is None) == (not affordable)
            if setting is not None:
                right = max(found.right_of(t).sum() for t in affordable)
                assert found.right_of(setting).sum() == right and cost_of(found, COSTS, setting) <= most
        cheapest = least_cost(whole, 0.8)
        options = [cost_of(found, COSTS, t) for t in every if found.right_of(t).mean() >= 0.8]
        assert (cheapest is None) == (not options)
        if cheapest is not None:
            assert whole.cost[cheapest] / 60 == pytest.approx(min(options))


def test_three_stages_are_as_good_as_every_pair_of_thresholds() -> None:
    """Or nearly: a search by one threshold at a time may end a little short of the best."""
    costs, short = (1.0, 2.0, 4.0), 0
    for seed in range(4):
        rng = np.random.default_rng(seed)
        scores = [np.round(rng.random(40), 1).astype(np.float32) for _ in range(3)]
        answers = [(rng.random(40) > 0.3 + 0.5 * score).astype(int) for score in scores]
        found = from_answers(scores, answers, np.zeros(40, int), post_check=bool(seed % 2))
        levels = [NEVER, *np.linspace(0, 1, 11)]
        grid = [Setting((a, b)) for a in levels for b in levels]
        right = max(int(found.right_of(setting).sum()) for setting in grid)
        chosen = best(found, costs, None)
        assert chosen is not None
        short += right - int(found.right_of(chosen).sum())
        wanted = (right - 2) / 40
        cheap = best(found, costs, wanted)
        least = min(cost_of(found, costs, setting) for setting in grid if found.right_of(setting).mean() >= wanted)
        assert cheap is not None and found.right_of(cheap).mean() >= wanted
        assert cost_of(found, costs, cheap) <= 1.2 * least
        assert best(found, costs, 1.1) is None and best(found, costs, None, most=0.9) is None
        within = best(found, costs, None, most=3.0)
        affordable = [setting for setting in grid if cost_of(found, costs, setting) <= 3.0]
        assert within is not None and cost_of(found, costs, within) <= 3.0
        assert found.right_of(within).sum() >= max(found.right_of(setting).sum() for setting in affordable) - 1
        spent = [cost_of(found, costs, setting) for setting in frontier(found, costs)]
        assert spent == sorted(spent, reverse=True)
    assert short <= 1


def test_equal_accuracies_ask_the_second_stage_least() -> None:
    same = [np.array([0.1, 0.2, 0.3, 0.4], np.float32)] * 2
    found = from_answers(same, [np.zeros(4, int)] * 2, np.zeros(4, int), post_check=True)
    whole = curve(found, COSTS)
    assert whole.cost[most_accurate(whole)] == 4 and least_cost(whole, 1.1) is None


@pytest.mark.parametrize("post_check", [True, False])
def test_levels_are_counted_as_one_by_one(post_check: bool) -> None:
    rng = np.random.default_rng(3)
    scores = [np.round(rng.random(60), 1).astype(np.float32) for _ in range(3)]
    found = from_answers(scores, [rng.integers(0, 2, 60) for _ in range(3)], np.zeros(60, int), post_check)
    settings = [Setting((level, level), level) for level in (0.0, *np.unique(found.score).tolist(), NEVER)]
    right, answered = found.counts(settings)
    assert right.tolist() == [found.right_of(setting).sum() for setting in settings]
    assert answered.tolist() == [found.answered(setting).sum() for setting in settings]
    assert answered[0] == 60 and answered[-1] == 0


def test_scores_that_are_neighbours_in_float32_are_told_apart() -> None:
    low = np.float32(0.75)
    high = np.nextafter(low, np.float32(1))
    score = np.array([low, high])
    found = from_answers([score, score], [np.array([1, 0]), np.array([0, 1])], np.zeros(2, int), post_check=False)
    whole = curve(found, COSTS)
    at = float(whole.thresholds[most_accurate(whole)])
    assert found.right_of(one(at)).all() and low < np.float32(at) <= high


def test_outcomes_after_the_post_check() -> None:
    scores = [np.array([0.3, 0.3, 0.3], np.float32), np.array([0.2, 0.4, 0.3], np.float32)]
    answers = [np.array([1, 1, 1]), np.array([2, 2, 2])]
    found = from_answers(scores, answers, np.array([2, 2, 1]), post_check=True)
    assert found.right[:, 1].tolist() == [False, True, True] and found.alone[:, 1].tolist() == [True, True, False]
    assert found.best[:, 1].tolist() == pytest.approx([0.3, 0.4, 0.3])
    plain = from_answers(scores, answers, np.array([2, 2, 1]), post_check=False)
    assert plain.right[:, 1].tolist() == [True, True, False]
    abstaining = Setting((NEVER,), 0.35)
    assert found.answered(abstaining).tolist() == [False, True, False]
    assert found.right_of(abstaining).tolist() == [False, True, False]


@pytest.mark.parametrize("score", SCORES)
def test_scores_are_those_of_the_gate(score: str) -> None:
    rng = np.random.default_rng(0)
    logits = (rng.normal(0, 4, (50, 6)) * rng.choice([0.1, 1, 40], (50, 1))).astype(np.float32)
    logits[3] = logits[3, 0]
    logits[4, 2] = np.nan
    found, labels = confidence(logits, 1.7, score)
    for row in range(len(logits)):
        scaled = logits[row] * np.float32(1 / 1.7)
        p = np.exp(scaled - scaled.max())
        record = confidence_gate(scaled, p / p.sum(), score=score)
        assert found[row] == pytest.approx(record[0], abs=3e-6) and labels[row] == record[1], row
    logits = rng.normal(0, 3, (50, 6)).astype(np.float32)
    gate = Gate(score, temperature=(1.7, 0.5))
    kept = outcomes([logits, -logits], logits.argmax(axis=1), gate)
    np.testing.assert_array_equal(kept.score[:, 1], confidence(-logits, 0.5, score)[0])
    assert kept.alone[:, 0].all() and not kept.alone[:, 1].any()


def test_temperatures_are_found_again() -> None:
    """Labels drawn from a softmax with a temperature, and the derivative of the loss where it says there is none."""
    rng = np.random.default_rng(1)
    for true in (0.3, 1.0, 4.0):
        z = rng.normal(0, 2, (20_000, 5))
        p = np.exp(z / true)
        labels = (rng.random((len(z), 1)) > np.cumsum(p / p.sum(axis=1, keepdims=True), axis=1)).sum(axis=1)
        fit = fit_temperature(z.astype(np.float32), labels)
        assert fit.found and fit.temperature == pytest.approx(true, rel=0.05) and fit.after <= fit.before
        around = [_likelihood(z, labels, fit.temperature * factor) for factor in (0.99, 1.0, 1.01)]
        assert around[1] == pytest.approx(fit.after) and around[1] == min(around)


def _likelihood(z: np.ndarray, labels: np.ndarray, temperature: float) -> float:
    scaled = z.astype(np.float32).astype(np.float64) / temperature
    logs = scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))
    return float(-logs[np.arange(len(labels)), labels].mean())


def test_temperatures_that_the_samples_do_not_say() -> None:
    z = np.random.default_rng(0).normal(0, 1, (50, 4)).astype(np.float32)
    nothing = np.full((3, 4), np.nan, np.float32)
    for logits, labels in ((z, z.argmax(axis=1)), (z, z.argmin(axis=1)), (nothing, np.zeros(3, int))):
        fit = fit_temperature(logits, labels)
        assert (fit.temperature, fit.found) == (1.0, False)
    sure = fit_temperature(np.concatenate([1e4 * z, nothing]), np.concatenate([(z + 0.3).argmax(axis=1), [0, 0, 0]]))
    assert sure.temperature == 1.0 and not sure.found


def test_complementarity_counts_the_smaller_side_twice() -> None:
    """10 % that only a knows and 1 % that only b does; the paper's formula beside it."""
    a = np.array([True] * 95 + [False] * 5)
    b = np.array([True] * 85 + [False] * 10 + [True] + [False] * 4)
    found = cover(a, b)
    assert found == (0.02, 0.11, 0.96) == cover(b, a)
    assert found.complementarity == pytest.approx(((a | b).sum() - (a & b).sum() - abs(int(a.sum()) - b.sum())) / 100)
    assert cover(a, a) == (0, 0, 0.95)


def _pool(n: int = 400) -> tuple[list[np.ndarray], np.ndarray]:
    """Logits of a weak, a middling and a good classifier."""
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 5, n)
    hot = np.eye(5)[labels]
    return [(rng.normal(0, 1, (n, 5)) + strength * hot).astype(np.float32) for strength in (1.0, 2.0, 3.0)], labels


def test_every_pair_is_looked_at_and_the_front_is_what_nothing_beats() -> None:
    logits, labels = _pool()
    members = [member(f"m{i}", z, labels, 10**i, 1e-3 * 2**i, None) for i, z in enumerate(logits)]
    for accuracy in (None, 0.9, 0.999):
        found = search(members, labels, "margin", True, "macs", accuracy)
        assert {(each.first, each.second) for each in found.pairings} == {
            (i, j) for i in range(3) for j in range(3) if i != j
        }
        for each in found.pairings:
            a, b = members[each.first], members[each.second]
            gate = Gate("margin", temperature=(a.temperature, b.temperature), post_check=True)
            whole = outcomes((a.logits, b.logits), labels, gate)
            setting = best(whole, (a.macs, b.macs), accuracy)
            assert (setting is None) == (each.point is None)
            if setting is not None and each.point is not None:
                assert each.point.threshold == setting.thresholds[0]
                assert each.point.accuracy == whole.right_of(setting).mean()
                assert each.point.asked == pytest.approx(whole.asked(setting)[1])
                assert each.point.cost == pytest.approx(a.macs + each.point.asked * b.macs)
        accuracies = [point.accuracy for point in found.front]
        costs = [point.cost for point in found.front]
        assert accuracies == sorted(set(accuracies)) and costs == sorted(set(costs))
        chosen = [each.point for each in found.pairings if each.point is not None]
        for point in chosen:
            assert any(p.accuracy >= point.accuracy and p.cost <= point.cost + 1e-9 for p in found.front)
        if accuracy is None:
            assert chosen[0].accuracy == max(point.accuracy for point in chosen) == accuracies[-1]
        elif chosen:
            assert chosen[0].cost == min(point.cost for point in chosen)
    assert not chosen


def test_the_post_check_is_tried_both_ways() -> None:
    """What is found of each pair is the better one of both ways; neither is so of all pairs."""
    logits, labels = _pool()
    members = [member(f"m{i}", z, labels, 10**i, 1e-3, None) for i, z in enumerate(logits)]
    # So sure of itself that another's answer hardly ever counts after the post-check.
    members[0] = replace(members[0], temperature=0.1)
    for accuracy in (None, 0.94):
        ways = {
            check: {
                (each.first, each.second): each for each in search(members, labels, "max", check, "macs", accuracy)[0]
            }
            for check in (True, False, None)
        }
        better = set()
        for pair, found in ways[None].items():
            points = [ways[check][pair].point for check in (True, False)]
            assert found.best == max(ways[check][pair].best for check in (True, False))
            known = [point for point in points if point is not None]
            wanted: Point | None
            if accuracy is None:
                wanted = max(known, key=lambda point: (point.accuracy, -point.cost))
            else:
                wanted = min(known, key=lambda point: (point.cost, -point.accuracy), default=None)
            assert found.point == wanted
            if wanted is not None and len({point[4:] for point in known}) + points.count(None) == 2:
                better.add(wanted.post_check)
        assert better == {True, False}


def test_a_pair_whose_second_is_never_asked_is_its_first_alone() -> None:
    """Sums of many costs round, and must not make it look cheaper."""
    logits, labels = _pool()
    members = [member(f"m{i}", z, labels, 1, 1e-3 * 1.7**i, None) for i, z in enumerate(logits)]
    found = search(members, labels, "margin", True, "latency", 0.0)
    assert all(point.asked > 0 for point in found.front if point.second is not None)
    assert found.front[0] == (0, None, None, None, members[0].accuracy, 0.0, members[0].seconds)
    assert found.pairings[0].point is not None and found.pairings[0].point.cost == members[0].seconds


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


DELTA, DRAWS = 0.1, 120
LIMIT = DELTA + 3 * math.sqrt(DELTA * (1 - DELTA) / DRAWS)
CLAIMS: list[Claim] = [Accuracy(0.885), Loss(0.01), Loss(0.0), Answered(0.95)]


def holds(truth: Outcomes, claim: Claim, setting: Setting) -> bool:
    right, answered = truth.right_of(setting), truth.answered(setting)
    if isinstance(claim, Loss):
        return bool(right.mean() >= truth.alone[:, 1].mean() - claim.most)
    assert isinstance(claim, Accuracy | Answered)
    return bool(right[answered].mean() >= claim.least) if answered.any() else True


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.text)
def test_guarantees_hold_as_often_as_they_say(claim: Claim, monkeypatch: pytest.MonkeyPatch) -> None:
    """Judged by a very large sample. The same search without a guarantee breaks the claim about every other time."""
    monkeypatch.setattr(proof, "GRID", 60)
    monkeypatch.setattr(proof, "STARTS", 20)
    truth = simulated(60_000, 1_000_000)
    broken = unproved = useful = 0
    for seed in range(DRAWS):
        found = simulated(1500, seed)
        tuning, proving = found.take(np.arange(500)), found.take(np.arange(500, 1500))
        setting = prove(tuning, proving, claim, COSTS, DELTA).setting
        broken += setting is not None and not holds(truth, claim, setting)
        useful += setting is not None and setting.thresholds[0] != NEVER
        if isinstance(claim, Accuracy | Answered):
            greedy = best(proving, COSTS, claim.least) if isinstance(claim, Accuracy) else answered_on_samples(
                proving, claim, claim.least)[0]  # fmt: skip
            unproved += greedy is not None and not holds(truth, claim, greedy)
    assert broken <= LIMIT * DRAWS
    assert useful > DRAWS // 3 or claim == Loss(0.0)
    assert isinstance(claim, Loss) or unproved > 0.25 * DRAWS


def test_a_sequence_begins_where_the_claim_is_surest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "STARTS", 10_000)
    tuning = simulated(800, 1)
    for claim in CLAIMS:
        sequence = ordered(tuning, claim, COSTS, DELTA)
        p = list(claim.p_values(tuning, sequence, DELTA))
        assert p[0] == min(p) or isinstance(claim, Accuracy)
        assert len(sequence) > 50
        costs = [cost_of(tuning, COSTS, setting) for setting in sequence]
        assert costs == sorted(costs, reverse=True)
        assert isinstance(claim, Answered) == (sequence[0].abstain is not None)


def agreeing(gained: int, lost: int, n: int = 1000) -> Outcomes:
    """Without a post-check. The stages agree but where the first is sure, 0.8 and more: there it alone is right of so
    many samples, and the second alone of so many."""
    score = np.linspace(0.01, 0.99, n, dtype=np.float32)
    first, second = np.zeros(n, bool), np.zeros(n, bool)
    second[-gained:], first[-gained - lost : -gained] = True, True
    scores = [score, np.full(n, 0.5, np.float32)]
    return from_answers(scores, [first, second], np.zeros(n, bool), post_check=False)


def test_an_accuracy_s_sequence_begins_elsewhere_only_for_more_than_luck() -> None:
    """Nine samples gained and none lost are three standard errors; six gained and four lost are less than one."""
    claim, always = Accuracy(0.9), Setting((NEVER,))
    assert ordered(agreeing(9, 0), claim, COSTS, DELTA)[0].thresholds[0] < 1
    assert ordered(agreeing(1, 0), claim, COSTS, DELTA)[0] == always
    found = agreeing(6, 4)
    assert ordered(found, claim, COSTS, DELTA)[0] == always
    p = list(claim.p_values(found, ordered(found, Loss(0.01), COSTS, DELTA), DELTA))
    assert min(p) < next(claim.p_values(found, [always], DELTA)), "the luckiest of these samples is another"


def test_with_the_post_check_an_accuracy_s_sequence_begins_where_all_are_asked() -> None:
    rng = np.random.default_rng(1)
    scores = [rng.random(500).astype(np.float32) for _ in range(2)]
    answers = [rng.random(500) < 0.1, rng.random(500) < 0.3]
    found = from_answers(scores, answers, np.zeros(500, bool), post_check=True)
    claim, always = Accuracy(0.8), Setting((NEVER,))
    assert ordered(found, claim, COSTS, DELTA)[0] == always
    first = ordered(found, Loss(0.01), COSTS, DELTA)[0]
    assert next(claim.p_values(found, [first], DELTA)) < next(claim.p_values(found, [always], DELTA))


def test_how_many_samples_a_proof_would_take() -> None:
    found = simulated(400, 3)
    few = found.take(np.arange(60))
    claims: list[Claim] = [Accuracy(0.87), Loss(0.02), Answered(0.9)]
    for claim in claims:
        said = prove(found, few, claim, COSTS, 0.001)
        if not isinstance(claim, Loss):
            assert said.setting is None and said.needed is not None and said.needed > 60
        setting = ordered(found, claim, COSTS, 0.001)[0]
        more = claim.needed(found, setting, 0.001)
        assert more is not None
        repeated = found.take(np.tile(np.arange(400), -(-more // 400)))
        assert next(claim.p_values(repeated, [setting], 0.001)) <= 0.0015
    assert prove(found, few, Accuracy(0.999), COSTS, DELTA).needed is None
    assert Answered(0.5).needed(found, Setting((NEVER,), NEVER), DELTA) is None
    always = prove(few, few.take(np.arange(5)), Loss(0.0), COSTS, 0.001)
    assert always.setting == Setting((NEVER,)), "the last stage's own answer needs no proof"
