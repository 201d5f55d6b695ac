"""What calibrating takes, as docs/quantize.md tells it: `python .ci/calibration_memory.py 10 100 10000`.

A small network of 224x224x3 is quantized with each of these numbers of samples, which a callable gives one by one.
Prints the most memory that each of the processes had resident. One before them compiles the kernels, which takes more.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

SHAPE = (1, 3, 224, 224)


def save_network(path: Path) -> None:
    import onnx
    from onnx import helper, numpy_helper

    rng = np.random.default_rng(0)
    weights = {"w1": (8, 3, 3, 3), "w2": (8, 1, 3, 3), "w3": (16, 8, 1, 1), "w4": (10, 16)}
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["c1"], strides=[4, 4]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], group=8, strides=[2, 2]),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("Conv", ["r2", "w3"], ["c3"]),
        helper.make_node("GlobalAveragePool", ["c3"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w4"], ["scores"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", 1, SHAPE)],
        [helper.make_tensor_value_info("scores", 1, (1, 10))],
        [
            numpy_helper.from_array(rng.normal(0, 0.3, shape).astype(np.float32), name)
            for name, shape in weights.items()
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def calibrate(path: str, count: int) -> None:
    import millijoule as mj

    base = np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)

    def samples() -> Iterator[dict[str, np.ndarray]]:
        for place in range(count):
            yield {"x": base * np.float32(1 + place / count)}

    began = time.perf_counter()
    mj.convert(path, quantize="int8", calibration=samples)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{count:6} samples: {peak:.0f} MiB at most, {time.perf_counter() - began:.0f} s", flush=True)


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        calibrate(sys.argv[2], int(sys.argv[3]))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        save_network(path)
        command = [sys.executable, __file__, "--one", str(path)]
        subprocess.run([*command, "5"], check=True, stdout=subprocess.DEVNULL)
        for count in sys.argv[1:]:
            subprocess.run([*command, count], check=True)


if __name__ == "__main__":
    main()
