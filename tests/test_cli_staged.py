"""Models whose shapes depend on data, in the commands that look at steps: inspect, estimate, bench; and in a memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cli import mj as run_mj
from cli import mj_json

pytest.importorskip("onnx")

import onnx
from onnx_models import graph_of, model_of, node

import millijoule as mj

N = 12


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Those rows of a product that begin above zero, each doubled three times in a loop."""
    body = graph_of(
        [node("Identity", "go", "on"), node("Add", "a a", "b")],
        {"i": ((), "int64"), "go": ((), "bool"), "a": (("k", 16), "float32")}, "on b",
    )  # fmt: skip
    rng = np.random.default_rng(0)
    nodes = [
        node("MatMul", "x w", "m"), node("Gather", "m first", "column", axis=1), node("Greater", "column zero", "is"),
        node("Compress", "m is", "rows", axis=0), node("Loop", "three go rows", "y", body=body),
    ]  # fmt: skip
    constants = {
        "w": rng.normal(size=(8, 16)).astype(np.float32), "first": np.array(0, np.int64),
        "zero": np.array(0, np.float32), "three": np.array(3, np.int64), "go": np.array(True),
    }  # fmt: skip
    path = tmp_path_factory.mktemp("staged") / "rows.onnx"
    onnx.save(model_of(nodes, {"x": ((N, 8), "float32")}, "y", constants), path)
    return path


def test_inspect_lists_what_random_numbers_take(model: Path) -> None:
    for target in ("numpy", "cortex-a72", "host"):
        report = mj_json("inspect", model, "--target", target)
        steps = {step["node"].rpartition("/")[2]: step for step in report["steps"]}
        operators = [step["operator"] for step in report["steps"]]
        assert {"MatMul", "Greater", "Compress", "Loop", "Add"} <= {*operators}, steps
        assert next(step for step in report["steps"] if step["operator"] == "Add")["times"] == 3
        kernel = next(step for step in report["steps"] if step["operator"] == "MatMul")["kernel"]
        assert (kernel is None) == (target == "numpy")
        assert report["macs"] == N * 8 * 16 and report["numpy"]["steps"] > 0


def test_a_profile_has_a_time_for_every_step(model: Path) -> None:
    report = mj_json("inspect", model, "--profile", "--target", "numpy")
    assert len(report["steps"]) >= 5 and all(step["seconds"] > 0 for step in report["steps"])


def test_estimate_counts_a_loop_as_often_as_it_runs(model: Path, tmp_path: Path) -> None:
    found = mj_json("estimate", model, "--profile", "raspberry-pi-4")["estimates"][0]
    steps = {step["operator"]: step for step in found["steps"]}
    assert found["seconds"] >= sum(step["seconds"] for step in found["steps"]) > 0
    assert found["memory_bytes"]["arena"] > 0 and steps["Add"]["seconds"] > 0 and steps["Compress"]["seconds"] > 0


def test_bench_measures_it(model: Path) -> None:
    report = mj_json("bench", model, "--target", "numpy", "--seconds", "0.05", "--rounds", "2")
    assert report["latency"][0]["name"] == "millijoule" and report["model"]["macs"] == N * 8 * 16
    assert {layer["operator"] for layer in report["layers"]} >= {"MatMul", "Compress", "Loop", "Add"}


def test_a_memory_keeps_results_of_any_size(model: Path) -> None:
    rng, memory = np.random.default_rng(1), mj.Memory()
    with mj.load(model, target="numpy", threads=1) as plain, mj.load(model, target="numpy", memory=memory) as session:
        inputs = [rng.normal(size=(N, 8)).astype(np.float32) for _ in range(4)]
        wanted = [plain.run(x)["y"] for x in inputs]
        assert len({array.shape for array in wanted}) > 1
        for _ in range(2):
            for x, array in zip(inputs, wanted, strict=True):
                np.testing.assert_array_equal(session.run(x)["y"], array)
        assert (memory.counts.hits, memory.counts.misses) == (4, 4)
        assert memory.counts.saved_macs == 4 * N * 8 * 16


def test_a_kernel_file_serves_sizes_that_were_not_met(tmp_path: Path) -> None:
    """Where it lacks a kernel for one, the node runs in NumPy."""
    nodes = [
        node("Greater", "x zero", "is"), node("Compress", "x is", "some"), node("Unsqueeze", "some column", "c"),
        node("MatMul", "c w", "m"), node("Relu", "m", "r"), node("ReduceMax", "r", "y", axes=[0], keepdims=0),
    ]  # fmt: skip
    constants = {
        "zero": np.array(0, np.float32), "column": np.array([1]),
        "w": np.random.default_rng(1).normal(size=(1, 40)).astype(np.float32),
    }  # fmt: skip
    path = tmp_path / "some.onnx"
    onnx.save(model_of(nodes, {"x": ((64,), "float32")}, "y", constants), path)
    assert not run_mj("convert", path, "-o", tmp_path / "some.mj").exit_code
    assert not run_mj("compile", tmp_path / "some.mj", "-o", tmp_path / "some.mjk").exit_code
    with (
        pytest.warns(RuntimeWarning, match="kernel file lacks kernels for the sizes that were met now: 1 nodes? run"),
        mj.load(tmp_path / "some.mj", kernels=tmp_path / "some.mjk") as device,
    ):
        for size in (1, 2, 3, 5, 17, 40, 64):
            x = np.where(np.arange(64) < size, 1, -1).astype(np.float32)
            wanted = np.maximum(constants["w"][0], 0)
            np.testing.assert_array_equal(device.run({"x": x})["y"], wanted)
