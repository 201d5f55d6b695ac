"""The model that ships: it is what its README says, and names the image that ships with it."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnxruntime_session import open_session

import millijoule

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "fashion_mnist"
MODELS = ("fashion_mnist_f32.onnx", "fashion_mnist_int8.onnx")
MEAN, STD = 72.94, 90.02

Classify = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def in_onnxruntime(path: Path) -> Classify:
    session = open_session(path)
    return lambda image: np.asarray(session.run(["scores"], {"image": image})[0])


def in_millijoule(path: Path, **options: Any) -> Classify:
    pytest.importorskip("onnx")
    session = millijoule.load(millijoule.convert(path), **options)
    return lambda image: session.run({"image": image})["scores"]


def load_dataset() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fashion_mnist_dataset", EXAMPLE / "dataset.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def boot() -> NDArray[np.float32]:
    image = pytest.importorskip("PIL.Image").open(EXAMPLE / "ankle_boot.png")
    assert image.mode == "L"
    return ((np.asarray(image, np.float32) - np.float32(MEAN)) / np.float32(STD))[None, None]


def labels() -> list[str]:
    return (EXAMPLE / "labels.txt").read_text(encoding="utf-8").splitlines()


def test_files_are_small_and_the_readme_knows_them() -> None:
    readme = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    for model in MODELS:
        size = (EXAMPLE / model).stat().st_size
        assert size < 300_000
        assert f"`{model}`" in readme and f"{size:,}".replace(",", " ") in readme


def test_constants_are_those_of_the_scripts() -> None:
    dataset = load_dataset()
    assert (dataset.MEAN, dataset.STD) == (MEAN, STD)
    assert list(dataset.LABELS) == labels()
    pixels = np.arange(784, dtype=np.uint8).reshape(1, 28, 28)
    np.testing.assert_array_equal(dataset.normalized(pixels)[0, 0], (pixels[0] - np.float32(MEAN)) / np.float32(STD))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("runtime", [in_onnxruntime, in_millijoule])
def test_image_is_named(model: str, runtime: Callable[[Path], Classify]) -> None:
    scores = runtime(EXAMPLE / model)(boot())
    assert scores.shape == (1, len(labels()))
    assert labels()[int(scores.argmax())] == "Ankle boot"


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("model", MODELS)
def test_scores_are_those_of_onnxruntime(model: str, threads: int) -> None:
    ours, oracle = in_millijoule(EXAMPLE / model, threads=threads), in_onnxruntime(EXAMPLE / model)
    pixels = np.random.default_rng(5).integers(0, 256, (4, 28, 28), np.uint8)
    images = [boot(), *(image[None] for image in load_dataset().normalized(pixels))]
    for image in images:
        wanted = oracle(image)
        error = np.abs(ours(image) - wanted).max() / np.abs(wanted).max()
        # The int8 form: one step of the scores, as onnxruntime adds and averages in float between rounding.
        assert error < (1e-5 if "f32" in model else 0.02)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("runtime", [in_onnxruntime, in_millijoule])
def test_accuracy_on_some_of_the_test_images(model: str, runtime: Callable[[Path], Classify]) -> None:
    """At least 89 % of 500: three standard deviations below the accuracy that the README states."""
    folder = Path(os.environ.get("MILLIJOULE_FASHION_MNIST", "/usr/share/datasets/fashion-mnist"))
    if not folder.is_dir():
        pytest.skip("needs Fashion-MNIST (Debian package dataset-fashion-mnist, or MILLIJOULE_FASHION_MNIST)")
    dataset = load_dataset()
    images, wanted = dataset.read_split(folder, "t10k")
    classify = runtime(EXAMPLE / model)
    found = [int(classify(image[None]).argmax()) for image in dataset.normalized(images[-500:])]
    assert np.mean(found == wanted[-500:]) >= 0.89
