"""Sensors of power that are files of the kernel: the sum of products of their numbers."""

from __future__ import annotations

from collections.abc import Sequence

from .source import Facts
from .sysfs import NumberFile

Term = tuple[NumberFile, ...]
"""Volts and amperes, or watts alone."""


class PowerFiles:
    """Watts: the terms' sum, each the product of its files."""

    lost = 0

    def __init__(self, facts: Facts, terms: Sequence[Term]) -> None:
        self.facts, self._terms = facts, tuple(terms)

    def read(self) -> float:
        total = 0.0
        for term in self._terms:
            power = 1.0
            for file in term:
                power *= file.read()
            total += power
        return total

    def close(self) -> None:
        for term in self._terms:
            for file in term:
                file.close()
