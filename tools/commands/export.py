"""`mj export`: a model as an ONNX file, for other engines."""

from __future__ import annotations

import os
from typing import Any

import click

from .. import options


@click.command("export", short_help="Write a model as an ONNX file, which other engines run.")
@options.model
@click.option("-o", "--output", required=True, metavar="OUT.onnx", type=options.FILE, help="The file to write.")
@options.as_json
def command(model: str, output: str, as_json: bool) -> None:
    """Write MODEL as an ONNX file that computes the same.

    Layers on integers stand between QuantizeLinear and DequantizeLinear, as onnxruntime, TensorRT and OpenVINO take
    quantized models; images have their channels second. Names, shapes and dtypes of inputs and outputs stay.

    \b
    Examples:
      mj export model.mj -o model_int8.onnx
      mj export model.tflite -o model.onnx --json
    """
    from ...converters.export import export
    from ..models.sources import open_model
    from ..report.output import check_output

    check_output(output, (model,))
    opened = open_model(model)
    export(opened, output)
    _show(_report(model, output), as_json)


def _report(model: str, output: str) -> dict[str, Any]:
    import onnx

    written = onnx.load(output)
    counts: dict[str, int] = {}
    for node in written.graph.node:
        counts[node.op_type] = counts.get(node.op_type, 0) + 1
    return {
        "model": model,
        "output": output,
        "output_bytes": os.path.getsize(output),
        "operator_set": written.opset_import[0].version,
        "operators": dict(sorted(counts.items(), key=lambda item: -item[1])),
    }


def _show(report: dict[str, Any], as_json: bool) -> None:
    from ..report.display import emit, emit_json, emit_sentence, size

    if as_json:
        emit_json(report)
        return
    counts = ", ".join(f"{count} {name}" for name, count in report["operators"].items())
    emit_sentence(f"operators of ONNX's set {report['operator_set']}: {counts}")
    emit(f"wrote {report['output']}, {size(report['output_bytes'])}")
