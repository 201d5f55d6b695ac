"""What is claimed of a cascade, how it is tested, and how many samples a proof would take."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ...runtime.memory.binomial import binomial_cdf
from .guarantee import MOST_SAMPLES, loss_p_value, samples_needed
from .outcomes import Outcomes, Setting

REPEATS = 64
"""How many times the samples are repeated at most, to say how many would do."""


class Claim(Protocol):
    """text: in words. method: the test's name."""

    @property
    def text(self) -> str: ...

    @property
    def method(self) -> str: ...

    def p_values(self, found: Outcomes, settings: Sequence[Setting], delta: float) -> Iterator[float]:
        """Of each setting, how probable such samples, or such that speak even more for the claim, are at most where it
        does not hold."""
        ...

    def needed(self, found: Outcomes, setting: Setting, delta: float) -> int | None:
        """How many samples like these would prove the claim of the setting; None where it does not hold of these, or
        takes very many."""
        ...


@dataclass(frozen=True, slots=True)
class Accuracy:
    """At least this share is answered rightly."""

    least: float

    @property
    def text(self) -> str:
        return f"accuracy >= {self.least:g}"

    @property
    def method(self) -> str:
        return "the exact binomial test"

    def p_values(self, found: Outcomes, settings: Sequence[Setting], delta: float) -> Iterator[float]:
        for right in found.counts(settings)[0]:
            yield binomial_cdf(len(found) - int(right), len(found), 1 - self.least)

    def needed(self, found: Outcomes, setting: Setting, delta: float) -> int | None:
        return samples_needed(float(found.right_of(setting).mean()), self.least, delta)


@dataclass(frozen=True, slots=True)
class Answered:
    """Of what is answered, at least this share is right."""

    least: float

    @property
    def text(self) -> str:
        return f"accuracy >= {self.least:g} among what is answered"

    @property
    def method(self) -> str:
        return "the exact binomial test on what is answered"

    def p_values(self, found: Outcomes, settings: Sequence[Setting], delta: float) -> Iterator[float]:
        for right, answered in zip(*found.counts(settings), strict=True):
            yield binomial_cdf(int(answered - right), int(answered), 1 - self.least)

    def needed(self, found: Outcomes, setting: Setting, delta: float) -> int | None:
        answered = found.answered(setting)
        if not answered.any():
            return None
        needed = samples_needed(float(found.right_of(setting)[answered].mean()), self.least, delta)
        return None if needed is None else math.ceil(needed / answered.mean())


@dataclass(frozen=True, slots=True)
class Loss:
    """At most so much less is answered rightly than by the last stage alone."""

    most: float

    @property
    def text(self) -> str:
        return f"at most {self.most:g} less accurate than the last stage alone"

    @property
    def method(self) -> str:
        return "betting on paired differences" if self.most else "the exact sign test"

    def p_values(self, found: Outcomes, settings: Sequence[Setting], delta: float) -> Iterator[float]:
        for setting in settings:
            yield loss_p_value(found.right_of(setting), found.alone[:, -1], self.most, delta)

    def needed(self, found: Outcomes, setting: Setting, delta: float) -> int | None:
        right, last = found.right_of(setting), found.alone[:, -1]
        if float(last.mean() - right.mean()) >= self.most:
            return None
        times = 2
        while times <= REPEATS and times * right.size <= MOST_SAMPLES:
            if loss_p_value(np.tile(right, times), np.tile(last, times), self.most, delta) <= delta:
                return times * right.size
            times *= 2
        return None
