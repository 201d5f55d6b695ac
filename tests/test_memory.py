"""The result memory: what is found, what is not, and that its bounds hold whatever threads do."""

from __future__ import annotations

import os
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from session_models import float_network, node_graph
from small_model import small_model

import millijoule as mj
from millijoule.runtime.graph import Node
from millijoule.runtime.memory import digest as digests
from millijoule.runtime.memory import shelf as shelves
from millijoule.runtime.memory.fingerprint import fingerprint
from millijoule.runtime.memory.store import OVERHEAD, Store

SECONDS = float(os.environ.get("MILLIJOULE_MEMORY_SECONDS", "2"))
INPUTS = int(os.environ.get("MILLIJOULE_MEMORY_INPUTS", "4000"))


def sums(shape: tuple[int | str, ...] = ("n", 8)) -> mj.Model:
    """y = x + x."""
    return mj.Model(node_graph(Node("Add", ["x", "x"], ["y"]), inputs={"x": shape}))


def pair() -> mj.Model:
    """y = a - b."""
    return mj.Model(node_graph(Node("Sub", ["a", "b"], ["y"]), inputs={"a": (1, 4), "b": (1, 4)}))


def numbers(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def test_what_was_asked_before_is_not_computed_again() -> None:
    memory = mj.Memory()
    with mj.load(float_network(), memory=memory, threads=1) as session:
        x = numbers(0, 1, 40, 40, 8)
        first, second = session.run({"x": x}), session.run(x.copy())
        macs = session.engine.plan({"x": x.shape}, ()).program.macs
    assert first["y"] is not second["y"]
    np.testing.assert_array_equal(first["y"], second["y"])
    assert memory.counts == mj.MemoryCounts(hits=1, misses=1, saved_macs=macs) and macs > 0
    assert len(memory) == 1 and "1 hits, 1 misses" in repr(memory)


def test_answers_are_the_callers_own() -> None:
    with mj.load(sums(), memory=mj.Memory(), target="numpy") as session:
        x = numbers(1, 1, 8)
        session.run(x)["y"][...] = 0
        session.run(x)["y"][...] = 0
        np.testing.assert_array_equal(session.run(x)["y"], x + x)


OTHERS: list[tuple[str, Callable[[np.ndarray], np.ndarray]]] = [
    ("a bit", lambda x: (x.view(np.uint32) ^ np.uint32(1)).view(np.float32)),
    ("the sign of zero", lambda x: np.where(x == 0, -x, x)),
    ("the order", lambda x: x[:, ::-1]),
    ("the shape", lambda x: x.reshape(2, 4 * 4)[:, :8]),
]


@pytest.mark.parametrize(("what", "change"), OTHERS, ids=[what for what, _ in OTHERS])
def test_another_input_is_a_miss(what: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    memory = mj.Memory()
    with mj.load(sums(), memory=memory, target="numpy") as session:
        x = np.arange(32, dtype=np.float32).reshape(4, 8)
        session.run(x)
        np.testing.assert_array_equal(session.run(change(x))["y"], 2 * change(x))
    assert memory.counts.hits == 0


def test_the_order_of_arrays_in_memory_is_no_difference() -> None:
    memory = mj.Memory()
    with mj.load(sums(), memory=memory, target="numpy") as session:
        x = numbers(2, 4, 8)
        session.run(x)
        session.run(np.asfortranarray(x))
    assert memory.counts.hits == 1


def test_several_inputs_keep_their_places() -> None:
    memory = mj.Memory()
    a, b = numbers(3, 1, 4), numbers(4, 1, 4)
    with mj.load(pair(), memory=memory, target="numpy") as session:
        for _ in range(2):
            np.testing.assert_array_equal(session.run({"a": a, "b": b})["y"], a - b)
            np.testing.assert_array_equal(session.run({"a": b, "b": a})["y"], b - a)
    assert memory.counts.hits == 2


def test_what_does_not_fit_is_refused_as_without_a_memory() -> None:
    with mj.load(sums(), memory=mj.Memory(), target="numpy") as session:
        session.run(numbers(5, 1, 8))
        for wrong in ({"z": numbers(5, 1, 8)}, numbers(5, 1, 8).astype(np.float64), {}, numbers(5, 1, 7)):
            with pytest.raises(mj.InputError):
                session.run(wrong)


def test_named_outputs_are_always_computed() -> None:
    memory = mj.Memory()
    with mj.load(sums(), memory=memory, target="numpy") as session:
        session.run(numbers(6, 1, 8), outputs=["y"])
    assert len(memory) == 0 and memory.counts.misses == 0


def test_models_do_not_get_each_others_answers(tmp_path: Path) -> None:
    memory = mj.Memory()
    x = numbers(7, 1, 8)
    product = mj.Model(node_graph(Node("Mul", ["x", "x"], ["y"]), inputs={"x": ("n", 8)}))
    for model, wanted in ((sums(), x + x), (product, x * x)):
        with mj.load(model, memory=memory, target="numpy") as session:
            np.testing.assert_array_equal(session.run(x)["y"], wanted)
    assert memory.counts.hits == 0
    sums().save(tmp_path / "sums.mj")
    with mj.load(tmp_path / "sums.mj", memory=memory, target="numpy") as session:
        session.run(x)
        session.clone().run(x)
    assert memory.counts.hits == 2


def test_the_fingerprint_is_of_weights_and_preprocessing(tmp_path: Path) -> None:
    model = small_model()
    model.save(tmp_path / "small.mj")
    known = fingerprint(model)
    assert fingerprint(mj.Model.load(tmp_path / "small.mj")) == known
    weights = small_model()
    data = weights.graph.values["w1"].data
    assert data is not None
    data.reshape(-1)[0] += 1
    prepared = small_model()
    prepared.metadata.preprocessing = mj.Preprocessing(mean=(1.0,))
    assert len({known, fingerprint(weights), fingerprint(prepared)}) == 3


def test_a_collision_is_a_miss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelves, "digest", lambda data: b"the same for all")
    memory = mj.Memory()
    with mj.load(sums(), memory=memory, target="numpy") as session:
        for seed in (1, 2, 1, 1):
            x = numbers(seed, 1, 8)
            np.testing.assert_array_equal(session.run(x)["y"], x + x)
    assert memory.counts.hits == 1 and len(memory) == 1


def test_digests_are_seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    before = digests.digest(b"input")
    assert digests.digest(b"input") == before and len(before) == digests.DIGEST_BYTES
    monkeypatch.setattr(digests, "_SEED", b"another!")
    assert digests._find()(b"input") != before


def test_digests_without_xxhash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "xxhash", None)
    found = digests._find()
    assert found(b"one") == found(b"one") != found(b"other") and len(found(b"")) == digests.DIGEST_BYTES


def test_random_and_nearly_equal_inputs_get_their_own_answers() -> None:
    """MILLIJOULE_MEMORY_INPUTS sets how many; every tenth differs in one bit from the one before."""
    rng = np.random.default_rng(8)
    memory = mj.Memory(entries=512)
    with mj.load(sums((1, 8)), memory=memory, target="numpy") as session:
        x = numbers(8, 1, 8)
        for step in range(INPUTS):
            if step % 10 == 0:
                x = rng.integers(0, 4, (1, 8)).astype(np.float32)
            else:
                x = (x.view(np.uint32) ^ np.uint32(1 << int(rng.integers(20)))).view(np.float32)
            np.testing.assert_array_equal(session.run({"x": x})["y"], x + x)
            assert len(memory) <= 512
    assert memory.counts.hits + memory.counts.misses == INPUTS and memory.counts.hits > 0


def test_the_oldest_makes_room() -> None:
    store = Store(2, 1 << 20, None)
    store.put("a", b"1", "A", 0, 1)
    store.put("b", b"2", "B", 0, 1)
    assert store.find("a", b"1") is not None
    store.put("c", b"3", "C", 0, 1)
    assert [store.find(key, data) is not None for key, data in (("a", b"1"), ("b", b"2"), ("c", b"3"))] == [1, 0, 1]
    assert store.counts().evicted == 1


def test_bytes_are_bounded_and_an_answer_too_large_is_not_kept() -> None:
    store = Store(100, 4 * OVERHEAD, None)
    store.put("huge", bytes(4 * OVERHEAD), None, 0, 0)
    assert len(store) == 0
    for index in range(10):
        store.put(index, bytes(OVERHEAD), None, 0, 0)
        assert store.bytes <= 4 * OVERHEAD
    assert len(store) == 2 and store.counts().evicted == 8
    store.put(9, b"", None, 0, 0)
    assert len(store) == 2 and store.bytes == 3 * OVERHEAD
    assert store.remove(9) and not store.remove(9)
    store.clear()
    assert len(store) == store.bytes == 0


def test_a_memory_of_nothing_keeps_nothing() -> None:
    for memory in (mj.Memory(entries=0), mj.Memory(max_bytes=0)):
        with mj.load(sums(), memory=memory, target="numpy") as session:
            session.run(numbers(9, 1, 8))
            session.run(numbers(9, 1, 8))
        assert len(memory) == 0 and memory.counts.misses == 2


def test_answers_expire() -> None:
    store = Store(10, 1 << 20, 5.0)
    now = 100.0
    store.clock = lambda: now
    store.put("a", b"1", "A", 0, 0)
    now = 104.9
    assert store.find("a", b"1") is not None
    now = 105.0
    assert store.find("a", b"1") is None and len(store) == store.bytes == 0
    assert store.counts() == mj.MemoryCounts(hits=1, misses=1, expired=1)


def test_bytes_are_what_python_takes() -> None:
    with mj.load(sums((1, 300)), memory=(memory := mj.Memory()), target="numpy") as session:
        session.run(numbers(0, 1, 300))
        rows = numbers(1, 2000, 1, 300)
        tracemalloc.start()
        before, counted = tracemalloc.get_traced_memory()[0], memory.bytes
        for row in rows:
            session.run({"x": row})
        taken = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
    assert 0.75 * (memory.bytes - counted) < taken < memory.bytes - counted


@pytest.mark.parametrize("bad", [{"entries": -1}, {"max_bytes": -1}, {"expire": 0.0}, {"expire": float("nan")}])
def test_bounds_that_cannot_be(bad: dict) -> None:
    with pytest.raises(mj.InputError):
        mj.Memory(**bad)


def test_threads_share_a_memory() -> None:
    """MILLIJOULE_MEMORY_SECONDS sets how long."""
    memory = mj.Memory(entries=50, max_bytes=60_000)
    model = sums((1, 8))
    wrong: list[str] = []
    stop = time.monotonic() + SECONDS
    session = mj.load(model, memory=memory, target="numpy")

    def ask(seed: int) -> None:
        rng = np.random.default_rng(seed)
        while time.monotonic() < stop:
            x = np.full((1, 8), rng.integers(100), np.float32)
            if not np.array_equal(session.run({"x": x})["y"], x + x):
                wrong.append(f"{x} got another's answer")
            if len(memory) > 50 or memory.bytes > 60_000:
                wrong.append(f"{memory!r} is out of bounds")

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    session.close()
    assert not wrong, wrong[:3]
    counts = memory.counts
    assert counts.hits > 0 and counts.evicted > 0
    store = memory.store
    assert store.bytes == sum(entry.size for entry in store._entries.values())
