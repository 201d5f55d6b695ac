"""A model's inputs as images, and whether two of them are alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache

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
            found.append(np.ascontiguousarray(image, np.float32))
        return found


def gray(pixels: Pixels) -> np.ndarray:
    """The mean of the first input's channels, (height, width)."""
    height, width, channels = pixels[0].shape
    return (pixels[0].reshape(-1, channels) @ np.full(channels, 1 / channels, np.float32)).reshape(height, width)


def turned(pixels: Pixels) -> Iterator[Pixels]:
    """The images turned by 0, 90, 180 and 270 degrees."""
    for turns in range(4):
        yield [np.ascontiguousarray(np.rot90(image, turns)) for image in pixels]


def alike(seen: Pixels, known: Pixels, tolerance: float) -> bool:
    """Whether in every block of an 8 x 8 grid the images differ by at most `tolerance` standard deviations of the known
    one, in the mean over its pixels and channels. False where a pixel is no number."""
    for image, other in zip(seen, known, strict=True):
        if image.shape != other.shape:
            return False
        height, width, channels = image.shape
        apart = np.abs(image - other).reshape(height, width * channels)
        blocks = averages(height, min(GRID, height)) @ apart @ _across(width, channels)
        if not blocks.max() <= tolerance * other.std():
            return False
    return True


@cache
def _across(width: int, channels: int) -> np.ndarray:
    """(width * channels, blocks): means over the blocks of a line of pixels, and over their channels."""
    return np.repeat(averages(width, min(GRID, width)), channels, axis=1).T / np.float32(channels)
