"""Every signature of a TFLite file can be converted, with the names that it gives, against LiteRT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tflite")
pytest.importorskip("ai_edge_litert")

from ai_edge_litert.interpreter import Interpreter
from cli import mj as mj_command
from tflite_builder import Model, Operator, Signature, Tensor

import millijoule as mj
from millijoule.runtime.errors import InputError, ModelError

X = np.array([[1, -2, 3]], np.float32)


def scaled(factor: float, *names: str) -> Model:
    """x -> factor * x, and the same plus 1."""
    tensors = [Tensor(name, (1, 3), "float32") for name in names]
    tensors += [Tensor(name, (), "float32", np.array(number, np.float32)) for name, number in (("f", factor), ("g", 1))]
    operators = [Operator("MUL", [0, 3], [1], ("MulOptions", {})), Operator("ADD", [1, 4], [2], ("AddOptions", {}))]
    return Model(tensors, operators, [0], [1, 2])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    model = scaled(2, "serving_default_x:0", "PartitionedCall:0", "PartitionedCall:1")
    model.subgraphs = [scaled(-5, "other_in:0", "other:0", "other:1"), scaled(7, "third:0", "third:1", "third:2")]
    model.signatures = [
        Signature({"x": 0}, {"double": 1, "more": 2}, "double"),
        Signature({"image": 0}, {"mask": 1, "edge": 2}, "segment", 1),
        Signature({"image": 0}, {"edge": 2}, "outline", 2),
    ]
    (tmp_path / "several.tflite").write_bytes(model.to_bytes())
    return tmp_path / "several.tflite"


@pytest.mark.parametrize("name", ["double", "segment", "outline"])
def test_each_signature(name: str, path: Path) -> None:
    runner = Interpreter(model_path=str(path)).get_signature_runner(name)
    feeds = dict.fromkeys(runner.get_input_details(), X)
    wanted = runner(**feeds)
    with mj.load(mj.convert(path, signature=name), target="numpy") as session:
        found = session.run(feeds)
        assert set(session.input_info) == set(feeds) and set(found) == set(wanted)
    for output, expected in wanted.items():
        np.testing.assert_array_equal(found[output], expected)


def test_without_one_the_first_graph_keeps_its_names(path: Path) -> None:
    with mj.load(mj.convert(path), target="numpy") as session:
        found = session.run({"x": X})
    assert list(found) == ["PartitionedCall:0", "PartitionedCall:1"]
    np.testing.assert_array_equal(found["PartitionedCall:0"], 2 * X)


def test_what_is_no_signature(path: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no signature 'paint'; its signatures: 'double', 'segment', 'outline'"):
        mj.convert(path, signature="paint")
    (tmp_path / "a.onnx").write_bytes(b"")
    with pytest.raises(InputError, match="signature='x' is for TFLite files"):
        mj.convert(tmp_path / "a.onnx", signature="x")


@pytest.mark.parametrize(
    "change", [{"subgraph": 9}, {"outputs": {"y": 99}}, {"inputs": {"x": 99}}, {"outputs": {"y": 0}}]
)
def test_a_damaged_signature(change: dict[str, Any], tmp_path: Path) -> None:
    model = scaled(2, "x", "y", "z")
    fields: dict[str, Any] = {"inputs": {"x": 0}, "outputs": {"y": 1}, "name": "s", "subgraph": 0, **change}
    model.signatures = [Signature(**fields)]
    (tmp_path / "damaged.tflite").write_bytes(model.to_bytes())
    with pytest.raises(ModelError, match="damaged"):
        mj.convert(tmp_path / "damaged.tflite", signature="s")


def test_on_the_command_line(path: Path, tmp_path: Path) -> None:
    done = mj_command("convert", path, "-o", tmp_path / "out.mj", "--signature", "segment")
    assert done.exit_code == 0, done.stderr
    assert list(mj.Model.load(tmp_path / "out.mj").inputs) == ["image"]
    done = mj_command("convert", path, "-o", tmp_path / "no.mj", "--signature", "paint")
    assert done.exit_code == 2 and "no signature 'paint'" in done.stderr and not (tmp_path / "no.mj").exists()
