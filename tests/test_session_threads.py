"""Sessions under concurrency: helper threads, callers from several threads, forks, closing, garbage, exit."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import pytest
from session_models import feeds_of, float_network, int8_network, node_graph, python
from small_model import small_model

import millijoule.device_profiles
from millijoule import Error, Model, load
from millijoule.runtime.evaluate import reference
from millijoule.runtime.graph import Node
from millijoule.runtime.session import Session

T = TypeVar("T")
LIMIT = 60
"""Seconds after which a test of the threads' protocol counts as hung."""


@pytest.fixture(autouse=True)
def alarm() -> Iterator[None]:
    """A helper that waits for ever would hang the whole run: the process is killed instead, with every stack shown.

    Seconds are counted one by one, as a process that is stopped for a minute has not hung.
    """
    import faulthandler

    over = threading.Event()

    def watch() -> None:
        if not any(over.wait(1) for _ in range(LIMIT)):
            faulthandler.dump_traceback(sys.__stderr__ or sys.stderr, all_threads=True)
            os._exit(1)

    # For what hangs and lets no other thread run.
    faulthandler.dump_traceback_later(10 * LIMIT, exit=True)
    watcher = threading.Thread(target=watch, name="alarm", daemon=True)
    watcher.start()
    yield
    over.set()
    watcher.join()
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def many_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if this computer had sixteen: more threads than cores must be slow at worst."""
    monkeypatch.setattr(millijoule.device_profiles, "usable_cpus", lambda: 16)


def helpers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("millijoule-")]


def shared(model: Model, threads: int) -> Session:
    """A session whose programs really are shared by so many threads."""
    session = load(model, threads=threads)
    session.invoke()
    assert session._own is not None and session._own.plan is not None
    assert session.threads == threads and session._own.plan.program.shared
    assert sum(step.grain > 0 for step in session._own.plan.program.steps if hasattr(step, "grain")) >= 2
    return session


def bounded(items: Iterable[T], seconds: float = 2.0) -> Iterator[T]:
    """As many of the items as there is time for: where other processes take the cores, barriers are slow."""
    until = time.perf_counter() + seconds * (10 if os.environ.get("MILLIJOULE_FULL") else 1)
    for item in items:
        yield item
        if time.perf_counter() > until:
            return


MODELS = {"float": float_network, "int8": int8_network}


@pytest.mark.usefixtures("many_cpus")
@pytest.mark.parametrize("threads", [2, 3, 7])
@pytest.mark.parametrize("kind", MODELS)
def test_any_number_of_threads_gives_the_same_bits(kind: str, threads: int) -> None:
    model = MODELS[kind]()
    feeds = [feeds_of(model, seed) for seed in range(3)]
    with load(model, threads=1) as alone, shared(model, threads) as session:
        wanted = [alone.run(given)["y"] for given in feeds]
        for i in bounded(range(3000)):
            np.testing.assert_array_equal(session.run(feeds[i % 3])["y"], wanted[i % 3])
    assert not helpers()


@pytest.mark.usefixtures("many_cpus")
def test_helpers_come_and_go() -> None:
    """Sessions opened and closed while helpers are on their way to sleep, asleep, or being woken."""
    model = int8_network()
    feeds = feeds_of(model)
    with load(model, threads=1) as alone:
        wanted = alone.run(feeds)["y"]
    base = load(model, threads=3)
    for i in bounded(range(200)):
        with base.clone() as session:
            for _ in range(i % 4):
                np.testing.assert_array_equal(session.run(feeds)["y"], wanted)
                time.sleep((i % 5) * 1e-5)
        assert not helpers()
    base.close()


@pytest.mark.usefixtures("many_cpus")
def test_pauses_of_every_length() -> None:
    """A helper that is just falling asleep must notice the next step."""
    model = int8_network()
    rng = np.random.default_rng(0)
    with shared(model, 2) as session:
        x = feeds_of(model)["x"]
        wanted = session.run({"x": x})["y"]
        for pause in bounded(rng.exponential(3e-5, 3000)):
            session.inputs["x"][...] = x
            until = time.perf_counter() + pause
            while time.perf_counter() < until:
                pass
            session.invoke()
            np.testing.assert_array_equal(session.outputs["y"], wanted)


@pytest.mark.usefixtures("many_cpus")
def test_several_sessions_with_helpers_at_once() -> None:
    def work(model: Model, seed: int) -> bool:
        feeds = feeds_of(model, seed)
        with load(model, threads=1) as alone:
            wanted = alone.run(feeds)["y"]
        with shared(model, 2 + seed % 2) as session:
            return all(np.array_equal(session.run(feeds)["y"], wanted) for _ in bounded(range(300)))

    models = [int8_network(), float_network(), int8_network(channels=48)]
    with ThreadPoolExecutor(3) as pool:
        assert all(pool.map(work, models, range(3)))
    assert not helpers()


@pytest.mark.parametrize("threads", [1, 2])
def test_run_from_several_threads_at_once(threads: int) -> None:
    """Also for several shapes and several sets of outputs."""
    model = small_model() if threads == 1 else float_network(size="S", batch="N")
    sizes = [{"N": n} if threads == 1 else {"N": 1, "S": 30 + 2 * n} for n in range(1, 6)]
    feeds = [feeds_of(model, i, **symbols) for i, symbols in enumerate(sizes)]
    last = model.graph.outputs[0]
    other = "features" if threads == 1 else "deep"
    with load(model, threads=threads) as session:
        wanted = [session.run(given, outputs=[last, other]) for given in feeds]
        workers = 4
        start = threading.Barrier(workers)

        def work(index: int) -> None:
            start.wait()
            for i in bounded(range(100)):
                at = (i + index) % len(feeds)
                names = [last, other] if i % 3 == 0 else [last]
                found = session.run(feeds[at], outputs=names if i % 2 else None)
                for name in found:
                    if name in wanted[at]:
                        np.testing.assert_array_equal(found[name], wanted[at][name])

        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(work, range(workers)))
        assert len(session._pool) <= session._spare


def test_the_pool_of_arenas_stays_small() -> None:
    model = small_model()
    feeds = feeds_of(model, N=1)
    with load(model, threads=1) as session:
        arenas = [session._take() for _ in range(session._spare + 5)]
        for arena in arenas:
            session._give_back(arena)
        assert len(session._pool) == session._spare
        session.run(feeds)


def test_inputs_belong_to_one_thread() -> None:
    """A run in another thread changes neither their shapes nor their contents."""
    model = small_model()
    feeds = feeds_of(model, N=2)
    with load(model, threads=1) as session:
        session.resize({"pixels": (2, 8, 8, 3)})
        session.inputs["pixels"][...] = feeds["pixels"]
        other = threading.Thread(target=session.run, args=(feeds_of(model, 5, N=3),))
        other.start()
        other.join()
        session.invoke()
        np.testing.assert_array_equal(session.outputs["scores"], session.run(feeds)["scores"])


def long_model() -> Model:
    """A model that runs for some tenths of a second."""
    return float_network(size=112, channels=32, batch=8)


def test_invoke_from_two_threads_is_refused() -> None:
    with load(long_model(), threads=1) as session:
        session.invoke()
        runner = threading.Thread(target=session.invoke)
        runner.start()
        time.sleep(0.02)
        with pytest.raises(Error, match=r"every thread needs a clone\(\)"):
            session.invoke()
        assert runner.is_alive()
        runner.join()
        session.invoke()


def test_the_interpreter_is_free_during_a_long_run() -> None:
    """Another Python thread makes progress throughout, not only before and after."""
    with load(long_model(), threads=1) as session:
        session.invoke()
        stamps: list[float] = []
        stop = threading.Event()

        def tick() -> None:
            while not stop.is_set():
                stamps.append(time.perf_counter())
                time.sleep(1e-4)

        ticker = threading.Thread(target=tick)
        ticker.start()
        began = time.perf_counter()
        session.invoke()
        ended = time.perf_counter()
        stop.set()
        ticker.join()
    edge = 0.2 * (ended - began)
    assert sum(began + edge < stamp < ended - edge for stamp in stamps) >= 5


def test_idle_helpers_use_no_cpu() -> None:
    model = int8_network()
    with shared(model, min(2, os.cpu_count() or 1)) as session:
        for _ in range(50):
            session.invoke()
        assert len(helpers()) == 1
        time.sleep(0.05)
        before = time.process_time()
        time.sleep(1)
        assert time.process_time() - before < 0.02


def test_closing_while_others_run() -> None:
    """What runs ends well, what comes later is refused, and no helper stays."""
    model = float_network(size=80)
    feeds = feeds_of(model)
    for attempt in range(10):
        session = load(model, threads=2)
        wanted = session.run(feeds)["y"]
        ends: list[str] = []

        def work(session: Session = session, wanted: np.ndarray = wanted, ends: list[str] = ends) -> None:
            try:
                while True:
                    np.testing.assert_array_equal(session.run(feeds)["y"], wanted)
            except Error as problem:
                ends.append(str(problem))

        workers = [threading.Thread(target=work) for _ in range(3)]
        for worker in workers:
            worker.start()
        time.sleep(0.004 * attempt)
        session.close()
        for worker in workers:
            worker.join()
        assert ends == ["this session is closed"] * 3
        assert not helpers()


def test_closing_while_invoke_runs() -> None:
    for _ in range(5):
        session = load(float_network(size=100, channels=32), threads=2)
        session.invoke()
        runner = threading.Thread(target=session.invoke)
        runner.start()
        time.sleep(0.001)
        session.close()
        runner.join()
        assert not helpers()


def test_dropped_sessions_leave_no_threads() -> None:
    session = shared(int8_network(), 2)
    clone = session.clone()
    clone.invoke()
    assert len(helpers()) == 2
    gc.disable()
    try:
        del session, clone
        assert not helpers()
    finally:
        gc.enable()


def test_a_system_without_threads_to_give(monkeypatch: pytest.MonkeyPatch) -> None:
    model = int8_network()
    feeds = feeds_of(model)
    with load(model, threads=1) as alone:
        wanted = alone.run(feeds)["y"]

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with load(model, threads=2) as session:
        with pytest.warns(RuntimeWarning, match="can't start new thread: fewer than 2 threads work"):
            np.testing.assert_array_equal(session.run(feeds)["y"], wanted)
        np.testing.assert_array_equal(session.run(feeds)["y"], wanted)


def in_child(work: Callable[[], None]) -> int:
    """Forks a child that works and then ends at once; its process id."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return pid


def ended_well(pid: int) -> bool:
    until = time.monotonic() + LIMIT / 2
    while time.monotonic() < until:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status == 0
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return False


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("threads", [1, 2])
def test_fork(threads: int) -> None:
    """Both go on with the same session at once, none sees the other's data, and the child can plan for new shapes."""
    model = float_network(size="S", batch="N")
    feeds = {size: [feeds_of(model, seed, N=1, S=size) for seed in range(2)] for size in (40, 42)}
    with load(model, threads=1) as alone:
        wanted = {size: [alone.run(given)["y"] for given in both] for size, both in feeds.items()}
    with load(model, threads=threads) as session:
        session.run(feeds[40][0])

        def work(seed: int) -> None:
            for size in (40, 42):
                for _ in bounded(range(200), 0.5):
                    found = session.run(feeds[size][seed])["y"]
                    assert np.array_equal(found, wanted[size][seed])

        def child() -> None:
            work(1)
            session.clone().close()
            session.close()

        pid = in_child(child)
        work(0)
        assert ended_well(pid)
        work(0)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_fork_while_other_threads_run_and_plan() -> None:
    """Whatever locks they held, the child finds open."""
    model = small_model()
    feeds = [feeds_of(model, N=n) for n in range(1, 12)]
    with load(model, threads=1) as session:
        wanted = [session.run(given)["scores"] for given in feeds]
        stop = threading.Event()

        def work() -> None:
            i = 0
            while not stop.is_set():
                i = (i + 1) % len(feeds)
                session.run(feeds[i])

        worker = threading.Thread(target=work)
        worker.start()

        def child() -> None:
            for given, expected in zip(feeds, wanted, strict=True):
                assert np.array_equal(session.run(given)["scores"], expected)

        try:
            for _ in bounded(range(10)):
                assert ended_well(in_child(child))
        finally:
            stop.set()
            worker.join()


@pytest.mark.parametrize("ending", ["pass", "session.close()", "del session", "raise SystemExit(0)", "os._exit(0)"])
def test_exit_with_live_helpers(ending: str) -> None:
    text = f"""
import os, sys
sys.path.insert(0, sys.argv[1])
from session_models import int8_network
from millijoule import load
session = load(int8_network(), threads=2)
session.invoke()
keep = session.clone()
keep.invoke()
print("done", flush=True)
{ending}
"""
    done = python(text, os.path.dirname(__file__), timeout=LIMIT / 2)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_denormals_are_flushed_inside_only() -> None:
    graph = node_graph(Node("Conv", ["x", "w"], ["y"]), Node("Mul", ["y", "y"], ["z"]), inputs={"x": (1, 4, 4, 8)})
    graph.outputs = ["y", "z"]
    tiny = np.float32(1e-20)
    graph.add_constant("w", np.full((16, 1, 1, 8), tiny))
    x = np.full((1, 4, 4, 8), tiny)
    with load(Model(graph), threads=1) as session:
        before = tiny * tiny
        found = session.run({"x": x})
        assert before > 0 and tiny * tiny == before
        assert (found["y"] == 0).all()
    with load(Model(graph), threads=1, target="numpy") as session:
        assert (session.run({"x": x})["y"] > 0).all()
    model = float_network()
    with load(model, threads=2) as session:
        x = np.full((1, 40, 40, 8), np.float32(1e-39))
        session.run({"x": x})
        assert tiny * tiny == before
    assert (reference.run(graph, {"x": np.full((1, 4, 4, 8), tiny)})["y"] > 0).all()
