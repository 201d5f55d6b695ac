"""What calibrating takes, as docs/quantize.md tells it: `python .ci/calibration_memory.py 10 100 10000 [--npz]`.

A small network of 224x224x3 is quantized with each of these numbers of samples, which a callable gives one by one; with
--npz they are read from a file of float16, 3 GB for 10 000. Prints the most memory that each of the processes had
resident. One before them compiles the kernels, which takes more.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from functools import partial
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


def images(count: int) -> Iterator[dict[str, np.ndarray]]:
    base = np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)
    for place in range(count):
        yield {"x": base * np.float32(1 + place / count)}


def save_samples(path: Path, count: int) -> None:
    """One by one, as they need not fit in memory."""
    with zipfile.ZipFile(path, "w", allowZip64=True) as archive, archive.open("x.npy", "w", force_zip64=True) as stream:
        header = {"descr": "<f2", "fortran_order": False, "shape": (count, *SHAPE[1:])}
        np.lib.format.write_array_header_1_0(stream, header)
        for feeds in images(count):
            stream.write(feeds["x"].astype(np.float16).tobytes())


def calibrate(network: str, count: int, samples: str | None) -> None:
    import millijoule as mj

    began = time.perf_counter()
    mj.convert(network, quantize="int8", calibration=samples or partial(images, count))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{count:6} samples: {peak:.0f} MiB at most, {time.perf_counter() - began:.0f} s", flush=True)


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        calibrate(sys.argv[2], int(sys.argv[3]), sys.argv[4] if len(sys.argv) > 4 else None)
        return
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("`")[0].rstrip(": "))
    parser.add_argument("counts", nargs="+", type=int, metavar="SAMPLES")
    parser.add_argument("--npz", action="store_true", help="from a file of float16, 3 GB for 10 000 samples")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        save_network(path)
        command = [sys.executable, __file__, "--one", str(path)]
        subprocess.run([*command, "5"], check=True, stdout=subprocess.DEVNULL)
        for count in arguments.counts:
            samples = Path(folder) / "samples.npz"
            if arguments.npz:
                save_samples(samples, count)
            subprocess.run([*command, str(count), *([str(samples)] if arguments.npz else [])], check=True)


if __name__ == "__main__":
    main()
