"""A sample of random graphs that mix floats, plain integers and quantized ones, against onnxruntime."""

from __future__ import annotations

import os

import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from random_graph import Declined
from random_graphs import difference, draw

COUNT = 2000 if os.environ.get("MILLIJOULE_FULL") else 60


@pytest.mark.parametrize("seed", range(COUNT))
def test_random_graphs_agree(seed: int) -> None:
    try:
        assert difference(draw(seed), "numpy") == ""
    except Declined as reason:
        pytest.skip(f"onnxruntime does not run it: {reason}")


def test_a_graph_is_that_of_its_seed_and_some_mix_meanings() -> None:
    mixed = 0
    for seed in range(1, 40, 2):
        drawn = draw(seed)
        assert drawn.model.SerializeToString() == draw(seed).model.SerializeToString()
        ops = {node.op_type for node in drawn.model.graph.node}
        mixed += bool(ops & {"QuantizeLinear", "DequantizeLinear"}) and bool(
            ops & {"Cast", "Clip", "Where", "Max", "Mod"}
        )
    assert mixed >= 5
