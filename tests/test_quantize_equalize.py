"""Cross-layer equalization: the float model stays what it was, bit for bit, and small channels are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
from onnx_models import graph_from, model_of, node
from quantized_models import IMAGE, convolutional, images, save, sqnr, weights
from quantized_models import run as run_all

import millijoule as mj
from millijoule.converters.quantize.blame import blame
from millijoule.converters.quantize.equalize import Equalized, equalize
from millijoule.converters.quantize.links import links
from millijoule.converters.quantize.prepare import prepare
from millijoule.runtime.evaluate.reference import run
from millijoule.runtime.graph import Graph
from millijoule.runtime.model import Model


@pytest.fixture(autouse=True)
def numpy_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLIJOULE_TARGET", "numpy")


def prepared(nodes: list[Any], constants: dict[str, Any]) -> Graph:
    return prepare(graph_from(model_of(nodes, {"x": (IMAGE, "float32")}, "scores", constants)))


def evened(graph: Graph, count: int = 4) -> Equalized:
    names = [link.tensor for link in links(graph)]
    found = [run(graph, {"x": x[None]}, names) for x in images(count)]
    return equalize(graph, {name: [each[name] for each in found] for name in names})


RATIO = np.geomspace(1e-2, 1e2, 8).astype(np.float32)


def chain(between: list[Any], last: Any, uneven: bool = True) -> tuple[list[Any], dict[str, Any]]:
    """A convolution whose channels are of very different sizes, what is between, and a product that evens them out."""
    rng = np.random.default_rng(0)
    ratio = RATIO if uneven else np.ones_like(RATIO)
    constants: dict[str, Any] = {
        "w1": weights(rng, 8, 3, 3, 3) * ratio[:, None, None, None],
        "b1": rng.standard_normal(8).astype(np.float32) * ratio,
        "dense": weights(rng, 4, 8, 3, 3) / ratio[None, :, None, None],
        "depthwise": weights(rng, 16, 1, 3, 3) / ratio.repeat(2)[:, None, None, None],
        "transposed": weights(rng, 8, 4, 3, 3) / ratio[:, None, None, None],
        "matrix": weights(rng, 4, 8).T / ratio[:, None],
        "slope": np.full((8, 1, 1), 0.1, np.float32),
        "zero": np.float32(0),
        "six": np.float32(6),
    }
    return [node("Conv", "x w1 b1", "c1"), *between, last], constants


PASSES = {
    "Relu, convolution": ([node("Relu", "c1", "y")], node("Conv", "y dense", "scores")),
    "nothing, depthwise": ([], node("Conv", "c1 depthwise", "scores", group=8)),
    "LeakyRelu, pool": (
        [node("LeakyRelu", "c1", "l1", alpha=0.1), node("MaxPool", "l1", "y", kernel_shape=[2, 2])],
        node("Conv", "y dense", "scores"),
    ),
    "PRelu, transposed": ([node("PRelu", "c1 slope", "y")], node("ConvTranspose", "y transposed", "scores")),
    "global pool, matrix": (
        [node("GlobalAveragePool", "c1", "g1"), node("Flatten", "g1", "y")],
        node("Gemm", "y matrix", "scores"),
    ),
}


@pytest.mark.parametrize("name", PASSES)
def test_the_float_model_stays_bit_for_bit(name: str) -> None:
    graph = prepared(*chain(*PASSES[name]))
    found = evened(graph)
    (factor,) = {each.tobytes(): each for each in found.factors.values()}.values()
    assert factor.max() / factor.min() > 100 and set(np.log2(factor) % 1) == {0.0}
    for x in images(3, seed=5):
        np.testing.assert_array_equal(run(graph, {"x": x[None]})["scores"], run(found.graph, {"x": x[None]})["scores"])
    tensor = next(iter(found.factors))
    before, after = (run(each, {"x": images(1)}, [tensor])[tensor] for each in (graph, found.graph))
    np.testing.assert_array_equal(before * factor, after)


STAYS = {
    "a clamp": ([node("Clip", "c1 zero six", "y")], node("Conv", "y dense", "scores")),
    "a curve": ([node("HardSwish", "c1", "y")], node("Conv", "y dense", "scores")),
    "a sum": ([node("Relu", "c1", "r1"), node("Add", "r1 r1", "y")], node("Conv", "y dense", "scores")),
    "an output": ([node("Conv", "c1 dense", "c2")], node("Identity", "c1", "scores")),
}


@pytest.mark.parametrize("name", STAYS)
def test_what_no_factor_passes_through(name: str) -> None:
    assert not list(links(prepared(*chain(*STAYS[name]))))


def test_even_channels_are_left_alone() -> None:
    nodes, constants = chain(*PASSES["nothing, depthwise"], uneven=False)
    constants["w1"][:], constants["b1"][:] = constants["w1"][0], constants["b1"][0]
    graph = prepared(nodes, constants)
    assert list(links(graph)) and not evened(graph).factors


@pytest.mark.parametrize("seed", [0, 2])
def test_depthwise_channels_of_1_to_1000_keep_their_small_ones(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = save(tmp_path / "float.onnx", *convolutional(seed, spread=1000))
    x, fresh = images(40), images(20, seed=9)
    model = mj.convert(source, quantize="int8", calibration={"x": x})
    assert model.fidelity is not None and min(layer.sqnr for layer in model.fidelity.layers) > 25
    wanted = run_all(source, fresh)
    assert sqnr(wanted, run_all(model, fresh)) > 35
    original = Model(prepared(*convolutional(seed, spread=1000)))
    blamed = blame(original, model, [{"x": each[None]} for each in x[:8]], lambda _: None)
    assert min(each.own for each in blamed) > 30
    monkeypatch.setattr("millijoule.converters.quantize.quantizer.equalize", lambda graph, tensors: Equalized(graph))
    without = mj.convert(source, quantize="int8", calibration={"x": x})
    assert sqnr(wanted, run_all(without, fresh)) < 30
