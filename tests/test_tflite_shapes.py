"""Each TFLite operator that moves data or tells shapes, converted and run in NumPy, against LiteRT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tflite")
pytest.importorskip("ai_edge_litert")

from tflite_builder import Model, Operator, Tensor, compare, converted, one_operator


def real(shape: tuple[int, ...], name: str = "x", dtype: str = "float32") -> Tensor:
    return Tensor(name, shape, dtype)


def quantized(shape: tuple[int, ...], name: str = "x") -> Tensor:
    return Tensor(name, shape, "uint8", scale=0.05, zero_point=117)


def constant(data: Any, name: str = "c", dtype: str = "int32") -> Tensor:
    array = np.asarray(data, dtype)
    return Tensor(name, array.shape, dtype, array)


@pytest.mark.parametrize("make", [real, quantized])
@pytest.mark.parametrize(
    ("kind", "arguments", "shape", "options"),
    [
        ("RESHAPE", [[4, -1]], (4, 15), ("ReshapeOptions", {"NewShape": [4, -1]})),
        ("RESHAPE", [], (6, 10), ("ReshapeOptions", {"NewShape": [6, 10]})),
        ("EXPAND_DIMS", [-1], (3, 4, 5, 1), ("ExpandDimsOptions", {})),
        ("TRANSPOSE", [[2, 0, 1]], (5, 3, 4), ("TransposeOptions", {})),
        ("TILE", [[2, 1, 3]], (6, 4, 15), ("TileOptions", {})),
        ("SLICE", [[1, 0, 2], [2, -1, 3]], (2, 4, 3), ("SliceOptions", {})),
        ("REVERSE_V2", [[1]], (3, 4, 5), ("ReverseV2Options", {})),
        ("GATHER", [[2, 0, 0, 3]], (3, 4, 5), ("GatherOptions", {"Axis": 1})),
        ("PAD", [[[1, 2], [0, 1], [0, 0]]], (6, 5, 5), ("PadOptions", {})),
        ("MIRROR_PAD", [[[1, 2], [0, 3], [0, 0]]], (6, 7, 5), ("MirrorPadOptions", {"Mode": 0})),
        ("MIRROR_PAD", [[[3, 2], [0, 4], [1, 0]]], (8, 8, 6), ("MirrorPadOptions", {"Mode": 1})),
        ("BROADCAST_TO", [[2, 3, 4, 5]], (2, 3, 4, 5), ("BroadcastToOptions", {})),
    ],
)
def test_moves(
    make: Any, kind: str, arguments: list[Any], shape: tuple[int, ...], options: Any, tmp_path: Path
) -> None:
    inputs = [make((3, 4, 5)), *(constant(argument, f"c{i}") for i, argument in enumerate(arguments))]
    compare(one_operator(kind, inputs, [make(shape, "y")], options), tmp_path)


@pytest.mark.parametrize(
    ("begin", "end", "strides", "masks"),
    [
        ([1, 0, 2], [3, 4, 5], [1, 2, 1], {}),
        ([0, 1, 0], [0, 3, 0], [1, 1, 1], {"BeginMask": 1, "EndMask": 5}),
        ([2, 3, -1], [-4, 0, 0], [-1, -2, -1], {"EndMask": 1}),
        ([1, 2], [2, 4], [1, 1], {"ShrinkAxisMask": 1}),
        ([0, -1], [0, 0], [1, 1], {"EllipsisMask": 1, "ShrinkAxisMask": 2}),
        ([0, 0, 1], [0, 0, 3], [1, 1, 1], {"NewAxisMask": 1, "EllipsisMask": 2}),
        (
            [0, 1, 0, 2],
            [0, 2, 0, 4],
            [1, 1, 1, 1],
            {"NewAxisMask": 1, "ShrinkAxisMask": 2, "BeginMask": 4, "EndMask": 4},
        ),
        ([-2, 0, 0], [-1, 100, 5], [1, 3, 2], {}),
    ],
)
@pytest.mark.parametrize("computed", [False, True])
def test_strided_slice(
    begin: list[int], end: list[int], strides: list[int], masks: dict[str, int], computed: bool, tmp_path: Path
) -> None:
    """computed: begin and end come from operators, so that they are known only when the model runs."""
    bounds = [constant(begin, "begin"), constant(end, "end")]
    options = ("StridedSliceOptions", masks)
    if not computed:
        model = one_operator(
            "STRIDED_SLICE", [real((3, 4, 5)), *bounds, constant(strides, "strides")], [real((), "y")], options
        )
        compare(model, tmp_path)
        return
    count = len(begin)
    feed = real((count,), "zeros", "int32")
    sums = [real((count,), name, "int32") for name in ("begin_sum", "end_sum")]
    tensors = [real((3, 4, 5)), feed, *bounds, constant(strides, "strides"), *sums, real((), "y")]
    add: tuple[str, dict[str, Any]] = ("AddOptions", {})
    operators = [
        Operator("ADD", [1, 2], [5], add),
        Operator("ADD", [1, 3], [6], add),
        Operator("STRIDED_SLICE", [0, 5, 6, 4], [7], options),
    ]
    model = Model(tensors, operators, [0, 1], [7])
    x = np.random.default_rng(0).uniform(-1, 1, (3, 4, 5)).astype(np.float32)
    graph = converted(model, tmp_path).graph
    zeros = np.zeros(count, np.int32)
    graph.values["zeros"].data, graph.inputs = zeros, ["x"]
    from tflite_builder import run_litert

    from millijoule.runtime.evaluate.reference import run

    (wanted,) = run_litert(model, [x, zeros])
    np.testing.assert_array_equal(run(graph, {"x": x})["y"], wanted)


def test_squeeze(tmp_path: Path) -> None:
    for dims, shape in (([], (3, 4)), ([0, -1], (3, 1, 4))):
        options = ("SqueezeOptions", {"SqueezeDims": dims})
        compare(one_operator("SQUEEZE", [real((1, 3, 1, 4, 1))], [real(shape, "y")], options), tmp_path)


@pytest.mark.parametrize(("dtype", "code"), [("int32", 2), ("int64", 4)])
def test_shape_and_rank(dtype: str, code: int, tmp_path: Path) -> None:
    compare(
        one_operator("SHAPE", [real((3, 4))], [real((2,), "y", dtype)], ("ShapeOptions", {"OutType": code})), tmp_path
    )
    compare(one_operator("RANK", [real((3, 4))], [real((), "y", "int32")], ("RankOptions", {})), tmp_path)


def test_fill_and_range(tmp_path: Path) -> None:
    fill = [constant([2, 3], "dims"), real((), "value")]
    compare(one_operator("FILL", fill, [real((2, 3), "y")], ("FillOptions", {})), tmp_path)
    bounds = [constant(2, "start"), constant(17, "limit"), constant(4, "delta")]
    tensors = [*bounds, real((4,), "counted", "int32"), real((4,), dtype="int32"), real((4,), "y", "int32")]
    operators = [
        Operator("RANGE", [0, 1, 2], [3], ("RangeOptions", {})),
        Operator("ADD", [3, 4], [5], ("AddOptions", {})),
    ]
    compare(Model(tensors, operators, [4], [5]), tmp_path)


@pytest.mark.parametrize("make", [real, quantized])
@pytest.mark.parametrize("axis", [0, -1])
def test_concatenation_pack_unpack(make: Any, axis: int, tmp_path: Path) -> None:
    parts = [make((3, 3), name) for name in "abc"]
    joined = (9, 3) if axis == 0 else (3, 9)
    compare(
        one_operator("CONCATENATION", parts, [make(joined, "y")], ("ConcatenationOptions", {"Axis": axis})), tmp_path
    )
    stacked = (3, 3, 3)
    options = ("PackOptions", {"Axis": axis, "ValuesCount": 3})
    compare(one_operator("PACK", parts, [make(stacked, "y")], options), tmp_path)
    outputs = [make((3, 3), name) for name in "abc"]
    compare(one_operator("UNPACK", [make(stacked)], outputs, ("UnpackOptions", {"Axis": axis, "Num": 3})), tmp_path)


def test_concatenation_with_activation(tmp_path: Path) -> None:
    options = ("ConcatenationOptions", {"Axis": 1, "FusedActivationFunction": 1})
    parts = [Tensor(name, (4, 6), "int8", scale=0.05, zero_point=3) for name in "ab"]
    output = Tensor("y", (4, 12), "int8", scale=0.05, zero_point=3)
    compare(
        one_operator("ADD", parts, [Tensor("y", (4, 6), "int8", scale=0.05, zero_point=3)], ("AddOptions", {})),
        tmp_path,
    )
    graph = converted(one_operator("CONCATENATION", parts, [output], options), tmp_path).graph
    assert graph.nodes[0].attrs == {"axis": 1, "activation": "Relu"}


@pytest.mark.parametrize("make", [real, quantized])
def test_splits(make: Any, tmp_path: Path) -> None:
    thirds = [make((2, 3), name) for name in "abc"]
    model = one_operator("SPLIT", [constant(-1), make((2, 9))], thirds, ("SplitOptions", {"NumSplits": 3}))
    compare(model, tmp_path)
    parts = [make((2, size), name) for name, size in (("a", 2), ("b", 3), ("c", 4))]
    inputs = [make((2, 9)), constant([2, -1, 4], "sizes"), constant(1, "axis")]
    compare(one_operator("SPLIT_V", inputs, parts, ("SplitVOptions", {"NumSplits": 3})), tmp_path)


@pytest.mark.parametrize(("axis", "batch"), [(1, 1), (2, 1), (3, 1), (2, 2), (3, 2)])
def test_gather_in_batches(axis: int, batch: int, tmp_path: Path) -> None:
    shape, rest = (2, 3, 4, 5), (3, 2) if batch == 1 else (3,)
    indices = np.random.default_rng(axis).integers(0, 2, (2, *rest) if batch == 1 else (2, 3, 2)).astype(np.int32)
    inputs = [real(shape), constant(indices, "indices")]
    options = ("GatherOptions", {"Axis": axis, "BatchDims": batch})
    compare(one_operator("GATHER", inputs, [real((), "y")], options), tmp_path)


def test_gather_nd_and_embedding(tmp_path: Path) -> None:
    indices = constant([[[0, 2]], [[1, 0]]], "indices")
    compare(
        one_operator("GATHER_ND", [real((3, 4, 5)), indices], [real((2, 1, 5), "y")], ("GatherNdOptions", {})), tmp_path
    )
    table = constant(np.random.default_rng(0).uniform(-1, 1, (6, 4)), "table", "float32")
    compare(one_operator("EMBEDDING_LOOKUP", [real((3,), "ids", "int32"), table], [real((3, 4), "y")]), tmp_path)


def test_embedding_of_a_quantized_table(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).integers(-127, 128, (6, 4)).astype(np.int8)
    table = Tensor("table", (6, 4), "int8", rows, scale=0.02)
    compare(one_operator("EMBEDDING_LOOKUP", [real((3,), "ids", "int32"), table], [real((3, 4), "y")]), tmp_path)


@pytest.mark.parametrize("kind", ["ARG_MAX", "ARG_MIN"])
@pytest.mark.parametrize(("dtype", "code"), [("int32", 2), ("int64", 4)])
def test_positions(kind: str, dtype: str, code: int, tmp_path: Path) -> None:
    options = ("ArgMaxOptions" if kind == "ARG_MAX" else "ArgMinOptions", {"OutputType": code})
    compare(one_operator(kind, [real((3, 4, 5)), constant(-2)], [real((3, 5), "y", dtype)], options), tmp_path)
    compare(one_operator(kind, [quantized((3, 4, 5)), constant(1)], [real((3, 5), "y", dtype)], options), tmp_path)


def test_top_k(tmp_path: Path) -> None:
    outputs = [real((3, 2), "values"), real((3, 2), "positions", "int32")]
    compare(one_operator("TOPK_V2", [real((3, 7)), constant(2)], outputs, ("TopKV2Options", {})), tmp_path)


@pytest.mark.parametrize(("axis", "shape"), [(-1, (5, 4)), (0, (4, 5))])
def test_one_hot(axis: int, shape: tuple[int, ...], tmp_path: Path) -> None:
    inputs = [
        real((5,), "indices", "int32"),
        constant(4),
        constant(7.0, "on", "float32"),
        constant(-1.0, "off", "float32"),
    ]
    compare(one_operator("ONE_HOT", inputs, [real(shape, "y")], ("OneHotOptions", {"Axis": axis})), tmp_path)


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
def test_cumsum(exclusive: bool, reverse: bool, tmp_path: Path) -> None:
    options = ("CumsumOptions", {"Exclusive": exclusive, "Reverse": reverse})
    compare(one_operator("CUMSUM", [real((3, 4)), constant(1)], [real((3, 4), "y")], options), tmp_path)


def test_pad_with_a_value(tmp_path: Path) -> None:
    pads = constant([[1, 0], [2, 1]], "pads")
    value = constant(1.5, "value", "float32")
    compare(one_operator("PADV2", [real((3, 4)), pads, value], [real((4, 7), "y")], ("PadV2Options", {})), tmp_path)
    value = Tensor("value", (), "uint8", np.array(200, np.uint8), scale=0.05, zero_point=117)
    model = one_operator("PADV2", [quantized((3, 4)), pads, value], [quantized((4, 7), "y")], ("PadV2Options", {}))
    compare(model, tmp_path)


@pytest.mark.parametrize("make", [real, quantized])
def test_blocks(make: Any, tmp_path: Path) -> None:
    options: Any = ("DepthToSpaceOptions", {"BlockSize": 2})
    compare(one_operator("DEPTH_TO_SPACE", [make((2, 3, 5, 12))], [make((2, 6, 10, 3), "y")], options), tmp_path)
    options = ("SpaceToDepthOptions", {"BlockSize": 2})
    compare(one_operator("SPACE_TO_DEPTH", [make((2, 6, 10, 3))], [make((2, 3, 5, 12), "y")], options), tmp_path)
    inputs = [make((2, 5, 6, 3)), constant([2, 3], "block"), constant([[0, 1], [2, 1]], "pads")]
    compare(
        one_operator("SPACE_TO_BATCH_ND", inputs, [make((12, 3, 3, 3), "y")], ("SpaceToBatchNDOptions", {})), tmp_path
    )
    inputs = [make((12, 3, 3, 3)), constant([2, 3], "block"), constant([[0, 1], [2, 1]], "crops")]
    compare(
        one_operator("BATCH_TO_SPACE_ND", inputs, [make((2, 5, 6, 3), "y")], ("BatchToSpaceNDOptions", {})), tmp_path
    )


@pytest.mark.parametrize("kind", ["RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"])
@pytest.mark.parametrize("mode", ["", "AlignCorners", "HalfPixelCenters"])
@pytest.mark.parametrize("size", [(10, 14), (3, 5), (7, 4)])
def test_resize(kind: str, mode: str, size: tuple[int, int], tmp_path: Path) -> None:
    table = "ResizeBilinearOptions" if kind == "RESIZE_BILINEAR" else "ResizeNearestNeighborOptions"
    options = (table, {mode: True} if mode else {})
    compare(one_operator(kind, [real((1, 5, 7, 3)), constant(size)], [real((1, *size, 3), "y")], options), tmp_path)


@pytest.mark.parametrize("kind", ["RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"])
def test_quantized_resize(kind: str, tmp_path: Path) -> None:
    table = "ResizeBilinearOptions" if kind == "RESIZE_BILINEAR" else "ResizeNearestNeighborOptions"
    x, y = (
        Tensor(name, shape, "int8", scale=0.1, zero_point=4)
        for name, shape in (("x", (1, 5, 7, 3)), ("y", (1, 10, 14, 3)))
    )
    compare(one_operator(kind, [x, constant([10, 14])], [y], (table, {"HalfPixelCenters": True})), tmp_path, quanta=1)
