"""The choice between helper threads and none."""

from __future__ import annotations

import pytest

from millijoule.runtime.engine import helper_trial as trial


class Clock:
    """Stands still but for the ways that are tried."""

    now = 0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(trial, "perf_counter_ns", lambda: clock.now)
    return clock


class Way:
    """Takes `nanoseconds` of the tests' clock and counts its calls."""

    def __init__(self, clock: Clock, nanoseconds: int) -> None:
        self.clock, self.nanoseconds, self.calls = clock, nanoseconds, 0

    def __call__(self) -> None:
        self.calls += 1
        self.clock.now += self.nanoseconds


def chosen(together: Way, alone: Way) -> Way:
    """The way that is taken once both were tried."""
    both = trial.HelperTrial(together, alone)
    for _ in range(2 * trial.RUNS):
        both()
    assert together.calls == alone.calls == trial.RUNS
    for _ in range(20):
        both()
    return together if together.calls > trial.RUNS else alone


def test_the_faster_way_is_taken(clock: Clock) -> None:
    assert chosen(quick := Way(clock, 1000), Way(clock, 10_000)) is quick
    assert chosen(Way(clock, 10_000), quick := Way(clock, 1000)) is quick


def test_helpers_that_hardly_help_are_left_asleep(clock: Clock) -> None:
    together, alone = Way(clock, 990), Way(clock, 1000)
    both = trial.HelperTrial(together, alone)
    for _ in range(2 * trial.RUNS):
        both()
    before = clock.now
    both()
    assert clock.now - before == 1000


def test_what_became_slower_is_given_up(clock: Clock) -> None:
    together, alone = Way(clock, 1_000_000), Way(clock, 4_000_000)
    both = trial.HelperTrial(together, alone)
    for _ in range(2 * trial.RUNS):
        both()
    assert both._chosen is together
    together.nanoseconds = 20_000_000
    both._rest = 0
    for _ in range(2 * trial.RUNS):
        both()
    assert both._chosen is alone


@pytest.mark.parametrize("helped", [True, False])
@pytest.mark.parametrize("nanoseconds", [10_000, 1_000_000, 300_000_000])
def test_trying_the_slower_way_costs_little(clock: Clock, nanoseconds: int, helped: bool) -> None:
    quick, slow = Way(clock, nanoseconds), Way(clock, 5 * nanoseconds)
    both = trial.HelperTrial(quick, slow) if helped else trial.HelperTrial(slow, quick)
    for _ in range(2 * trial.RUNS):
        both()
    clock.now, quick.calls, slow.calls = 0, 0, 0
    while slow.calls < 3 * trial.RUNS:
        both()
    assert quick.calls > 0 and slow.calls * 4 * nanoseconds < 0.05 * clock.now


def test_long_runs_are_tried_a_few_times(clock: Clock) -> None:
    together, alone = Way(clock, 50_000_000), Way(clock, 90_000_000)
    both = trial.HelperTrial(together, alone)
    for _ in range(40):
        both()
    assert alone.calls == trial.LEAST_RUNS
