"""Operators of onnxruntime's own domain that quantized models and transformers are made of, against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnxruntime")

from onnx_models import MICROSOFT, agree, graph_from, model_of, node, onnxruntime_of, run_all

from millijoule.runtime.errors import ModelError

RNG = np.random.default_rng(8)


def floats(*shape: int) -> np.ndarray:
    return RNG.normal(0, 1, shape).astype(np.float32)


def int8s(*shape: int, dtype: str = "int8") -> np.ndarray:
    limits = np.iinfo(dtype)
    return RNG.integers(limits.min, limits.max + 1, shape).astype(dtype)


def fused(op: str, inputs: str, outputs: str = "y", **attrs: Any) -> Any:
    return node(op, inputs, outputs, domain=MICROSOFT, **attrs)


@pytest.mark.parametrize("columns", [False, True])
def test_matmul_integer_to_float(columns: bool) -> None:
    scale = RNG.uniform(0.01, 0.1, 5).astype(np.float32) if columns else np.float32(0.05)
    point = int8s(5) if columns else np.int8(3)
    constants = {"b": int8s(4, 5), "sa": np.float32(0.02), "sb": scale, "za": np.uint8(100), "zb": point,
                 "bias": floats(5)}  # fmt: skip
    made = fused("MatMulIntegerToFloat", "a b sa sb za zb bias")
    agree([made], {"a": ((2, 3, 4), "uint8")}, constants=constants, feeds={"a": int8s(2, 3, 4, dtype="uint8")})


def test_dynamic_quantize_matmul() -> None:
    constants = {"b": int8s(4, 5), "sb": np.float32(0.05), "zb": np.int8(3), "bias": floats(5)}
    agree([fused("DynamicQuantizeMatMul", "a b sb zb bias")], {"a": ((3, 4), "float32")}, constants=constants)


def test_dynamic_quantize_lstm() -> None:
    """onnxruntime rounds data and states to 8 bits: weights so large would make much of leaving that out."""
    units, x = 4, floats(30, 2, 5)
    constants = {"w": int8s(1, 5, 4 * units), "r": int8s(1, units, 4 * units), "b": floats(1, 8 * units),
                 "sw": np.array([0.02], np.float32), "zw": np.array([2], np.int8),
                 "sr": np.array([0.03], np.float32), "zr": np.array([-1], np.int8)}  # fmt: skip
    made = fused("DynamicQuantizeLSTM", "x w r b - - - - sw zw sr zr", "y h", hidden_size=units)
    model = model_of([made], {"x": (x.shape, "float32")}, "y h", constants)
    found, wanted = run_all(graph_from(model), {"x": x}), onnxruntime_of(model, {"x": x})
    for name, expected in wanted.items():
        np.testing.assert_allclose(found[name], expected, atol=1e-4)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("points", [False, True])
def test_matmul_n_bits(bits: int, points: bool) -> None:
    rows, columns, block = 40, 3, 16
    blocks = -(-rows // block)
    constants = {"b": int8s(columns, blocks, block * bits // 8, dtype="uint8"), "s": np.abs(floats(columns * blocks))}
    if points:
        width = -(-blocks * bits // 8)
        constants["z"] = int8s(columns * width, dtype="uint8")
    made = fused("MatMulNBits", "a b s z" if points else "a b s", K=rows, N=columns, bits=bits, block_size=block)
    model = model_of([made], {"a": ((2, rows), "float32")}, "y", constants)
    feeds = {"a": floats(2, rows)}
    found, wanted = run_all(graph_from(model), feeds)["y"], onnxruntime_of(model, feeds)["y"]
    np.testing.assert_allclose(found, wanted, rtol=1e-2, atol=1e-2 * np.abs(wanted).max())


def test_nhwc_max_pool() -> None:
    made = fused("NhwcMaxPool", "x", kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 0])
    agree([made], {"x": ((1, 7, 6, 4), "uint8")})


@pytest.mark.parametrize("bias", [False, True])
def test_skip_layer_normalization(bias: bool) -> None:
    constants = {"scale": floats(6), "shift": floats(6), **({"bias": floats(6)} if bias else {})}
    made = fused("SkipLayerNormalization", f"x skip scale shift {'bias' if bias else ''}", "y - - total", epsilon=1e-5)
    kinds = {"x": ((2, 3, 6), "float32"), "skip": ((2, 3, 6), "float32")}
    agree([made], kinds, "y total", constants)


def test_simplified_layer_normalization() -> None:
    kinds = {"x": ((2, 3, 6), "float32"), "skip": ((2, 3, 6), "float32")}
    made = fused("SkipSimplifiedLayerNormalization", "x skip scale", "y - - total", epsilon=1e-5)
    agree([made], kinds, "y total", {"scale": floats(6)})
    agree([node("SimplifiedLayerNormalization", "x scale", "y", epsilon=1e-5)], {"x": ((2, 6), "float32")},
          constants={"scale": floats(6)})  # fmt: skip


@pytest.mark.parametrize("segments", [False, True])
def test_embed_layer_normalization(segments: bool) -> None:
    constants = {"words": floats(9, 6), "places": floats(5, 6), "parts": floats(2, 6), "scale": floats(6),
                 "shift": floats(6)}  # fmt: skip
    names = "ids segs words places parts scale shift" if segments else "ids - words places - scale shift"
    feeds = {"ids": RNG.integers(0, 9, (2, 4)).astype(np.int32), "segs": RNG.integers(0, 2, (2, 4)).astype(np.int32)}
    kinds = {"ids": ((2, 4), "int32"), **({"segs": ((2, 4), "int32")} if segments else {})}
    agree([fused("EmbedLayerNormalization", names, "y -", epsilon=1e-5)], kinds, "y", constants,
          feeds={name: feeds[name] for name in kinds})  # fmt: skip


MASK = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], np.int32)


@pytest.mark.parametrize("causal", [0, 1])
@pytest.mark.parametrize("masked", [False, True])
def test_attention(causal: int, masked: bool) -> None:
    constants = {"w": floats(6, 24), "b": floats(24), **({"mask": MASK} if masked else {})}
    made = fused("Attention", "x w b mask" if masked else "x w b", num_heads=2, unidirectional=causal)
    agree([made], {"x": ((2, 4, 6), "float32")}, constants=constants)


def test_quantized_attention() -> None:
    constants = {"w": int8s(6, 24), "b": floats(24), "sx": np.float32(0.01), "sw": np.float32(0.02), "m": MASK,
                 "zx": np.uint8(120), "zw": np.int8(0)}  # fmt: skip
    made = fused("QAttention", "x w b sx sw m zx zw", num_heads=2)
    agree([made], {"x": ((2, 4, 6), "uint8")}, constants=constants)


@pytest.mark.parametrize("biased", [False, True])
def test_multi_head_attention(biased: bool) -> None:
    constants = {"b": floats(24), "mask": MASK, "added": floats(1, 2, 3, 4)}
    names = "q k v b mask added" if biased else "q k v"
    kinds = {"q": ((2, 3, 8), "float32"), "k": ((2, 4, 8), "float32"), "v": ((2, 4, 8), "float32")}
    agree([fused("MultiHeadAttention", names, num_heads=2)], kinds, constants=constants if biased else {})


def test_rotary_embedding() -> None:
    constants = {"p": np.array([[0, 1, 2], [3, 1, 0]]), "c": floats(6, 4), "s": floats(6, 4)}
    agree([fused("RotaryEmbedding", "x p c s")], {"x": ((2, 2, 3, 8), "float32")}, constants=constants)


def test_quantized_choice() -> None:
    numbers = {f"s{n}": np.float32(0.02 * (n + 1)) for n in range(3)}
    constants = {**numbers, **{f"z{n}": np.uint8(20 * n) for n in range(3)}}
    kinds = {"c": ((4, 6), "bool"), "x": ((4, 6), "uint8"), "y": ((4, 6), "uint8")}
    agree([fused("QLinearWhere", "c x s0 z0 y s1 z1 s2 z2", "r")], kinds, "r", constants, quanta=1)


def test_smaller_ones() -> None:
    x = {"x": ((2, 3), "float32")}
    agree([fused("ExpandDims", "x a")], x, constants={"a": np.array(1, np.int32)})
    agree([fused("Pad", "x p v", mode="constant")], x,
          constants={"p": np.array([0, 1, 1, 0]), "v": np.array([2], np.float32)})  # fmt: skip


@pytest.mark.parametrize("shape", [(3, 3), (2, 5, 4, 4)])
def test_inverse(shape: tuple[int, ...]) -> None:
    x = floats(*shape) + 3 * np.eye(shape[-1], dtype=np.float32)
    agree([fused("Inverse", "x")], {"x": (shape, "float32")}, feeds={"x": x})


def test_a_matrix_without_an_inverse_is_nan_and_leaves_the_others_alone() -> None:
    x = np.stack([np.ones((2, 2)), np.diag([2.0, 4.0])]).astype(np.float32)
    model = model_of([fused("Inverse", "x")], {"x": (x.shape, "float32")}, "y")
    found = run_all(graph_from(model), {"x": x})["y"]
    assert np.isnan(found[0]).all()
    np.testing.assert_array_equal(found[1], np.diag([0.5, 0.25]))


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean"])
def test_distances(metric: str) -> None:
    agree([fused("CDist", "a b", metric=metric)], {"a": ((5, 3), "float32"), "b": ((4, 3), "float32")})


@pytest.mark.parametrize("op", ["CDist", "Gelu", "Inverse"])
def test_attributes_of_operators_named_alike_are_not_lost(op: str) -> None:
    model = model_of([fused(op, "x x" if op == "CDist" else "x", mode="odd")], {"x": ((3, 3), "float32")}, "y")
    with pytest.raises(ModelError, match="attribute 'mode' = 'odd' is not supported"):
        graph_from(model)
