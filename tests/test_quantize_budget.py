"""Levels of layers chosen under a budget: the search, what it costs, and what it says."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli import mj, mj_json, one_line

from millijoule.converters.quantize.budget import parse
from millijoule.converters.quantize.evolve import Choice, Costs, evolve, filled, mutated
from millijoule.converters.quantize.levels import LEVELS
from millijoule.converters.quantize.loss import agrees, loss
from millijoule.runtime.errors import InputError

SAMPLES = 40
COSTS = Costs(100.0, [[0, 0, 10, 30], [0, 1, 20, 60], [0, 0, 5, 15], [0, 2, 40, 120], [0, 50], [0, 1, 8, 24]])


def losses(choice: Choice, samples: Sequence[int]) -> float:
    """Layers hurt by different amounts, two of them each other: the least is no sum over layers."""
    hurt = (5.0, 1.0, 8.0, 2.0, 4.0, 3.0)
    whole = sum(h * 0.3**level for h, level in zip(hurt, choice, strict=True)) + 6 * (choice[0] == 0) * (choice[2] == 0)
    return whole + float(np.mean([((place * 7919) % 13 - 6) * 0.02 * choice[1] for place in samples]))


@pytest.mark.parametrize("limit", [100.0, 140.0, 200.0, 400.0])
def test_evolution_finds_the_best_of_all_choices(limit: float) -> None:
    every = range(SAMPLES)
    able = [each for each in product(*(range(len(a)) for a in COSTS.added)) if COSTS.of(each) <= limit]
    best = min(losses(each, every) for each in able)
    found = evolve(COSTS, limit, COSTS.cheapest, losses, SAMPLES, np.random.default_rng(0), lambda *_: None)
    assert COSTS.of(found) <= limit
    assert losses(found, every) <= 1.02 * best


@pytest.mark.parametrize("limit", [130.0, 160.0, 300.0])
def test_offspring_keep_the_limit_and_half_of_them_use_it(limit: float) -> None:
    def is_full(choice: Choice) -> bool:
        higher = [(*choice[:layer], level + 1, *choice[layer + 1 :]) for layer, level in enumerate(choice)]
        return all(
            each[layer] == len(COSTS.added[layer]) or COSTS.of(each) > limit for layer, each in enumerate(higher)
        )

    rng = np.random.default_rng(1)
    parent = filled(COSTS, limit, COSTS.cheapest, rng)
    offspring = [mutated(COSTS, limit, parent, rng) for _ in range(200)]
    assert is_full(parent) and len(set(offspring)) > 5
    assert all(COSTS.of(each) <= limit for each in offspring)
    assert 70 < sum(map(is_full, offspring)) < 200


def test_what_is_too_dear_is_not_taken() -> None:
    """The estimate may be too low; the loss then is infinite."""
    every = range(SAMPLES)

    def dear(choice: Choice, samples: Sequence[int]) -> float:
        return np.inf if choice[0] == 3 else losses(choice, samples)

    found = evolve(COSTS, 400.0, COSTS.cheapest, dear, SAMPLES, np.random.default_rng(0), lambda *_: None)
    assert dear(found, every) <= 1.1 * losses((2, 3, 3, 3, 1, 2), every)


def test_losses_of_scores_and_of_others() -> None:
    x = np.array([[1.0, 2.0, 0.5]], np.float32)
    p = np.exp(x) / np.exp(x).sum()
    moved = x + np.array([[0.5, 0, 0]], np.float32)
    q = np.exp(moved) / np.exp(moved).sum()
    wanted = float((p * np.log(p / q)).sum())
    assert loss({"y": x}, {"y": x + 3}) == pytest.approx(0, abs=1e-6)
    assert loss({"y": x}, {"y": moved}) == pytest.approx(wanted, rel=1e-4)
    assert loss({"y": p}, {"y": q}) == pytest.approx(wanted, rel=1e-4)
    image = np.ones((1, 2, 2, 3), np.float32)
    assert loss({"y": x, "z": image}, {"y": moved, "z": 0.9 * image}) == pytest.approx(wanted + 0.01, rel=1e-4)
    assert agrees({"y": x, "z": image}, {"y": moved, "z": image}) is True
    assert agrees({"y": x}, {"y": -x}) is False and agrees({"z": image}, {"z": image}) is None


def test_limits_as_they_are_written() -> None:
    assert parse("size=200KB") == ("size", 200_000) and parse("size=1.5MiB") == ("size", 1.5 * (1 << 20))
    assert parse("latency=5ms") == ("latency", 0.005) and parse("energy=.2mJ") == ("energy", 0.0002)
    for wrong in ("200KB", "size=200", "size=5ms", "power=3W", "size=0KB", "size=-1KB"):
        with pytest.raises(InputError, match="a limit is wanted such as size=200KB"):
            parse(wrong)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Most of whose file is weights, of some layers more than of others."""
    pytest.importorskip("onnx")
    from onnx_models import node
    from quantized_models import CLASSES, images, save, weights

    rng = np.random.default_rng(0)
    constants = {
        "w1": weights(rng, 16, 3, 3, 3),
        "w2": weights(rng, 32, 16, 3, 3),
        "w3": weights(rng, 32, 32, 3, 3),
        "w4": weights(rng, CLASSES, 32),
    }
    nodes = [
        *(node("Conv", "x w1", "c1", strides=[2, 2]), node("Relu", "c1", "r1")),
        *(node("Conv", "r1 w2", "c2", pads=[1, 1, 1, 1]), node("Relu", "c2", "r2")),
        *(node("Conv", "r2 w3", "c3"), node("Relu", "c3", "r3")),
        node("GlobalAveragePool", "r3", "mean"),
        node("Flatten", "mean", "flat"),
        node("Gemm", "flat w4", "scores", transB=1),
    ]
    folder = tmp_path_factory.mktemp("budget")
    np.savez(folder / "samples.npz", x=images(20))
    return save(folder / "float.onnx", nodes, constants)


@pytest.fixture(autouse=True)
def numpy_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels have tests of their own, and integers are the same bit for bit in NumPy."""
    monkeypatch.setenv("MILLIJOULE_TARGET", "numpy")


def convert(source: Path, output: Path, *options: object) -> Any:
    samples = source.parent / "samples.npz"
    return mj_json("convert", source, "-o", output, "--quantize", "int8", "--calibrate", samples, "--fast", *options)


def test_a_file_within_its_budget_that_loses_less(source: Path, tmp_path: Path) -> None:
    plain = convert(source, tmp_path / "plain.mj")
    size = plain["output_bytes"] + 8000
    report = convert(source, tmp_path / "out.mj", "--budget", f"size={size}B")
    found = report["fidelity"]
    assert report["output_bytes"] == found["budget"]["cost"] <= size and found["budget"]["what"] == "size"
    assert found["outputs"][0]["sqnr"] > plain["fidelity"]["outputs"][0]["sqnr"] + 3
    levels = found["budget"]["levels"]
    assert len(levels) == 4 and set(levels.values()) <= set(LEVELS) and len(set(levels.values())) > 1
    front = found["budget"]["front"]
    assert len(front) >= 2 and all(sum(each["layers"].values()) == 4 for each in front)
    for cheaper, dearer in pairwise(front):
        assert cheaper["cost"] < dearer["cost"] and cheaper["loss"] > dearer["loss"]


def test_everything_is_affordable(source: Path, tmp_path: Path) -> None:
    report = convert(source, tmp_path / "out.mj", "--budget", "size=1MB")
    assert set(report["fidelity"]["budget"]["levels"].values()) == {"float32"}
    assert report["fidelity"]["outputs"][0]["sqnr"] is None or report["fidelity"]["outputs"][0]["sqnr"] > 100


def test_latency_on_a_device_and_a_picture(source: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from millijoule.runtime.model import Model
    from millijoule.tools.estimate.budget import budget

    device = budget("latency=1s", "raspberry-pi-4")
    plain = convert(source, tmp_path / "plain.mj")
    assert plain["fidelity"]["budget"] is None
    least = device.cost(Model.load(tmp_path / "plain.mj"))
    options = ("--budget", f"latency={least * 1e6 * 1.2}us", "--profile", "raspberry-pi-4")
    report = convert(source, tmp_path / "out.mj", *options, "--picture", tmp_path / "front.png")
    assert report["fidelity"]["budget"]["cost"] <= 1.2 * least
    assert device.cost(Model.load(tmp_path / "out.mj")) == pytest.approx(report["fidelity"]["budget"]["cost"])
    assert (tmp_path / "front.png").read_bytes().startswith(b"\x89PNG")


def test_said_to_people(source: Path, tmp_path: Path) -> None:
    options = ("--quantize", "int8", "--calibrate", source.parent / "samples.npz", "--fast", "--budget", "size=1MB")
    done = mj("convert", source, "-o", tmp_path / "out.mj", *options)
    assert done.exit_code == 0, done.stderr
    assert "what size buys" in done.stdout and "float32" in done.stdout


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--budget", "size=1B"], "the budget is below what the model takes at least: a size of 2"),
        (["--budget", "size=1KB", "--min-agreement", "0.9"], "min_agreement and budget exclude each other"),
        (["--budget", "speed=1"], "a limit is wanted such as"),
        (["--profile", "host"], "--profile goes with --budget"),
        (["--budget", "latency=1ms", "--profile", "nothing"], "nothing"),
    ],
)
def test_budgets_that_make_no_sense(options: list[str], problem: str, source: Path, tmp_path: Path) -> None:
    samples = source.parent / "samples.npz"
    done = mj("convert", source, "-o", tmp_path / "o.mj", "--quantize", "int8", "--calibrate", samples, *options)
    said = done.stderr.splitlines(keepends=True)[-1]  # behind what was in progress
    assert done.exit_code == 2 and one_line(said) and problem in said
    assert not (tmp_path / "o.mj").exists()
