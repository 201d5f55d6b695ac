"""Random operators between guard pages, each beside its reference: an answer or an Error, nothing else.

`python tests/fuzz_operators.py --count 100000` runs more of them than a test can.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import time
from functools import partial

import numpy as np
import pytest
from fuzz_operators import DIED, DIFFERS, LARGE, RAN, REFUSED, UNCLEAR, difference, judge, run
from operator_draws import draw, drawable
from operator_source import FAMILY

COUNT = int(os.environ.get("MILLIJOULE_FUZZ", "400"))
STEP = FAMILY // 4
"""So that four graphs share their kernels."""

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits a process as Linux does")


@pytest.mark.parametrize(("target", "count"), [("numpy", COUNT), ("host", COUNT // 10)])
def test_operators(target: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLIJOULE_QUIET", "1")
    report = run(range(0, STEP * count, STEP), partial(judge, target=target))
    assert not report.failures, f"{len(report.failures)} of {count}:\n" + "\n".join(report.failures[:20])
    # Graphs that are all refused would prove little. Seven of ten run, but four at a time are of one operator, and some
    # operators refuse nearly all.
    assert report.verdicts[RAN] > count // 4 and report.verdicts[LARGE] <= count // 50


def test_every_operator_is_drawn_and_always_the_same() -> None:
    graphs = [draw(number)[0] for number in range(0, 3000 * FAMILY, FAMILY)]
    assert {graph.nodes[-1].op for graph in graphs} == set(drawable())
    again, feeds = draw(7 * FAMILY)
    assert (again.nodes, again.inputs) == (graphs[7].nodes, graphs[7].inputs)
    assert all(np.array_equal(array, draw(7 * FAMILY)[1][name], equal_nan=True) for name, array in feeds.items())


def die(number: int) -> tuple[str, str]:
    faulthandler.disable()
    if number % 2:
        os.abort()
    return RAN, ""


def test_a_graph_that_a_process_dies_of_is_reported_and_the_others_run() -> None:
    report = run(range(7), die, workers=2)
    assert report.verdicts == {RAN: 4, DIED: 3}
    assert sorted(report.failures) == [f"{number}: {DIED}: SIGABRT" for number in (1, 3, 5)]


def hang(number: int) -> tuple[str, str]:
    time.sleep(60)
    return RAN, ""


def test_a_graph_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fuzz_operators.SECONDS", 0.05)
    assert run(range(1), hang).failures == [f"0: {DIED}: SIGALRM"]


def test_what_counts_as_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fuzz_operators.reference.run", lambda graph, feeds: {"y0": np.full((), np.nan)})
    graphs = [number for number in range(200) if judge(number, "numpy")[0] == DIFFERS]
    assert graphs and any(judge(number, "numpy")[0] == REFUSED for number in range(200))
    monkeypatch.setattr("fuzz_operators.load", lambda *_, **__: [][0])
    assert judge(graphs[0], "numpy")[0] == UNCLEAR


def test_differences() -> None:
    one = np.array([1.0, np.nan, np.inf], np.float32)
    assert not difference(one, one) and not difference(one + np.float32(1e-6), one)
    assert "differ" in difference(one + np.float32(0.1), one)
    assert "differ" in difference(np.zeros(3, np.float32), one)
    assert "not int8(3,)" in difference(np.zeros(3, np.uint8), np.zeros(3, np.int8))
    assert "1 of 2" in difference(np.array([1, 2]), np.array([1, 3]))
