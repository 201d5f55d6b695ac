"""Every field of a profile changes what it says. (Those that only predictions read: test_estimate.py.)"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from product_cases import Net
from session_models import feeds_of, float_network, node_graph

import millijoule.device_profiles
from millijoule import Model, ModelError, TargetError, load
from millijoule.device_profiles import ProfileError, detect
from millijoule.device_profiles import load as load_profile
from millijoule.runtime.engine.affinity import places
from millijoule.runtime.graph import Node
from millijoule.runtime.kernels.execute import SPINS
from millijoule.runtime.program.program import Call
from millijoule.runtime.session import Session
from millijoule.runtime.softmax import choice, runner
from millijoule.runtime.targets.target import named
from millijoule.tools.models.kernels import needed_anywhere
from millijoule.tools.models.plans import plan_program

MIB = 1 << 20


def toml(path: Path, **fields: object) -> Path:
    """This computer's profile with other fields, as a file."""
    path.write_bytes(msgspec.toml.encode({"extends": "host", **fields}))
    return path


def shared_session(profile: Path, monkeypatch: pytest.MonkeyPatch, threads: int = 2) -> Session:
    monkeypatch.setattr(millijoule.device_profiles, "usable_cpus", lambda: 16)
    session = load(float_network(), profile=profile, threads=threads)
    session.invoke()
    return session


def test_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(millijoule.device_profiles, "usable_cpus", lambda: 16)
    cores = [{"core": "any", "cpus": [0, 1, 2, 3]}]
    for threads in (1, 3):
        path = toml(tmp_path / f"{threads}.toml", clusters=cores, threads=threads)
        with load(float_network(), profile=path) as session:
            assert session.threads == threads


def test_target(tmp_path: Path) -> None:
    with load(float_network(), profile=toml(tmp_path / "a.toml", target="numpy")) as session:
        assert session.target == "numpy"
    with pytest.raises(TargetError, match="zilog"):
        load(float_network(), profile=toml(tmp_path / "b.toml", target="zilog"))


@pytest.mark.parametrize("spin_us", [0.0, 50.0, 400.0])
def test_how_long_helpers_spin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spin_us: float) -> None:
    """The control block's number of polls follows it, and results do not depend on it: 0 has helpers sleep at once."""
    model = float_network()
    feeds = feeds_of(model)
    with load(model, threads=1) as alone:
        wanted = alone.run(feeds)["y"]
    with shared_session(toml(tmp_path / "a.toml", spin_us=spin_us), monkeypatch) as session:
        assert session._own is not None and session._own._helpers is not None
        helpers = session._own._helpers
        polls = helpers._memory[helpers._aligned + SPINS :][:8].view(np.int64)[0]
        assert polls == helpers._spins and (polls == 0) == (spin_us == 0)
        assert polls / 50_000 == pytest.approx(spin_us / 50 * (2 if os.uname().machine == "x86_64" else 0.2))
        for _ in range(20):
            np.testing.assert_array_equal(session.run(feeds)["y"], wanted)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two CPUs")
@pytest.mark.parametrize("first", [True, False])
def test_helpers_are_kept_to_the_first_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: bool) -> None:
    """The caller's own thread is left where it is."""
    cpus = sorted(os.sched_getaffinity(0))
    own = cpus[:1] if first else cpus[1:]
    clusters = [{"core": "big", "cpus": own}, {"core": "little", "cpus": [cpu for cpu in cpus if cpu not in own]}]
    path = toml(tmp_path / "a.toml", clusters=clusters, threads=1)
    profile = load_profile(path)
    kept: list[set[int]] = []
    plain = os.sched_setaffinity
    monkeypatch.setattr(millijoule.runtime.engine.helpers, "places", lambda profile, threads: places(profile, 1))

    def keep(who: int, where: Iterable[int]) -> None:
        kept.append(set(where))
        plain(who, where)

    monkeypatch.setattr(os, "sched_setaffinity", keep)
    before = set(threading.enumerate())
    with shared_session(path, monkeypatch) as session:
        (helper,) = set(threading.enumerate()) - before
        assert helper.native_id is not None and os.sched_getaffinity(helper.native_id) == set(own)
        assert session.threads == 2 and kept == [set(own)] and os.sched_getaffinity(0) == set(cpus)
    assert profile.cluster.cpus == own


def test_where_helpers_are_not_kept() -> None:
    cpus = os.sched_getaffinity(0)
    profile = msgspec.structs.replace(detect(), threads=1)
    everywhere = msgspec.structs.replace(profile.cluster, cpus=sorted(cpus))
    gone = msgspec.structs.replace(profile.cluster, cpus=[max(cpus) + 1])
    for cluster in (everywhere, gone):
        assert places(msgspec.structs.replace(profile, clusters=[cluster]), 1) is None
    first = msgspec.structs.replace(profile.cluster, cpus=[min(cpus)])
    assert places(msgspec.structs.replace(profile, clusters=[first]), 2) is None


@pytest.mark.parametrize("page", [4096, 65536])
def test_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: int) -> None:
    """Threads' scratch memories do not share a page."""
    with shared_session(toml(tmp_path / "a.toml", page_bytes=page), monkeypatch) as session:
        workspace = session._own
        assert workspace is not None and workspace.plan is not None
        program = workspace.plan.program
        workspace.plan, program.scratch_bytes = None, 100
        workspace.bind(session.engine.plan({"x": (1, 40, 40, 8)}, ()))
        assert int(workspace._bases[1, 2] - workspace._bases[0, 2]) == page


def heavy() -> Model:
    """4 MiB of weights, and 8 MiB of activations for the default shape."""
    graph = node_graph(Node("Conv", ["x", "w"], ["y"]), inputs={"x": ("N", 32, 32, 1024)})
    graph.add_constant("w", np.ones((1024, 1, 1, 1024), np.float32))
    return Model(graph)


def test_what_does_not_fit_is_refused_with_the_sum(tmp_path: Path) -> None:
    small = toml(tmp_path / "a.toml", memory_mib=3, title="A small board")
    with pytest.raises(ModelError, match=r"weights 4\.0 = 4\.0 MiB, and A small board has 3 MiB; give smaller inputs"):
        load(heavy(), profile=small)
    tight = toml(tmp_path / "b.toml", memory_mib=40, system_mib=24, title="A small board")
    with load(heavy(), profile=tight) as session:
        session.run(np.ones((1, 32, 32, 1024), np.float32))
        with pytest.raises(ModelError) as caught:
            session.run(np.ones((2, 32, 32, 1024), np.float32))
    said = str(caught.value)
    packed = session.engine.weights.used
    assert "packed weights 4.0 + arena 16.0" in said and "A small board has 40 MiB less 24 MiB for the system" in said
    assert packed < 16 * MIB
    wide = toml(tmp_path / "c.toml", memory_mib=40, title="A board")
    with load(heavy(), profile=wide) as session:
        session.run(np.ones((2, 32, 32, 1024), np.float32))


@pytest.mark.parametrize(
    ("kib", "share", "bytes_"), [(1024, 0.5, 512 << 10), (1024, 2.0, 2 << 20), (8192, 0.5, 4 << 20)]
)
def test_softmax_by_the_profiles_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kib: int, share: float, bytes_: int
) -> None:
    caches = [{"level": 1, "kind": "data", "kib": 32}, {"level": 2, "kind": "unified", "kib": kib}]
    cluster = {"core": "any", "cpus": [0], "caches": caches}
    path = toml(tmp_path / "device.toml", clusters=[cluster], threads=1, softmax_share=share)
    profile = load_profile(path)
    assert profile.softmax_bytes == bytes_
    monkeypatch.setenv("MILLIJOULE_PROFILE", str(path))
    runner.forget()
    try:
        assert choice.crossover() == bytes_
        target = named("x86-64-v3")
        assert choice.choose(1, bytes_ // 8, False, target)[0] == "two-pass-reload"
        assert choice.choose(1, bytes_ // 8 + 1, False, target)[0] == "two-pass"
    finally:
        monkeypatch.delenv("MILLIJOULE_PROFILE")
        runner.forget()
    for n, algorithm in ((bytes_ // 8, "two-pass-reload"), (bytes_ // 8 + 1, "two-pass")):
        graph = node_graph(Node("Softmax", ["x"], ["y"]), inputs={"x": (1, n)})
        program, _ = plan_program(Model(graph), {"x": (1, n)}, target, 1, profile.softmax_bytes)
        (call,) = (step for step in program.steps if isinstance(step, Call))
        assert call.constants["algorithm"] == algorithm


@pytest.mark.parametrize(("share", "algorithm"), [(0.01, "two-pass"), (4.0, "two-pass-reload")])
def test_softmax_of_a_session_by_its_own_profile(tmp_path: Path, share: float, algorithm: str) -> None:
    """Not by that of the process."""
    cluster = {"core": "any", "cpus": [0], "caches": [{"level": 2, "kind": "unified", "kib": 1024}]}
    path = toml(tmp_path / "a.toml", clusters=[cluster], threads=1, softmax_share=share)
    graph = node_graph(Node("Softmax", ["x"], ["y"]), inputs={"x": (1, 50_000)})
    with load(Model(graph), profile=path) as session:
        program = session.engine.plan({"x": (1, 50_000)}, ()).program
        (call,) = (step for step in program.steps if isinstance(step, Call))
        assert call.constants["algorithm"] == algorithm


@pytest.mark.parametrize(("kib", "share", "strips"), [(64, 0.25, True), (4096, 0.25, False), (64, 64.0, False)])
def test_strips_by_the_profiles_cache(tmp_path: Path, kib: int, share: float, strips: bool) -> None:
    cluster = {"core": "any", "cpus": [0], "caches": [{"level": 2, "kind": "unified", "kib": kib}]}
    path = toml(tmp_path / "a.toml", clusters=[cluster], threads=1, strip_share=share)
    net = Net(False)
    middle = net.conv(net.feed(1, 64, 64, 8), 40, (1, 1))
    net = net.done(net.conv(middle, 24, (1, 1)))
    assert load_profile(path).strip_bytes == int(share * kib * 1024)
    with load(net.model, profile=path, target="host") as session:
        program = session.engine.plan({"x0": (1, 64, 64, 8)}, ()).program
    assert (len(program.layers()) < len(program.steps)) == strips


@pytest.mark.parametrize(("n", "kernels"), [(100_000, 2), (1000, 1)])
def test_kernel_files_hold_the_softmax_of_any_device(n: int, kernels: int) -> None:
    graph = node_graph(Node("Softmax", ["x"], ["y"]), inputs={"x": (1, n)})
    needed = needed_anywhere(Model(graph), [{"x": (1, n)}], named("cortex-a53"))
    assert sum("softmax_f32" in name for name in needed) == kernels


def test_the_environment_names_the_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLIJOULE_PROFILE", str(toml(tmp_path / "mine.toml", name="mine", target="numpy")))
    assert load_profile().name == "mine" and detect().name == "host"
    with load(float_network()) as session:
        assert session.target == "numpy"
    monkeypatch.setenv("MILLIJOULE_PROFILE", "no-such-board")
    with pytest.raises(ProfileError, match="no-such-board"):
        load_profile()
    with pytest.raises(TargetError, match="no-such-board"):
        load(float_network())
