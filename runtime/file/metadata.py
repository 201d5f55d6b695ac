"""What travels with a graph: where it came from, how its inputs are prepared and how its scores are read."""

from __future__ import annotations

import math
import os
from typing import Annotated, Final, Literal, get_args

import msgspec

from ..arguments import numbers, one_of, real
from ..errors import InputError

MAX_DIM: Final = 2**31 - 1
SOURCE_ENDINGS: Final = (".onnx", ".tflite", ".lite")
"""How the names of files end that are converted before they are loaded, as no .mj file's may."""
Color = Literal["rgb", "bgr", "gray"]
Resize = Literal["stretch", "crop", "pad"]
Interpolation = Literal["nearest", "bilinear", "bicubic"]


def named_as_source(path: str | os.PathLike[str]) -> bool:
    """Whether a file by that name is converted before it is loaded."""
    return os.fspath(path).lower().endswith(SOURCE_ENDINGS)


class _Unfit(InputError, ValueError):
    """Also what msgspec expects of a file's contents that do not fit together."""


class Preprocessing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How an image becomes a model's input: x = (pixel * scale - mean) / std, pixel in 0..255.

    mean, std: one number for all channels or one per channel, in the order that `color` gives.
    resize: "stretch" to the input's height and width; "crop" the middle of the image scaled so that the shorter side
        is the input's divided by crop_fraction; "pad" the whole image scaled to fit with pad_value (0..255) around it.
    InputError where one is none of these, a number is not finite, or std, scale or crop_fraction cannot be divided by.
    """

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    scale: float = 1.0
    color: Color = "rgb"
    resize: Resize = "stretch"
    interpolation: Interpolation = "bilinear"
    crop_fraction: float = 1.0
    pad_value: float = 0.0

    def __post_init__(self) -> None:
        for name, known in (("color", Color), ("resize", Resize), ("interpolation", Interpolation)):
            one_of(name, getattr(self, name), get_args(known))
        for name in ("scale", "crop_fraction", "pad_value"):
            msgspec.structs.force_setattr(self, name, real(name, getattr(self, name)))
        for name in ("mean", "std"):
            msgspec.structs.force_setattr(self, name, numbers(name, getattr(self, name)))
        channels = 1 if self.color == "gray" else 3
        for name in ("mean", "std"):
            if len(getattr(self, name)) not in (1, channels):
                raise _Unfit(f"{name} needs 1 number, or one for each of the {channels} channels of '{self.color}'")
        if not all(map(math.isfinite, (*self.mean, *self.std, self.scale, self.crop_fraction, self.pad_value))):
            raise _Unfit("every number of the preprocessing must be finite")
        if not all(self.std) or not self.scale:
            raise _Unfit("std and scale must not be 0")
        if not 0.01 <= self.crop_fraction <= 1:
            raise _Unfit(f"crop_fraction {self.crop_fraction} must lie in 0.01..1")
        if not 0 <= self.pad_value <= 255:
            raise _Unfit(f"pad_value {self.pad_value} must lie in 0..255")


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The file that a model was converted from. name: without its folder. format: "onnx", "tflite" or empty."""

    name: str = ""
    format: str = ""
    description: str = ""


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """output: of the graph, whose elements the input that this is filed under has in the next run. fill: all its
    elements in the first run, as stored."""

    output: str
    fill: float | int = 0


class Metadata(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """input_aliases, output_aliases: further names of public inputs and outputs (TFLite signature names), each mapped
    to the graph's name. labels: class names in the order of the scores. producer: what wrote the file. default_sizes:
    of symbolic dimensions of the inputs, for when nobody gives another. states: what the model keeps from one run to
    the next, by the graph's input; neither these inputs nor their outputs are public."""

    source: Source = Source()
    input_aliases: dict[str, str] = {}
    output_aliases: dict[str, str] = {}
    labels: list[str] = []
    preprocessing: Preprocessing | None = None
    producer: str = ""
    default_sizes: dict[str, Annotated[int, msgspec.Meta(ge=0, le=MAX_DIM)]] = {}
    states: dict[str, State] = {}
