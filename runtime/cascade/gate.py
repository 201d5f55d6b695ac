"""Gate: when a stage of a cascade is sure enough of its answer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..arguments import flag, numbers, one_of, real
from ..errors import InputError
from ..ops.confidence_gate import SCORES


@dataclass(frozen=True, slots=True)
class Gate:
    """When a stage's answer counts, and whose where none is sure.

    score: of a stage's softmax, 0..1 and higher where it is surer: "max", the largest probability; "margin", the
    largest less the second largest; "entropy", 1 less the entropy over ln(classes). threshold: the stages behind one
    whose score reaches it are not asked; one number, or one for every stage but the last. temperature: what a stage's
    logits are divided by before the softmax, so that scores of different models can be compared; one number, or one for
    every stage. post_check: where several stages were asked, the answer with the highest score counts, of equal ones
    the first, else the last stage's. abstain: where every stage was asked and the answer's score is below this, it has
    no label; None: there is always one.
    InputError where a number is none that these can be.
    """

    score: str = "margin"
    threshold: float | Sequence[float] = 0.5
    temperature: float | Sequence[float] = 1.0
    post_check: bool = True
    abstain: float | None = None

    def __post_init__(self) -> None:
        one_of("score", self.score, SCORES)
        for name in ("threshold", "temperature"):
            given = getattr(self, name)
            found = numbers(name, given)
            if not found or not all(map(math.isfinite, found)):
                raise InputError(f"a gate's {name} is a finite number, or one for each stage, not {given!r}")
            single = not isinstance(given, Iterable) or getattr(given, "ndim", 1) == 0
            object.__setattr__(self, name, found[0] if single else found)
        if min(_listed(self.temperature)) < 1e-3 or max(_listed(self.temperature)) > 1e3:
            raise InputError(f"temperature {self.temperature}: between 0.001 and 1000 is wanted")
        if self.abstain is not None:
            abstain = real("abstain", self.abstain)
            if not math.isfinite(abstain):
                raise InputError(f"abstain = {abstain} is no score")
            object.__setattr__(self, "abstain", abstain)
        object.__setattr__(self, "post_check", flag("post_check", self.post_check))

    def thresholds(self, stages: int) -> tuple[float, ...]:
        """One for each of so many stages but the last; InputError where there are others."""
        return self._for_each("threshold", self.threshold, stages - 1)

    def temperatures(self, stages: int) -> tuple[float, ...]:
        """One for each of so many stages; InputError where there are others."""
        return self._for_each("temperature", self.temperature, stages)

    def sure(self, stage: int, stages: int) -> float:
        """The score from which on a stage's answer is confident: its threshold, or that of the last one with any."""
        if stage == stages - 1 and self.abstain is not None:
            return self.abstain
        thresholds = self.thresholds(stages)
        return thresholds[min(stage, len(thresholds) - 1)] if thresholds else 0.0

    @staticmethod
    def _for_each(name: str, given: float | Sequence[float], count: int) -> tuple[float, ...]:
        if isinstance(given, float):
            return (given,) * count
        if len(given) != count:
            raise InputError(f"the gate has {len(given)} {name}s, and {count} are wanted: one for each stage" + (
                " but the last" if name == "threshold" else ""
            ))  # fmt: skip
        return tuple(given)


def _listed(numbers: float | Sequence[float]) -> Sequence[float]:
    return (numbers,) if isinstance(numbers, float) else numbers
