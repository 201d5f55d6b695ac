"""Peak memory of a process that loads a model whose kernels are compiled already."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from session_models import feeds_of, node_graph, python

from millijoule import Model, load
from millijoule.runtime.graph import Node

if sys.platform != "linux":
    pytest.skip("peak memory is read from Linux's /proc", allow_module_level=True)

LAYERS, CHANNELS = 8, 720
LAYER_KIB = CHANNELS * CHANNELS * 4 >> 10

MEASURE = """
import sys
import numpy as np
import millijoule
from millijoule.runtime.session import load

def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))

before = peak()
model = millijoule.Model.load(sys.argv[1])
loaded = peak()
session = load(model, threads=1)
session.run({"x": np.zeros((1, 2, 2, int(sys.argv[2])), np.float32)})
after = peak()
assert not {"numba", "llvmlite"} & set(sys.modules)
print(loaded - before, after - before, session.engine.weights.used >> 10)
"""


def deep(half: bool) -> Model:
    """Fully connected pixels; 2 MB of weights a layer as float32."""
    rng = np.random.default_rng(0)
    names = ["x", *(f"x{i}" for i in range(1, LAYERS)), "y"]
    nodes = []
    for i in range(LAYERS):
        if half:
            nodes.append(Node("Cast", [f"h{i}"], [f"w{i}"], {"to": "float32"}))
        nodes.append(Node("Conv", [names[i], f"w{i}"], [names[i + 1]]))
    graph = node_graph(*nodes, inputs={"x": (1, 2, 2, CHANNELS)})
    for i in range(LAYERS):
        data = rng.normal(0, 0.05, (CHANNELS, 1, 1, CHANNELS)).astype(np.float16)
        if half:
            graph.add_constant(f"h{i}", data)
        else:
            graph.add_constant(f"w{i}", data.astype(np.float32) + np.float32(1e-6 * i))
    return Model(graph)


@pytest.mark.parametrize("half", [False, True])
def test_weights_are_in_memory_once(half: bool, tmp_path: Path) -> None:
    """Beside the packed weights: some layers on their way into them, and of half-precision weights the float32 copies
    that are still to be packed. The file's pages are given back."""
    model = deep(half)
    model.save(tmp_path / "deep.mj")
    with load(model, threads=1) as session:
        session.run(feeds_of(model))
    done = python(MEASURE, tmp_path / "deep.mj", str(CHANNELS))
    assert done.returncode == 0, done.stderr
    loading, running, packed = map(int, done.stdout.split())
    size = (tmp_path / "deep.mj").stat().st_size >> 10
    assert LAYERS * LAYER_KIB <= packed < 1.1 * LAYERS * LAYER_KIB
    assert loading < size + 3072
    assert running < packed + (LAYERS * LAYER_KIB // 2 if half else 0) + 6 * LAYER_KIB + 2048
