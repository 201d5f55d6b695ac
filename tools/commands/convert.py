"""`mj convert`: a source file becomes a .mj file."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from .. import options
from ..models import preparation, quantization

if TYPE_CHECKING:
    from ...runtime.model import Model


@click.command("convert", short_help="Convert an .onnx or .tflite file into a .mj file.")
@click.argument("source", metavar="SRC", type=options.FILE)
@click.option("-o", "--output", required=True, metavar="OUT.mj", type=options.FILE, help="The file to write.")
@click.option("--signature", metavar="NAME", help="The graph to convert of a .tflite file that has several, with the "
              "names that it gives to inputs and outputs (default: the first graph).")  # fmt: skip
@preparation.options
@click.option("--self-test", "self_test", default=0, type=click.IntRange(min=0), metavar="N", help="Put N "
              "inputs and their outputs into the file, for `mj verify` on the device.")  # fmt: skip
@click.option("--self-test-data", "self_test_data", metavar="FILE.npz", type=options.FILE, help="Take these inputs: an "
              "array for each input, first axis the samples (default: random ones).")  # fmt: skip
@quantization.options
@options.as_json
def command(
    source: str,
    output: str,
    signature: str | None,
    preparation: dict[str, Any],
    self_test: int,
    self_test_data: str | None,
    quantization: dict[str, Any],
    as_json: bool,
) -> None:
    """Convert SRC, an .onnx or .tflite file, into one compact .mj file.

    Inputs and outputs keep the source's names, shapes and layout. How images are prepared and what the classes are
    called travels in the file when it is given here, so that later `mj run OUT.mj --input photo.jpg` needs no options.
    SRC may be a .mj file, too, which gets what is given here: labels, preprocessing, a self-test.

    \b
    Examples:
      mj convert model.tflite -o model.mj
      mj convert model.onnx -o model.mj --labels names.txt --scale 1/255 \\
         --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225 --resize crop
      mj convert model.onnx -o model.mj --self-test 8
      mj convert model.onnx -o model.mj --quantize int8 --calibrate samples.npz
      mj convert model.onnx -o model.mj --quantize int8 --calibrate samples.npz \\
         --budget latency=5ms --profile raspberry-pi-4 --picture front.png
    """
    from ...converters.self_test import make_self_test
    from ..measure.fallback import host_fallback
    from ..models.budgets import draw
    from ..models.feeds import first_samples
    from ..models.quantization import converted
    from ..report.output import check_model_output, check_output
    from ..report.picture import check_picture
    from ..report.progress import busy

    if self_test_data is not None and not self_test:
        raise click.UsageError("--self-test-data is for --self-test N: how many of its samples to take")
    samples = (self_test_data, quantization.get("calibration"), quantization.get("validation"))
    reads = [path for path in (source, preparation.get("labels"), *samples) if path is not None]
    check_model_output(output, reads)
    picture = quantization.get("picture")
    if picture is not None:
        check_output(picture, [*reads, output])
        check_picture(picture)
    began = time.perf_counter()
    model = converted(source, quantization, preparation, signature)
    if self_test:
        with busy(f"running {source}"):
            feeds = None if self_test_data is None else first_samples(model, self_test_data, self_test)
            model.self_test = make_self_test(model, feeds or self_test)
    model.save(output)
    report = _report(model, source, output, time.perf_counter() - began)
    report["numpy"] = host_fallback(model)
    if picture is not None:
        draw(report["fidelity"]["budget"], picture)
    _show(report, as_json)


def _report(model: Model, source: str, output: str, seconds: float) -> dict[str, Any]:
    from ...runtime.file.self_test import total_bytes
    from ..models.facts import operators, tensors, weight_bytes
    from ..models.quantization import described

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
        "self_test": {"inputs": len(model.self_test), "bytes": total_bytes(model.self_test)},
        "fidelity": None if model.fidelity is None else described(model.fidelity),
    }


def _show(report: dict[str, Any], as_json: bool) -> None:
    from ..measure.fallback import sentence
    from ..models.facts import tensor_rows
    from ..models.quantization import show
    from ..report.display import counted, duration, emit_json, size, table

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
    if report["self_test"]["inputs"]:
        inputs = counted(report["self_test"]["inputs"], "input")
        rows.insert(3, ["self-test", f"{inputs}, {size(report['self_test']['bytes'])}"])
    if sentence(report["numpy"]):
        rows.insert(2, ["on this CPU", sentence(report["numpy"])])
    table("", ["", ""], rows)
    if report["fidelity"] is not None:
        show(report["fidelity"])
    sys.stdout.flush()
