"""Energy between two times: trapezoids, edges, gaps, steps backwards, counters."""

from __future__ import annotations

import numpy as np
import pytest

from millijoule.tools.sensors.trace import Trace


def test_a_ramp_is_integrated_exactly() -> None:
    times = np.linspace(0, 10, 101)
    trace = Trace.of_power(times, 2 * times)
    assert trace.part(0, 10).joules == pytest.approx(100)
    assert trace.part(2, 4).joules == pytest.approx(12)
    assert trace.part(2, 4).watts == pytest.approx(6) and trace.part(2, 4).samples == 20
    assert trace.period == pytest.approx(0.1)


def test_a_load_does_not_leak_across_the_edges_of_its_window() -> None:
    """5 W from 1 s to 2 s, sampled at another pace: the slopes at the edges belong to nobody."""
    times = np.arange(0, 3, 0.07)
    watts = np.where((times >= 1) & (times < 2), 5.0, 1.0)
    trace = Trace.of_power(times, watts)
    assert trace.part(1, 2).joules == pytest.approx(5)
    assert trace.part(0, 0.99).joules == pytest.approx(0.99) and trace.part(2.01, 2.9).joules == pytest.approx(0.89)


def test_steps_backwards_and_repeated_times() -> None:
    times = np.array([0.0, 0.1, 0.3, 0.2, 0.4, 0.4, 0.5])
    trace = Trace.of_power(times, np.array([1.0, 1, 3, 2, 9, 4, 5]))
    assert trace.times.tolist() == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert trace.part(0, 0.5).joules == pytest.approx(0.1 * (1 + 1.5 + 2.5 + 3.5 + 4.5))


def test_gaps_are_bridged_and_said() -> None:
    times = np.concatenate([np.arange(0, 1.01, 0.1), np.arange(3, 4.01, 0.1)])
    trace = Trace.of_power(times, np.where(times < 2, 1.0, 3.0))
    part = trace.part(0, 4)
    assert part.unseen == pytest.approx(2) and part.samples == 20
    assert part.joules == pytest.approx(1 + 2 * 2 + 3)
    assert trace.part(0, 1).unseen == pytest.approx(0)
    assert trace.part(3.5, 6).unseen == pytest.approx(2)


def test_counters_know_what_happened_between_two_readings() -> None:
    times = np.array([0.0, 1, 2, 7, 8])
    trace = Trace.of_energy(times, np.array([0.0, 2, 4, 14, 16]))
    assert trace.part(0, 8).joules == 16 and trace.part(0, 8).unseen == 0


def test_counters_that_are_set_back() -> None:
    times = np.arange(6.0)
    trace = Trace.of_energy(times, np.array([0.0, 2, 4, 0, 2, 4]))
    part = trace.part(0, 5)
    assert part.joules == pytest.approx(10) and part.unseen == pytest.approx(1) and np.isnan(trace.watts[2])
    # Also where a window begins or ends in what is lost.
    assert trace.part(2.5, 4).unseen == pytest.approx(0.5) and trace.part(1, 2.25).unseen == pytest.approx(0.25)
    marks = np.array([False, False, False, False, True, False])
    assert Trace.of_energy(times, np.arange(6.0), marks).part(0, 5).unseen == pytest.approx(1)


def test_bins_are_counted_from_start_to_end() -> None:
    trace = Trace.of_bins(1000.0, np.arange(1000.0))
    assert trace.part(0.019, 0.277).joules == pytest.approx(sum(range(19, 277)))
    assert trace.part(0.019, 0.277).samples == 277 - 19


def test_a_window_between_two_samples() -> None:
    trace = Trace.of_power(np.array([0.0, 1, 2]), np.array([2.0, 2, 2]))
    part = trace.part(0.25, 0.75)
    assert part.joules == pytest.approx(1) and part.samples == 0 and part.unseen == pytest.approx(0.5)


def test_the_smallest_step_that_occurs() -> None:
    times = np.arange(6.0)
    assert Trace.of_energy(times, np.cumsum([0, 1.0, 1.25, 1.0, 2.0, 1.25])).step == 0
    steps = np.array([0, 4, 8, 9, 13, 17, 21, 25, 29, 33]) * 0.25
    assert Trace.of_energy(np.arange(11.0), np.cumsum(np.append(0, steps))).step == pytest.approx(0.25)
    assert Trace.of_power(times, np.ones(6)).step == 0
