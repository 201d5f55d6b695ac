"""A small model with everything a file can hold: floats, f16, per-tensor and per-channel integers, aliases, labels."""

from __future__ import annotations

import numpy as np

from millijoule.runtime.file.metadata import Metadata, Preprocessing, Source
from millijoule.runtime.graph import Attribute, Graph, Node, Quantization, Value
from millijoule.runtime.model import Model

FLOAT = np.dtype(np.float32)
INT8 = np.dtype(np.int8)
INT32 = np.dtype(np.int32)


class _Builder:
    def __init__(self) -> None:
        self.graph = Graph(name="small")
        self.random = np.random.default_rng(7)

    def weights(self, name: str, *shape: int, dtype: type = np.float32) -> str:
        data: np.ndarray = self.random.normal(0, 0.3, shape).astype(dtype)
        return self.graph.add_constant(name, data)

    def indices(self, name: str, *values: int) -> str:
        return self.graph.add_constant(name, np.array(values))

    def integers(self, name: str, *shape: int, scale: float) -> str:
        data = self.random.integers(-127, 128, shape).astype(np.int8)
        scales = (scale * self.random.uniform(0.5, 1, shape[0])).astype(np.float32)
        return self.graph.add_constant(name, data, Quantization(scales, np.zeros(shape[0], np.int32), 0))

    def bias(self, name: str, weights: str, x_scale: float) -> str:
        quant = self.graph.values[weights].quant
        assert quant is not None
        data = self.random.integers(-500, 500, quant.scale.size).astype(np.int32)
        scales = quant.scale * np.float32(x_scale)
        return self.graph.add_constant(name, data, Quantization(scales, np.zeros(data.size, np.int32), 0))

    def node(
        self,
        op: str,
        inputs: list[str],
        output: str,
        shape: tuple[int | str, ...],
        dtype: np.dtype = FLOAT,
        quant: Quantization | None = None,
        **attrs: Attribute,
    ) -> str:
        self.graph.add_value(Value(output, dtype, shape, quant))
        self.graph.nodes.append(Node(op, inputs, [output], attrs, f"{op}_{output}"))
        return output


def small_graph() -> Graph:
    """pixels (N, 8, 8, 3) -> scores (N, 10), the mean of the float features (N, 8), the same rearranged (N, 3, 8)."""
    b = _Builder()
    b.graph.add_value(Value("pixels", FLOAT, ("N", 8, 8, 3)))
    b.graph.inputs = ["pixels"]
    x = b.node(
        "Conv",
        ["pixels", b.weights("w1", 8, 3, 3, 3), b.weights("b1", 8)],
        "features",
        ("N", 4, 4, 8),
        strides=[2, 2],
        auto_pad="SAME_UPPER",
        activation="Clip",
        activation_params=[0.0, float("inf")],
    )
    half = b.node("Cast", [b.weights("w2.f16", 8, 3, 3, 1, dtype=np.float16)], "w2", (8, 3, 3, 1), to="float32")
    x = b.node("Conv", [x, half], "depthwise", ("N", 4, 4, 8), pads=[1, 1, 1, 1], group=8, activation="Relu")
    pooled = b.node("MaxPool", [x], "pooled", ("N", 2, 2, 8), kernel_shape=[2, 2], strides=[2, 2])
    mean = b.node("GlobalAveragePool", [x], "global", ("N", 1, 1, 8))
    means = b.node("Squeeze", [mean, b.indices("axes", 1, 2)], "means", ("N", 8))
    padded = b.node("Pad", [means, b.indices("pads", 0, 2, 0, 2)], "padded", ("N", 12))
    bounds = [b.indices("starts", 1), b.indices("ends", 11), b.indices("along", -1), b.indices("steps", 3)]
    sliced = b.node("Slice", [padded, *bounds], "sliced", ("N", 4))
    tiled = b.node("Tile", [sliced, b.indices("repeats", 1, 6)], "tiled", ("N", 24))
    table = b.node("Reshape", [tiled, b.indices("dims", 0, 3, -1)], "table", ("N", 3, 8))

    q_in, q_mid = Quantization.per_tensor(0.02, -3), Quantization.per_tensor(0.05, 4)
    x = b.node("QuantizeLinear", [pooled, *_scale(b, q_in, "q_in")], "quantized", ("N", 2, 2, 8), INT8, q_in)
    w3 = b.integers("w3", 8, 2, 2, 8, scale=0.01)
    x = b.node("Conv", [x, w3, b.bias("b3", w3, 0.02)], "mixed", ("N", 1, 1, 8), INT8, q_mid, activation="Relu")
    flat = b.node("Flatten", [x], "flat", ("N", 8), INT8, q_mid)
    w4 = b.integers("w4", 10, 8, scale=0.02)
    q_out = Quantization.per_tensor(0.1, 0)
    x = b.node("Gemm", [flat, w4, b.bias("b4", w4, 0.05)], "logits", ("N", 10), INT8, q_out, transB=1)
    x = b.node("DequantizeLinear", [x, *_scale(b, q_out, "q_out")], "real", ("N", 10))
    scores = b.node("Softmax", [x], "scores", ("N", 10), axis=-1)
    b.graph.outputs = [scores, means, table]
    return b.graph


def _scale(b: _Builder, quant: Quantization, name: str) -> list[str]:
    zero_point = quant.zero_point.astype(np.int8).reshape(())
    return [
        b.graph.add_constant(f"{name}.scale", quant.scale.reshape(())),
        b.graph.add_constant(f"{name}.zero_point", zero_point),
    ]


def small_model() -> Model:
    metadata = Metadata(
        source=Source("small.onnx", "onnx", "made for tests"),
        input_aliases={"image": "pixels"},
        output_aliases={"class": "scores"},
        labels=[f"class {index}" for index in range(10)],
        preprocessing=Preprocessing(mean=(127.5,), std=(127.5,), resize="crop"),
        producer="millijoule tests",
    )
    return Model(small_graph(), metadata)
