"""`mj convert`: a source file becomes a .mj file."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from .. import options
from ..models import preparation

if TYPE_CHECKING:
    from ...runtime.model import Model


@click.command("convert", short_help="Convert an .onnx or .tflite file into a .mj file.")
@click.argument("source", metavar="SRC", type=options.FILE)
@click.option("-o", "--output", required=True, metavar="OUT.mj", type=options.FILE, help="The file to write.")
@preparation.options
@options.as_json
def command(source: str, output: str, preparation: dict[str, Any], as_json: bool) -> None:
    """Convert SRC, an .onnx or .tflite file, into one compact .mj file.

    Inputs and outputs keep the source's names, shapes and layout. How images are prepared and what the classes are
    called travels in the file when it is given here, so that later `mj run OUT.mj --input photo.jpg` needs no options.

    \b
    Examples:
      mj convert model.tflite -o model.mj
      mj convert model.onnx -o model.mj --labels names.txt --scale 1/255 \\
         --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225 --resize crop
    """
    from ...converters.convert import convert
    from ..measure.fallback import host_fallback
    from ..models.preparation import apply
    from ..report.output import check_output
    from ..report.progress import busy

    check_output(output, (source, preparation.get("labels", source)))
    began = time.perf_counter()
    with busy(f"converting {source}"):
        model = convert(source)
        apply(model, preparation)
        model.save(output)
    report = _report(model, source, output, time.perf_counter() - began)
    report["numpy"] = host_fallback(model)
    _show(report, as_json)


def _report(model: Model, source: str, output: str, seconds: float) -> dict[str, Any]:
    from ..models.facts import operators, tensors, weight_bytes

    return {
        "source": source,
        "source_bytes": os.path.getsize(source),
        "output": output,
        "output_bytes": os.path.getsize(output),
        "seconds": seconds,
        "inputs": tensors(model.inputs),
        "outputs": tensors(model.outputs),
        "operators": operators(model.graph),
        "weight_bytes": weight_bytes(model.graph),
        "labels": len(model.metadata.labels),
    }


def _show(report: dict[str, Any], as_json: bool) -> None:
    from ..measure.fallback import sentence
    from ..models.facts import tensor_rows
    from ..report.display import duration, emit_json, size, table

    if as_json:
        emit_json(report)
        return
    table("", ["", "name", "shape", "dtype", "quantized"], tensor_rows(report))
    counts = ", ".join(f"{count} {name}" for name, count in report["operators"].items())
    rows = [
        ["operators", counts],
        ["weights", ", ".join(f"{size(count)} {dtype}" for dtype, count in report["weight_bytes"].items()) or "none"],
        ["labels", report["labels"] or "none"],
        ["written", f"{report['output']}, {size(report['output_bytes'])} from {size(report['source_bytes'])}, "
                    f"in {duration(report['seconds'])}"],
    ]  # fmt: skip
    if sentence(report["numpy"]):
        rows.insert(2, ["on this CPU", sentence(report["numpy"])])
    table("", ["", ""], rows)
    sys.stdout.flush()
