"""The dual CNN example's scripts: splits, views, the networks' sizes, and a training that is killed and goes on."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import millijoule as mj

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "dual_cnn"
SHAPES = {"fashion_mnist": (1, 28, 28), "cifar10": (3, 32, 32)}
TRAINING = 384
"""Images that are left to train on where the made-up data set has TRAINING more than the two other parts."""


def script(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A script of the example, which imports its neighbours by name; forgotten again after the test."""
    monkeypatch.syspath_prepend(EXAMPLE)
    for neighbour in ("data", "export", "networks", "places", "recipes", "train"):
        monkeypatch.delitem(sys.modules, neighbour, raising=False)
    return __import__(name)


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return script("data", monkeypatch)


@pytest.fixture
def networks(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    pytest.importorskip("torch")
    return script("networks", monkeypatch)


@pytest.mark.parametrize("count", [60_000, 50_000])
def test_splits_share_nothing_and_stay_the_same(data: ModuleType, count: int) -> None:
    parts = data.split(count)
    assert {name: len(part) for name, part in parts.items()} == {
        "train": count - 12_000,
        "validation": 2_000,
        "tune": 10_000,
    }
    np.testing.assert_array_equal(np.sort(np.concatenate(list(parts.values()))), np.arange(count))
    for name, part in data.split(count).items():
        np.testing.assert_array_equal(part, parts[name])


@pytest.mark.parametrize("name", SHAPES)
def test_a_view_is_the_image_moved_mirrored_and_with_a_hole(data: ModuleType, name: str) -> None:
    source = data.SOURCES[name]
    images = np.random.default_rng(1).integers(0, 256, (20, *source.shape), np.uint8)
    views = data.Views(name, images)
    views.start(3)
    chosen = np.array([7, 2, 19])
    taken = views.take(chosen)
    mode: Any = "constant" if name == "fashion_mnist" else "reflect"
    for view, image in zip(taken, chosen, strict=True):
        (row, column), shift = views.corners[image], source.shift
        padded = np.pad(images[image], ((shift, shift), (shift, shift), (0, 0)), mode)
        wanted = padded[row : row + source.shape[0], column : column + source.shape[1]]
        wanted = data.prepared(name, wanted[:, ::-1] if views.mirrored[image] else wanted)
        (row, column), half = views.holes[image], source.hole // 2
        wanted[max(0, row - half) : row + half + 1, max(0, column - half) : column + half + 1] = 0
        np.testing.assert_array_equal(view, wanted)
    views.start(4)
    assert not np.array_equal(views.take(chosen), taken)
    views.start(3)
    np.testing.assert_array_equal(views.take(chosen), taken)


def test_a_missing_data_set_is_named(data: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MILLIJOULE_CIFAR10", str(tmp_path / "none.npz"))
    with pytest.raises(FileNotFoundError, match=r"none\.npz.*MILLIJOULE_CIFAR10"):
        data.read("cifar10", "test")


def test_jpegs_are_read_in_order(data: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    files = []
    for level in (10, 200):
        image.fromarray(np.full((32, 32, 3), level, np.uint8)).save(tmp_path / "one.jpg", quality=100)
        files.append((tmp_path / "one.jpg").read_bytes())
    offsets = np.cumsum([0, *map(len, files)])
    joined = np.frombuffer(b"".join(files), np.uint8)
    np.savez(tmp_path / "two.npz", test_jpeg=joined, test_offsets=offsets, test_labels=np.array([3, 9], np.uint8))
    monkeypatch.setenv("MILLIJOULE_CIFAR10", str(tmp_path / "two.npz"))
    images, labels = data.read("cifar10", "test")
    assert images.shape == (2, 32, 32, 3) and labels.tolist() == [3, 9]
    np.testing.assert_allclose(images.mean((1, 2, 3)), [10, 200], atol=1)


def test_the_learning_rate_rises_to_its_highest_and_falls_to_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    how = script("recipes", monkeypatch).Recipe(epochs=1, rate=0.5, warm_up=0.2)
    rates = [how.rate_at(step, 100) for step in range(100)]
    np.testing.assert_allclose(rates[:20], np.linspace(0.025, 0.5, 20))
    assert rates[20] == 0.5 and np.all(np.diff(rates[20:]) < 0) and 0 < rates[-1] < 1e-3


def test_multiply_adds_of_a_network_counted_by_hand(networks: ModuleType) -> None:
    network = networks.separable(1, [4, 6], [2])
    # 3x3 over 28x28, depthwise 3x3 and 1x1 over 14x14, the fully connected layer.
    wanted = 9 * 4 * 28 * 28 + (9 * 4 + 4 * 6) * 14 * 14 + 6 * 10
    assert networks.multiply_adds(network, (1, 28, 28)) == wanted
    # Those weights, two numbers for each channel of a batch norm, and the ten biases.
    assert networks.parameters(network) == 9 * 4 + 9 * 4 + 4 * 6 + 6 * 10 + 2 * (4 + 4 + 6) + 10


@pytest.mark.parametrize("dataset", SHAPES)
def test_the_pool_keeps_to_its_limits(networks: ModuleType, dataset: str) -> None:
    built = {name: build() for name, build in networks.NETWORKS[dataset].items()}
    counts = {name: networks.multiply_adds(network, SHAPES[dataset]) for name, network in built.items()}
    assert next(iter(built)) == "large"
    large = counts.pop("large")
    assert len(counts) >= 5
    for name, count in counts.items():
        assert 1_000_000 <= count <= min(40_000_000, large / 4), name
    assert networks.parameters(built["tiny"]) <= networks.TINY_PARAMETERS


def write_idx(path: Path, content: np.ndarray) -> None:
    header = b"\0\0\x08" + bytes([content.ndim]) + np.array(content.shape, ">u4").tobytes()
    path.write_bytes(gzip.compress(header + content.tobytes(), 1))


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A made-up Fashion-MNIST, small but for the parts that are not trained on, and a state folder."""
    random = np.random.default_rng(2)
    for part, count in (("train", 12_000 + TRAINING), ("t10k", 20)):
        labels = random.integers(0, 10, count, np.uint8)
        images = np.repeat(labels * np.uint8(25), 784).reshape(-1, 28, 28)
        write_idx(tmp_path / f"{part}-images-idx3-ubyte.gz", images)
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte.gz", labels)
    inherited = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"}
    return {**inherited, "MILLIJOULE_FASHION_MNIST": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}


def command(name: str, *arguments: str) -> list[str]:
    return [sys.executable, str(EXAMPLE / name), "fashion_mnist", *arguments]


def checkpoints(path: Path) -> Iterator[dict[str, Any]]:
    """Those that appear at `path`, for five minutes at most."""
    torch = pytest.importorskip("torch")
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        if path.exists():
            yield torch.load(path, weights_only=True)
        time.sleep(0.01)
    raise AssertionError(f"no more of {path}")


def test_a_killed_training_goes_on_to_the_same_weights(environment: dict[str, str], tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    training = command("train.py", "tiny", "--teacher", "none", "--epochs", "4")
    finished = []
    for interrupted in (False, True):
        environment["XDG_STATE_HOME"] = str(tmp_path / f"state{interrupted}")
        path = tmp_path / f"state{interrupted}" / "millijoule" / "dual_cnn" / "fashion_mnist" / "tiny.pt"
        if interrupted:
            process = subprocess.Popen([*training, "--save-every", "0"], env=environment)
            # In the middle of an epoch.
            next(state for state in checkpoints(path) if state["epoch"] >= 1 and state["step"] >= 1)
            process.kill()
            process.wait()
            assert torch.load(path, weights_only=True)["epoch"] < 4
        subprocess.run(training, env=environment, check=True, timeout=300)
        lines = path.with_suffix(".jsonl").read_text(encoding="utf-8").splitlines()
        assert len(lines) == 4
        finished.append(torch.load(path, weights_only=True)["network"])
    for name, weights in finished[0].items():
        assert torch.equal(weights, finished[1][name]), name


def test_pupils_learn_from_a_large_network_that_is_finished(environment: dict[str, str]) -> None:
    torch = pytest.importorskip("torch")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        training = command("train.py", *arguments)
        return subprocess.run(training, env=environment, capture_output=True, text=True, timeout=300)

    done = run("large", "tiny", "--epochs", "1")
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["network"] for line in done.stdout.splitlines()] == ["large", "tiny"]
    other = run("tiny", "--epochs", "2")
    assert other.returncode and "another recipe or seed" in other.stderr
    checkpoint = Path(environment["XDG_STATE_HOME"]) / "millijoule" / "dual_cnn" / "fashion_mnist" / "large.pt"
    torch.save({**torch.load(checkpoint, weights_only=True), "epoch": 0}, checkpoint)
    (checkpoint.parent / "views" / "0.pt").unlink()
    unfinished = run("plain", "--epochs", "1")
    assert unfinished.returncode and "large is not trained to the end: train.py fashion" in unfinished.stderr


def test_pupils_learn_from_the_committed_large_network_where_there_is_no_other(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch, ort = pytest.importorskip("torch"), pytest.importorskip("onnxruntime")
    training = command("train.py", "tiny", "--epochs", "1")
    done = subprocess.run(training, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    data, places = script("data", monkeypatch), script("places", monkeypatch)
    monkeypatch.setenv("MILLIJOULE_FASHION_MNIST", str(tmp_path))
    images, _ = data.read("fashion_mnist", "train")
    views = data.Views("fashion_mnist", images[data.split(len(images))["train"]])
    views.start(0)
    session = ort.InferenceSession(places.model_path(places.MODELS, "fashion_mnist", places.LARGE))
    wanted = session.run(["scores"], {"image": views.take(np.arange(20)).transpose(0, 3, 1, 2)})[0]
    state = Path(environment["XDG_STATE_HOME"]) / "millijoule" / "dual_cnn" / "fashion_mnist"
    taught = torch.load(state / "views" / "0.pt", weights_only=True)
    assert taught.shape == (TRAINING, 10)
    np.testing.assert_allclose(taught[:20].numpy(), wanted, rtol=1e-3, atol=1e-3)


def test_what_is_trained_is_exported(environment: dict[str, str], tmp_path: Path) -> None:
    for module in ("torch", "onnx"):
        pytest.importorskip(module)
    onnxruntime = pytest.importorskip("onnxruntime")
    out = tmp_path / "out"
    training = command("train.py", "tiny", "--teacher", "none", "--epochs", "1")
    subprocess.run(training, env=environment, check=True, timeout=300)
    exporting = command("export.py", "--out", str(out))
    done = subprocess.run(exporting, env=environment, check=True, timeout=300, capture_output=True, text=True)
    assert [path.name for path in out.iterdir()] == ["fashion_mnist_tiny.onnx"]
    session = onnxruntime.InferenceSession(out / "fashion_mnist_tiny.onnx")
    flat = np.repeat(np.arange(10, dtype=np.float32) * 25, 784).reshape(10, 1, 28, 28)
    scores = session.run(["scores"], {"image": (flat - np.float32(72.94)) / np.float32(90.02)})[0]
    # Of an image that says which class it is of, once for each label of the test set.
    labels = gzip.decompress((tmp_path / "t10k-labels-idx1-ubyte.gz").read_bytes())[8:]
    right = np.mean([scores[label].argmax() == label for label in labels])
    assert f"test {right:.4f}, 1,060,608 multiply-adds" in done.stdout


def test_the_large_network_s_scores_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In half precision beside what it costs, as are its weights."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnx")
    export = script("export", monkeypatch)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 10))
    monkeypatch.setattr(export, "finished_network", lambda *_: network)
    images = np.random.default_rng(0).integers(0, 256, (30, 32, 32, 3), np.uint8)
    labels = np.arange(30) % 10
    export.export(
        "cifar10", "large", {"tune": (images[:20], labels[:20]), "test": (images[20:], labels[20:])}, tmp_path
    )
    with np.load(tmp_path / "cifar10_large.npz") as kept:
        assert kept["tune"].shape == (20, 10) and kept["tune"].dtype == np.float16
        assert kept["multiply_adds"] == 30720 and kept["parameters"] == 30730
        prepared = sys.modules["data"].prepared("cifar10", images[20:]).transpose(0, 3, 1, 2)
        wanted = network(torch.from_numpy(np.ascontiguousarray(prepared))).detach().numpy()
        np.testing.assert_allclose(kept["test"], wanted, rtol=2e-3, atol=2e-3)
        np.testing.assert_array_equal(kept["test_labels"], labels[20:])
    path = tmp_path / "cifar10_large.onnx"
    assert path.stat().st_size < 2.2 * 30730
    with mj.load(path) as session:
        np.testing.assert_allclose(session.run(np.ascontiguousarray(prepared))["scores"], wanted, rtol=0.01, atol=0.01)
