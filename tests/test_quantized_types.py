"""Integers, zero points, scales and sums of quantized operators of another type than the operator is defined for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

from onnx import TensorProto
from onnx_models import MICROSOFT, graph_from, model_of, node

from millijoule.runtime.errors import ModelError
from millijoule.runtime.graph import Graph, Node, Value
from millijoule.runtime.model import Model
from millijoule.runtime.session import load

BINARY = "x:u8 xs:f xz:u8 w:i8 ws:f wz:i8 ys:f yz:u8"
UNARY = "x:u8 xs:f xz:u8 ys:f yz:u8"
TYPES = {"u8": "uint8", "i8": "int8", "f": "float32", "i32": "int32", "u32": "uint32", "i16": "int16"}
OPERATORS = {
    "MatMulInteger": "x:u8 w:i8 xz:u8 wz:i8",
    "ConvInteger": "x4:u8 w4:i8 xz:u8 wz:i8",
    "QLinearConv": BINARY.replace("x:", "x4:").replace("w:", "w4:") + " b1:i32",
    "QLinearMatMul": BINARY,
    "QuantizeLinear": "x:f ys:f yz:u8",
    "DequantizeLinear": "x:u8 xs:f xz:u8",
    **{f"{MICROSOFT}.QLinear{op}": BINARY for op in ("Add", "Mul")},
    **{f"{MICROSOFT}.QLinear{op}": UNARY for op in ("Sigmoid", "LeakyRelu", "Softmax")},
    **{f"{MICROSOFT}.QLinear{op}": UNARY.replace("x:", "x4:") for op in ("AveragePool", "GlobalAveragePool")},
    f"{MICROSOFT}.QLinearConcat": "ys:f yz:u8 x:u8 xs:f xz:u8 w:i8 ws:f wz:i8",
    f"{MICROSOFT}.QLinearWhere": "c:bool x:u8 xs:f xz:u8 w:i8 ws:f wz:i8 ys:f yz:u8",
    f"{MICROSOFT}.QGemm": BINARY.replace(" ys", " b1:i32 ys"),
    f"{MICROSOFT}.MatMulIntegerToFloat": "x:u8 w:i8 xs:f ws:f xz:u8 wz:i8",
    f"{MICROSOFT}.DynamicQuantizeMatMul": "x:f w:i8 ws:f wz:i8",
}
ATTRIBUTES: dict[str, dict[str, Any]] = {
    "QLinearAveragePool": {"kernel_shape": [1, 1]}, "QLinearConcat": {"axis": 0}, "QLinearSoftmax": {"axis": -1},
    "QGemm": {"alpha": 1.0},
}  # fmt: skip


def converted(op: str, wrong: str = "", dtype: str = "", **attrs: Any) -> Graph:
    """The node alone, its inputs those of the graph, one of them of another type."""
    operands = [text.split(":") for text in OPERATORS[op].split()]
    inputs = {}
    for name, short in operands:
        shape = (1, 1, 4, 4) if name.endswith("4") else (4, 4) if name in "xwc" else (1,) if name == "b1" else ()
        inputs[name] = (shape, dtype if name == wrong else TYPES.get(short, short))
    domain, _, short = op.rpartition(".")
    made = node(short, " ".join(inputs), "y", name="tested", domain=domain, **ATTRIBUTES.get(short, {}), **attrs)
    return graph_from(model_of([made], inputs, "y", opset=21))


WRONG = [
    (op, name, dtype)
    for op, text in OPERATORS.items()
    for name, kind in (item.split(":") for item in text.split())
    for dtype in {"u8": ("int32", "int16"), "i8": ("int32", "uint32"), "i32": ("int8",), "f": ("int32",)}.get(kind, ())
    if (op, name) not in {("QuantizeLinear", "yz"), ("DequantizeLinear", "x")}
    and not (op == f"{MICROSOFT}.DynamicQuantizeMatMul" and name == "x")
]


@pytest.mark.parametrize("op", OPERATORS)
def test_the_types_that_an_operator_is_defined_for(op: str) -> None:
    assert converted(op).outputs == ["y"]


@pytest.mark.parametrize(("op", "name", "dtype"), WRONG)
def test_another_type_is_refused(op: str, name: str, dtype: str) -> None:
    with pytest.raises(ModelError, match=f"'{name}'") as refused:
        converted(op, name, dtype)
    assert "tested" in str(refused.value) and dtype in str(refused.value)


def test_a_zero_point_of_another_type_than_the_integers() -> None:
    with pytest.raises(ModelError, match="zero point 'wz' is uint8, but 'w' is int8"):
        converted("QLinearMatMul", "wz", "uint8")


@pytest.mark.parametrize("code", [TensorProto.INT8, TensorProto.INT16, TensorProto.UINT4, TensorProto.INT4])
def test_an_output_dtype_that_the_zero_point_is_not_of(code: int) -> None:
    with pytest.raises(ModelError, match="zero point 'yz' is int32, but output_dtype says"):
        converted("QuantizeLinear", "yz", "int32", output_dtype=code)


@pytest.mark.parametrize("known", [False, True], ids=["fed", "constant"])
@pytest.mark.parametrize(
    ("op", "point", "shape"),
    [("ConvInteger", "xz", (2,)), ("ConvInteger", "wz", (3,)), ("ConvInteger", "wz", (0,)),
     ("MatMulInteger", "wz", (3,)), ("MatMulInteger", "xz", (3,))],
)  # fmt: skip
def test_zero_points_of_integer_products_that_do_not_fit(op: str, point: str, shape: tuple, known: bool) -> None:
    size = (2, 1, 2, 2) if op == "ConvInteger" else (2, 2)
    shapes = {"x": size, "w": size, "xz": (), "wz": (), point: shape}
    constants = {name: np.ones(shapes[name], np.uint8) for name in ("w", point)} if known else {}
    fed = {name: (shape, "uint8") for name, shape in shapes.items() if name not in constants}
    model = model_of([node(op, "x w xz wz", "y", name="tested")], fed, "y", constants)
    with pytest.raises(ModelError, match="tested"), load(Model(graph_from(model)), target="numpy") as session:
        session.run({name: np.ones(kind[0], np.uint8) for name, kind in fed.items()})


def test_an_output_dtype_that_the_zero_point_is_of() -> None:
    assert converted("QuantizeLinear", "yz", "int16", output_dtype=TensorProto.INT16).values["y"].dtype == np.int16


@pytest.mark.parametrize("target", ["numpy", "host"])
@pytest.mark.parametrize("fed", [False, True], ids=["constant", "fed"])
@pytest.mark.parametrize(("zero", "to"), [(-2_000_000_000, "int8"), (5, "uint8"), (5, "int16")])
def test_a_graph_that_quantizes_by_a_zero_point_of_another_type(zero: int, to: str, fed: bool, target: str) -> None:
    """As a file of ours may hold it."""
    graph = Graph(inputs=["x", *(["z"] if fed else [])], outputs=["y"])
    graph.add_value(Value("x", np.dtype(np.float32), (3,)))
    graph.add_constant("s", np.float32(0.5).reshape(()))
    point = np.array(zero, np.int32)
    graph.add_value(Value("z", point.dtype, (), None, None if fed else point))
    graph.add_value(Value("y", np.dtype(to), (3,)))
    graph.nodes.append(Node("QuantizeLinear", ["x", "s", "z"], ["y"], {"output_dtype": to}, "tested"))
    feeds = {"x": np.ones(3, np.float32), **({"z": point} if fed else {})}
    with (
        pytest.raises(ModelError, match=f"'tested'.*zero point 'z' is int32, but it quantizes to {to}"),
        load(Model(graph), target=target) as session,
    ):
        session.run(feeds)


@pytest.mark.parametrize("flag", ["keepdims", "noop_with_empty_axes"])
@pytest.mark.parametrize("value", [-1, 2, 1 << 40])
def test_a_switch_that_is_neither_on_nor_off(flag: str, value: int) -> None:
    model = model_of([node("ReduceSum", "x", "y", name="tested", **{flag: value})], {"x": ((2, 3), "float32")}, "y")
    with pytest.raises(ModelError, match=f"attribute '{flag}' must be 0 or 1, not {value}\n.*'tested'"):
        graph_from(model)


@pytest.mark.parametrize("block", [2, 5, 7, 1 << 40, (1 << 63) - 1])
def test_a_block_of_scales_may_be_larger_than_the_tensor(block: int) -> None:
    """What a block takes is what there is, not what the attribute says."""
    blocks = -(-5 // min(block, 5))
    graph = Graph(inputs=["x"], outputs=["y"])
    graph.add_value(Value("x", np.dtype(np.int8), (5, 2)))
    scales = np.arange(1, 2 * blocks + 1, dtype=np.float32).reshape(blocks, 2)
    graph.add_constant("s", scales)
    graph.add_value(Value("y", np.dtype(np.float32), (5, 2)))
    graph.nodes.append(Node("DequantizeLinear", ["x", "s"], ["y"], {"axis": 0, "block_size": block}, "tested"))
    with load(Model(graph), target="numpy") as session:
        found = session.run({"x": np.ones((5, 2), np.int8)})["y"]
    np.testing.assert_array_equal(found, scales[np.arange(5) // min(block, 5)])


ODD: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "heads below one": ("Attention", "h k kb", {"num_heads": -2}, "num_heads"),
    "heads of nothing": ("Attention", "h empty kb", {"num_heads": 2}, "do not fit"),
    "heads of several inputs": ("MultiHeadAttention", "h h h", {"num_heads": 0}, "num_heads"),
    "columns without weights": ("MatMulNBits", "x q s", {"K": 8, "N": 0, "block_size": 16}, "no element"),
    "weights of another size": ("MatMulNBits", "x q s", {"K": 8, "N": 5, "block_size": 16}, "5 columns"),
    "scales of another size": ("MatMulNBits", "x q one", {"K": 8, "N": 4, "block_size": 16}, "one a block"),
    "zero points of another size": ("MatMulNBits", "x q s z", {"K": 8, "N": 4, "block_size": 16}, "zero points"),
}


@pytest.mark.parametrize("case", ODD)
def test_attributes_that_do_not_fit_the_constants(case: str) -> None:
    op, inputs, attrs, problem = ODD[case]
    constants = {
        "k": np.ones((4, 12), np.float32), "kb": np.ones(12, np.float32), "empty": np.ones((4, 0), np.float32),
        "q": np.ones((4, 1, 8), np.uint8), "s": np.ones((4, 1), np.float32), "one": np.ones(1, np.float32),
        "z": np.ones(3, np.uint8),
    }  # fmt: skip
    used = {name: data for name, data in constants.items() if name in inputs.split()}
    fed = {"x": ((2, 8), "float32")} if "x" in inputs else {"h": ((2, 3, 4), "float32")}
    made = node(op, inputs, "y", name="tested", domain=MICROSOFT, **attrs)
    with pytest.raises(ModelError, match=problem) as refused:
        graph_from(model_of([made], fed, "y", used))
    assert "tested" in str(refused.value)
