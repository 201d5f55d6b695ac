"""`mj compare`: a model beside the engine that its source was made for, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

import click

from .. import options

if TYPE_CHECKING:
    import numpy as np

    from ...runtime.model import Model
    from ..measure.comparison import Comparison

BEYOND = 1
"""Exit status where an output is further away than allowed."""
Arrays = dict[str, "np.ndarray"]


@click.command("compare", short_help="Compare a model's results with ONNX Runtime or LiteRT, layer by layer.")
@options.model
@click.argument("source", metavar="SRC", required=False, type=options.FILE)
@options.inputs
@options.shapes
@options.seed
@click.option("--seeds", default=1, show_default=True, type=click.IntRange(min=1), help="Compare on random inputs of "
              "so many seeds, and show the worst of each.")  # fmt: skip
@click.option(
    "--layers/--no-layers", default=True, show_default=True, help="Also what lies between inputs and outputs."
)
@options.tolerance(1e-3)
@click.option("--quanta", default=0.25, show_default=True, type=click.FloatRange(min=0), help="How far quantized "
              "outputs may be off, on average, in steps of their scale.")  # fmt: skip
@options.running
@options.as_json
@click.pass_context
def command(
    ctx: click.Context,
    model: str,
    source: str | None,
    inputs: tuple[str, ...],
    shapes: tuple[str, ...],
    seed: int,
    seeds: int,
    layers: bool,
    tolerance: float,
    quanta: float,
    threads: int | None,
    target: str | None,
    kernels: str | None,
    as_json: bool,
) -> None:
    """Compare MODEL with what ONNX Runtime or LiteRT computes from SRC, the .onnx or .tflite file it came from.

    SRC may be left out where MODEL is a source itself or lies beside it. Exit status 1 where an output is beyond the
    tolerance. Layers are compared on the same inputs of the whole model, so that errors add up along the way. The
    stages of a cascade are compared one by one, each with its source beside the file.

    \b
    Examples:
      mj compare model.mj model.onnx
      mj compare model.tflite --seeds 5 --no-layers
    """
    from ...runtime.errors import InputError
    from ..measure.comparison import Comparison
    from ..models.sources import find_source, load, open_model

    opened = open_model(model)
    several = len(opened.parts) > 1
    if several and source is not None:
        raise InputError("every stage of a cascade is compared with its own source, beside the file: leave SRC out")
    reports = []
    for number, part in enumerate(opened.parts):
        name = f"{model}, stage {number}" if several else model
        origin = find_source(model, source, part, "name it: mj compare MODEL SRC")
        feeds = _feeds(part, inputs, shapes, range(seed, seed + (1 if inputs else seeds)))
        with load(part, threads, target, kernels) as session:
            comparison = Comparison(session, origin, layers=layers)
            for feed in feeds:
                comparison.add(feed)
            reports.append(_report(name, origin, comparison, session.target, tolerance, quanta, len(feeds)))
    within = all(found["within"] for found in reports)
    report: dict[str, Any] = {"model": model, "stages": reports, "within": within} if several else reports[0]
    _show(report, as_json)
    if not report["within"]:
        ctx.exit(BEYOND)


def _feeds(model: Model, inputs: tuple[str, ...], shapes: tuple[str, ...], seeds: range) -> list[Arrays]:
    from ...runtime.engine.feeds import check_feeds
    from ..models.feeds import random_inputs, read_inputs
    from ..models.sources import concrete_shapes, parse_named, parse_shapes

    given = parse_shapes(model, shapes)
    if inputs:
        return [check_feeds(model, read_inputs(model, parse_named(model, inputs, "--input"), given))]
    sizes = concrete_shapes(model, given)
    return [random_inputs(model, sizes, seed) for seed in seeds]


def _report(
    model: str, source: str, comparison: Comparison, target: str, tolerance: float, quanta: float, count: int
) -> dict[str, Any]:
    tensors = [row.describe(tolerance, quanta) for row in comparison.rows.values()]
    return {
        "model": model,
        "source": source,
        "oracle": comparison.description,
        "target": target,
        "note": comparison.note,
        "layers_left_out": comparison.layers_left_out,
        "inputs_compared": count,
        "tolerance": tolerance,
        "quanta": quanta,
        "within": all(row["within"] for row in tensors if row["output"]),
        "tensors": tensors,
    }


def _show(report: Mapping[str, Any], as_json: bool) -> None:
    from ..report.display import emit_json

    stages = report.get("stages", [report])
    if as_json:
        plain = [{**found, "tensors": [_without_infinities(row) for row in found["tensors"]]} for found in stages]
        emit_json({**report, "stages": plain} if "stages" in report else plain[0])
        return
    for found in stages:
        _show_one(found)


def _show_one(report: Mapping[str, Any]) -> None:
    from ..report.display import counted, emit_sentence, shorten, table

    for title, rows in _parts(report["tensors"]):
        quantized = any(row["max_quanta"] is not None for row in rows)
        numbers = [">relative", ">SNR dB", *([">max\nquanta", ">mean\nquanta"] if quantized else [])]
        cells = [
            [row["operator"], *_numbers(row)[: len(numbers)], "" if row["within"] else "beyond", shorten(row["name"])]
            for row in rows
        ]
        table(title, ["operator", *numbers, "", "name"], cells)
    if report["layers_left_out"] is not None:
        emit_sentence(f"layers are left out: {report['layers_left_out']}")
    inputs = counted(report["inputs_compared"], "input")
    emit_sentence(f"{report['model']} on {report['target']} beside {report['oracle']}, {inputs}")
    if report["note"] is not None:
        emit_sentence(report["note"])
    first = next((row["name"] for row in report["tensors"] if not row["within"]), None)
    if first is not None:
        emit_sentence(f"the first result beyond the tolerance is '{shorten(first)}'")
    limits = f"{report['tolerance']:g} of the largest magnitude, or {report['quanta']:g} quanta on average"
    emit_sentence(f"every output is within {limits}" if report["within"] else f"outputs are beyond {limits}")


def _parts(tensors: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    parts = [
        ("Layers", [row for row in tensors if not row["output"]]),
        ("Outputs", [row for row in tensors if row["output"]]),
    ]
    return [part for part in parts if part[1]]


def _numbers(row: Mapping[str, Any]) -> list[str]:
    quanta = ["" if row[key] is None else f"{row[key]:.4g}" for key in ("max_quanta", "mean_quanta")]
    return [f"{row['relative']:.2e}", f"{row['snr']:.1f}", *quanta]


def _without_infinities(row: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has no infinities: an SNR without noise, or an error without bound, becomes null."""
    return {key: None if isinstance(value, float) and not isfinite(value) else value for key, value in row.items()}
