"""`mj profiles --measure`: costs are fitted, and what was measured is what predictions are made from. No time is
asserted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from cli import mj, mj_json

from millijoule import Model
from millijoule.device_profiles import KernelCost, detect, load
from millijoule.runtime.targets.target import detect as detect_target
from millijoule.tools.estimate import calibrate
from millijoule.tools.estimate.estimate import estimate
from millijoule.tools.estimate.fit import FEW, Timing, fit
from millijoule.tools.estimate.latency import BALANCE, Load, features, predicted
from millijoule.tools.estimate.microbenchmarks import choice, networks
from millijoule.tools.estimate.network import Network

NOTHING = Load(0, 0, 1)
"""Of a program that every cache holds."""
COST = KernelCost(compute=1.4, ends=0.7, place_ns=3, function_ns=0.5, panel_ns=2, spill_ns=4, chunk_ns=30, call_ns=200)


def amounts(loops: float, chunks: float, **more: float) -> KernelCost:
    """What the costs are multiplied by: seconds of loops, and nanoseconds of the rest."""
    return KernelCost(compute=loops, ends=0.0, chunk_ns=1e-9 * chunks, call_ns=1e-9, **more)


def test_costs_are_found_again() -> None:
    rng = np.random.default_rng(0)
    names = KernelCost.__struct_fields__
    drawn = [KernelCost(**dict(zip(names, 1e-6 * rng.uniform(0, 30, len(names)), strict=True))) for _ in range(40)]
    timings = [Timing("conv", one, predicted(one, COST)) for one in drawn]
    cost = fit(timings)
    assert msgspec.structs.astuple(cost) == pytest.approx(msgspec.structs.astuple(COST), rel=1e-4)


def test_of_few_timings_only_the_common_costs_are_told_apart() -> None:
    rng = np.random.default_rng(1)
    drawn = [amounts(loops, chunks + 1) for chunks, loops in enumerate(rng.uniform(1e-6, 1e-3, FEW - 1))]
    cost = fit([Timing("conv", one, predicted(one, COST)) for one in drawn])
    assert (cost.compute, cost.chunk_ns, cost.call_ns) == pytest.approx((1.4, 30.0, 200.0), rel=1e-4)
    assert not any((cost.ends, cost.place_ns, cost.function_ns, cost.panel_ns, cost.spill_ns))


def test_costs_are_never_negative() -> None:
    """Longer steps that take less per chunk than shorter ones are fitted as well as such costs can."""
    steps = ((1e-6, 10, 1e-6), (1e-5, 1, 2e-5), (1e-4, 10, 1e-4))
    cost = fit([Timing("conv", amounts(loops, chunks), seconds) for loops, chunks, seconds in steps])
    assert min(msgspec.structs.astuple(cost)) >= 0 and cost.compute == pytest.approx(1, rel=0.5)
    alone = fit([Timing("conv", amounts(1e-6, 10), 3e-6)])
    assert predicted(amounts(1e-6, 10), alone) == pytest.approx(3e-6)


def test_one_disturbed_timing_hardly_counts() -> None:
    timings = [Timing("conv", amounts(1e-6 * n, 1), 2e-6 * n) for n in range(1, 31)]
    spoilt = [Timing("conv", one.amounts, one.seconds * (9 if at == 20 else 1)) for at, one in enumerate(timings)]
    assert fit(spoilt).compute == pytest.approx(2, rel=0.1)


def test_what_sharing_costs_is_seen_where_the_steps_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread may compute a network strip by strip, in more steps than two."""
    long, short = Timing("conv", COST, 100e-6), Timing("conv", COST, 1e-6)
    alone = [calibrate.Timed([long, short], 0.0), calibrate.Timed([short] * 9, 0.0)]
    shared = Timing("conv", COST, 100e-6 / (1 + BALANCE) + 3e-6)
    together = [calibrate.Timed([shared, short], 0.0), calibrate.Timed([long], 0.0)]
    monkeypatch.setattr(calibrate, "time_networks", lambda models, profile, threads: together)
    two = msgspec.structs.replace(detect(), threads=2)
    assert calibrate.share_cost(alone, [], two) == pytest.approx(3)


def test_what_is_timed_covers_the_kernels_of_convolutional_networks() -> None:
    found = set()
    for model in networks():
        shape = model.inputs["x"].shape
        assert shape is not None
        steps = estimate(model, {"x": tuple(int(size) for size in shape)}, load("x86-64-v3"), 1).steps
        found |= {step.work.kind for step in steps}
    assert found >= {"conv_f32", "conv_int8", "depthwise_f32", "depthwise_int8", "depthwise_scan_int8", "pool",
                     "copy.1", "copy.4", "fill_border", "add_int8", "binary_f32", "binary_f32.row", "recurrent",
                     "conv_f32.vector", "conv_int8.vector",
                     "depthwise_f32.strided", "depthwise_int8.strided"}  # fmt: skip


def test_what_an_inference_takes_besides_is_what_its_steps_leave() -> None:
    """However well these are predicted."""
    step = Timing("conv", COST, 3e-6)
    assert calibrate.invoke_cost([calibrate.Timed([step, step], 6.5e-6)]) == pytest.approx(0.5e-6)


def test_what_a_program_of_several_takes_is_measured_and_predicted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrate, "_inference", lambda session, feeds: 21e-6)
    assert calibrate.stage_cost(1e-6) == pytest.approx(
        10e-6
    )  # two programs: until the choice is known, and what is chosen
    model, shapes = choice(), {"x": (1,), "number": ()}
    slow, slower = (msgspec.structs.replace(load("raspberry-pi-4"), stage_us=us) for us in (0.0, 50.0))
    extra = estimate(model, shapes, slower, 1).seconds - estimate(model, shapes, slow, 1).seconds
    assert extra == pytest.approx(2 * 50e-6)
    default = estimate(model, shapes, load("raspberry-pi-4"), 1).seconds
    assert default > estimate(model, shapes, slow, 1).seconds


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Model:
    """One small network, and little else, instead of two minutes."""

    def one() -> Iterator[Model]:
        net = Network("f32", 1, 12, 12, 8)
        net.conv(16, 3)
        net.conv(8)
        yield net.model()

    monkeypatch.setattr(calibrate, "networks", one)
    monkeypatch.setattr(calibrate, "READ", 1 << 16)
    monkeypatch.setattr(calibrate, "SHARES", (0.001,))
    monkeypatch.setattr(calibrate, "FEWEST", 1)
    monkeypatch.setattr(calibrate, "SECONDS", 0.0)
    return next(one())


def test_this_computers_own_profile(small: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    report = mj_json("profiles", "--measure")
    assert Path(report["output"]) == tmp_path / "millijoule" / "profiles" / "host.toml"
    mine, plain = load(), detect()
    assert mine.measured_on == plain.cluster.core and mine.clusters == plain.clusters and mine.target == "host"
    assert "conv_f32" in mine.kernels and mine.softmax_share == 0.001
    assert mine.memory_gbps is not None and mine.memory_gbps.source.startswith("measured")
    found = estimate(small, {"x": (1, 12, 12, 8)}, mine, 1)
    steps = [step for step in found.steps if step.work.kernel == "conv_f32"]
    cost = mine.kernels["conv_f32"]
    assert steps[0].seconds == pytest.approx(predicted(features(steps[0].work, mine, NOTHING), cost))
    assert mine.cached_kib is not None and mine.cached_kib << 10 <= plain.cached
    assert found.seconds == pytest.approx(1e-6 * mine.invoke_us + sum(step.seconds for step in found.steps))
    small.save(tmp_path / "small.mj")
    assert "timed there" in mj("estimate", tmp_path / "small.mj").stdout


@pytest.mark.usefixtures("small")
def test_a_profile_to_carry_to_the_desk(tmp_path: Path) -> None:
    """It needs nothing of the computer that it is read on."""
    path = tmp_path / "My Board.toml"
    done = mj("profiles", "--measure", "-o", path)
    assert done.exit_code == 0 and "kinds of kernels" in done.stdout
    text, carried = path.read_text(), load(path)
    assert "extends" not in text and carried.name == "my-board" and carried.clusters == detect().clusters
    assert carried.target == detect_target().name and carried.kernels
    assert mj("profiles", path).exit_code == 0


@pytest.mark.parametrize("arguments", [("-o", "x.toml"), ("--measure", "--detect"), ("jetson-nano", "--measure")])
def test_options_that_do_not_go_together(arguments: tuple[str, ...]) -> None:
    assert mj("profiles", *arguments).exit_code == 2
