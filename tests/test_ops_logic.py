"""Comparisons, logic, bits, casts and generated tensors, against onnxruntime and by their definition."""

from __future__ import annotations

import numpy as np
import pytest
from op_cases import run_onnxruntime, run_reference

from millijoule.runtime.errors import ModelError

RNG = np.random.default_rng(11)
A = RNG.integers(-3, 4, size=(4, 1, 5))
B = RNG.integers(-3, 4, size=(3, 1))
SPECIAL = np.array([np.nan, np.inf, -np.inf, 0, -0.0, 1.5], np.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.int64])
@pytest.mark.parametrize("op", ["Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"])
def test_comparisons(op: str, dtype: type[np.generic]) -> None:
    inputs: tuple[np.ndarray, ...] = A.astype(dtype), B.astype(dtype)
    np.testing.assert_array_equal(run_reference(op, *inputs)[0], run_onnxruntime(op, *inputs)[0], strict=True)


def test_nothing_equals_nan() -> None:
    assert run_reference("Equal", SPECIAL, SPECIAL)[0].tolist() == [False, True, True, True, True, True]
    assert not run_reference("GreaterOrEqual", SPECIAL, SPECIAL)[0][0]


@pytest.mark.parametrize("op", ["And", "Or", "Xor", "Not", "Equal"])
def test_logic(op: str) -> None:
    inputs = (A > 0,) if op == "Not" else (A > 0, B > 0)
    np.testing.assert_array_equal(run_reference(op, *inputs)[0], run_onnxruntime(op, *inputs)[0], strict=True)


@pytest.mark.parametrize("op", ["BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitwiseNot"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
def test_bits(op: str, dtype: type[np.generic]) -> None:
    inputs: tuple[np.ndarray, ...] = (A.astype(dtype),) if op == "BitwiseNot" else (A.astype(dtype), B.astype(dtype))
    np.testing.assert_array_equal(run_reference(op, *inputs)[0], run_onnxruntime(op, *inputs)[0], strict=True)


@pytest.mark.parametrize("direction", ["LEFT", "RIGHT"])
def test_shifts(direction: str) -> None:
    inputs = np.abs(A).astype(np.uint8) * 77, np.abs(B).astype(np.uint8)
    found = run_reference("BitShift", *inputs, direction=direction)[0]
    np.testing.assert_array_equal(found, run_onnxruntime("BitShift", *inputs, direction=direction)[0], strict=True)


def test_shifts_keep_the_sign_and_know_their_directions() -> None:
    one = np.array([1], np.uint8)
    assert run_reference("BitShift", one, one * 8, direction="LEFT")[0].tolist() == [0]
    signed, amounts = np.array([-8, -8, -8, 64], np.int8), np.array([1, 8, -1, 9], np.int8)
    assert run_reference("BitShift", signed, amounts, direction="RIGHT")[0].tolist() == [-4, -1, -1, 0]
    with pytest.raises(ModelError, match="neither LEFT nor RIGHT"):
        run_reference("BitShift", one, one, direction="UP")
    with pytest.raises(ModelError, match="'direction' is missing"):
        run_reference("BitShift", one, one)


def test_not_numbers_and_infinities() -> None:
    assert run_reference("IsNaN", SPECIAL)[0].tolist() == [True, False, False, False, False, False]
    for negative, positive in ((1, 1), (0, 1), (1, 0), (0, 0)):
        attrs = {"detect_negative": negative, "detect_positive": positive}
        found = run_reference("IsInf", SPECIAL, **attrs)[0]
        np.testing.assert_array_equal(found, run_onnxruntime("IsInf", SPECIAL, **attrs)[0], strict=True)


CASTS = [
    (np.float32, "int32", [-1.9, 1.9, 0.5, -0.5, 300.7]),
    (np.float32, "int64", [-1.9, 1.9, 2**40]),
    (np.float32, "uint8", [0.2, 255.9]),
    (np.float32, "bool", [0, -0.0, 0.1, np.nan]),
    (np.float32, "float16", [1.0001, 1e6, -1e-9]),
    (np.float64, "float32", [1e300, np.pi]),
    (np.int64, "int8", [127, 128, -129, 300]),
    (np.int32, "uint16", [-1, 65536]),
    (np.int64, "bool", [0, 2, -1]),
    (np.bool_, "float32", [True, False]),
    (np.float16, "float32", [0.1, np.inf]),
]


@pytest.mark.parametrize(("source", "target", "values"), CASTS)
def test_casts(source: type[np.generic], target: str, values: list[float]) -> None:
    onnx = pytest.importorskip("onnx")
    data: np.ndarray = np.array(values, source)
    wanted = run_onnxruntime("Cast", data, to=onnx.helper.np_dtype_to_tensor_dtype(np.dtype(target)))[0]
    np.testing.assert_array_equal(run_reference("Cast", data, to=target)[0], wanted, strict=True)
    like = run_reference("CastLike", data, np.zeros(1, target))[0]
    np.testing.assert_array_equal(like, wanted, strict=True)


@pytest.mark.parametrize("name", ["float31", "complex64", "object", "f4"])
def test_cast_knows_its_dtypes(name: str) -> None:
    with pytest.raises(ModelError, match=f"dtype '{name}' is not one of"):
        run_reference("Cast", SPECIAL, to=name)


def test_constants_of_a_shape() -> None:
    shape = np.array([2, 0, 3])
    np.testing.assert_array_equal(
        run_reference("ConstantOfShape", shape)[0], np.zeros((2, 0, 3), np.float32), strict=True
    )
    filled = run_reference("ConstantOfShape", np.array([2]), value=np.array([7], np.int32))[0]
    np.testing.assert_array_equal(filled, np.array([7, 7], np.int32), strict=True)
    assert run_reference("ConstantOfShape", np.array([], np.int64))[0].shape == ()
    with pytest.raises(ModelError, match="not a shape"):
        run_reference("ConstantOfShape", np.array([2, -1]))


@pytest.mark.parametrize(
    ("dtype", "start", "limit", "delta"),
    [
        (np.int64, 0, 10, 3),
        (np.int64, 10, 0, -3),
        (np.int32, 5, 5, 1),
        (np.int64, 0, 10, -1),
        (np.float32, 0, 1, 0.1),
        (np.float32, 1, 0, -0.3),
        (np.float64, 0.5, 3.5, 1),
    ],
)
def test_ranges(dtype: type[np.generic], start: float, limit: float, delta: float) -> None:
    inputs: tuple[np.ndarray, ...] = tuple(np.array(value, dtype) for value in (start, limit, delta))
    found = run_reference("Range", *inputs)[0]
    np.testing.assert_allclose(found, run_onnxruntime("Range", *inputs)[0], rtol=1e-6, atol=1e-6, strict=True)


def test_ranges_without_end_are_refused() -> None:
    with pytest.raises(ModelError, match="delta not 0"):
        run_reference("Range", *(np.array(value, np.float32) for value in (0, np.inf, 1)))
    with pytest.raises(ModelError, match="2 GiB"):
        run_reference("Range", *(np.array(value, np.int64) for value in (0, 2**40, 1)))


@pytest.mark.parametrize("k", [0, 1, -2, 9])
def test_identity_matrices(k: int) -> None:
    data = np.zeros((3, 4), np.int32)
    found = run_reference("EyeLike", data, k=k, dtype="float32")[0]
    np.testing.assert_array_equal(found, np.eye(3, 4, k, np.float32), strict=True)
    assert run_reference("EyeLike", data)[0].dtype == np.int32
