"""Operators of TFLite that place, choose, count and sort, converted and run in NumPy, against LiteRT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tflite")
pytest.importorskip("ai_edge_litert")

from tflite_builder import (
    Model,
    Operator,
    Sparsity,
    Tensor,
    compare,
    converted,
    one_operator,
    run_converted,
    run_litert,
)

from millijoule.runtime.errors import ModelError

RNG = np.random.default_rng(11)


def real(shape: tuple[int, ...], name: str = "x", dtype: str = "float32") -> Tensor:
    return Tensor(name, shape, dtype)


def constant(data: Any, name: str = "c", dtype: str = "int32") -> Tensor:
    array = np.asarray(data, dtype)
    return Tensor(name, array.shape, dtype, array)


def floats(*shape: int) -> np.ndarray:
    return RNG.uniform(-2, 2, shape).astype(np.float32)


@pytest.mark.parametrize("dtype", ["float32", "int32", "int64"])
def test_scatter_nd_adds_up(dtype: str, tmp_path: Path) -> None:
    indices = constant([[0, 1], [2, 3], [0, 1]], "i")
    inputs = [indices, real((3, 2), "u", dtype), constant([3, 4, 2], "shape")]
    compare(one_operator("SCATTER_ND", inputs, [real((3, 4, 2), "y", dtype)], ("ScatterNdOptions", {})), tmp_path)


@pytest.mark.parametrize(
    ("indices", "values"),
    [(3, 5.0), ([1, 4, 6], [1.0, 2.0, 3.0]), ([[1], [4]], [1.0, 2.0]), ([1, 4], 7.0)],
)
def test_sparse_to_dense(indices: Any, values: Any, tmp_path: Path) -> None:
    inputs = [constant(indices, "i"), constant([8], "shape"), constant(values, "v", "float32"), real((), "default")]
    compare(one_operator("SPARSE_TO_DENSE", inputs, [real((8,), "y")], ("SparseToDenseOptions", {})), tmp_path)


@pytest.mark.parametrize("starts", [[1, 2], [-3, 9]])
def test_dynamic_update_slice(starts: list[int], tmp_path: Path) -> None:
    inputs = [real((4, 5)), real((2, 3), "u"), real((2,), "starts", "int32")]
    model = one_operator("DYNAMIC_UPDATE_SLICE", inputs, [real((4, 5), "y")], ("DynamicUpdateSliceOptions", {}))
    compare(model, tmp_path, [floats(4, 5), floats(2, 3), np.array(starts, np.int32)])


def test_dynamic_update_slice_of_quantized_tensors(tmp_path: Path) -> None:
    x, u, y = (Tensor(n, s, "int8", scale=0.1, zero_point=4) for n, s in (("x", (4, 5)), ("u", (2, 3)), ("y", (4, 5))))
    inputs = [x, u, constant([1, 2], "starts")]
    compare(one_operator("DYNAMIC_UPDATE_SLICE", inputs, [y], ("DynamicUpdateSliceOptions", {})), tmp_path)


@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_segment_sum(dtype: str, tmp_path: Path) -> None:
    inputs = [real((5, 2), dtype=dtype), real((5,), "segments", "int32")]
    model = one_operator("SEGMENT_SUM", inputs, [real((), "y", dtype)], ("SegmentSumOptions", {}))
    compare(model, tmp_path, [floats(5, 2).astype(dtype), np.array([0, 0, 1, 2, 2], np.int32)])


@pytest.mark.parametrize("kind", ["SUM", "PROD", "MAX", "MIN"])
@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_unsorted_segments(kind: str, dtype: str, tmp_path: Path) -> None:
    inputs = [real((3, 2, 2), dtype=dtype), real((3,), "segments", "int32"), constant(4, "count")]
    model = one_operator(
        f"UNSORTED_SEGMENT_{kind}", inputs, [real((4, 2, 2), "y", dtype)], (f"UnsortedSegment{kind.title()}Options", {})
    )
    compare(model, tmp_path, [(3 * floats(3, 2, 2)).astype(dtype), np.array([3, -1, 3], np.int32)])


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("sigma", [0.0, 0.5])
def test_non_max_suppression(soft: bool, sigma: float, tmp_path: Path) -> None:
    corners = RNG.uniform(0, 1, (24, 2))
    boxes = np.concatenate([corners, corners + RNG.uniform(0.2, 0.5, (24, 2))], 1).astype(np.float32)
    numbers = [constant(n, h, "float32") for n, h in ((0.4, "iou"), (0.1, "least"), (sigma, "sigma"))]
    inputs = [real((24, 4), "boxes"), real((24,), "scores"), constant(8, "most"), *numbers[: 3 if soft else 2]]
    outputs = [real((8,), "chosen", "int32"), *([real((8,), "kept")] if soft else []), real((), "count", "int32")]
    version = "V5" if soft else "V4"
    model = one_operator(f"NON_MAX_SUPPRESSION_{version}", inputs, outputs, (f"NonMaxSuppression{version}Options", {}))
    compare(model, tmp_path, [boxes, RNG.uniform(0, 1, 24).astype(np.float32)])


@pytest.mark.parametrize("regular", [False, True])
def test_detection_post_process(regular: bool, tmp_path: Path) -> None:
    from flatbuffers import flexbuffers

    options = {
        "max_detections": 6,
        "max_classes_per_detection": 1 if regular else 2,
        "detections_per_class": 4,
        "use_regular_nms": regular,
        "nms_score_threshold": 0.2,
        "nms_iou_threshold": 0.5,
        "num_classes": 3,
        "y_scale": 10.0,
        "x_scale": 10.0,
        "h_scale": 5.0,
        "w_scale": 5.0,
    }
    anchors = np.concatenate([RNG.uniform(0, 1, (20, 2)), RNG.uniform(0.2, 0.6, (20, 2))], 1)
    inputs = [real((1, 20, 4), "boxes"), real((1, 20, 4), "scores"), constant(anchors, "anchors", "float32")]
    room = 6 if regular else 12
    outputs = [real((1, room, 4), "y"), real((1, room), "classes"), real((1, room), "best"), real((1,), "count")]
    model = one_operator(
        "CUSTOM TFLite_Detection_PostProcess", inputs, outputs, custom_options=bytes(flexbuffers.Dumps(options))
    )
    compare(model, tmp_path, [floats(1, 20, 4), RNG.uniform(0, 1, (1, 20, 4)).astype(np.float32)])


@pytest.mark.parametrize("dtype", ["float32", "bool", "int32"])
def test_where(dtype: str, tmp_path: Path) -> None:
    x = (np.arange(12).reshape(3, 4) % 3 == 0).astype(dtype)
    compare(one_operator("WHERE", [real((3, 4), dtype=dtype)], [real((), "y", "int64")]), tmp_path, [x])


@pytest.mark.parametrize(("dtype", "index"), [("float32", "int32"), ("int64", "int64"), ("int32", "int32")])
def test_unique(dtype: str, index: str, tmp_path: Path) -> None:
    outputs = [real((), "y", dtype), real((), "places", index)]
    options = ("UniqueOptions", {"IdxOutType": {"int32": 2, "int64": 4}[index]})
    x = np.array([3, 1, 3, 0, 1, 7], dtype)
    compare(one_operator("UNIQUE", [real((6,), dtype=dtype)], outputs, options), tmp_path, [x])


@pytest.mark.parametrize(("batch", "time"), [(0, 1), (1, 0), (3, 1), (0, 2)])
def test_reverse_sequence(batch: int, time: int, tmp_path: Path) -> None:
    shape = (3, 4, 5, 2)
    inputs = [real(shape), real((shape[batch],), "lengths", "int32")]
    model = one_operator(
        "REVERSE_SEQUENCE", inputs, [real(shape, "y")], ("ReverseSequenceOptions", {"BatchDim": batch, "SeqDim": time})
    )
    compare(model, tmp_path, [floats(*shape), RNG.integers(1, shape[time], shape[batch]).astype(np.int32)])


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_broadcast_args(dtype: str, tmp_path: Path) -> None:
    inputs = [real((3,), "a", dtype), real((2,), "b", dtype)]
    model = one_operator("BROADCAST_ARGS", inputs, [real((3,), "y", dtype)])
    compare(model, tmp_path, [np.array([2, 1, 5], dtype), np.array([4, 1], dtype)])


def test_bucketize(tmp_path: Path) -> None:
    options = ("BucketizeOptions", {"Boundaries": np.array([-1.0, 0.0, 0.5], np.float32)})
    x = np.array([[-3, -1, -0.5], [0, 0.5, 9]], np.float32)
    compare(one_operator("BUCKETIZE", [real((2, 3))], [real((2, 3), "y", "int32")], options), tmp_path, [x])


@pytest.mark.parametrize("bits", [8, 4])
def test_fake_quant(bits: int, tmp_path: Path) -> None:
    options = ("FakeQuantOptions", {"Min": -1.3, "Max": 1.7, "NumBits": bits})
    compare(one_operator("FAKE_QUANT", [real((4, 50))], [real((4, 50), "y")], options), tmp_path)


def test_atan2(tmp_path: Path) -> None:
    compare(
        one_operator("ATAN2", [real((3, 8)), real((3, 8), "b")], [real((3, 8), "y")], ("ATan2Options", {})), tmp_path
    )


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32"])
def test_bitwise_xor(dtype: str, tmp_path: Path) -> None:
    inputs = [real((3, 8), dtype=dtype), real((8,), "b", dtype)]
    compare(one_operator("BITWISE_XOR", inputs, [real((3, 8), "y", dtype)], ("BitwiseXorOptions", {})), tmp_path)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32"])
def test_right_shift(dtype: str, tmp_path: Path) -> None:
    inputs = [real((4,), dtype=dtype), constant([0, 1, 3, 40], "b", dtype)]
    model = one_operator("RIGHT_SHIFT", inputs, [real((4,), "y", dtype)], ("RightShiftOptions", {}))
    compare(model, tmp_path, [np.array([-100, -7, 77, -1], np.int64).astype(dtype)])


@pytest.mark.parametrize(("source", "target"), [("float32", "int32"), ("int32", "uint32"), ("int16", "uint16")])
def test_bitcast(source: str, target: str, tmp_path: Path) -> None:
    model = one_operator("BITCAST", [real((3, 8), dtype=source)], [real((3, 8), "y", target)], ("BitcastOptions", {}))
    compare(model, tmp_path)


@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_matrix_diag(dtype: str, tmp_path: Path) -> None:
    model = one_operator(
        "MATRIX_DIAG", [real((2, 3), dtype=dtype)], [real((2, 3, 3), "y", dtype)], ("MatrixDiagOptions", {})
    )
    compare(model, tmp_path)


@pytest.mark.parametrize("shape", [(2, 3, 3), (2, 3, 4), (2, 4, 3)])
def test_matrix_set_diag(shape: tuple[int, ...], tmp_path: Path) -> None:
    inputs = [real(shape), real((2, 3), "d")]
    compare(one_operator("MATRIX_SET_DIAG", inputs, [real(shape, "y")], ("MatrixSetDiagOptions", {})), tmp_path)


@pytest.mark.parametrize("function", [1, 2, 3, 4])
def test_reduce_window(function: int, tmp_path: Path) -> None:
    lists = [constant(n, h, "int64") for n, h in (([2, 3], "window"), ([1, 2], "strides"), ([2, 1], "dilations"))]
    inputs = [real((5, 8)), constant(0.5, "initial", "float32"), *lists]
    model = one_operator(
        "REDUCE_WINDOW", inputs, [real((3, 3), "y")], ("ReduceWindowOptions", {"ReduceFunction": function})
    )
    compare(model, tmp_path)


def test_dilate(tmp_path: Path) -> None:
    inputs = [real((2, 3)), constant([2, 3], "by"), constant(-1.5, "between", "float32")]
    compare(one_operator("DILATE", inputs, [real((3, 7), "y")], ("DilateOptions", {})), tmp_path)


@pytest.mark.parametrize("padding", [0, 1])
def test_conv_3d(padding: int, tmp_path: Path) -> None:
    fields = {
        "StrideD": 1,
        "StrideH": 2,
        "StrideW": 1,
        "DilationDFactor": 1,
        "DilationHFactor": 1,
        "DilationWFactor": 1,
    }
    options = ("Conv3DOptions", {"Padding": padding, "FusedActivationFunction": 1, **fields})
    w, b = constant(floats(2, 3, 2, 4, 5), "w", "float32"), constant(floats(5), "b", "float32")
    compare(one_operator("CONV_3D", [real((2, 5, 6, 7, 4)), w, b], [real((), "y")], options), tmp_path)


@pytest.mark.parametrize("padding", [0, 1])
def test_conv_3d_transpose(padding: int, tmp_path: Path) -> None:
    fields = {
        "StrideD": 2,
        "StrideH": 2,
        "StrideW": 1,
        "DilationDFactor": 1,
        "DilationHFactor": 1,
        "DilationWFactor": 1,
    }
    options = ("Conv3DOptions", {"Padding": padding, **fields})
    shape = (1, 6, 8, 4, 3) if padding == 0 else (1, 7, 9, 5, 3)
    inputs = [constant(shape, "shape"), constant(floats(3, 3, 2, 3, 5), "w", "float32"), real((1, 3, 4, 4, 5))]
    compare(one_operator("CONV_3D_TRANSPOSE", inputs, [real(shape, "y")], options), tmp_path)


def chained(*operators: Operator, tensors: list[Tensor], outputs: int = 1) -> Model:
    """The first tensor is the input, the last are the outputs."""
    return Model(tensors, list(operators), [0], list(range(len(tensors) - outputs, len(tensors))))


@pytest.mark.parametrize("lengths", [[1, 16], [4, 8], [8, 32]])
def test_spectra(lengths: list[int], tmp_path: Path) -> None:
    rows = lengths[0]
    spectrum = (rows, lengths[1] // 2 + 1)
    tensors = [
        real((rows, 16)),
        constant(lengths, "lengths"),
        Tensor("spectrum", spectrum, "float32", type_name="COMPLEX64"),
        constant([*spectrum, 1], "shape"),
        Tensor("moved", (*spectrum, 1), "float32", type_name="COMPLEX64"),
        *(real((*spectrum, 1), name) for name in ("size", "real", "imaginary", "cast")),
    ]
    operators = [
        Operator("RFFT2D", [0, 1], [2], ("Rfft2dOptions", {})),
        Operator("RESHAPE", [2, 3], [4], ("ReshapeOptions", {})),
        *(Operator(kind, [4], [index]) for kind, index in (("COMPLEX_ABS", 5), ("REAL", 6), ("IMAG", 7))),
        Operator("CAST", [4], [8]),
    ]
    compare(chained(*operators, tensors=tensors, outputs=4), tmp_path)


def test_complex_numbers_where_they_are_not_taken(tmp_path: Path) -> None:
    tensors = [
        real((1, 16)),
        constant([1, 16], "lengths"),
        Tensor("spectrum", (1, 9), "float32", type_name="COMPLEX64"),
        real((1, 9), "y"),
    ]
    operators = [Operator("RFFT2D", [0, 1], [2], ("Rfft2dOptions", {})), Operator("ABS", [2], [3])]
    with pytest.raises(ModelError, match="'spectrum' holds complex numbers"):
        converted(chained(*operators, tensors=tensors), tmp_path)


SPARSE = np.array([[1, 0, 0, 2], [0, 0, 3, 0], [0, 0, 0, 0], [4, 5, 0, 6]], np.float32)
SPARSITIES = {
    "rows": Sparsity([0, 1], [], [4, ([0, 2, 3, 3, 6], [0, 3, 2, 0, 1, 3])]),
    "columns": Sparsity([1, 0], [], [4, ([0, 2, 3, 4, 6], [0, 3, 3, 1, 0, 3])]),
    "blocks": Sparsity([0, 1, 2, 3], [0, 1], [2, ([0, 2, 4], [0, 1, 0, 1]), 2, 2]),
}


def stored(layout: str) -> np.ndarray:
    if layout == "blocks":
        return SPARSE.reshape(2, 2, 2, 2).transpose(0, 2, 1, 3).reshape(-1)
    values = SPARSE if layout == "rows" else SPARSE.T
    return values[values != 0]


@pytest.mark.parametrize("layout", SPARSITIES)
@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
def test_sparse_weights(layout: str, dtype: str, tmp_path: Path) -> None:
    scale = 0.5 if dtype == "int8" else None
    held = Tensor("held", (4, 4), dtype, stored(layout).astype(dtype), scale, sparsity=SPARSITIES[layout])
    tensors = [real((2, 4)), held, Tensor("w", (4, 4), dtype, scale=scale), real((4, 4), "wide"), real((2, 4), "y")]
    operators = [Operator("DENSIFY", [1], [2]), Operator("DEQUANTIZE", [2], [3]), MATMUL]
    if dtype == "float32":
        operators[1:] = [Operator("FULLY_CONNECTED", [0, 2, -1], [4], MATMUL.options)]
    model = chained(*operators, tensors=tensors)
    x = floats(2, 4)
    np.testing.assert_allclose(run_converted(model, tmp_path, [x])[0], x @ SPARSE.T * (scale or 1), rtol=1e-6)
    np.testing.assert_allclose(run_litert(model, [x])[0], x @ SPARSE.T * (scale or 1), rtol=1e-6)
    assert "DENSIFY" not in {node.op for node in converted(model, tmp_path).graph.nodes}


MATMUL = Operator("FULLY_CONNECTED", [0, 3, -1], [4], ("FullyConnectedOptions", {}))


@pytest.mark.parametrize(
    "broken",
    [
        Sparsity([0, 0], [], [4, ([0, 2, 3, 3, 6], [0, 3, 2, 0, 1, 3])]),
        Sparsity([0, 1], [], [1 << 29, ([0, 2, 3, 3, 6], [0, 3, 2, 0, 1, 3])]),
        Sparsity([0, 1], [], [4, ([0, 2, 3], [0, 3, 2, 0, 1, 3])]),
        Sparsity([0, 1], [], [4, ([0, 2, 1, 3, 6], [0, 3, 2, 0, 1, 3])]),
        Sparsity([0, 1], [], [4, ([0, 2, 3, 3, 7], [0, 3, 2, 0, 1, 3])]),
        Sparsity([0, 1], [], [4, ([0, 2, 3, 3, 6], [0, 9, 2, 0, 1, 3])]),
        Sparsity([0, 1], [7], [4, ([0, 2, 3, 3, 6], [0, 3, 2, 0, 1, 3])]),
    ],
)
def test_sparse_weights_out_of_place(broken: Sparsity, tmp_path: Path) -> None:
    held = Tensor("held", (4, 4), "float32", stored("rows"), sparsity=broken)
    tensors = [real((2, 4)), held, real((4, 4), "w"), real((2, 4), "y")]
    operators = [Operator("DENSIFY", [1], [2]), Operator("FULLY_CONNECTED", [0, 2, -1], [3], MATMUL.options)]
    with pytest.raises(ModelError, match="'held' is stored sparse"):
        converted(chained(*operators, tensors=tensors), tmp_path)


@pytest.mark.parametrize(("code", "function"), [(4, np.tanh), (5, np.signbit)])
def test_fused_activations_that_litert_leaves_out(code: int, function: Any, tmp_path: Path) -> None:
    """Its kernels compute the sum alone; the schema and the delegates mean what they say."""
    options = ("AddOptions", {"FusedActivationFunction": code})
    model = one_operator("ADD", [real((3, 8)), real((3, 8), "b")], [real((3, 8), "y")], options)
    a, b = floats(3, 8), floats(3, 8)
    np.testing.assert_allclose(run_converted(model, tmp_path, [a, b])[0], function(a + b), rtol=1e-6)
