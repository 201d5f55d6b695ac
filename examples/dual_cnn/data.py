"""The two data sets as arrays, their fixed splits, and the augmented views that networks are trained on.

Fashion-MNIST: the four IDX archives, for example from Debian's package `dataset-fashion-mnist`. CIFAR-10: one .npz
with `train_jpeg`, `train_offsets`, `train_labels` and the same for `test`, each image a JPEG; `_jpeg` is all files end
to end and `_offsets` (n + 1) cuts them.
"""

from __future__ import annotations

import io
import os
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]
"""(N, rows, columns, channels)"""
Labels = NDArray[np.int64]

CHECKOUT = Path(__file__).resolve().parent.parent.parent

SPLIT_SEED = 20261128
VALIDATION, TUNE = 2_000, 10_000


@dataclass(frozen=True)
class Source:
    """Where a data set lies, and how its images are prepared and augmented."""

    variable: str
    """The environment variable that names its folder or file."""
    default: str
    """Seen from the checkout."""
    shape: tuple[int, int, int]
    """Rows, columns, channels."""
    mean: tuple[float, ...]
    """Of all pixels of the whole training set, in 0..255, for each channel."""
    std: tuple[float, ...]
    labels: tuple[str, ...]
    shift: int
    """Views are moved by up to so many pixels each way."""
    hole: int
    """Rows and columns of the square that views lack: odd."""


SOURCES = {
    "fashion_mnist": Source(
        variable="MILLIJOULE_FASHION_MNIST",
        default="/usr/share/datasets/fashion-mnist",
        shape=(28, 28, 1),
        mean=(72.94,),
        std=(90.02,),
        labels=(
            "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
        ),
        shift=2,
        hole=7,
    ),
    "cifar10": Source(
        variable="MILLIJOULE_CIFAR10",
        default="../shared/data/cifar10_jpeg.npz",
        shape=(32, 32, 3),
        mean=(125.27, 122.93, 113.86),
        std=(62.53, 61.91, 66.46),
        labels=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
        shift=4,
        hole=9,
    ),
}  # fmt: skip


def location(name: str) -> Path:
    """Of the data set's folder or file. Raises FileNotFoundError where there is none."""
    source = SOURCES[name]
    path = CHECKOUT / os.environ.get(source.variable, source.default)
    if not path.exists():
        raise FileNotFoundError(
            f"{name} is not at {path}: name its place with the environment variable {source.variable}"
        )
    return path


def read(name: str, part: str) -> tuple[Images, Labels]:
    """part: "train" or "test"; all of its images."""
    path = location(name)
    if name == "fashion_mnist":
        sys.path.append(str(CHECKOUT / "examples" / "fashion_mnist"))
        from dataset import read_split

        images, labels = read_split(path, {"train": "train", "test": "t10k"}[part])
        return images[..., None], labels
    from PIL import Image

    with np.load(path) as archive:
        encoded, offsets = archive[f"{part}_jpeg"].tobytes(), archive[f"{part}_offsets"]
        labels = archive[f"{part}_labels"].astype(np.int64)
    files = [io.BytesIO(encoded[first:last]) for first, last in pairwise(offsets)]
    return np.stack([np.asarray(Image.open(file).convert("RGB")) for file in files]), labels


def split(count: int) -> dict[str, NDArray[np.int64]]:
    """Places of a training set of `count` images, cut by a fixed seed: "train"; "validation", whose accuracy is shown
    while a network is trained; "tune", which no network, and nobody who chooses how to train one, has looked at."""
    order = np.random.default_rng(SPLIT_SEED).permutation(count)
    tune, validation, train = np.split(order, [TUNE, TUNE + VALIDATION])
    return {"train": np.sort(train), "validation": np.sort(validation), "tune": np.sort(tune)}


def prepared(name: str, images: Images) -> NDArray[np.float32]:
    """As the networks take them, channels last: (pixel - mean) / std."""
    source = SOURCES[name]
    mean, std = np.asarray(source.mean, np.float32), np.asarray(source.std, np.float32)
    return ((images.astype(np.float32) - mean) / std).astype(np.float32)


class Views:
    """Augmented images: moved, half of them mirrored, with a square of the mean in a random place.

    A view's number and the images alone decide what it looks like, so that every network sees the same one, the large
    one's answers to it can be kept, and an interrupted run finds it again.
    """

    def __init__(self, name: str, images: Images) -> None:
        self.name, self.source, self.count = name, SOURCES[name], len(images)
        around = (self.source.shift, self.source.shift)
        # Fashion-MNIST's borders are black throughout; a photograph goes on.
        mode: Literal["constant", "reflect"] = "constant" if name == "fashion_mnist" else "reflect"
        self.padded = np.pad(images, ((0, 0), around, around, (0, 0)), mode)

    def start(self, view: int) -> None:
        """Draws what `take` does to each image from here on."""
        random = np.random.default_rng([SPLIT_SEED, view])
        self.corners = random.integers(0, 2 * self.source.shift + 1, (self.count, 2))
        self.mirrored = random.random(self.count) < 0.5
        self.holes = random.integers(0, self.source.shape[:2], (self.count, 2))

    def take(self, chosen: NDArray[np.int64]) -> NDArray[np.float32]:
        """The chosen images' views, prepared: (len(chosen), rows, columns, channels)."""
        rows, columns = np.arange(self.source.shape[0]), np.arange(self.source.shape[1])
        across = np.where(self.mirrored[chosen, None], columns[::-1], columns) + self.corners[chosen, 1:]
        down = rows + self.corners[chosen, :1]
        views = prepared(self.name, self.padded[chosen[:, None, None], down[:, :, None], across[:, None, :]])
        near_row = abs(rows - self.holes[chosen, :1]) <= self.source.hole // 2
        near_column = abs(columns - self.holes[chosen, 1:]) <= self.source.hole // 2
        views[near_row[:, :, None] & near_column[:, None, :]] = 0
        return views
