"""Our quantizer beside onnxruntime's and NNCF's, on the same float models, samples and test data.

    python .ci/quantizer_peers.py --nncf VENV/bin/python --json out.json resnet8_f32 vww_f32 fashion_mnist_plain

MODEL is one of `quantizer_cases.CASES`, a network of examples/dual_cnn as DATASET_NETWORK, or one of what
`series_networks.py` wrote to the folder that MILLIJOULE_SERIES names. 100 samples calibrate, or as many as there are.
onnxruntime quantizes per channel, by the method that leaves the most signal to noise on those samples; NNCF with its
fast and its full bias correction. Their models run in onnxruntime on this CPU: one with VNNI, or sums of products
saturate. Labels decide where there are any, else the float model's answers, or signal to noise where its output is no
list of scores. Intervals are of 95 %, by paired bootstrap over the test samples.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from quantizer_cases import Case, case

import millijoule as mj

RESAMPLES = 2000
OURS = "millijoule"
PER_CHANNEL = 13
"""The operator set from which on ONNX knows scales for each channel."""
METHODS = {
    "min-max": CalibrationMethod.MinMax,
    "entropy": CalibrationMethod.Entropy,
    "percentile": CalibrationMethod.Percentile,
}
Outputs = Mapping[str, np.ndarray]
"""By name, first axis the samples."""


@dataclass(frozen=True)
class Result:
    """Of one quantizer on one model's test data. right, agrees: by sample, None where there are no labels, or scores.
    signal, noise: energies by output and sample."""

    quantizer: str
    right: np.ndarray | None
    agrees: np.ndarray | None
    signal: np.ndarray
    noise: np.ndarray

    def judged(self, chosen: np.ndarray | slice) -> float:
        """What models are compared by: percent of right or agreeing samples, else decibels, the mean of the outputs."""
        votes = self.agrees if self.right is None else self.right
        if votes is not None:
            return 100 * float(votes[chosen].mean())
        return self.decibels(chosen)

    def decibels(self, chosen: np.ndarray | slice = slice(None)) -> float:
        signal, noise = self.signal[:, chosen].sum(1), self.noise[:, chosen].sum(1)
        return float(np.mean(10 * np.log10(signal / np.maximum(noise, 1e-30))))


class Reader(CalibrationDataReader):
    def __init__(self, name: str, samples: np.ndarray) -> None:
        self.feeds: Iterator[dict[str, np.ndarray]] = ({name: each[None]} for each in samples)

    def get_next(self) -> dict[str, np.ndarray]:
        return next(self.feeds, {})


def in_onnxruntime(path: Path, samples: np.ndarray) -> Outputs:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name, outputs = session.get_inputs()[0].name, [each.name for each in session.get_outputs()]
    found = [session.run(outputs, {name: each[None]}) for each in samples]
    return {each: np.stack(arrays) for each, arrays in zip(outputs, zip(*found, strict=True), strict=True)}


def in_millijoule(model: mj.Model, samples: np.ndarray) -> Outputs:
    name, outputs = next(iter(model.inputs)), list(model.outputs)
    with mj.load(model, threads=1) as session:
        found = [{each: array.copy() for each, array in session.run({name: x[None]}).items()} for x in samples]
    return {each: np.stack([arrays[each] for arrays in found]) for each in outputs}


def by_onnxruntime(float_model: Path, samples: np.ndarray, folder: Path) -> tuple[str, Path]:
    """The method, and the model, that leave the most signal to noise on the samples to calibrate with."""
    prepared = folder / "prepared.onnx"
    quant_pre_process(float_model, prepared, skip_symbolic_shape=True)
    name = onnx.load(prepared).graph.input[0].name
    wanted, best = in_onnxruntime(float_model, samples), ("", prepared, -np.inf)
    for method, calibrate in METHODS.items():
        path = folder / f"{method}.onnx"
        with redirect_stdout(sys.stderr):
            quantize_static(
                prepared,
                path,
                Reader(name, samples),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=calibrate,
            )
        decibels = judge(method, wanted, in_onnxruntime(path, samples), None).decibels()
        if decibels > best[2]:
            best = (method, path, decibels)
    return best[:2]


def by_nncf(python: str, float_model: Path, samples: np.ndarray, folder: Path) -> dict[str, Path]:
    """What it could quantize."""
    np.save(folder / "samples.npy", samples)
    worker = Path(__file__).with_name("quantizer_nncf.py")
    command = [python, worker, float_model, folder / "samples.npy", folder / "nncf"]
    subprocess.run([str(each) for each in command], check=True, stdout=sys.stderr)
    found = {f"NNCF, {kind} bias correction": folder / f"nncf_{kind}.onnx" for kind in ("fast", "full")}
    return {quantizer: path for quantizer, path in found.items() if path.exists()}


def judge(quantizer: str, wanted: Outputs, found: Outputs, labels: np.ndarray | None) -> Result:
    """Outputs are told apart by their order, as converters may name them anew."""
    pairs = [
        (x.reshape(len(x), -1).astype(np.float64), y.reshape(len(y), -1).astype(np.float64))
        for x, y in zip(wanted.values(), found.values(), strict=True)
    ]
    first = next(iter(wanted.values()))
    scores = first[0].size == first.shape[-1] > 1
    best = pairs[0][1].argmax(1) if scores else None
    return Result(
        quantizer,
        None if best is None or labels is None else best == labels,
        None if best is None else best == pairs[0][0].argmax(1),
        np.stack([np.square(x).sum(1) for x, _ in pairs]),
        np.stack([np.square(x - y).sum(1) for x, y in pairs]),
    )


def by_us(each: Case, float_model: Path, folder: Path, mixed: bool) -> dict[str, mj.Model]:
    """mixed: also with levels for the layers under a budget of the int8 file's size."""
    name = onnx.load(float_model).graph.input[0].name
    known, judges = {name: each.calibration}, {name: each.judges}
    found = {OURS: mj.convert(float_model, quantize="int8", calibration=known, validation=judges)}
    if mixed:
        found[OURS].save(folder / "ours.mj")
        limit = f"size={(folder / 'ours.mj').stat().st_size}B"
        chosen = mj.convert(float_model, quantize="int8", calibration=known, validation=judges, budget=limit)
        found[f"{OURS}, levels for the same size"] = chosen
    return found


def operator_set(path: Path) -> int:
    found = onnx.load(path, load_external_data=False).opset_import
    return int(next(each.version for each in found if each.domain in ("", "ai.onnx")))


def compare(each: Case, nncf: str | None, most: int | None, mixed: bool) -> dict[str, Any]:
    test, labels = each.test[:most], None if each.labels is None else each.labels[:most]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        float_model = each.source
        if float_model.suffix != ".onnx" or operator_set(float_model) < PER_CHANNEL:
            float_model = folder / "float.onnx"
            mj.export(mj.convert(each.source), float_model)
        wanted = in_onnxruntime(float_model, test)
        ours = [
            judge(quantizer, wanted, in_millijoule(model, test), labels)
            for quantizer, model in by_us(each, float_model, folder, mixed).items()
        ]
        method, path = by_onnxruntime(float_model, each.calibration, folder)
        files = {f"onnxruntime, {method}": path}
        if nncf is not None:
            files |= by_nncf(nncf, float_model, each.calibration, folder)
        peers = [judge(quantizer, wanted, in_onnxruntime(path, test), labels) for quantizer, path in files.items()]
    right = None
    if labels is not None:
        right = 100 * float(np.mean(next(iter(wanted.values())).reshape(len(labels), -1).argmax(1) == labels))
    return {
        "model": each.name,
        "samples": len(test),
        "float_right": right,
        "results": [described(result) for result in (*ours, *peers)],
        **beside(ours[0], peers, len(test)),
    }


def described(result: Result) -> dict[str, Any]:
    return {
        "quantizer": result.quantizer,
        "right": None if result.right is None else 100 * float(result.right.mean()),
        "agrees": None if result.agrees is None else 100 * float(result.agrees.mean()),
        "decibels": result.decibels(),
    }


def beside(ours: Result, peers: Sequence[Result], samples: int) -> dict[str, Any]:
    """What we gain on the best peer, and the interval of that."""
    best = max(peers, key=lambda result: result.judged(slice(None)))
    rng = np.random.default_rng(0)
    draws = [rng.integers(0, samples, samples) for _ in range(RESAMPLES)]
    gains = [ours.judged(draw) - best.judged(draw) for draw in draws]
    return {
        "best_peer": best.quantizer,
        "gain": ours.judged(slice(None)) - best.judged(slice(None)),
        "interval": [float(each) for each in np.percentile(gains, [2.5, 97.5])],
    }


def show(found: Mapping[str, Any]) -> None:
    """As rows of a Markdown table."""
    for place, result in enumerate(found["results"]):
        loss = "" if found["float_right"] is None else f"{found['float_right'] - result['right']:.2f}"
        agrees = "" if result["agrees"] is None else f"{result['agrees']:.2f}"
        low, high = found["interval"]
        beside = f"{found['gain']:+.2f} ({low:+.2f} to {high:+.2f})" if not place else ""
        name = f"{found['model']}, {found['samples']}" if not place else ""
        decibels = f"{result['decibels']:.1f}"
        print(f"| {name} | {result['quantizer']} | {loss} | {agrees} | {decibels} | {beside} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--nncf", metavar="PYTHON", help="that has nncf and onnx; without it NNCF is left out")
    parser.add_argument("--test", type=int, metavar="N", help="test samples at most")
    parser.add_argument("--mixed", action="store_true", help="also under a budget of our int8 model's size")
    parser.add_argument("--json", type=Path, metavar="FILE", dest="output")
    arguments = parser.parse_args()
    print("| model, test samples | quantizer | points lost | % as float | dB | ours less the best peer |")
    print("| --- | --- | --- | --- | --- | --- |")
    found = []
    for name in arguments.models:
        found.append(compare(case(name), arguments.nncf, arguments.test, arguments.mixed))
        show(found[-1])
        if arguments.output is not None:
            versions = {"onnxruntime": onnxruntime.__version__, "millijoule": mj.__version__}
            arguments.output.write_text(json.dumps({"versions": versions, "models": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
