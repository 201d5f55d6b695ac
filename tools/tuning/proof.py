"""Settings of a cascade that are shown to keep a claim on new data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .claims import Accuracy, Answered, Claim, Loss
from .guarantee import fixed_sequence
from .outcomes import NEVER, Outcomes, Setting
from .search import frontier

GRID = 2000
"""Thresholds that a guarantee tries, between those that the tuning samples' scores divide evenly."""
STARTS = 50
"""Of them, those that are looked at for the first."""
CAUTION = 1.5
"""Standard errors by which another beginning has to be more accurate than the last stage always asked: the most
accurate of many on few samples was lucky, too, and where the first test fails nothing is proved at all."""


class Proof(NamedTuple):
    """setting: the cheapest that was shown to be safe; None where none was. tried: how many there were in the sequence.
    needed: without a setting, how many proving samples would do, if they were like all of these; None where none would.
    """

    setting: Setting | None
    tried: int
    needed: int | None


def prove(tuning: Outcomes, proving: Outcomes, claim: Claim, costs: Sequence[float], delta: float) -> Proof:
    """tuning: samples that make the sequence of settings. proving: others, drawn independently, that test it and that
    nothing else has seen. costs: of each stage.

    With probability 1 - delta the claim holds of the setting on new data like the proving samples.
    """
    sequence = ordered(tuning, claim, costs, delta)
    place = fixed_sequence(claim.p_values(proving, sequence, delta), delta)
    if place is not None:
        return Proof(sequence[place], len(sequence), None)
    last = Setting((NEVER,) * (tuning.stages - 1))
    if isinstance(claim, Loss) and np.array_equal(proving.right[:, -1], proving.alone[:, -1]):
        # What is the last stage's own answer can't be worse than that.
        return Proof(last, len(sequence), None)
    return Proof(None, len(sequence), claim.needed(_together(tuning, proving), sequence[0], delta))


def ordered(tuning: Outcomes, claim: Claim, costs: Sequence[float], delta: float) -> list[Setting]:
    """Settings from where these samples make the claim the surest down to the cheapest, or for an abstaining cascade to
    where everything is answered."""
    sequence = _path(tuning, claim, costs)
    places = np.unique(np.linspace(0, len(sequence) - 1, STARTS).round().astype(int))
    settings = [sequence[place] for place in places]
    if isinstance(claim, Accuracy):
        first = _most_accurate(tuning, settings)
    else:
        first = int(np.argmin(list(claim.p_values(tuning, settings, delta))))
    return sequence[places[first] :]


def _most_accurate(tuning: Outcomes, settings: Sequence[Setting]) -> int:
    """Which is the most accurate on new data, as far as these samples tell: the first, which always asks all stages,
    unless another has more than chance for it. After a post-check it is: a stage that is asked is heard only where it
    is surer."""
    if not np.array_equal(tuning.right[:, -1], tuning.alone[:, -1]):
        return 0
    always = tuning.right_of(settings[0])
    found = [tuning.right_of(setting) for setting in settings]
    gains = [right.sum() - always.sum() - CAUTION * np.sqrt((right != always).sum()) for right in found]
    return int(np.argmax(gains))


def _path(tuning: Outcomes, claim: Claim, costs: Sequence[float]) -> list[Setting]:
    if isinstance(claim, Answered):
        # The scores are comparable, as the temperatures make them: every stage answers from the same score on.
        levels = _levels(tuning.best)
        return [Setting((level,) * (tuning.stages - 1), level) for level in levels]
    always = Setting((NEVER,) * (tuning.stages - 1))
    if tuning.stages == 2:
        return [always, *(Setting((level,)) for level in _levels(tuning.score[:, 0]))]
    return [always, *frontier(tuning, costs)]


def _levels(scores: np.ndarray) -> list[float]:
    if not scores.size:
        return []
    found: list[float] = np.unique(np.quantile(scores, np.linspace(0, 1, GRID)))[::-1].tolist()
    return found


def _together(one: Outcomes, other: Outcomes) -> Outcomes:
    return Outcomes(
        *(np.concatenate([getattr(one, name), getattr(other, name)]) for name in ("score", "best", "right", "alone"))
    )
