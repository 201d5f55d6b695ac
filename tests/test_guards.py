"""MILLIJOULE_GUARD=1 finds out whatever leaves its memory: tried with steps that do."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import numpy as np
import pytest
from session_models import agree, feeds_of, int8_network, tiny_network

from millijoule.runtime.engine.guards import guarded, scratch
from millijoule.runtime.engine.workspace import Plan
from millijoule.runtime.program.apart import Apart
from millijoule.runtime.program.bounds import SLACK
from millijoule.runtime.program.view import Storage
from millijoule.runtime.program.weights import Weights, WeightsFull
from millijoule.runtime.session import load

pytestmark = pytest.mark.skipif(os.name != "posix", reason="protects pages as POSIX has it")
PAGE = os.sysconf("SC_PAGESIZE") if os.name == "posix" else 0


def signal_of(act: Callable[[], object]) -> int:
    """The signal that a process which does this dies of; 0 where it lives."""
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGSEGV, signal.SIG_DFL)
        act()
        os._exit(0)
    return max(0, -os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def dies(memory: np.ndarray, at: int) -> bool:
    """Whether reading one byte ends a process."""
    return signal_of(lambda: memory[at]) in {int(signal.SIGSEGV), int(signal.SIGBUS)}


def writable(memory: np.ndarray, first: int, end: int) -> bool:
    return signal_of(lambda: memory[first:end].fill(1)) == 0


def test_pages_around_every_value() -> None:
    apart = Apart([Storage(100), Storage(5000), Storage(0)])
    memory = apart.memory()
    for storage in apart.storages:
        first, end = storage.offset, storage.offset + storage.size
        assert first % 64 == 0
        assert writable(memory, first, end + SLACK)
        for beyond in (first - PAGE, end + SLACK + 64):
            assert dies(memory, beyond)


def test_pages_around_constants_and_scratch_memory() -> None:
    weights = Weights(1 << 20, guard=True)
    data = np.arange(1000, dtype=np.float32)
    for other in (data, data + 1, data + 2):
        at = weights.add(other)
        assert weights.add(other) == at and at % 64 == 0
        assert weights.memory[at : at + 4000].tobytes() == other.tobytes()
        for beyond in (at - PAGE, at + 4000 + SLACK + 64):
            assert dies(weights.memory, beyond)
    with pytest.raises(WeightsFull):
        weights.add(np.zeros(1 << 20, np.uint8))
    memory, addresses = scratch(300, 2)
    for address in addresses:
        at = int(address) - memory.ctypes.data
        assert writable(memory, at, at + 300 + SLACK)
        for beyond in (at - PAGE, at + 300 + SLACK + 64):
            assert dies(memory, beyond)


class Bench:
    """A program of one step over an input and an output of 8 bytes each."""

    def __init__(self, step: Callable[[np.ndarray, int, int], None]) -> None:
        x, y = Storage(8), Storage(8)
        apart = Apart([x, y])
        memory = apart.memory()
        memory[x.offset : x.offset + 8] = range(8)
        self.y = memory[y.offset : y.offset + 8]
        self.run = guarded(lambda: step(memory, x.offset, y.offset), apart, memory, [x], [self.y])


def test_a_sound_step() -> None:
    def step(memory: np.ndarray, x: int, y: int) -> None:
        memory[y : y + 8] = memory[x : x + 8] + 1

    bench = Bench(step)
    for _ in range(2):
        bench.run()
        assert bench.y.tolist() == [*range(1, 9)]


@pytest.mark.parametrize("beside", [-1, 8, 8 + SLACK - 1, -40])
def test_a_step_that_writes_beside_a_value(beside: int) -> None:
    def step(memory: np.ndarray, x: int, y: int) -> None:
        memory[y : y + 8] = memory[x : x + 8]
        memory[y + beside] = 0

    with pytest.raises(RuntimeError, match="wrote beside a value of 8 bytes"):
        Bench(step).run()


@pytest.mark.parametrize("source", ["behind the input", "the output", "before the output"])
def test_a_step_that_uses_what_nobody_wrote(source: str) -> None:
    def step(memory: np.ndarray, x: int, y: int) -> None:
        at = {"behind the input": x + 8, "the output": y, "before the output": y - 8}[source]
        memory[y] = memory[at]
        memory[y + 1 : y + 8] = 0

    with pytest.raises(RuntimeError, match="that no step has written"):
        Bench(step).run()


@pytest.mark.parametrize("threads", [1, 2])
def test_sessions_give_the_same(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLIJOULE_GUARD", "1")
    for model in (tiny_network(), int8_network()):
        feeds = feeds_of(model, N=2)
        with load(model, threads=threads) as session:
            for _ in range(2):
                agree(session.run(feeds), model, feeds)
            plan = session._pool[0].plan
            assert isinstance(plan, Plan) and plan.apart is not None
