"""TreeEnsemble in a file made to harm, and with trees that are fed: checked before a walk that might never end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import millijoule as mj
from millijoule.runtime.errors import ModelError
from millijoule.runtime.file.metadata import Metadata
from millijoule.runtime.graph import Graph, Node, Value
from millijoule.runtime.model import Model

X = np.array([[0.2, 3.0], [0.7, -1.0], [0.5, 0.0]], np.float32)
TREES: dict[str, np.ndarray] = {
    "features": np.array([0, 1, 0, 0, 0], np.int32),
    "thresholds": np.array([0.5, 0, 0, 0, 0], np.float32),
    "yes": np.array([1, 3, 0, 0, 0], np.int32),
    "no": np.array([2, 4, 0, 0, 0], np.int32),
    "modes": np.array([1, 4, 0, 0, 0], np.int8),
    "leaves": np.array([0, 0, 0, 1, 2], np.int32),
    "weights": np.array([[10], [20], [30]], np.float32),
    "roots": np.array([0], np.int32),
}
"""x0 <= 0.5 ? (x1 > 0 ? 20 : 30) : 10."""
Y = np.array([[20], [10], [30]], np.float32)
HOSTILE: dict[str, tuple[dict[str, np.ndarray], str]] = {
    "a cycle of two": ({"yes": np.array([1, 0, 0, 0, 0], np.int32)}, "leads back"),
    "a node that leads to itself": ({"no": np.array([2, 1, 0, 0, 0], np.int32)}, "leads back"),
    "a node that is not there": ({"yes": np.array([1, 5, 0, 0, 0], np.int32)}, "branches lie in"),
    "a node before the first": ({"no": np.array([-1, 4, 0, 0, 0], np.int32)}, "branches lie in"),
    "a feature that is not there": ({"features": np.array([0, 2, 0, 0, 0], np.int32)}, "features lie in"),
    "a row of weights that is not there": ({"leaves": np.array([0, 0, 0, 1, 3], np.int32)}, "leaves lie in"),
    "a root that is not there": ({"roots": np.array([5], np.int32)}, "roots lie in"),
    "an unknown mode": ({"modes": np.array([1, 7, 0, 0, 0], np.int8)}, "modes lie in"),
}


def graph(trees: dict[str, np.ndarray], fed: tuple[str, ...] = ()) -> Graph:
    """fed: those of the lists that are inputs."""
    made = Graph(name="trees")
    made.add_value(Value("x", X.dtype, ("N", 2)))
    made.add_value(Value("y", Y.dtype, ("N", 1)))
    made.inputs, made.outputs = ["x", *fed], ["y"]
    for name, data in trees.items():
        made.add_value(Value(name, data.dtype, data.shape, data=None if name in fed else data))
    made.nodes = [Node("TreeEnsemble", ["x", *trees], ["y"], {}, "trees")]
    return made


def saved(tmp_path: Path, trees: dict[str, np.ndarray], fed: tuple[str, ...] = ()) -> Path:
    Model(graph(trees, fed), Metadata()).save(tmp_path / "trees.mj")
    return tmp_path / "trees.mj"


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("target", ["numpy", "host"])
def test_a_file_with_trees_that_are_none(kind: str, target: str, tmp_path: Path) -> None:
    change, problem = HOSTILE[kind]
    path = saved(tmp_path, TREES | change)
    with pytest.raises(ModelError, match=problem) as caught, mj.load(path, target=target) as session:
        session.run({"x": X})
    assert "'trees'" in str(caught.value) and len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("kind", HOSTILE)
def test_trees_that_are_fed(kind: str, tmp_path: Path) -> None:
    """What one run is given is checked in that run, and says nothing of the next one."""
    change, problem = HOSTILE[kind]
    fed = tuple(change)
    with mj.load(saved(tmp_path, TREES, fed)) as session:
        good = {name: TREES[name] for name in fed}
        np.testing.assert_array_equal(session.run({"x": X, **good})["y"], Y)
        with pytest.raises(ModelError, match=problem):
            session.run({"x": X, **change})
        np.testing.assert_array_equal(session.run({"x": X, **good})["y"], Y)


def test_large_trees_that_are_fed(tmp_path: Path) -> None:
    """Lists that are too long to be part of what is planned for."""
    count = 2000
    inner = np.arange(count) < count // 2 - 1
    trees: dict[str, np.ndarray] = {
        "features": np.arange(count, dtype=np.int32) % 2,
        "thresholds": np.sin(np.arange(count)).astype(np.float32),
        "yes": np.where(inner, 2 * np.arange(count) + 1, 0).astype(np.int32),
        "no": np.where(inner, 2 * np.arange(count) + 2, 0).astype(np.int32),
        "modes": inner.astype(np.int8),
        "leaves": np.where(inner, 0, np.arange(count)).astype(np.int32),
        "weights": np.arange(count, dtype=np.float32)[:, None],
        "roots": np.array([0], np.int32),
    }
    expected = []
    for row in X:
        at = 0
        while inner[at]:
            at = 2 * at + (1 if row[at % 2] <= trees["thresholds"][at] else 2)
        expected.append([at])
    with mj.load(saved(tmp_path, trees, ("yes", "modes"))) as session:
        feeds = {"x": X, "yes": trees["yes"], "modes": trees["modes"]}
        np.testing.assert_array_equal(session.run(feeds)["y"], np.array(expected, np.float32))
        with pytest.raises(ModelError, match="leads back"):
            session.run({**feeds, "yes": np.zeros(count, np.int32)})
