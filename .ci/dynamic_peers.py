"""Linear layers that round their rows as they come, beside other engines on the same model, in turns on one thread.

    python .ci/dynamic_peers.py minilm.onnx --shape input_ids=1,64 --shape attention_mask=1,64 \\
        --shape token_type_ids=1,64 --between input_ids=0,30521 --between attention_mask=1,1

MODEL is an ONNX file whose linear layers have weights of float32 or int8. Ours: as `mj convert` makes it, and with
`--quantize dynamic`. OpenVINO: in float32 alone; as it comes, which rounds groups of what such layers read to 8 bits
where the CPU has dot products of integers; and in groups of each --group. onnxruntime: as it comes. Prints medians of
all calls and of each round, and what the first output is beside onnxruntime's without its optimisations, which is
computed in float32. OpenVINO is left out where it is not installed. Run it where nothing else runs.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

import millijoule as mj
from millijoule.tools.measure.machine import PACKAGES, describe, versions
from millijoule.tools.measure.ours import Ours
from millijoule.tools.measure.timing import Contender, measure_round, summary, warm_up
from millijoule.tools.models.feeds import random_inputs
from millijoule.tools.models.sources import concrete_shapes, parse_named, parse_shapes
from millijoule.tools.peers.onnxruntime_peer import Peer as OnnxRuntime
from millijoule.tools.report.display import emit, provenance, table

Arrays = dict[str, np.ndarray]
Opened = dict[str, tuple[Contender, Callable[[], np.ndarray]]]
"""By what an engine is called here: what is timed, and what gives its first output."""


def open_ours(source: Path, feeds: Arrays) -> Opened:
    models = {"as it is": mj.convert(source), "dynamic": mj.convert(source, quantize="dynamic")}
    found: Opened = {}
    for name, model in models.items():
        session = mj.load(model, threads=1)
        found[f"millijoule, {name}"] = Ours(session, feeds), partial(first_of, session)
    return found


def first_of(session: mj.Session) -> np.ndarray:
    return next(iter(session.outputs.values()))


def open_openvino(source: Path, feeds: Arrays, groups: Sequence[int]) -> Opened:
    if find_spec("openvino") is None:
        return {}
    from millijoule.tools.peers.openvino_peer import GROUP_SIZE, Peer

    found: Opened = {}
    for group in (0, None, *groups):
        peer = Peer(str(source), feeds, 1, {} if group is None else {GROUP_SIZE: str(group)})
        usual = f"groups of {peer.compiled.get_property(GROUP_SIZE)} (default)"
        name = usual if group is None else f"groups of {group}" if group else "float32"
        output = peer.request.get_output_tensor(0)
        found[f"OpenVINO, {name}"] = peer, partial(getattr, output, "data")
    return found


def open_onnxruntime(source: Path, feeds: Arrays) -> Opened:
    peer = OnnxRuntime(str(source), feeds, 1)
    return {"onnxruntime": (peer, lambda: peer.binding.copy_outputs_to_cpu()[0])}


def in_float32(source: Path, feeds: Arrays) -> np.ndarray:
    """The first output, by onnxruntime as the file says, node by node."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, feeds)[0])


def between(model: mj.Model, texts: Sequence[str], feeds: Arrays, seed: int) -> Arrays:
    """Integers drawn evenly, for the inputs that NAME=LOW,HIGH names; HIGH is one of them."""
    found = {}
    for name, text in parse_named(model, texts, "--between").items():
        low, high = map(int, text.split(","))
        drawn = np.random.default_rng(seed).integers(low, high + 1, feeds[name].shape)
        found[name] = drawn.astype(feeds[name].dtype)
    return found


def beside(wanted: np.ndarray, found: np.ndarray) -> dict[str, float]:
    """Both as one vector of real numbers."""
    x, y = (array.astype(np.float64).ravel() for array in (wanted, found))
    lengths = float(np.linalg.norm(x) * np.linalg.norm(y))
    return {"cosine": float(x @ y) / lengths, "largest_difference": float(np.abs(x - y).max())}


def measure(opened: Opened, rounds: int, seconds: float) -> dict[str, list[np.ndarray]]:
    """Seconds per call of every round."""
    contenders = []
    for name, (contender, _) in opened.items():
        contender.name = name
        warm_up(contender, seconds / 2)
        contenders.append(contender)
    found = [measure_round(contenders, seconds) for _ in range(rounds)]
    return {name: [each[name] for each in found] for name in opened}


def report(source: Path, feeds: Arrays, groups: Sequence[int], rounds: int, seconds: float) -> dict[str, Any]:
    opened = open_ours(source, feeds) | open_openvino(source, feeds, groups) | open_onnxruntime(source, feeds)
    target, machine = mj.load(source).target, describe()
    times, wanted = measure(opened, rounds, seconds), in_float32(source, feeds)
    engines = {
        name: {
            **summary(np.concatenate(times[name])),
            "round_medians": [float(np.median(each)) for each in times[name]],
            **beside(wanted, first()),
        }
        for name, (_, first) in opened.items()
    }
    return {
        "model": source.name,
        "shapes": {name: list(array.shape) for name, array in feeds.items()},
        "largest": float(np.abs(wanted).max()),
        "engines": engines,
        "target": target,
        "machine": machine,
        "versions": versions([*PACKAGES, "onnxruntime", "openvino"]),
    }


def show(found: Mapping[str, Any]) -> None:
    rows = []
    for name, each in found["engines"].items():
        medians = [f"{1e3 * seconds:.2f}" for seconds in sorted(each["round_medians"])]
        spread = f"{medians[0]} to {medians[-1]}"
        how_true = f"{each['cosine']:.6f}", f"{each['largest_difference']:.2g}"
        rows.append([name, f"{1e3 * each['median']:.2f}", spread, *how_true])
    heads = ["engine", ">ms", ">rounds, ms", ">cosine", f">differs by,\nof {found['largest']:.2g}"]
    table(f"{found['model']}, one thread", heads, rows)
    emit(provenance(found))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("model", type=Path, metavar="MODEL")
    parser.add_argument("--shape", action="append", default=[], metavar="NAME=SIZES", help="of an input")
    parser.add_argument(
        "--between", action="append", default=[], metavar="NAME=LOW,HIGH", help="integers for an input; else 0 or 1"
    )
    parser.add_argument("--group", type=int, action="append", default=[], metavar="N", help="one more of OpenVINO's")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each engine in a round")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE", dest="output")
    arguments = parser.parse_args()
    model = mj.convert(arguments.model)
    feeds = random_inputs(model, concrete_shapes(model, parse_shapes(model, arguments.shape)), arguments.seed)
    feeds |= between(model, arguments.between, feeds, arguments.seed)
    found = report(arguments.model, feeds, arguments.group, arguments.rounds, arguments.seconds)
    show(found)
    if arguments.output is not None:
        arguments.output.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
