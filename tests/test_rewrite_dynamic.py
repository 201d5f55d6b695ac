"""What onnxruntime's dynamic quantization writes becomes one node for each product, with the same results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

import onnx
from kernel_cases import kernels_of
from onnx_models import model_of, node
from onnxruntime_session import open_session

import millijoule as mj
from millijoule.converters.export.export import as_onnx

RNG = np.random.default_rng(9)


def image_model(
    channels: int = 6, outputs: int = 5, group: int = 1, dtype: str = "uint8", per_channel: bool = False,
    behind: Sequence[onnx.NodeProto] = (), swapped: bool = False, result: str = "y", before: bool = False,
) -> tuple[onnx.ModelProto, np.ndarray]:  # fmt: skip
    """A convolution as quantize_dynamic writes it: sums, cast, times both scales, plus a bias. Weights of 7 bits, as
    onnxruntime's sums saturate on AVX2."""
    low = 64 if dtype == "uint8" else -63
    constants: dict[str, Any] = {
        "w": RNG.integers(low, low + 127, (outputs, channels // group, 3, 3)).astype(dtype),
        "wz": np.array(low + 60, dtype),
        "ws": RNG.uniform(0.01, 0.02, (1, outputs, 1, 1) if per_channel else ()).astype(np.float32),
        "b": RNG.normal(size=(1, outputs, 1, 1)).astype(np.float32),
    }
    scales, products = ("ws s", "m f") if swapped else ("s ws", "f m")
    nodes = [
        *([node("Relu", "x", "r")] if before else []),
        node("DynamicQuantizeLinear", "r" if before else "x", "q s z"),
        node("ConvInteger", "q w z wz", "i", pads=[1, 1, 1, 1], group=group),
        node("Cast", "i", "f", to=onnx.TensorProto.FLOAT),
        node("Mul", scales, "m"),
        node("Mul", products, "p"),
        node("Add", "p b", "y"),
        *behind,
    ]
    model = model_of(nodes, {"x": (("n", channels, 7, 8), "float32")}, result, constants)
    return model, RNG.normal(0.2, 1, (2, channels, 7, 8)).astype(np.float32)


def operators(model: mj.Model) -> list[str]:
    return [found.op for found in model.graph.nodes if found.op != "Transpose"]


def agrees(source: onnx.ModelProto, x: np.ndarray, wanted: Sequence[str]) -> None:
    """Fused, and within the few roundings by which the order of float32 products may differ."""
    model = mj.convert(source)
    assert operators(model) == list(wanted)
    found = mj.load(model).run({"x": x})
    wanted_arrays = open_session(source.SerializeToString()).run(None, {"x": x})
    for name, theirs in zip(model.graph.outputs, wanted_arrays, strict=True):
        np.testing.assert_allclose(found[name], theirs, rtol=1e-5, atol=1e-5)


FORMS: list[dict[str, Any]] = [
    *({}, {"per_channel": True}, {"swapped": True}, {"before": True}),
    *({"group": 2, "outputs": 4}, {"group": 6, "outputs": 6}),
]


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_convolution(form: dict[str, Any]) -> None:
    source, x = image_model(**form)
    agrees(source, x, ["Relu", "DynamicConv"] if "before" in form else ["DynamicConv"])


@pytest.mark.parametrize("activation", ["Relu", "Sigmoid"])
def test_takes_in_the_activation(activation: str) -> None:
    source, x = image_model(behind=[node(activation, "y", "a")], result="a")
    agrees(source, x, ["DynamicConv"])


def test_two_products_round_their_input_once() -> None:
    other = [
        node("ConvInteger", "q w z wz", "i2", pads=[1, 1, 1, 1]),
        node("Cast", "i2", "f2", to=onnx.TensorProto.FLOAT),
        node("Mul", "f2 m", "y2"),
    ]
    source, x = image_model(behind=other, result="y y2")
    agrees(source, x, ["DynamicConv", "DynamicConv"])
    session = mj.load(mj.convert(source))
    session.run({"x": x})
    names = [name.partition("(")[0] for name in kernels_of(session)]
    assert [names.count(f"dynamic_whole.{name}") for name in ("find_range", "round_lines")] == [1, 1], names


@pytest.mark.parametrize("result", ["y i", "y f", "y q s z", "y p"])
def test_what_others_read_stays(result: str) -> None:
    """Sums that are an output are still there; so are the integers."""
    source, x = image_model(result=result)
    model = mj.convert(source)
    wanted = open_session(source.SerializeToString()).run(None, {"x": x})
    for name, theirs in zip(result.split(), wanted, strict=True):
        np.testing.assert_allclose(mj.load(model).run({"x": x})[name], theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(3, 16), (2, 3, 16)], ids=str)
@pytest.mark.parametrize("per_column", [False, True])
def test_a_matrix_product(shape: tuple[int, ...], per_column: bool) -> None:
    constants: dict[str, Any] = {
        "w": RNG.integers(64, 191, (16, 9)).astype(np.uint8),
        "wz": np.array(120, np.uint8),
        "ws": RNG.uniform(0.01, 0.02, 9 if per_column else ()).astype(np.float32),
        "b": RNG.normal(size=9).astype(np.float32),
    }
    nodes = [
        node("DynamicQuantizeLinear", "x", "q s z"),
        node("MatMulInteger", "q w z wz", "i"),
        node("Cast", "i", "f", to=onnx.TensorProto.FLOAT),
        node("Mul", "s ws", "m"),
        node("Mul", "f m", "p"),
        node("Add", "b p", "y"),
    ]
    source = model_of(nodes, {"x": (shape, "float32")}, "y", constants)
    agrees(source, RNG.normal(size=shape).astype(np.float32), ["DynamicMatMul"])


def test_weights_that_are_computed_stay() -> None:
    """There is no kernel for them: the products in float32 have one."""
    source, _ = image_model()
    w = next(tensor for tensor in source.graph.initializer if tensor.name == "w")
    source.graph.initializer.remove(w)
    source.graph.input.append(onnx.helper.make_tensor_value_info("w", w.data_type, list(w.dims)))
    assert "DynamicConv" not in operators(mj.convert(source))


def test_exported_again() -> None:
    """As ONNX it gives the same."""
    source, x = image_model(per_channel=True, behind=[node("Relu", "y", "a")], result="a")
    ours = mj.load(mj.convert(source)).run({"x": x})["a"]
    theirs = open_session(as_onnx(mj.convert(source)).SerializeToString()).run(None, {"x": x})[0]
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
