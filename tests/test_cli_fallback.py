"""What runs in NumPy is said in one line, with its share of the work."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli import mj, mj_json

from millijoule.runtime.graph import Graph, Node, Value
from millijoule.runtime.model import Model
from millijoule.tools.measure.fallback import describe_fallback, host_fallback, sentence
from millijoule.tools.models.plans import any_target, plan_program

FLOAT, WIDE = np.dtype(np.float32), np.dtype(np.float64)


@pytest.fixture
def model() -> Model:
    """x (1, 6): 6 x 4 multiply-adds in float32, then 4 x 12 in float64, which has no kernel, and a cast between."""
    graph = Graph({"x": Value("x", FLOAT, (1, 6))}, inputs=["x"], outputs=["z"])
    a = graph.add_constant("a", np.ones((6, 4), np.float32))
    b = graph.add_constant("b", np.ones((4, 12), np.float64))
    for name, dtype, size in (("y", FLOAT, 4), ("w", WIDE, 4), ("z", WIDE, 12)):
        graph.add_value(Value(name, dtype, (1, size)))
    graph.nodes = [
        Node("MatMul", ["x", a], ["y"], {}, "first"),
        Node("Cast", ["y"], ["w"], {"to": "float64"}, "between"),
        Node("MatMul", ["w", b], ["z"], {}, "second"),
    ]
    return Model(graph)


def test_shares_by_hand(model: Model) -> None:
    found = describe_fallback(plan_program(model, {"x": (1, 6)}, any_target("cortex-a72"), 1)[0])
    assert found["operators"] == {"Cast": 1, "MatMul": 1} and found["steps"] == 2 and found["of"] >= 3
    assert found["macs_share"] == pytest.approx(48 / (24 + 48))
    assert found["elements_share"] == pytest.approx((4 + 12) / (4 + 4 + 12))
    said = f"2 of {found['of']} steps run in NumPy (67 % of the multiply-adds): Cast x1, MatMul x1"
    assert sentence(found) == said


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"macs_share": 0.0}, "(25 % of the elements computed, no multiply-adds)"),
        ({"macs_share": None}, "(25 % of the elements computed, no multiply-adds)"),
        ({"macs_share": 0.001}, "(less than 1 % of the multiply-adds)"),
        ({"operators": dict.fromkeys("ABCDEF", 1)}, ": A x1, B x1, C x1, D x1, and 2 more"),
    ],
)
def test_sentences(changed: dict[str, Any], said: str) -> None:
    found = {"steps": 2, "of": 9, "operators": {"A": 2}, "macs_share": 0.5, "elements_share": 0.25}
    assert said in sentence(found | changed)


def test_nothing_is_said_where_all_steps_have_kernels_or_shapes_are_unknown(model: Model) -> None:
    assert sentence({"steps": 0, "of": 9}) == sentence(None) == ""
    model.graph.values["x"] = Value("x", FLOAT, (1, "length"))
    assert host_fallback(model) is None


def test_commands_say_so(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "m.mj"
    model.save(path)
    for command in (["run"], ["bench", "--seconds", "0.01", "--rounds", "1", "--start", "none"], ["inspect"]):
        done = mj(command[0], path, *command[1:], "--target", "numpy", COLUMNS="200")
        assert "3 of 3 steps run in NumPy (100 % of the multiply-adds): MatMul x2, Cast x1" in done.stdout
        found = mj_json(command[0], path, *command[1:], "--target", "numpy")
        assert found["numpy"]["macs_share"] == 1 and found["numpy"]["steps"] == 3


def test_conversion_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx")
    from onnx_models import model_of, node

    source = model_of([node("Gather", "x i", "y")], {"x": ((5, 2), "float32")}, "y", {"i": np.array([0, 3, 1])})
    (tmp_path / "m.onnx").write_bytes(source.SerializeToString())
    monkeypatch.setenv("MILLIJOULE_TARGET", "numpy")
    monkeypatch.setenv("COLUMNS", "200")
    done = mj("convert", tmp_path / "m.onnx", "-o", tmp_path / "m.mj")
    assert re.search(r"(\d) of \1 steps run in NumPy \(100 % of the elements computed, no multiply-adds\)", done.stdout)
    assert mj_json("convert", tmp_path / "m.onnx", "-o", tmp_path / "m.mj")["numpy"]["operators"]["Gather"] == 1
