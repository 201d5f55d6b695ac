"""Predictions: what every field of a profile changes, what is exact, and `mj estimate`."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from cli import mj, mj_json
from session_models import float_network, int8_network, node_graph, tiny_network

from millijoule import Model, load
from millijoule.device_profiles import Cache, Figure, KernelCost, Profile
from millijoule.device_profiles import load as load_profile
from millijoule.runtime.graph import Node, Value
from millijoule.tools.estimate.estimate import INTERPRETER, Estimate, estimate
from millijoule.tools.estimate.network import Network
from millijoule.tools.estimate.networks import NETWORKS

PI = load_profile("raspberry-pi-4")
Shapes = dict[str, tuple[int, ...]]
FLOAT: Shapes
INT8: Shapes
WIDE: Shapes
FLOAT, INT8, WIDE = {"x": (1, 40, 40, 8)}, {"x": (1, 32, 32, 32)}, {"x": (1, 128, 128, 8)}


def changed(profile: Profile, **fields: object) -> Profile:
    return msgspec.structs.replace(profile, **fields)


def with_cluster(profile: Profile, **fields: object) -> Profile:
    return changed(profile, clusters=[msgspec.structs.replace(profile.cluster, **fields), *profile.clusters[1:]])


def with_energy(**fields: float) -> Profile:
    figures = {name: Figure(value=value, source="test") for name, value in fields.items()}
    assert PI.energy is not None
    return changed(PI, energy=msgspec.structs.replace(PI.energy, **figures))


def of(profile: Profile, threads: int = 1) -> Estimate:
    return estimate(float_network(), FLOAT, profile, threads)


def test_the_clock() -> None:
    """Where only loops count, twice the clock is half the time."""
    fast = changed(PI, memory_gbps=Figure(value=1e6, source="test"))
    assert of(fast).seconds == pytest.approx(2 * of(with_cluster(fast, mhz=3600)).seconds)


def test_memory_and_caches() -> None:
    """A model that outgrows the last cache waits for memory, where that is slow."""
    slow = changed(PI, memory_gbps=Figure(value=0.05, source="test"))
    large = with_cluster(slow, caches=[msgspec.structs.replace(PI.cluster.caches[-1], kib=1 << 16)])
    plain, waiting, cached = (estimate(float_network(128), WIDE, profile, 1).seconds for profile in (PI, slow, large))
    assert waiting > 2 * plain and cached <= plain


def test_threads_share_and_sharing_costs() -> None:
    """As many steps are shared as can be, each for its own price."""
    alone, four = of(PI), of(PI, 4)
    assert alone.seconds / 4 < four.seconds < alone.seconds and alone.threads == 1 and four.threads == 4
    dear = of(changed(PI, share_us=102.0), 4)
    steps = sum(step.work.parts > 1 for step in dear.steps)
    assert steps and dear.seconds - four.seconds == pytest.approx(steps * 100e-6)
    assert of(changed(PI, share_us=102.0)).seconds == alone.seconds
    assert estimate(float_network(), FLOAT, changed(PI, threads=3)).threads == 3


@pytest.mark.parametrize(
    ("kernels", "call_ns"),
    [
        ({"depthwise_f32": 7000.0}, 7000.0),
        ({"depthwise_f32.strided": 9000.0}, 9000.0),
        ({"depthwise_f32": 7000.0, "depthwise_f32.strided": 9000.0}, 9000.0),
    ],
)
def test_costs_are_looked_up_by_how_a_kernel_runs_before_its_name(kernels: dict[str, float], call_ns: float) -> None:
    net = Network("f32", 1, 32, 32, 16)
    net.depthwise(3, 2)
    costs = {name: KernelCost(compute=0.0, call_ns=value) for name, value in kernels.items()}
    other = KernelCost(compute=0.0, call_ns=1.0)
    found = estimate(net.model(), {"x": (1, 32, 32, 16)}, changed(PI, kernels=costs | {"copy": other}), 1)
    (step,) = (step for step in found.steps if step.work.kernel == "depthwise_f32")
    assert step.work.kind == "depthwise_f32.strided" and step.seconds == pytest.approx(call_ns * 1e-9)


def test_kernels_that_were_measured() -> None:
    plain = of(PI)
    kernels = {"conv_f32": KernelCost(compute=2.7, ends=2.0, place_ns=3.0, chunk_ns=100.0, call_ns=5000.0)}
    measured = of(changed(PI, kernels=kernels))
    for before, after in zip(plain.steps, measured.steps, strict=True):
        work = after.work
        if work.kernel == "conv_f32":
            cycles = 2.7 * work.loops + 2.0 * work.ends
            rest = 3e-9 * work.places + 1e-7 * work.chunks + 5e-6 * work.calls
            assert after.seconds == pytest.approx(cycles / 1.8e9 + rest)
        else:
            # What was not measured is taken to be as what was.
            assert after.seconds == pytest.approx(2.7 * work.loops / 1.8e9 + 5e-6 * work.calls) != before.seconds
    assert sum(step.work.kernel == "conv_f32" for step in measured.steps) >= 2


def test_activations_weights_and_results_beyond_the_caches() -> None:
    """Each cost adds to the steps that have of it: an exponential's results, panels of weights that the first cache
    does not keep, activations that the second does not, and the weights where all outgrow it."""
    net = Network("f32", 1, 64, 64, 128)
    net.conv(128, 5, activation="SiLU")
    model, shapes = net.model(), {"x": (1, 64, 64, 128)}

    def seconds(**cost: float) -> float:
        kernels = dict.fromkeys(("conv_f32", "winograd_f32"), KernelCost(compute=1.0, **cost))
        return estimate(model, shapes, changed(PI, kernels=kernels), 1).seconds

    plain = seconds()
    assert seconds(function_ns=1.0) - plain == pytest.approx(1e-9 * 64 * 64 * 128)
    steps = estimate(model, shapes, PI, 1).steps
    second = PI.cluster.cache(2)
    assert second is not None
    spilt = sum(step.work.data_bytes for step in steps if step.work.data_bytes >= second.size)
    weights = sum(step.work.weight_bytes for step in steps)
    assert spilt >= 2 * 64 * 64 * 128 * 4 and weights >= 4 * 128 * 128 * 25
    assert seconds(spill_ns=1.0) - plain == pytest.approx(1e-9 * (spilt + weights) / 1024, rel=0.01)
    assert seconds(panel_ns=1.0) > plain


def test_threads_have_more_of_the_caches_that_they_do_not_share() -> None:
    """An activation that one core's second cache does not keep, two cores' caches do."""
    net = Network("f32", 1, 40, 40, 64)
    net.conv(64, 3)
    model, shapes = net.model(), {"x": (1, 40, 40, 64)}
    kernels = {"conv_f32": KernelCost(compute=1.0, spill_ns=1e4)}

    def seconds(shared_by: int, threads: int) -> float:
        caches = [Cache(level=1, kind="data", kib=32), Cache(level=2, kind="unified", kib=900, shared_by=shared_by)]
        cluster = msgspec.structs.replace(PI.cluster, caches=caches)
        return estimate(
            model, shapes, changed(PI, clusters=[cluster], kernels=kernels, cached_kib=4096), threads
        ).seconds

    assert seconds(1, 2) < seconds(4, 2) and seconds(1, 1) == seconds(4, 1)
    assert Cache(level=2, kind="unified", kib=1, shared_by=2).of_threads(5) == 3 * 1024


def test_what_an_inference_takes_besides_its_steps() -> None:
    assert of(changed(PI, invoke_us=50.0)).seconds - of(PI).seconds == pytest.approx(50e-6)


def test_what_the_last_cache_keeps() -> None:
    """Weights and arena that outgrow it come from memory."""
    slow = changed(PI, memory_gbps=Figure(value=0.05, source="test"))
    assert PI.cached == PI.cluster.caches[-1].size
    assert estimate(float_network(), FLOAT, changed(slow, cached_kib=16), 1).seconds > 2 * of(slow).seconds


@pytest.mark.parametrize("mhz", [600, 1500, 1800])
def test_a_warm_device_is_slower(mhz: int) -> None:
    assert PI.thermal and PI.cluster.mhz == 1800
    warm = msgspec.structs.replace(PI.thermal, sustained_mhz=Figure(value=mhz, source="test"))
    found = of(changed(PI, thermal=warm))
    assert found.sustained_seconds == pytest.approx(found.seconds * 1800 / mhz, rel=0.05)
    cool = changed(PI, thermal=msgspec.structs.replace(PI.thermal, sustained_mhz=None))
    assert of(cool).sustained_seconds == of(cool).seconds


@pytest.mark.parametrize("field", ["idle_watts", "core_watts", "int8_pj", "f32_pj", "cache_pj", "dram_pj"])
def test_every_coefficient_of_energy(field: str) -> None:
    """Each of them adds what it says."""
    int8 = field == "int8_pj"
    model, shapes = (int8_network(), INT8) if int8 else (float_network(128), WIDE)
    assert PI.energy is not None
    value = getattr(PI.energy, field).value
    before, after = (estimate(model, shapes, with_energy(**{field: scale * value}), 2) for scale in (1, 3))
    assert before.joules is not None and after.joules is not None
    added = (after.joules - before.joules) / (2 * value)
    steps = before.steps
    macs = sum(step.work.macs for step in steps if step.work.element == ("i8" if int8 else "f32"))
    core_seconds = sum(step.seconds * min(2, step.work.parts) for step in steps)
    wanted = {"idle_watts": before.seconds, "core_watts": core_seconds, "int8_pj": macs * 1e-12, "f32_pj": macs * 1e-12}
    if field in wanted:
        assert added == pytest.approx(wanted[field])
    assert added > 0 and (before.joules_above_idle == after.joules_above_idle) == (field == "idle_watts")
    assert estimate(model, shapes, changed(PI, energy=None), 2).joules is None


def test_memory_is_the_plans() -> None:
    """Arena and weights are what a session has; the rest is named."""
    model = int8_network()
    host = load_profile()
    found = estimate(model, INT8, host, 1)
    with load(model, threads=1) as session:
        session.run(np.zeros((1, 32, 32, 32), np.int8))
        program = session.engine.plan(INT8, ()).program
        assert found.memory["arena"] == program.arena_bytes
        assert found.memory["packed weights"] == session.engine.weights.used
    assert found.peak_bytes == sum(found.memory.values()) > INTERPRETER and found.fits
    assert not estimate(float_network(128), WIDE, changed(PI, memory_mib=8, system_mib=6), 1).fits


def test_what_numpy_runs_takes_its_time() -> None:
    model, shapes = tiny_network(), {"x": (1, 5, 5, 3)}
    kernels = {"numpy": KernelCost(compute=0.0, call_ns=1e6)}
    slow = estimate(model, shapes, changed(PI, target="numpy", kernels=kernels), 1)
    assert [(step.work.kernel, step.seconds) for step in slow.steps] == [("numpy", 1e-3)] * 2
    riscv = estimate(model, shapes, load_profile("spacemit-k1"))
    assert riscv.target == "numpy" and {step.work.kernel for step in riscv.steps} == {"numpy"}


@pytest.mark.parametrize(
    ("name", "macs"), [("mobilenet", 568.7), ("mobilenet_v2", 300.8), ("resnet8", 12.5), ("kws", 2.66)]
)
def test_networks_are_those_of_the_papers(name: str, macs: float) -> None:
    """Multiply-adds in millions."""
    model = NETWORKS[name]("i8")
    shape = model.inputs["x"].shape
    assert shape is not None
    found = estimate(model, {"x": tuple(int(size) for size in shape)}, PI, 1)
    assert sum(step.work.macs for step in found.steps) / 1e6 == pytest.approx(macs, rel=0.01)
    assert not any(step.work.kernel == "numpy" for step in found.steps)


def test_what_depends_on_an_input_that_stays_the_same(tmp_path: Path) -> None:
    """Shapes that an input says are those of its elements, which --input gives."""
    nodes = Node("Reshape", ["x", "shape"], ["r"]), Node("Softmax", ["r"], ["y"])
    graph = node_graph(*nodes, inputs={"x": (8, 6)})
    graph.add_value(Value("shape", np.dtype(np.int64), (2,)))
    graph.inputs.append("shape")
    path = tmp_path / "reshaped.mj"
    Model(graph).save(path)
    done = mj("estimate", path)
    assert done.exit_code == 2 and "depends on data" in done.stderr and "--input NAME=FILE.npy" in done.stderr
    predicted = set()
    for rows in (4, 12):
        np.save(tmp_path / "shape.npy", np.array([rows, -1], np.int64))
        (found,) = mj_json("estimate", path, "--input", f"shape={tmp_path / 'shape.npy'}")["estimates"]
        predicted.add(found["seconds"])
    assert len(predicted) == 2


def saved(tmp_path: Path) -> Path:
    path = tmp_path / "net.mj"
    net = Network("i8", 1, 16, 16, 8)
    net.conv(16, 3)
    net.depthwise()
    net.conv(8)
    net.model().save(path)
    return path


def test_the_command(tmp_path: Path) -> None:
    path = saved(tmp_path)
    report = mj_json("estimate", path, "--profile", "raspberry-pi-4", "--profile", "jetson-nano", "--profile", "host")
    pi, nano, host = report["estimates"]
    assert [each["profile"] for each in (pi, nano, host)] == ["raspberry-pi-4", "jetson-nano", "host"]
    assert pi["seconds"] == pytest.approx(sum(step["seconds"] for step in pi["steps"]))
    assert pi["joules"] > pi["joules_above_idle"] > 0 and pi["completed_from"] is None
    assert max(step["arena_in_use_bytes"] for step in pi["steps"]) <= pi["memory_bytes"]["arena"]
    assert {step["kernel"] for step in pi["steps"]} >= {"conv_int8"} and report["how_wrong"]["rows"] > 100
    assert host["joules"] is None or host["completed_from"]
    text = mj("estimate", path, "--profile", "raspberry-pi-4", "--steps").stdout
    assert "predicted, not measured" in text and "conv_int8" in text and "in use" in text
    assert "within a factor of" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--profile", "no-such-board"), "there is no device profile 'no-such-board'"),
        (("--shape", "y=1,2"), "--shape y=1,2"),
        (("--threads", "0"), "--threads"),
    ],
)
def test_what_cannot_be_predicted(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    done = mj("estimate", saved(tmp_path), *arguments)
    assert done.exit_code == 2 and message in done.stderr
