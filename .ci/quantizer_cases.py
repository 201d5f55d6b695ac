"""Float models, samples to calibrate with, to judge with and to test with, for `quantizer_peers.py`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CHECKOUT = Path(__file__).resolve().parent.parent
ZOO = Path(os.environ.get("MILLIJOULE_ZOO", CHECKOUT / ".." / "shared" / "zoo"))
EXAMPLE = CHECKOUT / "examples" / "dual_cnn"
SERIES = Path(os.environ.get("MILLIJOULE_SERIES", "series"))
"""What `series_networks.py` wrote."""
CALIBRATION, JUDGES, CROPS = 100, 25, 600
SMALLEST_CROP = 0.3
"""Of a photograph's shorter side."""


@dataclass(frozen=True)
class Case:
    """calibration, judges, test: of the only input, first axis the samples. labels: of the test's, None where the float
    model's own answers stand in for them."""

    name: str
    source: Path
    calibration: np.ndarray
    judges: np.ndarray
    test: np.ndarray
    labels: np.ndarray | None = None


def labelled(name: str, source: Path, dataset: str, prepare: Callable[[np.ndarray], np.ndarray]) -> Case:
    """Calibrated with images of the training set, tested on the whole test set."""
    read = example_data().read
    images, _ = read(dataset, "train")
    chosen = np.random.default_rng(0).choice(len(images), CALIBRATION + JUDGES, replace=False)
    known = prepare(images[chosen])
    test, labels = read(dataset, "test")
    return Case(name, source, known[:CALIBRATION], known[CALIBRATION:], prepare(test), labels)


def small(name: str) -> Case:
    """Of examples/dual_cnn, as DATASET_NETWORK."""
    data = example_data()
    dataset = next(each for each in data.SOURCES if name.startswith(each))
    source = next(EXAMPLE.rglob(f"{name}.onnx"))
    return labelled(name, source, dataset, lambda images: channels_first(data.prepared(dataset, images)))


def example_data() -> Any:
    """examples/dual_cnn/data.py."""
    sys.path.append(str(EXAMPLE))
    return import_module("data")


def time_series(name: str) -> Case:
    """Of `series_networks.py`, as SERIES_NETWORK; a fifth of the training series judges."""
    path = next(each for each in SERIES.glob("*.npz") if name.startswith(each.stem))
    with np.load(path) as found:
        train, test, labels = found["train"], found["test"], found["labels"]
    order = np.random.default_rng(0).permutation(len(train))
    judges = max(len(train) // 5, 1)
    known = train[order[judges:]][:CALIBRATION]
    return Case(name, SERIES / f"{name}.onnx", known, train[order[:judges]], test, labels)


def photographs(name: str, source: str, size: int, prepare: Callable[[np.ndarray], np.ndarray]) -> Case:
    """On random crops of the zoo's photographs, which have no labels."""
    images = crops(CALIBRATION + JUDGES + CROPS, size)
    known = prepare(images.astype(np.float32))
    ends = (CALIBRATION, CALIBRATION + JUDGES)
    return Case(name, ZOO / source, known[: ends[0]], known[ends[0] : ends[1]], known[ends[1] :])


def crops(count: int, size: int) -> np.ndarray:
    """(count, size, size, 3) bytes: squares of any place and extent, half of them mirrored."""
    photos = [Image.open(path).convert("RGB") for path in sorted((ZOO / "images").iterdir()) if path.suffix != ".txt"]
    rng, found = np.random.default_rng(0), []
    for place in range(count):
        photo = photos[place % len(photos)]
        side = rng.uniform(SMALLEST_CROP, 1) * min(photo.size)
        left, top = (rng.uniform(0, extent - side) for extent in photo.size)
        box = (left, top, left + side, top + side)
        pixels = np.asarray(photo.resize((size, size), Image.Resampling.BILINEAR, box=box))
        found.append(pixels[:, ::-1] if rng.random() < 0.5 else pixels)
    return np.stack(found)


def channels_first(images: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2))


def imagenet(images: np.ndarray) -> np.ndarray:
    mean, std = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)
    return channels_first(((images / 255 - mean) / std).astype(np.float32))


CASES: dict[str, Callable[[], Case]] = {
    "resnet8_f32": lambda: labelled(
        "resnet8_f32", ZOO / "resnet8_f32.tflite", "cifar10", lambda images: images.astype(np.float32)
    ),
    "vww_f32": lambda: photographs("vww_f32", "vww_f32.tflite", 96, lambda images: images / np.float32(255)),
    "blazeface": lambda: photographs(
        "blazeface", "blazeface_128.onnx", 128, lambda images: images / np.float32(127.5) - np.float32(1)
    ),
    "fastestdet": lambda: photographs(
        "fastestdet", "fastestdet_352.onnx", 352, lambda images: channels_first(images[..., ::-1] / np.float32(255))
    ),
    "efficientnet_lite0": lambda: photographs("efficientnet_lite0", "efficientnet_lite0.onnx", 224, imagenet),
}


def case(name: str) -> Case:
    """Of CASES, a network of examples/dual_cnn, or one of `series_networks.py`."""
    if name in CASES:
        return CASES[name]()
    return time_series(name) if (SERIES / f"{name}.onnx").exists() else small(name)
