"""The choice between helper threads and none."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import pytest

from millijoule.runtime.engine import helper_trial as trial


class Way:
    """Takes about `seconds` and counts its calls."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.calls = seconds, 0

    def __call__(self) -> None:
        self.calls += 1
        end = perf_counter() + self.seconds
        while perf_counter() < end:
            pass


def chosen(together: Way, alone: Way) -> Way:
    """The way that is taken once both were tried."""
    both = trial.HelperTrial(together, alone)
    for _ in range(2 * trial.RUNS):
        both()
    assert together.calls == alone.calls == trial.RUNS
    for _ in range(20):
        both()
    return together if together.calls > trial.RUNS else alone


def test_the_faster_way_is_taken() -> None:
    assert chosen(quick := Way(0.001), Way(0.01)) is quick
    assert chosen(Way(0.01), quick := Way(0.001)) is quick


def test_helpers_that_hardly_help_are_left_asleep(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0

    def way(nanoseconds: int) -> Callable[[], None]:
        def run() -> None:
            nonlocal now
            now += nanoseconds

        return run

    monkeypatch.setattr(trial, "perf_counter_ns", lambda: now)
    together, alone = way(990), way(1000)
    both = trial.HelperTrial(together, alone)
    for _ in range(2 * trial.RUNS):
        both()
    before = now
    both()
    assert now - before == 1000


def test_what_became_slower_is_given_up() -> None:
    together, alone = Way(0.001), Way(0.004)
    both = trial.HelperTrial(together, alone)
    for _ in range(2 * trial.RUNS):
        both()
    assert both._chosen is together
    together.seconds = 0.02
    both._rest = 0
    for _ in range(2 * trial.RUNS):
        both()
    assert both._chosen is alone
