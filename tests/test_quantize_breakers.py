"""Models built to break quantizers: none of them collapses. Each is small, with weights as training leaves them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
from onnx_models import node
from quantized_models import convolutional, images, run, save, sqnr, weights

import millijoule as mj

Network = tuple[list[Any], dict[str, Any]]
PADDED = {"pads": [1, 1, 1, 1]}


def depthwise_channels_far_apart(rng: np.random.Generator) -> Network:
    return convolutional(spread=1000)


def constant_channel(rng: np.random.Generator) -> Network:
    nodes, constants = convolutional(seed=2)
    constants["w1"][0], constants["b1"][0] = 0, 5
    return nodes, constants


def dead_relus(rng: np.random.Generator) -> Network:
    nodes, constants = convolutional(seed=3)
    constants["b1"][:3] = -100
    return nodes, constants


def batch_norm_of_no_variance(rng: np.random.Generator) -> Network:
    nodes = [
        *(node("Conv", "x w1", "c1"), node("BatchNormalization", "c1 scale shift mean variance", "n1")),
        *(node("Relu", "n1", "r1"), node("Conv", "r1 w2", "scores")),
    ]
    constants = {"w1": weights(rng, 8, 3, 3, 3), "w2": weights(rng, 8, 8, 3, 3), "variance": np.ones(8, np.float32)}
    constants |= {"scale": np.ones(8, np.float32), "shift": np.zeros(8, np.float32), "mean": np.zeros(8, np.float32)}
    constants["w1"][0], constants["variance"][0] = 0, 0
    return nodes, constants


def hard_swish(rng: np.random.Generator) -> Network:
    nodes = [
        *(node("Conv", "x w1 b1", "c1", **PADDED), node("HardSwish", "c1", "h1")),
        *(node("Conv", "h1 w2", "c2", group=16, **PADDED), node("HardSwish", "c2", "h2")),
        *(node("Conv", "h2 w3", "c3"), node("GlobalAveragePool", "c3", "scores")),
    ]
    constants = {"w1": weights(rng, 16, 3, 3, 3), "w2": weights(rng, 16, 1, 3, 3), "w3": weights(rng, 6, 16, 1, 1)}
    return nodes, {**constants, "b1": rng.standard_normal(16).astype(np.float32)}


def excite(x: str, name: str, channels: int, rng: np.random.Generator) -> Network:
    """A squeeze-and-excite block on x, which gives `name`."""
    nodes = [
        *(node("GlobalAveragePool", x, f"{name}.mean"), node("Conv", f"{name}.mean {name}.down", f"{name}.d")),
        *(node("Relu", f"{name}.d", f"{name}.r"), node("Conv", f"{name}.r {name}.up", f"{name}.u")),
        node("HardSigmoid", f"{name}.u", f"{name}.gate", alpha=1 / 6, beta=0.5),
        node("Mul", f"{x} {name}.gate", name),
    ]
    down, up = weights(rng, channels // 4, channels, 1, 1), weights(rng, channels, channels // 4, 1, 1)
    return nodes, {f"{name}.down": down, f"{name}.up": up}


def squeeze_and_excite(rng: np.random.Generator) -> Network:
    block, constants = excite("h1", "e1", 8, rng)
    nodes = [node("Conv", "x w1", "c1", **PADDED), node("HardSwish", "c1", "h1"), *block]
    constants |= {"w1": weights(rng, 8, 3, 3, 3), "w2": weights(rng, 6, 8, 3, 3)}
    return [*nodes, node("Conv", "e1 w2", "scores", **PADDED)], constants


def mobilenet_v3_of_half_width(rng: np.random.Generator) -> Network:
    """Its blocks, with batch norms whose scales lie far apart, as those of narrow networks do."""
    nodes, constants = [node("Conv", "x stem", "s0", **PADDED), node("HardSwish", "s0", "b0")], {}
    constants["stem"] = weights(rng, 8, 3, 3, 3)
    for at, (wide, kernel, squeezed, curve) in enumerate(
        ((16, 3, True, "Relu"), (24, 3, False, "Relu"), (32, 5, True, "HardSwish"), (32, 5, True, "HardSwish"))
    ):
        name, before = f"m{at}", f"b{at}"
        pads = [kernel // 2] * 4
        uneven = np.exp(rng.normal(0, 1.0, wide)).astype(np.float32)
        constants |= {
            f"{name}.w1": weights(rng, wide, 8, 1, 1),
            f"{name}.w2": weights(rng, wide, 1, kernel, kernel) * uneven[:, None, None, None],
            f"{name}.b2": rng.normal(0, 0.5, wide).astype(np.float32) * uneven,
            f"{name}.w3": weights(rng, 8, wide, 1, 1) / uneven[None, :, None, None],
        }
        nodes += [
            *(node("Conv", f"{before} {name}.w1", f"{name}.c1"), node(curve, f"{name}.c1", f"{name}.h1")),
            node("Conv", f"{name}.h1 {name}.w2 {name}.b2", f"{name}.c2", group=wide, pads=pads),
        ]
        last = f"{name}.c2"
        if squeezed:
            block, more = excite(last, f"{name}.se", wide, rng)
            nodes, constants, last = nodes + block, constants | more, f"{name}.se"
        nodes += [
            *(node(curve, last, f"{name}.h2"), node("Conv", f"{name}.h2 {name}.w3", f"{name}.c3")),
            node("Add", f"{before} {name}.c3", f"b{at + 1}"),
        ]
    nodes += [
        *(node("GlobalAveragePool", "b4", "mean"), node("Flatten", "mean", "flat")),
        *(node("Gemm", "flat hidden", "g1", transB=1), node("HardSwish", "g1", "g2")),
        node("Gemm", "g2 last", "scores", transB=1),
    ]
    return nodes, {**constants, "hidden": weights(rng, 32, 8), "last": weights(rng, 6, 32)}


def boxes_beside_scores(rng: np.random.Generator) -> Network:
    """One scale for both would leave nothing of the scores."""
    nodes = [
        *(node("Conv", "x w1", "c1"), node("Relu", "c1", "r1"), node("Conv", "r1 w2", "boxes")),
        *(node("Conv", "r1 w3", "logits"), node("Sigmoid", "logits", "classes")),
        node("Concat", "boxes classes", "scores", axis=1),
    ]
    shapes = {"w1": (8, 3, 3, 3), "w2": (4, 8, 1, 1), "w3": (2, 8, 1, 1)}
    constants = {name: weights(rng, *shape) for name, shape in shapes.items()}
    constants["w2"] *= 200
    return nodes, constants


def hybrid_with_attention(rng: np.random.Generator) -> Network:
    """A convolution, then a transformer's block. What has no integer kernels stays in float between layers that do."""
    size = 16
    constants: dict[str, Any] = {name: weights(rng, size, size) for name in ("q", "k", "v", "o")}
    constants |= {"w1": weights(rng, size, 3, 3, 3), "w2": weights(rng, 4, size, 1, 1)}
    constants |= {"g": np.ones(size, np.float32), "b": np.zeros(size, np.float32)}
    constants |= {"tokens": np.array([1, size, 36]), "grid": np.array([1, size, 6, 6])}
    nodes = [
        *(node("Conv", "x w1", "c1"), node("Relu", "c1", "r1"), node("Reshape", "r1 tokens", "t0")),
        *(node("Transpose", "t0", "t1", perm=[0, 2, 1]), node("LayerNormalization", "t1 g b", "n", axis=-1)),
        *(node("MatMul", "n q", "nq"), node("MatMul", "n k", "nk"), node("MatMul", "n v", "nv")),
        *(node("Transpose", "nk", "nkt", perm=[0, 2, 1]), node("MatMul", "nq nkt", "dots")),
        *(node("Softmax", "dots", "attention", axis=-1), node("MatMul", "attention nv", "mixed")),
        *(node("MatMul", "mixed o", "out"), node("Add", "t1 out", "sum")),
        *(node("Transpose", "sum", "back", perm=[0, 2, 1]), node("Reshape", "back grid", "map")),
        node("Conv", "map w2", "scores"),
    ]
    return nodes, constants


DECIBELS: dict[Callable[[np.random.Generator], Network], float] = {
    depthwise_channels_far_apart: 35, constant_channel: 20, dead_relus: 20, batch_norm_of_no_variance: 18,
    hard_swish: 20, squeeze_and_excite: 18, mobilenet_v3_of_half_width: 18, boxes_beside_scores: 18,
    hybrid_with_attention: 22,
}  # fmt: skip
"""What has to be left at the output; a collapse is 10 and less."""
IN_FLOAT = 2
"""Products that may stay in float at the end."""


@pytest.mark.parametrize("network", DECIBELS, ids=lambda network: network.__name__)
def test_none_collapses(network: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLIJOULE_TARGET", "numpy")
    nodes, constants = network(np.random.default_rng(0))
    source, fresh = save(tmp_path / "float.onnx", nodes, constants), images(16, seed=9)
    model = mj.convert(source, quantize="int8", calibration={"x": images(24)})
    wanted, found = run(source, fresh), run(model, fresh)
    assert sqnr(wanted, found) > DECIBELS[network]
    products = [each for each in model.graph.nodes if each.op in ("Conv", "Gemm", "MatMul")]
    integers = [each for each in products if model.graph.values[each.outputs[0]].dtype == np.int8]
    written = [each for each in nodes if each.op_type in ("Conv", "Gemm", "MatMul")]
    computed = sum(all(name in constants for name in each.input[1:2]) for each in written)
    assert len(integers) >= computed - IN_FLOAT
    if network is boxes_beside_scores:
        classes = slice(4 * 36, None)
        assert sqnr(wanted[:, classes], found[:, classes]) > 22
