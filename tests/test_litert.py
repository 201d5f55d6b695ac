"""LiteRT as a peer and as an oracle, from either of its packages: ai-edge-litert, or tflite-runtime of older boards."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from cli import mj, mj_json, one_line

pytest.importorskip("tflite")

from tflite_builder import Model, Operator, Tensor

from millijoule.tools.peers import registry
from millijoule.tools.peers.registry import PEERS, available, distribution, installed_package

LITERT = PEERS["litert"]
needs_litert = pytest.mark.skipif(
    installed_package(LITERT) is None,
    reason="neither ai-edge-litert nor tflite-runtime is installed; the latter has no wheels beyond Python 3.11",
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """y = relu(x + 1), then y * y, of 4 rows of 3."""
    ones = Tensor("one", (1, 3), "float32", np.ones((1, 3), np.float32))
    tensors = [Tensor("x", (4, 3), "float32"), ones, Tensor("sum", (4, 3), "float32"), Tensor("y", (4, 3), "float32")]
    add = Operator("ADD", [0, 1], [2], ("AddOptions", {"FusedActivationFunction": 1}))
    square = Operator("MUL", [2, 2], [3], ("MulOptions", {}))
    (tmp_path / "m.tflite").write_bytes(Model(tensors, [add, square], [0], [3]).to_bytes())
    return tmp_path / "m.tflite"


@needs_litert
def test_layers_are_compared_with_it(source: Path) -> None:
    report = mj_json("compare", source, "--target", "numpy")
    assert report["within"] and report["layers_left_out"] is None
    assert {row["name"] for row in report["tensors"]} == {"sum", "y"}
    package = distribution("litert")
    assert f"LiteRT ({package} {version(package)})" in report["oracle"]


@needs_litert
def test_it_takes_turns_and_is_named_with_its_version(source: Path) -> None:
    arguments = ("--peer", "litert", "--target", "numpy", "--rounds", 1, "--seconds", 0.01, "--start", "none")
    report = mj_json("bench", source, *arguments)
    assert set(report["peers"]) == {"litert"} and report["refused"] == {}
    package = distribution("litert")
    assert report["versions"][package] == version(package)
    assert {"ai-edge-litert", "tflite-runtime"} & report["versions"].keys() == {package}


@pytest.mark.parametrize(
    ("installed", "package"),
    [
        ({"ai_edge_litert", "tflite_runtime"}, ("ai_edge_litert", "ai-edge-litert")),
        ({"tflite_runtime"}, ("tflite_runtime", "tflite-runtime")),
        (set(), None),
    ],
)
def test_the_newer_package_comes_first(
    installed: set[str], package: tuple[str, str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "find_spec", lambda name: object() if name in installed else None)
    assert installed_package(LITERT) == package
    assert available("m.tflite") == (["litert"] if package else [])


def test_where_neither_is_installed_both_are_named(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "find_spec", lambda _: None)
    for name in ("litert", "litert_oracle"):
        monkeypatch.delitem(sys.modules, f"millijoule.tools.peers.{name}", raising=False)
    done = mj("compare", source, "--target", "numpy")
    assert done.exit_code == 2 and one_line(done.stderr)
    assert "neither ai-edge-litert nor tflite-runtime" in done.stderr and "millijoule[bench]" in done.stderr
