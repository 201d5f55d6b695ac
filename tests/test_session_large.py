"""Outputs that are lifted out of the arena instead of copied."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from session_models import node_graph

from millijoule import Model, load
from millijoule.runtime.graph import Node
from millijoule.runtime.system import lifting
from millijoule.runtime.system.memory import zeros

RNG = np.random.default_rng(0)
PAGE = lifting.PAGE
COUNT = 3 << 20


@pytest.fixture(autouse=True)
def lifted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of what was lifted by then."""
    sizes, lift = list[int](), lifting.lift

    def counted(memory: np.ndarray, first: int, end: int) -> np.ndarray | None:
        found = lift(memory, first, end)
        if found is not None:
            sizes.append(end - first)
        return found

    monkeypatch.setattr(lifting, "lift", counted)
    return sizes


def outputs_of(x: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "whole": np.abs(x), "same": np.abs(x), "turned": np.abs(x).T, "first": -x[:, : COUNT // 4],
        "few": np.abs(x)[:, :1], "other": np.abs(-x), "given": x,
    }  # fmt: skip


def model() -> Model:
    nodes = [
        Node("Abs", ["x"], ["whole"]),
        Node("Identity", ["whole"], ["same"]),
        Node("Transpose", ["whole"], ["turned"], {"perm": [1, 0]}),
        Node("Neg", ["x"], ["negative"]),
        Node("Slice", ["negative", "zero", "quarter", "one", "one"], ["first"]),
        Node("Slice", ["whole", "zero", "one", "one", "one"], ["few"]),
        Node("Abs", ["negative"], ["other"]),
        Node("Identity", ["x"], ["given"]),
    ]
    graph = node_graph(*nodes, inputs={"x": (2, COUNT // 2)}, outputs=tuple(outputs_of(np.zeros((2, 2), np.float32))))
    graph.add_constant("zero", np.array([0]))
    graph.add_constant("one", np.array([1]))
    graph.add_constant("quarter", np.array([COUNT // 4]))
    return Model(graph)


@pytest.mark.parametrize("guard", ["0", "1"])
@pytest.mark.parametrize("target", ["host", "numpy"])
def test_large_outputs(guard: str, target: str, lifted: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLIJOULE_GUARD", guard)
    with load(model(), target=target, threads=1) as session:
        kept = []
        for _ in range(3):
            x = RNG.normal(size=(2, COUNT // 2)).astype(np.float32)
            kept.append((outputs_of(x), session.run(x)))
            kept[-1][1]["few"][...] += 0  # writable, as all of them
    for wanted, found in kept:  # which later runs and the session's end left alone
        for name, array in wanted.items():
            np.testing.assert_array_equal(found[name], array, err_msg=name)
            assert found[name].flags.writeable
        names = list(found)
        assert not any(np.shares_memory(found[a], found[b]) for i, a in enumerate(names) for b in names[:i])
    count = len(lifted)
    if sys.platform.startswith("linux") and lifting.lift(zeros(3 * PAGE), 0, 3 * PAGE) is not None:
        assert count >= 3 and count % 3 == 0


def test_what_the_system_does_not_lift_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifting, "lift", lambda memory, first, end: None)
    x = RNG.normal(size=(2, COUNT // 2)).astype(np.float32)
    with load(model(), target="numpy", threads=1) as session:
        found = session.run(x)
    for name, array in outputs_of(x).items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


@pytest.mark.parametrize(
    ("first", "end"),
    [(0, 8 * PAGE), (1, 8 * PAGE - 1), (PAGE + 64, 6 * PAGE + 128), (3 * PAGE - 1, 4 * PAGE + 1), (17, 18 + PAGE)],
)
def test_lift(first: int, end: int) -> None:
    memory = zeros(8 * PAGE)
    before = RNG.integers(1, 256, memory.size).astype(np.uint8)
    memory[:] = before
    found = lifting.lift(memory, first, end)
    start, stop = -(-first // PAGE) * PAGE, end // PAGE * PAGE
    if found is None:
        assert stop <= start or not sys.platform.startswith("linux") or lifting.lift(memory, 0, PAGE) is None
        np.testing.assert_array_equal(memory, before)
        return
    np.testing.assert_array_equal(found, before[first:end])
    assert not memory[start:stop].any()
    np.testing.assert_array_equal(memory[:start], before[:start])
    np.testing.assert_array_equal(memory[stop:], before[stop:])
    memory[:] = 7
    found[...] = 9
    assert (memory == 7).all() and (found == 9).all()
