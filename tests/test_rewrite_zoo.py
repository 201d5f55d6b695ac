"""Real models after all rewrites: the nodes that an expert would expect, and the same results as before."""

from __future__ import annotations

import os
from collections import Counter
from copy import deepcopy
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from work import lines

pytest.importorskip("onnx")
pytest.importorskip("tflite")

from millijoule.converters.onnx.convert import convert as convert_onnx
from millijoule.converters.rewrites.pipeline import rewrite
from millijoule.converters.tflite.convert import convert as convert_tflite
from millijoule.runtime.evaluate.reference import run
from millijoule.runtime.graph import Graph

ZOO = Path(os.environ.get("MILLIJOULE_ZOO", Path(__file__).parents[2] / "shared" / "zoo"))

NODES = {
    "kws_qdq.onnx": "9 Conv:int8, AveragePool:int8, Gemm:int8, 2 Reshape:int8, QuantizeLinear:int8, DequantizeLinear,"
    " Softmax",
    "vww_qdq.onnx": "27 Conv:int8, AveragePool:int8, Gemm:int8, Reshape:int8, Transpose:int8, QuantizeLinear:int8,"
    " DequantizeLinear, Softmax",
    "resnet8_qdq.onnx": "9 Conv:int8, 3 Add:int8, AveragePool:int8, Gemm:int8, Reshape:int8, QuantizeLinear:int8,"
    " DequantizeLinear, Softmax",
    "efficientnet_lite0.onnx": "33 Conv+Relu6, 7 Conv, 9 Conv+residual, GlobalAveragePool, Reshape, Gemm, Transpose",
    "blazeface_128.onnx": "20 Conv, Conv+Relu, 16 Conv+residual+Relu, 3 MaxPool, 11 Pad, 4 Reshape",
    "blazeface_128_f16w.tflite": "20 Conv, Conv+Relu, 16 Conv+residual+Relu, 3 MaxPool, 11 Pad, 4 Reshape,"
    " 2 Concat, 53 Cast",
    "fastestdet_352.onnx": "21 Conv, 47 Conv+Relu, Conv+Sigmoid, Conv+residual+Relu, 19 Concat, 26 Slice, MaxPool,"
    " AveragePool, Resize, Softmax, 2 Transpose",
    "yolox_ddddocr_416.onnx": "74 Conv+SiLU, 6 Conv+Sigmoid, 3 Conv, 7 Add, 17 Concat, 3 MaxPool, 2 Resize, 3 Reshape,"
    " Transpose",
    "mtcnn_pnet.onnx": "5 Conv, 3 PRelu, MaxPool, Softmax",
    "mtcnn_rnet.onnx": "3 Conv, 4 PRelu, 2 MaxPool, Reshape, 3 MatMul, Softmax",
    "mtcnn_onet.onnx": "4 Conv, 5 PRelu, 3 MaxPool, Reshape, 4 MatMul, Softmax",
    "ppocr_cls.onnx": "4 Conv, 18 Conv+HardSwish, 9 Conv+HardSigmoid, 15 Conv+Relu, 7 Conv+residual, 9 Mul, MaxPool,"
    " 10 GlobalAveragePool, Reshape, MatMul, Softmax, Transpose",
    "mobilenet_v2_224_int8.tflite": "53 Conv:int8, 10 Add:int8, ReduceMean:int8, Reshape:int8, Softmax:int8,"
    " Requantize:int8, Requantize:uint8",
    "resnet8_f32.tflite": "2 Conv, 4 Conv+Relu, 3 Conv+residual+Relu, GlobalAveragePool, Reshape, Gemm, Softmax",
    "wakeword_siamese_f32.tflite": "5 Conv, 24 Conv+SiLU, 8 Conv+Sigmoid, 4 Conv+residual, 8 GlobalAveragePool, 8 Mul,"
    " Gemm, MaxPool, Reshape, LpNormalization",
}

SMALL = [
    *("kws_qdq.onnx", "vww_qdq.onnx", "blazeface_128.onnx", "fastestdet_352.onnx", "mtcnn_pnet.onnx"),
    *("mtcnn_onet.onnx", "ppocr_cls.onnx", "wakeword_siamese_f32.tflite", "blazeface_128_f16w.tflite"),
]
"""Models that take a second or so in NumPy."""
LINES_PER_NODE = 6000
"""Of Python that rewriting runs: some 2 ms. Models of 16 to 437 nodes need 1600 to 3500."""


@cache
def converted(name: str) -> Graph:
    path = ZOO / name
    if not path.exists():
        pytest.skip(f"{path} is absent; MILLIJOULE_ZOO names the folder of real models")
    return (convert_onnx if path.suffix == ".onnx" else convert_tflite)(path).graph


@cache
def rewritten(name: str) -> Graph:
    graph = deepcopy(converted(name))
    before = len(graph.nodes)
    assert lines(lambda: rewrite(graph)) < LINES_PER_NODE * before
    return graph


def nodes(graph: Graph) -> Counter[str]:
    found: Counter[str] = Counter()
    for node in graph.nodes:
        dtype = graph.values[node.outputs[0]].dtype
        residual = "+residual" if node.op == "Conv" and len(node.inputs) > 3 else ""
        activation = f"+{node.attrs['activation']}" if node.attrs.get("activation") else ""
        found[node.op + residual + activation + (f":{dtype}" if dtype.itemsize == 1 else "")] += 1
    return found


@pytest.mark.parametrize("name", NODES)
def test_nodes(name: str) -> None:
    wanted: Counter[str] = Counter()
    for item in NODES[name].split(", "):
        count, _, kind = item.strip().rpartition(" ")
        wanted[kind] += int(count or 1)
    assert nodes(rewritten(name)) == wanted


def feed(graph: Graph, seed: int) -> dict[str, np.ndarray]:
    sizes = {0: 1, 1: 48, 2: 48, 3: 64}
    random = np.random.default_rng(seed)
    feeds = {}
    for name in graph.inputs:
        shape = [
            sizes[axis] if isinstance(dim, str) else dim for axis, dim in enumerate(graph.values[name].shape or ())
        ]
        feeds[name] = random.standard_normal(shape).astype(np.float32)
    return feeds


@pytest.mark.parametrize("name", SMALL)
def test_results(name: str) -> None:
    before, after = converted(name), rewritten(name)
    assert (before.inputs, before.outputs) == (after.inputs, after.outputs)
    feeds = feed(before, 0)
    wanted, found = run(before, feeds), run(after, feeds)
    for output in before.outputs:
        assert wanted[output].shape == found[output].shape
        np.testing.assert_allclose(found[output], wanted[output], rtol=0, atol=1e-4 * np.abs(wanted[output]).max())
