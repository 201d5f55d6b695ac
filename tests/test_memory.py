"""The result memory: what is found, what is not, and that its bounds hold whatever threads do."""

from __future__ import annotations

import os
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from classifiers import classifier, images
from session_models import float_network, node_graph
from small_model import small_model

import millijoule as mj
from millijoule.runtime.graph import Node
from millijoule.runtime.memory import digest as digests
from millijoule.runtime.memory import shelf as shelves
from millijoule.runtime.memory.fingerprint import fingerprint
from millijoule.runtime.memory.question import Signature
from millijoule.runtime.memory.store import OVERHEAD, Entry, Store

SECONDS = float(os.environ.get("MILLIJOULE_MEMORY_SECONDS", "0.1"))
INPUTS = int(os.environ.get("MILLIJOULE_MEMORY_INPUTS", "1000"))


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
    counts = memory.counts
    assert (counts.hits, counts.misses, counts.saved_macs) == (1, 1, macs) and macs > 0
    assert counts.saved_seconds > 0
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
    monkeypatch.setattr(shelves, "digest", lambda data, seed: "the same for all")
    memory = mj.Memory()
    with mj.load(sums(), memory=memory, target="numpy") as session:
        for seed in (1, 2, 1, 1):
            x = numbers(seed, 1, 8)
            np.testing.assert_array_equal(session.run(x)["y"], x + x)
    assert memory.counts.hits == 1 and len(memory) == 1


def test_arrays_that_change_meanwhile_leave_no_wrong_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread may write to what is fed: after the digest was taken, the model sees other numbers."""
    memory, x, known = mj.Memory(), numbers(1, 1, 8), digests.digest

    def late(data: np.ndarray | bytes, seed: int) -> object:
        found = known(data, seed)
        x[...] = numbers(2, 1, 8)
        return found

    with mj.load(sums((1, 8)), memory=memory, target="numpy") as session:
        with monkeypatch.context() as patch:
            patch.setattr(shelves, "digest", late)
            session.run(x)
        for seed in (1, 2):
            x = numbers(seed, 1, 8)
            np.testing.assert_array_equal(session.run(x)["y"], x + x)


FALLBACKS = [digests._sip, digests._blake]


@pytest.mark.parametrize("digest", [digests.digest, *FALLBACKS], ids=["chosen", "sip", "blake"])
def test_digests_are_of_bytes_in_c_order(digest: digests.Digest) -> None:
    x = numbers(3, 4, 6)
    for array in (x, np.asfortranarray(x), x[::1], np.repeat(x, 2, axis=1)[:, ::2]):
        assert digest(array, 5) == digest(x.tobytes(), 5)
    assert len({digest(x, 5), digest(x, 6), digest(x[:3], 5), digest(np.zeros(0), 5)}) == 4


def test_digests_are_seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    known = digests.seed_of("a"), digests._blake(b"input", 1)
    assert known == (digests.seed_of("a"), digests._blake(b"input", 1)) and known[0] != digests.seed_of("b")
    monkeypatch.setattr(digests, "_SEED", b"another!")
    assert digests.seed_of("a") != known[0] and digests._blake(b"input", 1) != known[1]


def test_digests_without_xxhash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "xxhash", None)
    monkeypatch.setenv("PYTHONHASHSEED", "random")
    assert digests.find_digest() is (digests._sip if digests._is_seeded() else digests._blake)
    monkeypatch.setenv("PYTHONHASHSEED", "1")
    assert digests.find_digest() is digests._blake, "a seed that somebody chose"


DIGESTS: dict[str, digests.Digest] = {
    "chosen": digests.digest,
    "two bits": lambda data, seed: int(np.frombuffer(digests._in_order(data), np.uint8).sum()) & 3,
    "all collide": lambda data, seed: "the same for all",
}


def crafted(rng: np.random.Generator, count: int) -> Iterator[np.ndarray]:
    """Inputs that hardly differ from one before: in one bit, in the sign of a zero, in two elements' places."""
    x = np.zeros((1, 8), np.float32)
    for _ in range(count):
        way, place = rng.integers(5), int(rng.integers(8))
        y = x.copy()
        if way == 0:
            y = rng.integers(0, 3, (1, 8)).astype(np.float32)
        elif way == 1:
            y.view(np.uint32)[0, place] ^= np.uint32(1 << int(rng.integers(20)))
        elif way == 2:
            y[0, place] = -0.0 if y[0, place] == 0 else 0.0
        elif way == 3:
            y[0, [place, 0]] = y[0, [0, place]]
        x = y
        yield x


@pytest.mark.parametrize("kind", DIGESTS)
def test_no_input_gets_another_s_answer(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """MILLIJOULE_MEMORY_INPUTS sets how many are random; a tenth as many hardly differ; one of two is asked again."""
    monkeypatch.setattr(shelves, "digest", DIGESTS[kind])
    rng = np.random.default_rng(8)
    memory, asked = mj.Memory(entries=512), 0

    with mj.load(sums((1, 8)), memory=memory, target="numpy") as session:

        def ask(x: np.ndarray) -> None:
            assert session.run({"x": x})["y"].tobytes() == (x + x).tobytes()

        for _ in range(-(-INPUTS // 1000)):
            rows = rng.standard_normal((1000, 1, 8), np.float32)
            again = rng.integers(1000, size=500)
            for x in rows:
                ask(x)
            for x in rows[again]:
                ask(x)
            asked += 1500
        for x in crafted(rng, INPUTS // 10):
            ask(x)
            ask(x)
            asked += 2
    assert memory.counts.hits + memory.counts.misses == asked and memory.counts.hits >= INPUTS // 10
    assert len(memory) <= 512 and memory.bytes == sum(entry.size for entry in memory.store._entries.values())


OF = Signature.of(b"model", (((1,), np.dtype(np.uint8)),))


def put(store: Store, key: str, size: int = OVERHEAD, data: bytes = b"1") -> None:
    store.put(key, Entry(OF, data, key, size, 1, 0.0, 0.0, store.until()))


def found(store: Store, key: str, data: bytes = b"1") -> bool:
    return store.find((key, OF, [np.frombuffer(data, np.uint8)])) is not None


def test_the_oldest_makes_room() -> None:
    store = Store(2, 1 << 20, None)
    put(store, "a")
    put(store, "b")
    assert found(store, "a") and not found(store, "a", b"2")
    put(store, "c")
    assert [found(store, key) for key in "abc"] == [True, False, True]
    assert store.counts().evicted == 1


def test_bytes_are_bounded_and_an_answer_too_large_is_not_kept() -> None:
    store = Store(100, 4 * OVERHEAD, None)
    put(store, "huge", 4 * OVERHEAD + 1)
    assert len(store) == 0
    for index in range(10):
        put(store, str(index), 2 * OVERHEAD)
        assert store.bytes <= 4 * OVERHEAD
    assert len(store) == 2 and store.counts().evicted == 8
    put(store, "9")
    assert len(store) == 2 and store.bytes == 3 * OVERHEAD
    entry = store.get(("9", OF, [np.frombuffer(b"1", np.uint8)]))
    assert entry is not None and store.remove("9", entry) and not store.remove("9", entry)
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
    put(store, "a")
    now = 104.9
    assert found(store, "a")
    now = 105.0
    assert not found(store, "a") and len(store) == store.bytes == 0
    assert store.counts() == mj.MemoryCounts(hits=1, misses=1, expired=1, saved_macs=1)


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


def test_an_answer_can_be_deleted() -> None:
    memory = mj.Memory()
    with mj.load(pair(), memory=memory, target="numpy") as session:
        fed = {"a": numbers(3, 1, 4), "b": numbers(4, 1, 4)}
        session.run(fed)
        assert not session.forget({"a": fed["a"], "b": fed["a"]}) and len(memory) == 1
        assert session.forget(fed) and len(memory) == 0 and not session.forget(fed)
        session.run(fed)
        assert memory.counts.hits == 0
        with pytest.raises(mj.InputError):
            session.forget({"a": fed["a"]})
    with mj.load(pair(), target="numpy") as session:
        assert not session.forget(fed)


@pytest.mark.parametrize("end", ["", "Softmax", "int8"])
def test_answers_of_a_classifier_that_are_not_sure_are_not_kept(end: str) -> None:
    x = images(30)
    with mj.load(classifier(1), target="numpy") as session:
        logits = np.stack([session.run(row[None])["logits"][0] for row in x])
    sure = int((1 / np.exp(logits - logits.max(1, keepdims=True)).sum(1) >= 0.6).sum())
    memory = mj.Memory(min_score=0.6)
    with mj.load(classifier(1, end=end), memory=memory, target="numpy") as session:
        for row in x:
            session.run(row[None])
    assert abs(len(memory) - sure) <= (3 if end == "int8" else 0) and 0 < sure < 30
    assert memory.counts.unsure == 30 - len(memory)


def test_answers_without_elements() -> None:
    memory = mj.Memory()
    with mj.load(sums(), memory=memory, target="numpy") as session:
        for _ in range(2):
            assert session.run(np.zeros((0, 8), np.float32))["y"].shape == (0, 8)
    assert memory.counts.hits == 1


IMPOSSIBLE: list[dict[str, object]] = [
    {"entries": -1}, {"entries": "many"}, {"entries": float("nan")}, {"max_bytes": -1}, {"max_bytes": float("inf")},
    {"max_bytes": None}, {"expire": 0.0}, {"expire": float("nan")}, {"expire": "soon"}, {"min_score": "0.5"},
    {"min_score": float("inf")}, {"similar": "dhash"}, {"path": 3},
]  # fmt: skip


@pytest.mark.parametrize("bad", IMPOSSIBLE, ids=str)
def test_bounds_that_cannot_be(bad: dict) -> None:
    (name,) = bad
    with pytest.raises(mj.InputError, match=name):
        mj.Memory(**bad)


def test_a_memory_that_is_none() -> None:
    with pytest.raises(mj.InputError, match="Memory is wanted"):
        mj.load(pair(), memory=4096, target="numpy")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", DIGESTS)
def test_threads_share_a_memory(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """MILLIJOULE_MEMORY_SECONDS sets how long; a hundred inputs in each thread at least."""
    monkeypatch.setattr(shelves, "digest", DIGESTS[kind])
    memory = mj.Memory(entries=50, max_bytes=60_000)
    wrong: list[str] = []
    stop = time.monotonic() + SECONDS
    session = mj.load(sums((1, 8)), memory=memory, target="numpy")

    def ask(seed: int) -> None:
        rng = np.random.default_rng(seed)
        count = 0
        while time.monotonic() < stop or count < 100:
            count += 1
            x = np.full((1, 8), rng.integers(100), np.float32)
            if not np.array_equal(session.run({"x": x})["y"], x + x):
                wrong.append(f"{x} got another's answer")
            if len(memory) > 50 or memory.bytes > 60_000:
                wrong.append(f"{memory!r} is out of bounds")
            if rng.integers(100) == 0:
                session.forget(x)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    session.close()
    assert not wrong, wrong[:3]
    assert memory.counts.hits > 0 and (memory.counts.evicted > 0) == (kind == "chosen")
    store = memory.store
    assert store.bytes == sum(entry.size for entry in store._entries.values())
