"""Options of `mj convert` that quantize, and what was lost as a report."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from ...runtime.errors import InputError
from ..options import FILE, PROFILE

if TYPE_CHECKING:
    from ...runtime.fidelity import Fidelity
    from ...runtime.model import Model

WORST = 5
"""Layers that are shown."""

_OPTIONS = (
    click.option(
        "--quantize",
        type=click.Choice(["int8", "dynamic", "float16"]),
        help="Make a float model compute on integers; dynamic: linear layers alone, which takes no samples; float16 "
        "stores its weights in half the bytes and nothing more.",
    ),
    click.option(
        "--calibrate",
        "calibration",
        metavar="SAMPLES",
        type=FILE,
        help="With --quantize: an .npz file with an array for each input, first axis the samples, or a folder of "
        "images. Without it only the weights become int8. What is dynamic is judged by all of them.",
    ),
    click.option(
        "--validate",
        "validation",
        metavar="SAMPLES",
        type=FILE,
        help="What the result is judged by, in place of every fifth sample to calibrate with.",
    ),
    click.option(
        "--method",
        type=click.Choice(["auto", "minmax", "percentile", "mse", "entropy"]),
        help="How ranges are found; by default for each tensor the way that loses least.",
    ),
    click.option("--keep-float", multiple=True, metavar="LAYER", help="A layer that stays in float; may be repeated."),
    click.option(
        "--min-agreement",
        type=click.FloatRange(0, 1, min_open=True),
        metavar="X",
        help="Keep as few layers in float as it takes to agree with the float model on this share of samples, or fail.",
    ),
    click.option(
        "--budget",
        metavar="LIMIT",
        help="Lose as little as can be within size=200KB, latency=5ms or energy=2mJ: each layer is int8, int8 weights, "
        "float16 or float32.",
    ),
    click.option(
        "--profile",
        metavar="NAME",
        type=PROFILE,
        help="The device that a latency or energy is predicted for, as `mj profiles` lists it (host).",
    ),
    click.option(
        "--picture", metavar="FILE", type=FILE, help="Draw what cost buys, as .png, .svg or .pdf (takes matplotlib)."
    ),
    click.option("--io", type=click.Choice(["float32", "int8"]), help="What inputs and outputs are (float32)."),
    click.option("--fast", is_flag=True, default=None, help="Least and largest numbers and nearest rounding alone."),
)
_NAMES = ("quantize", "calibration", "validation", "method", "keep_float", "min_agreement", "budget", "profile",
          "picture", "io", "fast")  # fmt: skip


def options(function: Callable[..., None]) -> Callable[..., None]:
    """Adds the options; the function gets those that were given as one dict, `quantization`."""

    @functools.wraps(function)
    def collect(**arguments: Any) -> None:
        given = {name: arguments.pop(name) for name in _NAMES}
        function(quantization={name: value for name, value in given.items() if value not in (None, ())}, **arguments)

    decorated: Callable[..., None] = collect
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def converted(
    source: str, quantization: Mapping[str, Any], preparation: Mapping[str, Any], signature: str | None = None
) -> Model:
    """The source converted as both say; InputError where options of quantization lack --quantize. signature: see
    mj.convert."""
    from ...converters.convert import convert
    from ...runtime.model import Model
    from ..report.progress import WorkProgress, busy
    from .preparation import apply

    if not quantization:
        with busy(f"converting {source}"):
            finished = source.lower().endswith(".mj") and signature is None
            model = Model.load(source) if finished else convert(source, signature=signature)
    elif "quantize" not in quantization:
        named = next(iter(quantization)).replace("_", "-").replace("calibration", "calibrate")
        raise InputError(f"--{named.replace('validation', 'validate')} goes with --quantize int8")
    else:
        asked = _asked(quantization)
        # How images are prepared is asked while samples are read, and may be partly the source's own word.
        plain = convert(source, signature=signature) if preparation else None
        if plain is not None:
            apply(plain, preparation)
        if plain is not None:
            # Names of classes are a part of what a budget of bytes is for.
            asked |= {"preprocessing": plain.metadata.preprocessing, "labels": plain.metadata.labels or None}
        with closing(WorkProgress()) as progress:
            model = convert(source, signature=signature, progress=progress, **asked)
    apply(model, preparation)
    return model


def _asked(quantization: Mapping[str, Any]) -> dict[str, Any]:
    """As `mj.convert` takes them."""
    asked = {name: value for name, value in quantization.items() if name not in ("budget", "profile", "picture")}
    if "budget" in quantization:
        from ..estimate.budget import budget

        asked["budget"] = budget(quantization["budget"], quantization.get("profile", "host"))
    else:
        lonely = next((name for name in ("profile", "picture") if name in quantization), None)
        if lonely is not None:
            raise InputError(f"--{lonely} goes with --budget")
    return asked


def described(fidelity: Fidelity) -> dict[str, Any]:
    """For programs."""
    from ..report.display import finite
    from . import budgets

    return {
        "verdict": fidelity.verdict if fidelity.samples else None,
        "samples": fidelity.samples,
        "held_out": fidelity.held_out,
        "agreement": fidelity.agreement if fidelity.samples else None,
        "outputs": [
            {"name": o.name, "sqnr": finite(o.sqnr), "cosine": o.cosine, "agreed": o.agreed, "verdict": o.verdict}
            for o in fidelity.outputs
        ],
        "layers": [{"name": x.name, "operator": x.operator, "sqnr": finite(x.sqnr)} for x in fidelity.layers],
        "kept": list(fidelity.kept),
        "budget": budgets.described(fidelity),
        "notes": list(fidelity.notes),
    }


def show(report: Mapping[str, Any]) -> None:
    """For people."""
    from ..report.display import emit_sentence, table
    from . import budgets

    if report["samples"]:
        rows = [
            [
                o["name"],
                _decibels(o["sqnr"]),
                f"{o['cosine']:.4f}",
                _agreed(o["agreed"], report["samples"]),
                o["verdict"],
            ]
            for o in report["outputs"]
        ]
        kind = "held-out samples" if report["held_out"] else "samples"
        table(
            f"beside the float model, on {report['samples']} {kind}",
            ["output", "signal to noise", "cosine", "same best class", "verdict"],
            rows,
        )
        worst = sorted(
            (layer for layer in report["layers"] if layer["sqnr"] is not None), key=lambda layer: layer["sqnr"]
        )[:WORST]
        if worst:
            table(
                "layers with the least signal to noise",
                ["layer", "operator", "signal to noise"],
                [[layer["name"], layer["operator"], _decibels(layer["sqnr"])] for layer in worst],
            )
        if report["verdict"] != "fit" and worst:
            emit_sentence(
                f"The quantized model is {report['verdict']}. Keep what loses most in float, as in "
                f"--keep-float '{worst[0]['name']}', or ask for --min-agreement 0.99."
            )
    if report["kept"]:
        emit_sentence(f"kept in float: {', '.join(report['kept'])}")
    if report["budget"] is not None:
        budgets.show(report["budget"])
    for note in report["notes"]:
        emit_sentence(f"note: {note}")


def _decibels(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} dB"


def _agreed(agreed: int | None, samples: int) -> str:
    return "" if agreed is None else f"{agreed} of {samples}"
