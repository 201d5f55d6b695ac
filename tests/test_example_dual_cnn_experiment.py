"""The dual CNN experiment: its arithmetic by hand, its workloads on made-up networks, and what is committed of it."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from classifiers import classifier

import millijoule as mj

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "dual_cnn"
DATASETS = ("fashion_mnist", "cifar10")
SCRIPTS = (
    *("command", "costs", "data", "experiment", "figures", "measured", "pairs", "picture", "places", "pool"),
    *("recipes", "results", "table", "workloads"),
)


def script(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A script of the example, which imports its neighbours by name; forgotten again after the test."""
    monkeypatch.syspath_prepend(EXAMPLE)
    for neighbour in SCRIPTS:
        monkeypatch.delitem(sys.modules, neighbour, raising=False)
    return __import__(name)


def test_a_difference_of_accuracies_and_its_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    """By hand, and as often around the truth as it says."""
    paired_difference = script("figures", monkeypatch).paired_difference
    right, reference = np.zeros((2, 200), bool)
    right[:10] = reference[4:7] = True
    right[50:150] = reference[50:150] = True
    # Ten less three only one of both knows, of 200.
    found = paired_difference(right, reference)
    assert found.value == pytest.approx(7 / 200)
    assert (found.high - found.value) == pytest.approx(1.959964 * np.sqrt(7 - 49 / 200) / 200)
    rng, hits = np.random.default_rng(0), 0
    for _ in range(400):
        drawn = rng.random(2000)
        hits += (
            paired_difference(drawn < 0.85, (drawn > 0.04) & (drawn < 0.92)).low
            <= -0.03
            <= (paired_difference(drawn < 0.85, (drawn > 0.04) & (drawn < 0.92)).high)
        )
    assert 0.92 <= hits / 400 <= 0.98


def test_what_a_workload_costs_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    figures, workloads = script("figures", monkeypatch), sys.modules["workloads"]
    # Of five images one is remembered, for two the first network is enough.
    answers = workloads.Answers(np.zeros(5, int), np.array([1, 2, 0, 2, 1]), np.zeros(5))
    first, second = figures.Costs(100.0, {"x": 2.0}), figures.Costs(1000.0, {"x": 10.0})
    spent = figures.mean_cost(answers, [first, second], figures.Costs(0.0, {"x": 0.5}))
    assert spent.macs == pytest.approx((4 * 100 + 2 * 1000) / 5)
    assert spent.joules["x"] == pytest.approx((0.5 + 4 * 2 + 2 * 10) / 5)
    assert spent.cut(figures.Costs(4800.0, {"x": 57.0})) == pytest.approx({"macs": 0.9, "x": 0.9})
    assert figures.usage(answers) == {"second_asked": 0.5, "remembered": 0.2}


def test_every_image_is_asked_and_duplicates_are_remembered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    workloads = script("workloads", monkeypatch)
    monkeypatch.setenv("MILLIJOULE_TARGET", "numpy")
    stages = [classifier(1), classifier(2)]
    for stage in stages:
        stage.metadata.preprocessing = mj.Preprocessing(mean=(128.0,), std=(64.0,))
    stages[0].save(tmp_path / "one.mj")
    with mj.Cascade(stages, mj.Gate("margin", 0.5)) as cascade:
        cascade.save(tmp_path / "two.mj")
        images = np.random.default_rng(1).integers(0, 256, (40, 6, 6, 3), np.uint8)
        alone = [cascade.run(cascade.prepare(image)) for image in images]
    twice = workloads.duplicated(images)
    assert twice.shape[0] == 80 and np.array_equal(twice[40:], images)
    for remember in (False, True):
        found = workloads.ask(tmp_path / "two.mj", twice, remember=remember)
        assert found.label.tolist() == 2 * [answer.label for answer in alone]
        ran = [answer.ran for answer in alone]
        assert 1 < np.mean(ran) < 2 and found.ran.tolist() == ran + ([0] * 40 if remember else ran)
        assert (found.seconds > 0).all()
        single = workloads.ask(tmp_path / "one.mj", twice, remember=remember)
        assert single.ran.tolist() == [1] * 40 + [0 if remember else 1] * 40
        np.testing.assert_array_equal(single.label[:40], single.label[40:])


def test_the_table_takes_its_place_in_a_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    table = script("table", monkeypatch)
    page = tmp_path / "page.md"
    page.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    for text in ("one", "two"):
        table.replace_between(page, text)
        assert page.read_text() == f"before\n{table.BEGIN}\n\n{text}\n\n{table.END}\nafter\n"
    page.write_text("before")
    with pytest.raises(SystemExit, match="no place for the table"):
        table.replace_between(page, "one")
    assert page.read_text() == "before"


def linear(path: Path, weights: np.ndarray) -> None:
    """image -> scores: one fully connected layer."""
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    shapes = {"image": ["batch", 1, 28, 28], "scores": ["batch", 10]}
    image, scores = (
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in shapes.items()
    )
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights"], ["scores"], transB=1),
    ]
    graph = helper.make_graph(nodes, "linear", [image], [scores], [onnx.numpy_helper.from_array(weights, "weights")])
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def write_idx(path: Path, content: np.ndarray) -> None:
    header = b"\0\0\x08" + bytes([content.ndim]) + np.array(content.shape, ">u4").tobytes()
    path.write_bytes(gzip.compress(header + content.tobytes(), 1))


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A made-up Fashion-MNIST of a pattern for each class under noise; in models/ a large network that knows the
    patterns, and small ones that know them less well."""
    rng = np.random.default_rng(3)
    patterns = rng.normal(0, 1, (10, 784)).astype(np.float32)
    for part, count in (("train", 12_400), ("t10k", 120)):
        labels = rng.integers(0, 10, count, np.uint8)
        noisy = 73 + 9 * patterns[labels] + 90 * rng.normal(0, 1, (count, 784)).astype(np.float32)
        write_idx(tmp_path / f"{part}-images-idx3-ubyte.gz", noisy.clip(0, 255).astype(np.uint8).reshape(-1, 28, 28))
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte.gz", labels)
    linear(tmp_path / "models" / "fashion_mnist_large.onnx", patterns / 40)
    for name in ("plain", "residual", "tiny"):
        blurred = patterns + rng.normal(0, 1, patterns.shape).astype(np.float32)
        linear(tmp_path / "models" / f"fashion_mnist_{name}.onnx", blurred / 40)
    inherited = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"}
    return {
        **inherited, "MILLIJOULE_FASHION_MNIST": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state"),
        "MILLIJOULE_CACHE": str(tmp_path / "cache"), "MILLIJOULE_TARGET": "numpy",
    }  # fmt: skip


def test_the_whole_experiment(environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From exported networks to the table."""
    pytest.importorskip("matplotlib")
    table = script("table", monkeypatch)
    (tmp_path / "cascade.md").write_text(f"{table.BEGIN}\n{table.END}\n")
    command = [
        *(sys.executable, str(EXAMPLE / "experiment.py"), "fashion_mnist", "--models", str(tmp_path / "models")),
        *("--limit", "100", "--count", "5", "--docs", str(tmp_path), "--results", str(tmp_path / "results.json")),
        "--json",
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["fashion_mnist"]
    rows = {(row["images"], row["goal"], row["workload"]): row for row in found["rows"]}
    assert len(rows) == 2 * (2 + 3 * len(found["goals"])) and "accuracy" in found["goals"]
    large = rows["plain", "", "large"]
    assert large["macs"] == 7840 and large["accuracy"] == found["large"]["accuracy"] > 0.5
    for (images, goal, workload), row in rows.items():
        assert row["remembered"] == (0.5 if images == "duplicated" and "memory" in workload else 0)
        assert row["accuracy"] == rows["plain", goal, workload]["accuracy"] and row["seconds"] > 0
        if goal:
            assert row["macs"] == pytest.approx(7840 * (1 - row["remembered"]) * (1 + row["second_asked"]))
            assert row["cut"]["macs"] == pytest.approx(1 - row["macs"] / 7840)
            assert row["difference"][0] == pytest.approx(row["accuracy"] - large["accuracy"])
    page = (tmp_path / "cascade.md").read_text()
    assert f"| {large['accuracy']:.2%} |" in page and "dual, post-check, memory" in page
    assert b"Fashion-MNIST" in (tmp_path / "dual_cnn.svg").read_bytes() or (tmp_path / "dual_cnn.svg").stat().st_size


def test_what_is_committed_keeps_to_its_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most 8 MB, the large ones' weights apart; each network loads, is a classifier of its data set's classes, and
    is small enough."""
    data, places = script("data", monkeypatch), script("places", monkeypatch)
    large_ones = {places.model_path(places.MODELS, dataset, places.LARGE) for dataset in DATASETS}
    committed = set((EXAMPLE / "models").iterdir())
    assert sum(path.stat().st_size for path in committed - large_ones) <= 8 << 20
    assert large_ones <= committed and max(path.stat().st_size for path in large_ones) < 2.5e6
    for dataset in DATASETS:
        with np.load(places.scores_path(places.MODELS, dataset)) as large:
            for part in ("tune", "test"):
                scores, labels = large[part], large[f"{part}_labels"]
                assert scores.shape == (10_000, 10) and scores.dtype == np.float16 and set(labels) == set(range(10))
                assert (scores.argmax(1) == labels).mean() > 0.85
            most = int(large["multiply_adds"]) // 4
        rows, columns, channels = data.SOURCES[dataset].shape
        sizes = {}
        for name in places.SMALL:
            path = places.model_path(places.MODELS, dataset, name)
            if not path.exists():
                continue
            model = mj.convert(path)
            assert model.metadata.labels == list(data.SOURCES[dataset].labels)
            with mj.load(model, target="numpy") as session:
                found = session.run({"image": np.zeros((2, channels, rows, columns), np.float32)})
                assert found["scores"].shape == (2, 10)
                macs = session.engine.plan({"image": (1, channels, rows, columns)}, ()).program.macs
            assert 1_000_000 <= macs <= min(most, 40_000_000), name
            sizes[name] = sum(value.data.size for value in model.graph.values.values() if value.data is not None)
        assert len(sizes) >= 5 and sizes["tiny"] <= 14_862


def test_the_documentation_has_the_results(monkeypatch: pytest.MonkeyPatch) -> None:
    table, results = script("table", monkeypatch), json.loads((EXAMPLE / "results.json").read_text(encoding="utf-8"))
    assert list(results) == list(DATASETS)
    assert table.section(results) in (EXAMPLE.parent.parent / "docs" / "cascade.md").read_text(encoding="utf-8")
