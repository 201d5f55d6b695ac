"""Options that say how images become inputs and what the scores are called, and how they end up in a model."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from ...runtime.errors import InputError
from ..options import FILE

if TYPE_CHECKING:
    from ...runtime.model import Model


class Number(click.ParamType):
    """A number, or a fraction such as 1/255."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        above, _, below = str(value).partition("/")
        try:
            return float(above) / float(below or 1)
        except (ValueError, ZeroDivisionError):
            self.fail(f"{value!r} is no number or fraction", param, ctx)


class Numbers(click.ParamType):
    """Numbers separated by commas: one for all channels, or one for each."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        if isinstance(value, tuple):
            return value
        return tuple(Number().convert(text.strip(), param, ctx) for text in str(value).split(","))


_OPTIONS = (
    click.option("--labels", metavar="FILE", type=FILE, help="Class names, one a line in the order of the scores."),
    click.option(
        "--mean", type=Numbers(), metavar="N[,N,N]", help="x = (pixel * scale - mean) / std, pixel in 0..255."
    ),
    click.option("--std", type=Numbers(), metavar="N[,N,N]", help="See --mean; one number or one per channel."),
    click.option("--scale", type=Number(), metavar="N", help="See --mean; 1/255 is understood."),
    click.option("--color", type=click.Choice(["rgb", "bgr", "gray"]), help="Order of the channels."),
    click.option(
        "--resize",
        type=click.Choice(["stretch", "crop", "pad"]),
        help="How an image gets the input's size: stretched, its middle cut out, or whole with a border.",
    ),
    click.option(
        "--interpolation", type=click.Choice(["nearest", "bilinear", "bicubic"]), help="How pixels are resized."
    ),
    click.option(
        "--crop-fraction", type=Number(), metavar="N", help="With --resize crop: how much of the middle is kept."
    ),
    click.option("--pad-value", type=Number(), metavar="N", help="With --resize pad: the border's pixels, 0..255."),
)
_NAMES = ("labels", "mean", "std", "scale", "color", "resize", "interpolation", "crop_fraction", "pad_value")


def options(function: Callable[..., None]) -> Callable[..., None]:
    """Adds the options; the function gets those that were given as one dict, `preparation`."""

    @functools.wraps(function)
    def collect(**arguments: Any) -> None:
        given = {name: arguments.pop(name) for name in _NAMES}
        function(preparation={name: value for name, value in given.items() if value is not None}, **arguments)

    decorated: Callable[..., None] = collect
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def apply(model: Model, preparation: Mapping[str, Any]) -> None:
    """Puts what was given in place of what the model says; InputError where it makes no sense."""
    if not preparation:
        return
    import msgspec

    from ...runtime.file.metadata import Preprocessing
    from ...runtime.vision.labels import check_labels, read_labels

    settings = {name: value for name, value in preparation.items() if name != "labels"}
    if "labels" in preparation:
        model.metadata = msgspec.structs.replace(model.metadata, labels=read_labels(preparation["labels"]))
    if settings:
        for part in model.parts:
            try:
                prepared = msgspec.structs.replace(part.metadata.preprocessing or Preprocessing(), **settings)
            except ValueError as error:
                raise InputError(f"how to prepare images: {error}") from None
            part.metadata = msgspec.structs.replace(part.metadata, preprocessing=prepared)
    if "labels" in preparation:
        check_labels(model)
