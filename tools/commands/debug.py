"""`mj debug`: where a quantized model's error enters, layer by layer."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import options

if TYPE_CHECKING:
    from ...converters.quantize.blame import Blame
    from ...converters.quantize.samples import Feeds
    from ...runtime.model import Model

HEALTHY = 1 / math.sqrt(12)
"""Steps that rounding alone loses, in the root mean square."""
SHOWN = 15
NAMED = 40
"""Layers that a picture has room to name."""


@click.command("debug", short_help="Show layer by layer where a quantized model loses what it does.")
@options.model
@click.argument("source", metavar="SRC", type=options.FILE)
@click.option("--data", required=True, metavar="SAMPLES", type=options.FILE, help="An .npz file with an array for each "
              "input, first axis the samples, or a folder of images.")  # fmt: skip
@click.option("--samples", "most", default=32, show_default=True, type=click.IntRange(min=1), help="Look at so many of "
              "them, evenly spread.")  # fmt: skip
@click.option("--layers", "shown", default=SHOWN, show_default=True, type=click.IntRange(min=1), help="Show so many of "
              "the layers, the worst ones; --json has all.")  # fmt: skip
@click.option("--picture", metavar="FILE", type=options.FILE, help="Also draw it, as .png, .svg or .pdf (takes "
              "matplotlib).")  # fmt: skip
@options.as_json
def command(model: str, source: str, data: str, most: int, shown: int, picture: str | None, as_json: bool) -> None:
    """Hold MODEL, which was quantized, against SRC, the float model that it was made of, layer by layer.

    Both run on the samples. What a layer adds itself (its weights, its bias, the rounding of its result) is told apart
    from what it inherits from the layers before it. The worst comes first; `mj convert --keep-float` leaves it in
    float.

    \b
    Examples:
      mj debug model_int8.mj model.onnx --data samples.npz
      mj debug model_int8.mj model.onnx --data photos/ --picture error.png
    """
    from ...converters.convert import float_original
    from ...runtime.errors import InputError
    from ..models.sources import open_model
    from ..report.output import check_output
    from ..report.picture import check_picture

    if picture is not None:
        check_output(picture, (model, source, data))
        check_picture(picture)
    quantized = open_model(model)
    if all(value.quant is None for value in quantized.graph.values.values()):
        raise InputError(f"{model} is not quantized: nothing in it is an integer that stands for a real number")
    original = float_original(source, quantized)
    feeds = _samples(original, data, most)
    found = _found(original, quantized, feeds)
    report = _report(model, source, data, found, len(feeds))
    if picture is not None:
        _draw(found, picture)
        report["picture"] = picture
    _show(report, shown, as_json)


def _samples(original: Model, data: str, most: int) -> list[Feeds]:
    from ...converters.quantize.observe import spread_over
    from ...converters.quantize.samples import read_samples
    from ...converters.quantize.screening import screen

    samples = read_samples(original, data)
    return list(spread_over(samples, screen(original, samples, 1), most))


def _found(original: Model, quantized: Model, feeds: Sequence[Feeds]) -> list[Blame]:
    from contextlib import closing

    from ...converters.quantize.blame import blame
    from ..report.progress import WorkProgress

    with closing(WorkProgress()) as progress:
        return blame(original, quantized, feeds, lambda at: progress(at, len(feeds), "comparing"))


def _report(model: str, source: str, data: str, found: Sequence[Blame], count: int) -> dict[str, Any]:
    from ..report.display import finite

    ordered = sorted(found, key=lambda each: each.own)
    worst = next((each for each in ordered if each.layer is not None), None)
    return {
        "model": model,
        "source": source,
        "samples": count,
        "layers": [
            {
                "name": each.name,
                "operator": each.operator,
                "layer": each.layer,
                **{part: finite(getattr(each, part)) for part in ("own", "inherited", "total", "steps")},
            }
            for each in ordered
        ],
        "paste": None if worst is None else _convert(model, source, data, worst.layer or ""),
        "picture": None,
    }


def _convert(model: str, source: str, data: str, layer: str) -> str:
    """The command that quantizes the source anew, with a layer in float."""
    output = model if model.lower().endswith(".mj") else f"{Path(model).stem}.mj"
    words = ["mj", "convert", source, "-o", output, "--quantize", "int8", "--calibrate", data, "--keep-float", layer]
    return shlex.join(words)


def _show(report: dict[str, Any], shown: int, as_json: bool) -> None:
    from ..report.display import emit, emit_json, emit_sentence, shorten, table

    if as_json:
        emit_json(report)
        return
    layers = report["layers"]
    rows = [
        [
            shorten(each["layer"] or each["name"], 26),
            each["operator"],
            *(_decibels(each[part]) for part in ("own", "inherited", "total")),
            "-" if each["steps"] is None else f"{each['steps']:.2f}",
        ]
        for each in layers[:shown]
    ]
    title = f"signal to noise in dB on {report['samples']} samples, the worst own part first"
    table(title, ["layer", "operator", ">own", ">inherited", ">total", ">own,\nsteps"], rows)
    if len(layers) > shown:
        emit_sentence(f"{len(layers) - shown} more layers are better; --layers {len(layers)} shows them, --json too")
    emit_sentence(
        f"own: what the layer adds, on exact inputs; inherited: what it was handed, and made more or less of. Steps of "
        f"the layer's scale: {HEALTHY:.2f} is rounding alone, more is weights, or numbers cut off."
    )
    if report["paste"] is not None:
        emit_sentence("To leave the worst in float:")
        emit(f"  {report['paste']}")
    if report["picture"] is not None:
        emit(f"wrote {report['picture']}")


def _draw(found: Sequence[Blame], picture: str) -> None:
    from ..report.picture import axes, save

    figure, (axis,) = axes(1, width=max(6.0, min(24.0, 0.25 * len(found))), height=5.0)
    places = range(len(found))
    for part, color in (("own", "tab:orange"), ("inherited", "tab:gray"), ("total", "tab:blue")):
        axis.plot(places, [getattr(each, part) for each in found], color=color, marker=".", label=part)
    axis.set_ylabel("signal to noise, dB")
    if len(found) <= NAMED:
        axis.set_xticks(list(places), [each.name for each in found], rotation=90, fontsize="small")
    else:
        axis.set_xlabel("layer")
    axis.legend()
    save(figure, picture)


def _decibels(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
