"""millijoule behind onnx's backend interface: onnx's own runner on a sample of its cases, and what else it promises."""

from __future__ import annotations

import unittest
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

from onnx import TensorProto, helper
from onnx.backend.test import BackendTest
from onnx_models import graph_of, model_of, node

from millijoule.converters import onnx_backend
from millijoule.runtime.errors import InputError, ModelError

SAMPLE = (
    *("add", "argmax_keepdims_example", "basic_conv_with_padding", "cast_FLOAT_to_BFLOAT16", "compress_0"),
    *("gru_defaults", "if", "loop11", "maxpool_2d_default", "nonmaxsuppression_two_classes", "nonzero_example"),
    *("optional_get_element_tensor", "quantizelinear", "reshape_zero_dim", "scan9_sum", "softmax_axis_1"),
    *("split_variable_parts_1d_opset18", "string_concat", "string_split_basic", "regex_full_match_email_domain"),
    *("ai_onnx_ml_label_encoder_string_int", "equal_string_broadcast", "sequence_insert_at_back", "loop13_seq"),
    *("if_opt", "identity_sequence", "optional_get_element_optional_sequence", "scan_sum"),
)
SIMPLE = (
    *("sequence_model1", "sequence_model2", "sequence_model3", "sequence_model8"),
    "strnorm_model_monday_casesensintive_upper",
)

X, Y = np.arange(6, dtype=np.float32).reshape(2, 3), np.ones((2, 3), np.float32)
KINDS: Any = {"x": ((2, 3), "float32"), "y": ((2, 3), "float32")}


def two_results() -> Any:
    return model_of([node("Sub", "x y", "difference"), node("Mul", "x y", "product")], KINDS, "difference product")


@pytest.fixture(scope="module")
def cases() -> dict[str, type[unittest.TestCase]]:
    """onnx's own, by kind. It computes what all of its cases give as it makes them, which takes some seconds."""
    return BackendTest(onnx_backend.MillijouleBackend, __name__).test_cases


@pytest.mark.parametrize("name", (*SAMPLE, *SIMPLE))
def test_case_of_onnx(name: str, cases: dict[str, type[unittest.TestCase]]) -> None:
    kind = "Simple" if name in SIMPLE else "Node"
    result = unittest.TestResult()
    cases[f"OnnxBackend{kind}ModelTest"](f"test_{name}_cpu").run(result)
    assert result.testsRun == 1 and not result.skipped and result.wasSuccessful(), result.errors


def test_prepared_model_runs_again() -> None:
    prepared = onnx_backend.prepare(two_results(), threads=1)
    for number in (1.0, 2.0):
        found = prepared.run([X, number * Y])
        np.testing.assert_array_equal(found[0], X - number)
        np.testing.assert_array_equal(found["product"], number * X)


def test_inputs_by_name_and_alone() -> None:
    found = onnx_backend.run_model(two_results(), {"y": Y, "x": X})
    np.testing.assert_array_equal(found["difference"], X - 1)
    single = model_of([node("Neg", "x", "y")], {"x": ((2, 3), "float32")}, "y")
    np.testing.assert_array_equal(onnx_backend.run_model(single, X)[0], -X)
    with pytest.raises(InputError, match="3 inputs are given"):
        onnx_backend.run_model(two_results(), [X, Y, Y])


def test_nodes() -> None:
    """The same input twice, an absent one, and an older operator set."""
    np.testing.assert_array_equal(onnx_backend.run_node(node("Add", "x x", "y"), [X, X])[0], 2 * X)
    clip = node("Clip", "x - high", "y")
    clipped = onnx_backend.run_node(clip, [X, np.float32(3)], outputs_info=[(X.dtype, X.shape)])
    np.testing.assert_array_equal(clipped[0], np.minimum(X, 3))
    old = onnx_backend.run_node(node("Squeeze", "x", "y", axes=[0]), [X[None]], opset_version=11)
    np.testing.assert_array_equal(old["y"], X)


def test_text_comes_out_as_text() -> None:
    classes = helper.make_node(
        "LinearClassifier", ["x"], ["label", "scores"], domain="ai.onnx.ml",
        coefficients=[1.0, 0, 0, 0, 1, 0, 0, 0, 1], intercepts=[0.0] * 3, classlabels_strings=["a", "b", "c"],
    )  # fmt: skip
    graph = graph_of([classes], {"x": ((2, 3), "float32")}, "label scores")
    graph.output[0].CopyFrom(helper.make_tensor_value_info("label", TensorProto.STRING, [2]))
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 1)]
    found = onnx_backend.run_model(helper.make_model(graph, opset_imports=opsets), [X[:, ::-1].copy()])
    assert found["label"].tolist() == ["a", "a"]


def test_devices_and_models_that_do_not_run() -> None:
    assert onnx_backend.supports_device("CPU") and onnx_backend.supports_device("CPU:0")
    assert not onnx_backend.supports_device("CUDA") and not onnx_backend.supports_device("TPU")
    with pytest.raises(InputError, match="CUDA:1"):
        onnx_backend.prepare(two_results(), "CUDA:1")
    unknown = model_of([helper.make_node("Frobnicate", ["x"], ["y"])], {"x": ((2,), "float32")}, "y")
    assert onnx_backend.is_compatible(two_results()) and not onnx_backend.is_compatible(unknown)
    with pytest.raises(ModelError, match="Frobnicate"):
        onnx_backend.prepare(unknown)
