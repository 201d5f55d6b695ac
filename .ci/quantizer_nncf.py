"""NNCF's part of `quantizer_peers.py`, in an environment of its own: quantizer_nncf.py MODEL.onnx SAMPLES.npy OUT.

Writes OUT_fast.onnx and OUT_full.onnx, with its two kinds of bias correction, and else its defaults; what fails leaves
no file, and says why on standard error.
"""

from __future__ import annotations

import sys
from importlib import import_module

import numpy as np
import onnx


def main() -> None:
    nncf = import_module("nncf")
    source, samples, out = sys.argv[1:]
    model, x = onnx.load(source), np.load(samples)
    name = model.graph.input[0].name
    for kind, fast in (("fast", True), ("full", False)):
        data = nncf.Dataset([{name: each[None]} for each in x])
        try:
            done = nncf.quantize(model, data, subset_size=len(x), fast_bias_correction=fast)
        except Exception as problem:
            print(f"NNCF, {kind}: {type(problem).__name__}: {problem}", file=sys.stderr)
            continue
        onnx.save(done, f"{out}_{kind}.onnx")


if __name__ == "__main__":
    main()
