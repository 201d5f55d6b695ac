"""Plain integers and quantized ones are never taken for each other: what is refused, and what models compute that mix
them, against onnxruntime."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

import onnx
from kernel_cases import Operand, Output, const, feed, node_model, run_model
from onnx_models import feeds_for, graph_from, model_of, node, onnxruntime_of, run_all
from rewriting import ops

from millijoule import load
from millijoule.converters.rewrites.pipeline import rewrite
from millijoule.runtime.errors import ModelError
from millijoule.runtime.evaluate import reference
from millijoule.runtime.file import validate
from millijoule.runtime.graph import Graph, Quantization
from millijoule.runtime.model import Model
from millijoule.runtime.ops import integer, meaning

Q, OTHER = Quantization.per_tensor(0.05, 3), Quantization.per_tensor(0.1, -4)
INT8 = np.arange(-8, 8, dtype=np.int8).reshape(1, 2, 4, 2)
PLAIN, QUANTIZED = Output("int8"), Output("int8", Q)
WEIGHTS, SUMS = np.ones((3, 1, 1, 2), np.int8), np.zeros(3, np.int32)

Refused = tuple[str, list[Operand | None], Output, dict[str, Any]]
REFUSED: dict[str, Refused] = {
    "operands": ("Max", [feed(INT8, Q), const(INT8)], QUANTIZED, {}),
    "result plain": ("MaxPool", [feed(INT8, Q)], PLAIN, {"kernel_shape": [1, 2]}),
    "result quantized": ("Transpose", [feed(INT8)], QUANTIZED, {"perm": [0, 1, 2, 3]}),
    "made of nothing quantized": ("ConstantOfShape", [const(np.array([2]))], QUANTIZED, {"value": INT8[0, 0, 0, :1]}),
    "bound": ("Clip", [feed(INT8, Q), const(np.int8(5))], QUANTIZED, {}),
    "filling": ("Pad", [feed(INT8, Q), const(np.zeros(8, np.int64)), const(np.int8(5))], QUANTIZED, {}),
    "weights": ("Conv", [feed(INT8, Q), const(WEIGHTS)], QUANTIZED, {}),
    "bias": ("Conv", [feed(INT8, Q), const(WEIGHTS, OTHER), const(SUMS)], QUANTIZED, {}),
    "int32": ("Add", [feed(SUMS, Q), const(SUMS)], Output("int32", Q), {}),
    "int32 result": ("Neg", [feed(SUMS, Q)], Output("int32"), {}),
    "other scale": ("QuantizeLinear", [feed(np.ones(3, np.float32)), const(np.float32(0.1)), const(np.int8(3))],
                    QUANTIZED, {}),
    "scale fed": ("DequantizeLinear", [feed(INT8, Q), feed(np.float32(0.05)), const(np.int8(3))], Output(), {}),
    "requantized": ("Requantize", [feed(INT8, Q)], PLAIN, {}),
    "reinterpreted as it is": ("Reinterpret", [feed(INT8)], PLAIN, {}),
    "reinterpreted with another scale": ("Reinterpret", [feed(INT8, Q)], Output("int8", OTHER), {}),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_graph_that_mixes_meanings_is_refused(case: str) -> None:
    op, operands, output, attrs = REFUSED[case]
    graph = node_model(op, operands, [output], **attrs)[0].graph
    with pytest.raises(ModelError, match=rf"^{op} "):
        validate.validate(graph)


@pytest.mark.parametrize(
    "operands", [[feed(INT8), const(INT8)], [feed(INT8, Q), const(INT8, OTHER)]], ids=["plain", "quantized"]
)
def test_integers_of_one_meaning_are_not(operands: list[Operand | None]) -> None:
    validate.validate(node_model("Max", operands, [QUANTIZED if operands[1] and operands[1].quant else PLAIN])[0].graph)


def test_places_and_sizes_are_plain_beside_quantized_numbers() -> None:
    for op, more, output in (("Gather", [const(np.array([1, 0]))], QUANTIZED), ("ArgMax", [], Output("int64"))):
        validate.validate(node_model(op, [feed(INT8, Q), *more], [output])[0].graph)


PRODUCTS: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "Conv": ((1, 5, 5, 3), (4, 2, 2, 3), {"pads": [1, 1, 1, 1]}),
    "ConvTranspose": ((1, 3, 3, 3), (3, 2, 2, 4), {"strides": [2, 2]}),
    "Gemm": ((5, 3), (3, 4), {}),
    "MatMul": ((5, 3), (3, 4), {}),
}


@pytest.mark.parametrize("op", PRODUCTS)
def test_products_of_uint8_in_a_file_are_not_taken_for_int8(op: str) -> None:
    rng = np.random.default_rng(0)
    shape, weights, attrs = PRODUCTS[op]
    x, w, y = (Quantization.per_tensor(s, z) for s, z in ((0.1, 128), (0.01, 120), (0.05, 100)))
    fed, data = (rng.integers(0, 256, size).astype(np.uint8) for size in (shape, weights))
    model, feeds = node_model(op, [feed(fed, x), const(data, w)], [Output("uint8", y)], **attrs)
    real, reals = node_model(op, [feed(integer.dequantize(fed, x)), const(integer.dequantize(data, w))], **attrs)
    wanted = integer.quantize(reference.run(real.graph, reals)["y0"], y, np.uint8)
    with load(model, threads=1) as session:
        found = session.run(feeds)["y0"]
    assert np.abs(found.astype(int) - wanted).max() <= 1 and np.ptp(wanted) > 100


@pytest.mark.parametrize("dtype", ["int16", "uint16", "int32"])
@pytest.mark.parametrize("op", ["Mul", "Softmax", "MaxPool", "Concat", "GlobalAveragePool", "Sigmoid", "Sub"])
def test_integers_of_more_bits_stand_for_real_numbers_as_well(op: str, dtype: str) -> None:
    """Arithmetic on integers is of 8 bits; of more it is that of real numbers."""
    low, high = (0, 65535) if dtype == "uint16" else (-32768, 32767)
    data = np.random.default_rng(0).integers(low, high + 1, (1, 4, 4, 3)).astype(dtype)
    x, y = (Quantization.per_tensor(reach / 65536, (low + high) // 2) for reach in (6, 4))
    attrs: dict[str, Any] = {"kernel_shape": [2, 2]} if op == "MaxPool" else {}
    if op in ("Concat", "Softmax"):
        attrs["axis"] = 1
    count = 2 if op in ("Mul", "Sub", "Concat") else 1
    model, feeds = node_model(op, [feed(data, x)] * count, [Output(dtype, y)], **attrs)
    real, reals = node_model(op, [feed(integer.dequantize(data, x))] * count, **attrs)
    wanted = integer.quantize(reference.run(real.graph, reals)["y0"], y, np.dtype(dtype))
    with load(model, threads=1) as session:
        found = session.run(feeds)["y0"]
    assert np.abs(found.astype(np.int64) - wanted).max() <= 1


Nodes = list[onnx.NodeProto]
CONSTANTS: dict[str, Callable[[np.dtype], Any]] = {
    "s": lambda dtype: np.float32(0.02), "z": lambda dtype: dtype.type(28), "k": lambda dtype: dtype.type(50),
    "low": lambda dtype: dtype.type(20), "high": lambda dtype: dtype.type(35), "flag": lambda dtype: np.arange(4) > 1,
    "w": lambda dtype: np.arange(-6, 6, dtype=np.int8).reshape(4, 3),
    "wide": lambda dtype: np.ones((2, 3, 1, 1), np.int8),
    "more": lambda dtype: np.full((2, 1, 4, 4), 7, dtype), "pads": lambda dtype: np.array([0, 0, 1, 0, 0, 0, 0, 1]),
    "axes": lambda dtype: np.array([1]), "twice": lambda dtype: np.array([1, 1, 2, 2], np.float32),
    "other": lambda dtype: np.float32(0.5),
    "halves": lambda dtype: np.array([1, 2]), "flat": lambda dtype: np.array([2, -1]),
}  # fmt: skip

INTEGERS: dict[str, Nodes] = {
    "Cast": [node("Cast", "q", "y", to=onnx.TensorProto.INT32)],
    "Cast, less zero point, times scale": [
        node("Cast", "q", "f", to=onnx.TensorProto.FLOAT), node("Cast", "z", "zf", to=onnx.TensorProto.FLOAT),
        node("Sub", "f zf", "d"), node("Mul", "d s", "y"),
    ],
    "Greater": [node("Greater", "q k", "y")],
    "Equal": [node("Equal", "q q", "e"), node("DequantizeLinear", "q s z", "r"), node("Where", "e r s", "y")],
    "Where": [node("Where", "flag q k", "m"), node("DequantizeLinear", "m s z", "y")],
    "Pad": [node("Pad", "q pads", "m"), node("DequantizeLinear", "m s z", "y")],
    "Pad with the zero point": [node("Pad", "q pads z", "m"), node("DequantizeLinear", "m s z", "y")],
    "Max": [node("Max", "q k", "m"), node("DequantizeLinear", "m s z", "y")],
    "Max, public": [node("Max", "q k", "y")],
    "Clip": [node("Clip", "q low high", "m"), node("DequantizeLinear", "m s z", "y")],
    "Clip, public": [node("Clip", "q low", "y")],
    "Concat": [node("Concat", "q more", "m", axis=1), node("DequantizeLinear", "m s z", "y")],
    "MatMulInteger": [node("MatMulInteger", "q w z", "y")],
    "ConvInteger": [node("ConvInteger", "q wide z", "y")],
    "MaxPool": [node("MaxPool", "q", "m", kernel_shape=[2, 2]), node("DequantizeLinear", "m s z", "y")],
    "MaxPool, public": [node("MaxPool", "q", "y", kernel_shape=[2, 2])],
    "Resize": [
        node("Resize", "q - twice", "m", mode="nearest", coordinate_transformation_mode="asymmetric",
             nearest_mode="floor"),
        node("DequantizeLinear", "m s z", "y"),
    ],
    "Split": [
        node("Split", "q halves", "a b", axis=1), node("Concat", "b a", "m", axis=1),
        node("DequantizeLinear", "m s z", "y"),
    ],
    "Reshape, read as both": [
        node("Reshape", "q flat", "m"), node("DequantizeLinear", "m s z", "r"), node("ReduceMax", "r", "y"),
        node("Cast", "m", "i", to=onnx.TensorProto.INT32), node("ReduceSum", "i axes", "sum"),
    ],
    "other parameters": [node("DequantizeLinear", "q other", "y")],
}  # fmt: skip


def model_of_integers(case: str, dtype: str, quantized: bool) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    nodes = [node("QuantizeLinear", "x s z", "q"), *INTEGERS[case]] if quantized else INTEGERS[case]
    read = {name for made in nodes for name in made.input}
    constants = {name: make(np.dtype(dtype)) for name, make in CONSTANTS.items() if name in read}
    shape = (2, 3, 4, 4)
    inputs = {"x": (shape, "float32")} if quantized else {"q": (shape, dtype)}
    outputs = "y sum" if any("sum" in made.output for made in nodes) else "y"
    return model_of(nodes, inputs, outputs, constants), feeds_for(inputs)


@pytest.mark.parametrize("quantized", [True, False], ids=["behind QuantizeLinear", "fed"])
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("case", INTEGERS)
def test_operators_on_integers_take_them_as_they_are(case: str, dtype: str, quantized: bool) -> None:
    model, feeds = model_of_integers(case, dtype, quantized)
    wanted, graph = onnxruntime_of(model, feeds, optimize=False), graph_from(model)
    meaning.check(graph)
    rewrite(graph, debug=True)
    found = run_all(graph, feeds)
    for name, expected in wanted.items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-6, atol=1e-6, strict=True, err_msg=name)


def test_a_reinterpretation_is_at_most_a_flip_of_bytes() -> None:
    nodes = [node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q other z", "y")]
    constants = {"s": np.float32(0.02), "other": np.float32(0.5), "z": np.int8(28)}
    model = model_of(nodes, {"x": ((2, 8), "float32")}, "y", constants)
    graph = graph_from(model)
    rewrite(graph)
    assert ops(graph) == {"QuantizeLinear": 1, "Reinterpret": 2, "DequantizeLinear": 1}
    x = np.linspace(-3, 3, 16, dtype=np.float32).reshape(2, 8)
    found, kernels = run_model(Model(graph), {"x": x})
    left = [name.split("(")[0] for name in kernels if not name.startswith("copy.copy(flip=True")]
    assert left == ["quantized.quantize", "quantized.dequantize"]
    np.testing.assert_allclose(found["y"], onnxruntime_of(model, {"x": x}, optimize=False)["y"], rtol=1e-6)


def rewritten(nodes: Nodes, inputs: dict[str, Any], outputs: str) -> Graph:
    constants = {"s": np.float32(0.02), "z": np.int8(28), "k": np.int8(50)}
    used = {name for made in nodes for name in made.input}
    graph = graph_from(model_of(nodes, inputs, outputs, {k: v for k, v in constants.items() if k in used}))
    rewrite(graph)
    return graph


def test_public_tensors_carry_a_scale_only_where_all_agree() -> None:
    read, taken = node("DequantizeLinear", "x s z", "y"), node("Cast", "x", "i", to=onnx.TensorProto.INT32)
    inputs = {"x": ((2, 8), "int8")}
    quant = Quantization.per_tensor(0.02, 28)
    assert rewritten([read], inputs, "y").values["x"].quant == quant
    assert rewritten([read, taken], inputs, "y i").values["x"].quant is None
    made, largest = node("QuantizeLinear", "x s z", "q"), node("Max", "q k", "m")
    inputs = {"x": ((2, 8), "float32")}
    assert rewritten([made], inputs, "q").values["q"].quant == quant
    assert rewritten([made, largest], inputs, "q m").values["m"].quant is None
    pool = node("Reshape", "q flat", "y")
    graph = graph_from(
        model_of([made, pool], inputs, "y", {"s": np.float32(0.02), "z": np.int8(28), "flat": np.array([16])})
    )
    rewrite(graph)
    assert graph.values["y"].quant == quant
