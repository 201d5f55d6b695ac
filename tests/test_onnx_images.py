"""Spatial operators: from (N, C, ...) with ONNX's weights to channels-last ones, against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

from onnx_models import agree, graph_from, model_of, node

from millijoule.runtime.errors import ModelError
from millijoule.runtime.graph import Graph

RNG = np.random.default_rng(3)


def weights(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def image(*shape: int | str) -> dict[str, Any]:
    return {"x": (shape, "float32")}


def only(graph: Graph, op: str) -> Any:
    (found,) = [found for found in graph.nodes if found.op == op]
    return found


@pytest.mark.parametrize("spatial", [(9,), (7, 6), (5, 4, 6)])
@pytest.mark.parametrize("group", [1, 2, 4])
def test_conv_of_any_rank(spatial: tuple[int, ...], group: int) -> None:
    w = weights(8, 4 // group, *[3] * len(spatial))
    nodes = [node("Conv", "x w b", "y", group=group, kernel_shape=[3] * len(spatial))]
    graph = agree(nodes, image(2, 4, *spatial), constants={"w": w, "b": weights(8)}, opset=11)
    conv = only(graph, "Conv")
    np.testing.assert_array_equal(graph.constant(conv.inputs[1]), np.moveaxis(w, 1, -1))
    assert "kernel_shape" not in conv.attrs


@pytest.mark.parametrize("op", ["Conv", "MaxPool", "AveragePool"])
@pytest.mark.parametrize(
    "attrs",
    [
        {"pads": [1, 0, 2, 1], "strides": [2, 1]},
        {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
        {"auto_pad": "SAME_LOWER"},
        {"auto_pad": "VALID", "strides": [1, 2]},
        {"auto_pad": "NOTSET"},
    ],
)
def test_windows(op: str, attrs: dict[str, Any]) -> None:
    constants = {"w": weights(5, 3, 3, 3)} if op == "Conv" else {}
    extra = {} if op == "Conv" else {"kernel_shape": [3, 3]}
    agree(
        [node(op, "x w" if constants else "x", "y", **attrs, **extra)], image(1, 3, 8, 7), constants=constants, opset=12
    )


def test_dilation() -> None:
    agree([node("Conv", "x w", "y", dilations=[2, 1])], image(1, 3, 8, 7), constants={"w": weights(4, 3, 3, 2)})
    agree([node("MaxPool", "x", "y", kernel_shape=[2, 2], dilations=[2, 3])], image(1, 3, 8, 7))
    agree([node("AveragePool", "x", "y", kernel_shape=[2, 2], dilations=[2, 3])], image(1, 3, 8, 7), opset=19)


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
def test_pools_that_round_up(op: str) -> None:
    agree([node(op, "x", "y", kernel_shape=[3, 2], strides=[2, 2], ceil_mode=1)], image(1, 2, 8, 7), opset=12)


def test_average_that_counts_padding() -> None:
    attrs = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}
    agree([node("AveragePool", "x", "y", **attrs)], image(1, 2, 5, 5), opset=7)


@pytest.mark.parametrize("outputs", ["y", "y i"])
def test_max_pool_with_indices(outputs: str) -> None:
    nodes = [node("MaxPool", "x", "y i", kernel_shape=[2, 2], storage_order=1)]
    agree(nodes, image(1, 2, 4, 4), outputs, opset=8)


@pytest.mark.parametrize(
    "attrs",
    [
        {},
        {"strides": [2, 3], "pads": [1, 0, 0, 2], "output_padding": [1, 0]},
        {"strides": [2, 2], "output_shape": [10, 9]},
        {"strides": [2, 2], "auto_pad": "SAME_UPPER"},
        {"dilations": [2, 1]},
        {"group": 2},
    ],
)
def test_transposed_convolution(attrs: dict[str, Any]) -> None:
    constants = {"w": weights(4, 3, 3, 2), "b": weights(3 * attrs.get("group", 1))}
    agree([node("ConvTranspose", "x w b", "y", **attrs)], image(2, 4, 5, 4), constants=constants, opset=11)


@pytest.mark.parametrize("op", ["GlobalAveragePool", "GlobalMaxPool"])
@pytest.mark.parametrize("spatial", [(7,), (3, 4)])
def test_global_pools(op: str, spatial: tuple[int, ...]) -> None:
    agree([node(op, "x", "y")], image(2, 3, *spatial), opset=7)


@pytest.mark.parametrize("p", [1, 2, 3])
def test_norm_pools(p: int) -> None:
    agree(
        [node("LpPool", "x", "y", p=p, kernel_shape=[2, 3], pads=[1, 0, 0, 1], strides=[2, 1])],
        image(1, 2, 5, 6),
        opset=11,
    )
    if p < 3:
        agree([node("GlobalLpPool", "x", "y", p=p)], image(1, 2, 5, 6), opset=7)


def test_local_response_and_instance_normalization() -> None:
    agree([node("LRN", "x", "y", size=3, alpha=0.1, beta=0.6, bias=1.5)], image(2, 5, 3, 4), opset=7)
    constants = {"s": weights(5), "b": weights(5)}
    agree([node("InstanceNormalization", "x s b", "y", epsilon=1e-3)], image(2, 5, 3, 4), constants=constants, opset=7)


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_depth_and_space(mode: str) -> None:
    agree([node("DepthToSpace", "x", "y", blocksize=2, mode=mode)], image(1, 8, 2, 3), opset=11)
    agree([node("SpaceToDepth", "x", "y", blocksize=2)], image(1, 2, 4, 6), opset=7)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("opset", [7, 9, 10])
def test_upsample(mode: str, opset: int) -> None:
    scales = [1.0, 1.0, 2.0, 3.0]
    if opset == 7:
        agree([node("Upsample", "x", "y", mode=mode, scales=scales)], image(1, 2, 3, 4), opset=opset)
    else:
        op = "Upsample" if opset == 9 else "Resize"
        constants = {"s": np.array(scales, np.float32)}
        agree([node(op, "x s", "y", mode=mode)], image(1, 2, 3, 4), constants=constants, opset=opset)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_first_resize_that_shrinks(mode: str) -> None:
    constants = {"s": np.array([1, 1, 0.5, 0.6], np.float32)}
    agree([node("Resize", "x s", "y", mode=mode)], image(1, 2, 6, 5), constants=constants, opset=10)


@pytest.mark.parametrize("transform", ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"])
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_resize(transform: str, mode: str) -> None:
    attrs = {"mode": mode, "coordinate_transformation_mode": transform}
    roi = {"r": np.zeros(0, np.float32)}
    scales = {**roi, "s": np.array([1, 1, 2, 1.5], np.float32)}
    agree([node("Resize", "x r s", "y", **attrs)], image(1, 2, 4, 6), constants=scales, opset=11)
    sizes = {**roi, "s": np.zeros(0, np.float32), "z": np.array([1, 2, 7, 3])}
    agree([node("Resize", "x r s z", "y", **attrs)], image(1, 2, 4, 6), constants=sizes, opset=11)
    agree([node("Resize", "x - - z", "y", **attrs)], image(1, 2, 4, 6), constants={"z": sizes["z"]}, opset=13)


def test_resize_to_a_size_computed_from_another_image() -> None:
    """As feature pyramids do: sizes = concat(shape(x)[:2], shape(z)[2:])."""
    nodes = [
        node("Shape", "x", "xs"),
        node("Shape", "z", "zs"),
        node("Slice", "xs b m", "head"),
        node("Slice", "zs m e", "tail"),
        node("Concat", "head tail", "sizes", axis=0),
        node("Resize", "x - - sizes", "y", mode="nearest"),
    ]
    constants = {"b": np.array([0]), "m": np.array([2]), "e": np.array([4])}
    inputs = {**image(1, 2, 3, 3), "z": ((1, 5, 6, 9), "float32")}
    graph = agree(nodes, inputs, constants=constants, opset=13)
    assert graph.values["y"].shape == (1, 2, 6, 9)


def test_resize_along_some_axes() -> None:
    constants = {"s": np.array([2, 3], np.float32), "z": np.array([5, 8])}
    agree([node("Resize", "x - s", "y", axes=[2, 3])], image(1, 2, 3, 4), constants=constants, opset=18)
    agree([node("Resize", "x - - z", "y", axes=[3, 2])], image(1, 2, 3, 4), constants=constants, opset=18)


def test_crop_and_resize() -> None:
    constants = {"r": np.array([0, 0, 0.2, 0.3, 1, 1, 0.8, 0.9], np.float32), "z": np.array([1, 2, 3, 4])}
    attrs = {"coordinate_transformation_mode": "tf_crop_and_resize", "extrapolation_value": 9.0, "mode": "linear"}
    agree([node("Resize", "x r - z", "y", **attrs)], image(1, 2, 6, 7), constants=constants, opset=13)


def test_weights_reached_through_conversions_stay_constants() -> None:
    """float16 weights behind a Cast, int8 ones behind a DequantizeLinear along any axis: the constant is permuted."""
    half = weights(4, 3, 3, 3).astype(np.float16)
    nodes = [node("Cast", "w", "wide", to=1), node("Conv", "x wide", "y")]
    graph = agree(nodes, image(1, 3, 6, 6), constants={"w": half})
    cast = only(graph, "Cast")
    np.testing.assert_array_equal(graph.constant(cast.inputs[0]), np.moveaxis(half, 1, -1))
    assert [n.op for n in graph.nodes] == ["Cast", "Transpose", "Conv", "Transpose"]

    q = RNG.integers(-127, 128, (4, 3, 3, 3)).astype(np.int8)
    for axis, size in ((0, 4), (1, 3), (-1, 3)):
        constants = {"w": q, "s": np.linspace(0.01, 0.03, size, dtype=np.float32), "z": np.zeros(size, np.int8)}
        nodes = [node("DequantizeLinear", "w s z", "wide", axis=axis), node("Conv", "x wide", "y")]
        graph = agree(nodes, image(1, 3, 6, 6), constants=constants)
        found = only(graph, "DequantizeLinear")
        np.testing.assert_array_equal(graph.constant(found.inputs[0]), np.moveaxis(q, 1, -1))
        assert found.attrs["axis"] == {0: 0, 1: 3, -1: 2}[axis]


def test_weights_dequantized_in_blocks() -> None:
    constants = {
        "w": RNG.integers(-127, 128, (4, 6, 1, 1)).astype(np.int8),
        "s": np.abs(weights(4, 2, 1, 1)),
        "z": np.zeros((4, 2, 1, 1), np.int8),
    }
    nodes = [node("DequantizeLinear", "w s z", "wide", axis=1, block_size=3), node("Conv", "x wide", "y")]
    graph = agree(nodes, image(1, 6, 2, 2), constants=constants, opset=21)
    assert only(graph, "DequantizeLinear").attrs == {"axis": 3, "block_size": 3}


def test_weights_that_are_an_input() -> None:
    agree([node("Conv", "x w", "y")], {**image(1, 3, 6, 6), "w": ((4, 3, 3, 3), "float32")})


def test_an_image_that_several_operators_read_is_moved_once() -> None:
    nodes = [node("Conv", "x w", "a"), node("Conv", "x w", "b"), node("Add", "a b", "y")]
    graph = agree(nodes, image(1, 3, 4, 4), constants={"w": weights(2, 3, 1, 1)})
    assert sum(n.inputs[0] == "x" for n in graph.nodes) == 1


def test_symbolic_sizes() -> None:
    graph = agree(
        [node("Conv", "x w", "c", pads=[1, 1, 1, 1]), node("GlobalAveragePool", "c", "y")],
        image("batch", 3, "height", "width"),
        constants={"w": weights(8, 3, 3, 3)},
    )
    assert graph.values["x"].shape == ("batch", 3, "height", "width")
    assert graph.values["y"].shape == ("batch", 8, 1, 1)


def test_kernel_shape_that_contradicts_the_weights() -> None:
    nodes = [node("Conv", "x w", "y", kernel_shape=[5, 5])]
    with pytest.raises(
        ModelError, match=r"Conv x1: kernel_shape \[5, 5\] does not fit weights of shape .*\n    Conv 'y'"
    ):
        graph_from(model_of(nodes, image(1, 3, 6, 6), "y", {"w": weights(4, 3, 3, 3)}))


@pytest.mark.parametrize("corners", [0, 1])
@pytest.mark.parametrize("size", [(1, 1, 4, 4), (2, 3, 5, 4), (1, 1, 2, 3, 4), (2, 1, 3, 2, 5), (1, 3, 1, 6)], ids=str)
def test_affine_grid(size: tuple[int, ...], corners: int) -> None:
    """One image, too, which ONNX's own definition squeezes away."""
    rank = len(size) - 2
    if corners and min(size[2:]) == 1:
        pytest.skip("one place has no two corners")
    nodes = [node("AffineGrid", "theta size", "y", align_corners=corners)]
    agree(nodes, {"theta": ((size[0], rank, rank + 1), "float32")}, constants={"size": np.array(size)}, opset=20)
