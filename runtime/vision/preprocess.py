"""Turns an image into a model's input, as the model's preprocessing says."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import TYPE_CHECKING, Final, Union

import numpy as np

from ..errors import Error, InputError, PreprocessingWarning, warn
from ..file.metadata import Preprocessing
from ..graph import Dim
from ..model import Model, TensorInfo
from ..ops import integer
from .ranges import pixels_preprocessing

if TYPE_CHECKING:
    from PIL.Image import Image

CHANNELS: Final = (1, 3)
_CHANNELS: Final = "1 or 3 channels"
PIXELS, PIXELS_OF_A_PIXEL = 1 << 25, 16
"""That an image becomes at most, and for each of its own: a file may declare any size, and so many take seconds."""


@dataclass(frozen=True, slots=True)
class ImageLayout:
    """Where an input's shape has its image. height, width: None where the image's own is taken."""

    height: int | None
    width: int | None
    channels: int
    channels_first: bool
    rank: int


ImageLike = Union[str, os.PathLike[str], np.ndarray, "Image"]
"""A file that Pillow reads, a Pillow image, or uint8 pixels (height, width), (height, width, 1 or 3) in RGB order."""


def image_name(model: Model, name: str | None = None) -> str:
    """The graph's name of the input that takes an image: the one named, or the only one. InputError where there is no
    such input, or more than one."""
    if name is not None:
        return model.input_name(name)
    found = [name for name, info in model.inputs.items() if takes_image(info)]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(str(info) for info in model.inputs.values()) or "none"
    if not found:
        raise InputError(
            f"the model has no input that takes one image of {_CHANNELS}; its inputs are {listed}: feed arrays instead"
        )
    raise InputError(f"{len(found)} inputs take an image: say which, as in input='{found[0]}'; the inputs are {listed}")


def image_input(model: Model, name: str, image: ImageLike, shape: Sequence[int] | None = None) -> np.ndarray:
    """The array to feed as input `name` (or its alias) for an image.

    shape: what the array is to have where the input's own shape has symbolic sizes; without it a symbolic height or
    width is the image's.
    Without preprocessing in the model, 8-bit integers are the pixels' own numbers (int8: less 128), and all others the
    pixels 0..255: PreprocessingWarning, but where the range that quantized integers stand for is one that images are
    scaled to, and of integers without quantization that hold 0..255.
    InputError: the file is no image, or the input takes none, or not of that shape. Error: Pillow is missing.
    """
    model, name = model.preparing(name)
    info = model.inputs[name]
    layout = image_layout(info) if shape is None else layout_of(info, shape)
    preprocessing = model.metadata.preprocessing
    settings = preprocessing or Preprocessing()
    color = "gray" if layout.channels == 1 else settings.color
    if color != settings.color and max(len(settings.mean), len(settings.std)) > 1:
        raise InputError(f"input '{info.name}' has {layout.channels} channels, but its preprocessing is for 3")
    opened = _opened(image)
    if preprocessing is None and not _takes_pixels(info):
        warn(_unprepared(info), PreprocessingWarning)
    pixels = _pixels(_resized(opened.convert("L" if color == "gray" else "RGB"), layout, settings))
    if color == "bgr":
        pixels = pixels[..., ::-1]
    pixels = np.broadcast_to(pixels, (*pixels.shape[:2], layout.channels))
    return as_input(pixels, info, layout, preprocessing)


def as_input(
    pixels: np.ndarray, info: TensorInfo, layout: ImageLayout, preprocessing: Preprocessing | None
) -> np.ndarray:
    """The array to feed for uint8 pixels (height, width, channels) of the layout's size and the model's color order."""
    return _arranged(_numbers(pixels, info, preprocessing), layout)


def takes_image(info: TensorInfo) -> bool:
    """Whether the input's shape is that of one image."""
    try:
        image_layout(info)
    except InputError:
        return False
    return True


def image_layout(info: TensorInfo) -> ImageLayout:
    """Where height, width and channels are; InputError where the shape is not that of one image."""
    shape = info.shape
    if shape is not None and len(shape) in (3, 4):
        leading, rest = shape[: len(shape) - 3], shape[-3:]
        if all(isinstance(dim, str) or dim == 1 for dim in leading):
            found = _three(rest, len(shape))
            if found is not None:
                return found
    if shape is not None and len(shape) == 2 and not isinstance(shape[0], str) and shape[0] != 1:
        return ImageLayout(shape[0], _size(shape[1]), 1, False, 2)
    raise InputError(
        f"input '{info.name}' of shape {shape} does not take one image of {_CHANNELS}: feed an array instead"
    )


def layout_of(info: TensorInfo, shape: Sequence[int]) -> ImageLayout:
    """The layout of an image where the caller says which sizes its array has."""
    declared = info.shape
    if declared is not None and (
        len(declared) != len(shape)
        or any(isinstance(dim, int) and dim != size for dim, size in zip(declared, shape, strict=True))
    ):
        raise InputError(f"input '{info.name}' is declared {declared}, which shape {tuple(shape)} does not fit")
    given = image_layout(replace(info, shape=tuple(shape)))
    try:
        layout = given if declared is None else image_layout(info)
    except InputError:
        return given
    # Which axes are height and width is the model's to say: a width of 3 is no number of channels.
    height, width = shape[len(shape) - 2 :] if layout.channels_first or layout.rank == 2 else shape[-3:-1]
    return replace(layout, height=height, width=width)


def _three(shape: tuple[Dim, ...], rank: int) -> ImageLayout | None:
    first, middle, last = shape
    if last in CHANNELS and isinstance(last, int):
        return ImageLayout(_size(first), _size(middle), last, False, rank)
    if first in CHANNELS and isinstance(first, int):
        return ImageLayout(_size(middle), _size(last), first, True, rank)
    if rank == 3 and isinstance(first, str):
        return ImageLayout(_size(middle), _size(last), 1, True, rank)
    return None


def _size(dim: Dim) -> int | None:
    return None if isinstance(dim, str) else dim


def _takes_pixels(info: TensorInfo) -> bool:
    """Whether an input says by itself that the pixels' own numbers are what it takes."""
    if info.quant is None:
        return info.dtype.kind in "iu" and info.dtype != np.int8
    return pixels_preprocessing(info.quant, info.dtype) is not None


def _unprepared(info: TensorInfo) -> str:
    fed = f"{'pixels less 128' if info.dtype == np.int8 else 'raw 0..255 pixels'} are fed"
    if info.quant is not None and info.dtype.itemsize == 1:
        fed = f"{fed}, though its scale and zero point are of no range that images mostly have"
    return (
        f"no preprocessing is known for input {info}: {fed}; if the model was trained on other "
        "numbers, its classes are wrong: give --mean, --std, --scale to mj convert or mj run, preprocessing= in Python"
    )


def _opened(image: ImageLike) -> Image:
    if isinstance(image, (str, os.PathLike)):
        return _open(image)
    if isinstance(image, np.ndarray):
        return _from_pixels(image)
    if isinstance(image, _pillow().Image):
        return _eight_bits(image, "the image")
    raise InputError(f"an image is a path, uint8 pixels or a Pillow image, not {type(image).__name__}")


def _open(path: str | os.PathLike[str]) -> Image:
    pillow = _pillow()
    from PIL import ImageOps

    try:
        with pillow.open(path) as image:
            image.load()
            # Cameras store how they were held and leave the turning to the reader.
            return _eight_bits(ImageOps.exif_transpose(image), os.fspath(path))
    except (OSError, ValueError, SyntaxError, pillow.DecompressionBombError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(f"cannot read {os.fspath(path)} as an image: {reason}") from None


def _eight_bits(image: Image, name: str) -> Image:
    if image.mode.startswith(("I", "F")):
        raise InputError(f"{name} has more than 8 bits a channel: convert it to 8 bits first")
    return image


def _from_pixels(pixels: np.ndarray) -> Image:
    squeezed = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[-1] == 1 else pixels
    sound = squeezed.ndim == 2 or (squeezed.ndim == 3 and squeezed.shape[-1] == 3)
    if not sound or pixels.dtype != np.uint8 or not pixels.size:
        raise InputError(f"pixels must be uint8 (height, width[, 1 or 3]), not {pixels.dtype} of shape {pixels.shape}")
    return _pillow().fromarray(np.ascontiguousarray(squeezed))


def _resized(image: Image, layout: ImageLayout, settings: Preprocessing) -> Image:
    """The image in the input's height and width; where the shape leaves one open, the image's own."""
    pillow = _pillow()
    width, height = image.size
    size = (layout.width or width, layout.height or height)
    if size[0] * size[1] > max(PIXELS, PIXELS_OF_A_PIXEL * width * height):
        raise InputError(
            f"the model takes images of {size[1]}x{size[0]}, out of all proportion to one of {height}x{width}: feed an "
            f"array instead"
        )
    if size == image.size and (settings.resize != "crop" or settings.crop_fraction == 1):
        return image
    filters = {"nearest": "NEAREST", "bilinear": "BILINEAR", "bicubic": "BICUBIC"}
    resample = getattr(pillow.Resampling, filters[settings.interpolation])
    ratios = (size[0] / width, size[1] / height)
    if settings.resize == "crop":
        scale = max(ratios) / settings.crop_fraction
        kept = (min(size[0] / scale, width), min(size[1] / scale, height))
        left, top = (width - kept[0]) / 2, (height - kept[1]) / 2
        return image.resize(size, resample, box=(left, top, left + kept[0], top + kept[1]))
    if settings.resize == "pad":
        scale = min(ratios)
        inner = (max(1, round(width * scale)), max(1, round(height * scale)))
        level = round(settings.pad_value)
        canvas = pillow.new(image.mode, size, level if image.mode == "L" else (level, level, level))
        canvas.paste(image.resize(inner, resample), ((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2))
        return canvas
    return image.resize(size, resample)


def _pixels(image: Image) -> np.ndarray:
    pixels = np.asarray(image)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _numbers(pixels: np.ndarray, info: TensorInfo, preprocessing: Preprocessing | None) -> np.ndarray:
    """uint8 pixels as the input's dtype counts them."""
    if preprocessing is None and info.dtype in (np.uint8, np.int8):
        return pixels.astype(np.uint8) if info.dtype == np.uint8 else (pixels.astype(np.int16) - 128).astype(np.int8)
    settings = preprocessing or Preprocessing()
    mean, std = np.array(settings.mean, np.float32), np.array(settings.std, np.float32)
    reals = (pixels.astype(np.float32) * np.float32(settings.scale) - mean) / std
    if info.quant is not None:
        return integer.quantize(reals, info.quant, info.dtype)
    if info.dtype.kind == "f":
        return reals.astype(info.dtype)
    if info.dtype.kind in "iu":
        limits = np.iinfo(info.dtype)
        return np.clip(np.rint(reals).astype(np.float64), limits.min, limits.max).astype(info.dtype)
    raise InputError(f"input '{info.name}' is {info.dtype}, which no image becomes: feed an array instead")


def _arranged(array: np.ndarray, layout: ImageLayout) -> np.ndarray:
    """(height, width, channels) as the input's shape has it."""
    if layout.rank == 2:
        array = array[..., 0]
    elif layout.channels_first:
        array = np.moveaxis(array, -1, 0)
    if layout.rank == 4:
        array = array[None]
    return np.ascontiguousarray(array)


def _pillow() -> ModuleType:
    try:
        from PIL import Image
    except ImportError:
        raise Error("reading images takes Pillow: pip install 'millijoule[image]'") from None
    return Image
