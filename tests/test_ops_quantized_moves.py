"""Quantized tensors through operators that move, join, pad and sum them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from op_cases import node_of

from millijoule.runtime.errors import ModelError
from millijoule.runtime.evaluate.reference import evaluate
from millijoule.runtime.graph import Quantization
from millijoule.runtime.ops.inference import infer_node
from millijoule.runtime.ops.integer import dequantize, quantize
from millijoule.runtime.ops.registry import Tensor

RNG = np.random.default_rng(5)
X = RNG.integers(-128, 128, size=(2, 3, 4)).astype(np.int8)
QUANT = Quantization.per_tensor(0.25, -7)
OTHER = Quantization.per_tensor(0.4, 20)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def run_quantized(
    op: str,
    inputs: Sequence[np.ndarray],
    quants: Sequence[Quantization | None],
    out: Sequence[Quantization | None],
    **attrs: Any,
) -> list[np.ndarray]:
    node = node_of(op, len(inputs), len(out), attrs)
    tensors = [
        Tensor(name, data.shape, data.dtype, quant, data)
        for name, data, quant in zip(node.inputs, inputs, quants, strict=True)
    ]
    step = infer_node(node, tensors)
    for tensor, quant in zip(step.ctx.outputs, out, strict=True):
        tensor.quant = quant
    return evaluate(step.op, step.ctx, inputs)


INT32 = Quantization(np.array([0.0944465], np.float32), np.array([0], np.int32))
MOVES: list[tuple[str, list[np.ndarray], dict[str, Any]]] = [
    ("Reshape", [X, ints(-1, 6)], {}),
    ("Transpose", [X], {}),
    ("Slice", [X, ints(1), ints(9), ints(2)], {}),
    ("Gather", [X, ints(1, 0, 1)], {}),
    ("Tile", [X, ints(1, 2, 1)], {}),
    ("Expand", [X[:, :1], ints(2, 3, 4)], {}),
    ("ReduceMax", [X, ints(1)], {}),
    ("ReduceMin", [X, ints(0, 2)], {}),
    ("Pad", [X, ints(1, 0, 0, 0, 2, 0)], {}),
    ("Pad", [X, ints(1, 0, 0, 0, 2, 0), np.array(1.3, np.float32)], {}),
    ("Pad", [X, ints(1, 0, 0, 0, 2, 0)], {"mode": "reflect"}),
    ("Trilu", [X], {}),
    ("ScatterND", [X, ints(1).reshape(1, 1), X[:1]], {}),
    ("TopK", [X, ints(2)], {}),
    ("CumSum", [X, ints(1)], {}),
]


@pytest.mark.parametrize(("op", "inputs", "attrs"), MOVES, ids=[case[0] for case in MOVES])
@pytest.mark.parametrize("target", [QUANT, OTHER], ids=["same", "other"])
def test_real_numbers_stay_what_they_were(op: str, inputs: list[np.ndarray], attrs: dict, target: Quantization) -> None:
    """The integers that come out are the quantized result on real numbers, whether or not the scales agree."""
    quants = [QUANT if data.dtype == np.int8 else None for data in inputs]
    found = run_quantized(op, inputs, quants, [target], **attrs)[0]
    reals = [data if quant is None else dequantize(data, quant) for data, quant in zip(inputs, quants, strict=True)]
    step = infer_node(node_of(op, len(reals), 1, attrs), [Tensor("", x.shape, x.dtype, data=x) for x in reals])
    wanted = quantize(evaluate(step.op, step.ctx, reals)[0], target, np.int8)
    np.testing.assert_array_equal(found, wanted, strict=True)


@pytest.mark.parametrize("attrs", [{}, {"antialias": 1}], ids=str)
def test_nearest_copies_integers_of_32_bits(attrs: dict) -> None:
    """Antialiasing is nothing where there is nothing to weigh."""
    x = np.array([[[-1551624127], [7]]], np.int32)
    inputs = [x, np.empty(0, np.float32), np.array([1, 2, 1], np.float32)]
    found = run_quantized("Resize", inputs, [INT32, None, None], [INT32], mode="nearest", **attrs)[0]
    assert set(found.flat) == {-1551624127, 7}


def test_padding_of_32_bits_fills_with_the_very_integer() -> None:
    """float32 would hold 24 of its bits."""
    x, value = (np.array(number, np.int32) for number in ([5, 7], -316687420))
    found = run_quantized("Pad", [x, ints(1, 0), value], [INT32, None, INT32], [INT32])[0]
    assert found.tolist() == [-316687420, 5, 7]


def test_padding_fills_with_the_zero_point_or_a_quantized_value() -> None:
    pads = ints(0, 0, 0, 0, 0, 1)
    assert set(run_quantized("Pad", [X, pads], [QUANT, None], [QUANT])[0][..., 4].flat) == {-7}
    value = np.array(30, np.int8)
    other = run_quantized("Pad", [X, pads, value], [QUANT, None, OTHER], [QUANT])[0]
    assert set(other[..., 4].flat) == {-7 + 16}


@pytest.mark.parametrize(("activation", "params"), [(None, ()), ("Relu", ()), ("Clip", (-1.0, 2.0)), ("Sigmoid", ())])
def test_concat_brings_its_inputs_to_one_scale(activation: str | None, params: tuple[float, ...]) -> None:
    inputs, quants = [X, X[:, ::-1], X], [QUANT, OTHER, Quantization.per_tensor(0.25, 0)]
    attrs = {"axis": 1, "activation": activation, "activation_params": params}
    found = run_quantized("Concat", inputs, quants, [OTHER], **attrs)[0]
    real = np.concatenate([dequantize(data, quant) for data, quant in zip(inputs, quants, strict=True)], 1)
    if activation == "Relu":
        real = np.maximum(real, 0)
    elif activation == "Clip":
        real = np.clip(real, params[0], params[1])
    elif activation == "Sigmoid":
        real = 1 / (1 + np.exp(-real))
    np.testing.assert_array_equal(found, quantize(real, OTHER, np.int8), strict=True)


def test_concat_of_quantized_and_other_integers_is_refused() -> None:
    with pytest.raises(ModelError, match="must all be quantized"):
        run_quantized("Concat", [X, X], [QUANT, None], [QUANT], axis=0)


def test_shape_size_and_zeros_of_a_quantized_tensor() -> None:
    assert run_quantized("Shape", [X], [QUANT], [None], start=1)[0].tolist() == [3, 4]
    assert run_quantized("Size", [X], [QUANT], [None])[0].item() == 24
    flat = np.array([-7, 0, 5, -7, 1], np.int8)
    assert run_quantized("NonZero", [flat], [QUANT], [None])[0].tolist() == [[1, 2, 4]]


def test_order_is_that_of_the_real_numbers() -> None:
    assert run_quantized("ArgMax", [X], [QUANT], [None], axis=2)[0].tolist() == X.argmax(2, keepdims=True).tolist()
    less = run_quantized("Less", [X, X[::-1].copy()], [QUANT, OTHER], [None])[0]
    np.testing.assert_array_equal(less, dequantize(X, QUANT) < dequantize(X[::-1], OTHER))


@pytest.mark.parametrize("kind", ["MEAN", "SUM"])
@pytest.mark.parametrize(("shape", "axes"), [((3, 7, 9, 64), [1, 2]), ((40, 33, 5), [1]), ((5, 64), [0, 1])])
def test_sums_and_means_are_litert_s_to_the_bit(kind: str, shape: tuple[int, ...], axes: list[int]) -> None:
    pytest.importorskip("ai_edge_litert")
    pytest.importorskip("tflite")
    from tflite_builder import Model, Operator, run_litert
    from tflite_builder import Tensor as Stored

    rng = np.random.default_rng(len(shape))
    count = int(np.prod([shape[axis] for axis in axes]))
    for trial in range(12):
        zero_point = int(rng.choice([-128, -100, 0, 99, 127]))
        scale = float(rng.uniform(0.01, 0.2))
        spread = rng.uniform(3, 30)
        steps = zero_point + rng.normal(size=shape) * spread
        data = np.clip(np.round(steps), -128, 127).astype(np.int8)
        shrunk = scale * float(rng.uniform(0.02, 0.3)) * (count**0.5 if kind == "SUM" else 1)
        if trial == 0:  # every other sum is a tie
            scale, shrunk, zero_point = 0.5, 0.5 * (2 if kind == "SUM" else 2 / count), 1
        x, y = Quantization.per_tensor(scale, zero_point), Quantization.per_tensor(shrunk, -3)
        reduced = [dim for axis, dim in enumerate(shape) if axis not in axes]
        model = Model(
            [
                Stored("x", shape, "int8", scale=scale, zero_point=zero_point),
                Stored("axes", [len(axes)], "int32", np.array(axes, np.int32)),
                Stored("y", reduced, "int8", scale=shrunk, zero_point=-3),
            ],
            [Operator(kind, [0, 1], [2], ("ReducerOptions", {"KeepDims": False}))],
            [0],
            [2],
        )
        op = {"MEAN": "ReduceMean", "SUM": "ReduceSum"}[kind]
        found = run_quantized(op, [data, ints(*axes)], [x, None], [y], keepdims=0)[0]
        np.testing.assert_array_equal(found, run_litert(model, [data])[0], strict=True)
