"""Fashion-MNIST as arrays, and how the model wants its images.

Files: the four IDX archives as the data set's authors publish them, for example from Debian's package
`dataset-fashion-mnist`, which puts them into /usr/share/datasets/fashion-mnist.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LABELS = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")

# Of all pixels of the training set, in 0..255.
MEAN = 72.94
STD = 90.02


def read_idx(path: Path) -> NDArray[np.uint8]:
    """One gzipped IDX file of bytes. The header: two zero bytes, the type (8 for bytes), the rank, then each dimension
    as a big-endian 32-bit number."""
    raw = gzip.decompress(path.read_bytes())
    if raw[:3] != b"\0\0\x08":
        raise ValueError(f"{path} is not an IDX file of bytes")
    rank = raw[3]
    shape = np.frombuffer(raw, ">u4", rank, 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape([int(size) for size in shape])


def read_split(folder: Path, split: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """split: "train" (60 000) or "t10k" (10 000). Images (N, 28, 28) of bytes, labels (N,)."""
    images = read_idx(folder / f"{split}-images-idx3-ubyte.gz")
    labels = read_idx(folder / f"{split}-labels-idx1-ubyte.gz")
    return images, labels.astype(np.int64)


def normalized(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(N, 28, 28) bytes -> (N, 1, 28, 28) float32 as the model takes them."""
    return ((images[:, None].astype(np.float32) - np.float32(MEAN)) / np.float32(STD)).astype(np.float32)
