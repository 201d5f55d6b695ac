"""How often a guarantee of `mj tune` fails, and what it costs: over many random splits of one pool of samples.

Usage: guarantee_rate.py [--splits 1000] [--logits FILE.npz] [--claim accuracy|loss|answered] [--seed 0]

FILE.npz holds `first` and `second`, the logits of two classifiers (samples, classes), and `labels`; without it a pool
of 10 000 samples is simulated, of which the first classifier knows some 91 % and the second 95 %. Each split fits the
temperatures and the sequence on 1 000 samples and proves on 2 000 others. A split fails where the claim does not hold
of the whole pool: judged by the rest alone, whose own noise is added, a valid method would seem to fail more often.
Beside it are the same proving samples without a guarantee, and with mapie's p-values and fixed sequence where that is
installed. Exit status 1 where failures are more than delta + 3 sqrt(delta (1 - delta) / splits), or mapie asks the
second stage less.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence

import numpy as np

from millijoule.runtime.cascade.gate import Gate
from millijoule.tools.tuning.claims import Accuracy, Answered, Claim, Loss
from millijoule.tools.tuning.outcomes import NEVER, Outcomes, Setting, outcomes
from millijoule.tools.tuning.proof import GRID, ordered, prove
from millijoule.tools.tuning.report import answered_on_samples
from millijoule.tools.tuning.search import best
from millijoule.tools.tuning.temperature import fit_temperature

TUNING, PROVING, DELTA = 1000, 2000, 0.1
COSTS = (1.0, 1.0)
ALWAYS = Setting((NEVER,))


def simulated(seed: int, count: int = 10_000, classes: int = 10) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    hot, ease = np.eye(classes)[labels], rng.gamma(4.0, 0.25, (count, 1))
    first, second = (rng.normal(0, 1, (count, classes)) + strength * ease * hot for strength in (4.6, 5.8))
    return (2.5 * first).astype(np.float32), (1.5 * second).astype(np.float32), labels


def holds(pool: Outcomes, claim: Claim, setting: Setting) -> bool:
    right, answered = pool.right_of(setting), pool.answered(setting)
    if isinstance(claim, Loss):
        return bool(pool.alone[:, 1].mean() - right.mean() <= claim.most)
    assert isinstance(claim, Accuracy | Answered)
    return not answered.any() or bool(right[answered].mean() >= claim.least)


def unproved(found: Outcomes, claim: Claim) -> Setting | None:
    """The cheapest that looks right on the same samples."""
    if isinstance(claim, Answered):
        return answered_on_samples(found, claim, claim.least)[0]
    assert isinstance(claim, Accuracy | Loss)
    least = claim.least if isinstance(claim, Accuracy) else float(found.alone[:, 1].mean()) - claim.most
    return best(found, COSTS, least)


def by_mapie(tuning: Outcomes, proving: Outcomes, claim: Claim) -> Setting | None:
    """The same grid and proving samples, with mapie's p-values and its fixed sequence: from the second always asked, or
    where the cascade abstains, which no sample proves where nothing is answered, from where ours begins."""
    from mapie.risk_control.fwer_control import FWERFixedSequenceTesting
    from mapie.risk_control.methods import compute_hoeffding_bentkus_p_value

    if isinstance(claim, Answered):
        settings = ordered(tuning, claim, COSTS, DELTA)
    else:
        levels = np.unique(np.quantile(tuning.score[:, 0], np.linspace(0, 1, GRID)))[::-1]
        settings = [ALWAYS, *(Setting((float(level),)) for level in levels)]
    right, answered = (np.asarray(counts, np.float64) for counts in proving.counts(settings))
    if isinstance(claim, Loss):
        # Differences of -1, 0 and 1, as mapie takes them: 0 to 1, of any distribution.
        risk, most = (1 + (proving.alone[:, 1].sum() - right) / answered) / 2, (1 + claim.most) / 2
    else:
        assert isinstance(claim, Accuracy | Answered)
        risk, most = 1 - right / np.maximum(answered, 1), 1 - claim.least
    p = compute_hoeffding_bentkus_p_value(risk, answered, most, binary=not isinstance(claim, Loss))
    passed = FWERFixedSequenceTesting().run(np.asarray(p).reshape(-1), DELTA)
    return settings[int(passed[-1])] if len(passed) else None


def run(pool: Sequence[np.ndarray], claim: Claim, splits: int, seed: int) -> int:
    first, second, labels = pool
    names = ["with a guarantee", "without"]
    try:
        import mapie  # noqa: F401
    except ImportError:
        print("mapie is not installed: left out")
    else:
        names.append("mapie, fixed sequence")
    failed, none, asked, answered = (dict.fromkeys(names, 0.0) for _ in range(4))
    rng = np.random.default_rng(seed)
    for _ in range(splits):
        drawn = rng.permutation(len(labels))
        tune, proof = np.sort(drawn[:TUNING]), np.sort(drawn[TUNING : TUNING + PROVING])
        temperatures = tuple(fit_temperature(z[tune], labels[tune]).temperature for z in (first, second))
        whole = outcomes((first, second), labels, Gate(temperature=temperatures))
        tuning, proving = whole.take(tune), whole.take(proof)
        settings = {names[0]: prove(tuning, proving, claim, COSTS, DELTA).setting, names[1]: unproved(proving, claim)}
        if len(names) > 2:
            settings[names[2]] = by_mapie(tuning, proving, claim)
        for name, setting in settings.items():
            none[name] += setting is None
            failed[name] += setting is not None and not holds(whole, claim, setting)
            asked[name] += 1.0 if setting is None else float(whole.asked(setting)[1])
            answered[name] += 0.0 if setting is None else float(whole.answered(setting).mean())
    limit = DELTA + 3 * math.sqrt(DELTA * (1 - DELTA) / splits)
    print(f"{claim.text}; delta {DELTA:g}; {splits} splits of {len(labels)}; failures allowed {limit:.3f}")
    for name in names:
        means = [each[name] / splits for each in (failed, asked, answered, none)]
        print("{:24} fails {:.3f}, second asked {:.3f}, answered {:.3f}, no threshold {:.3f}".format(name, *means))
    worse = len(names) > 2 and asked[names[0]] > asked[names[2]] * 1.001
    return int(failed[names[0]] / splits > limit or worse)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splits", type=int, default=1000)
    parser.add_argument("--logits")
    parser.add_argument("--claim", choices=("accuracy", "loss", "answered"), default="accuracy")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    pool: Sequence[np.ndarray] = simulated(asked.seed)
    if asked.logits:
        with np.load(asked.logits, allow_pickle=False) as file:
            pool = [file[name] for name in ("first", "second", "labels")]
    first, second = (float((z.argmax(axis=1) == pool[2]).mean()) for z in pool[:2])
    print(f"alone: {first:.4f} and {second:.4f}")
    middle = round(second - 0.3 * (second - first), 3)
    claims: dict[str, Claim] = {"accuracy": Accuracy(middle), "loss": Loss(0.01), "answered": Answered(0.95)}
    return run(pool, claims[asked.claim], asked.splits, asked.seed)


if __name__ == "__main__":
    sys.exit(main())
