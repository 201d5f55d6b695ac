"""A model's inputs as images, and whether two of them are alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..errors import InputError
from ..model import TensorInfo
from ..vision.preprocess import image_layout, takes_image
from .blocks import averages

GRID = 8
Pixels = Sequence[np.ndarray]
"""Of every input, float32 (height, width, channels)."""


class Pictures:
    """InputError where an input of the model takes anything else than one image."""

    def __init__(self, inputs: Mapping[str, TensorInfo]) -> None:
        other = next((info for info in inputs.values() if not takes_image(info)), None)
        if other is not None or not inputs:
            what = "it has no inputs" if other is None else f"input {other} is no image"
            raise InputError(f"only images are similar, and {what}: use a memory without similar=")
        self._layouts = [image_layout(info) for info in inputs.values()]

    def pixels(self, arrays: Sequence[np.ndarray]) -> Pixels | None:
        """None where there are several images in one array, or none."""
        found = []
        for layout, array in zip(self._layouts, arrays, strict=True):
            if array.ndim != layout.rank or (layout.rank == 4 and len(array) != 1) or not array.size:
                return None
            image = array[0] if layout.rank == 4 else array
            image = (
                image[..., None] if layout.rank == 2 else np.moveaxis(image, 0, -1) if layout.channels_first else image
            )
            found.append(image.astype(np.float32))
        return found


def gray(pixels: Pixels) -> np.ndarray:
    """The mean of the first input's channels, (height, width)."""
    image = pixels[0]
    return image @ np.full(image.shape[2], 1 / image.shape[2], np.float32)


def turned(pixels: Pixels) -> list[Pixels]:
    """The images turned by 0, 90, 180 and 270 degrees."""
    return [[np.rot90(image, turns) for image in pixels] for turns in range(4)]


def alike(seen: Pixels, known: Pixels, tolerance: float) -> bool:
    """Whether in every block of an 8 x 8 grid the images differ by at most `tolerance` standard deviations of the known
    one, in the mean over its pixels and channels. False where a pixel is no number."""
    for image, other in zip(seen, known, strict=True):
        if image.shape != other.shape:
            return False
        height, width, channels = image.shape
        apart = np.abs(image - other).sum(axis=2)
        blocks = averages(height, min(GRID, height)) @ apart @ averages(width, min(GRID, width)).T
        if not blocks.max() <= tolerance * channels * other.std():
            return False
    return True
