"""Recurrent layers in quantized models: they compute in float, and their weights are stored as integers or halves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
from onnx_models import node
from quantized_models import images, run, save, sqnr, weights

import millijoule as mj

CHANNELS, UNITS, STEPS, CLASSES = 6, 12, 16, 5
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


@pytest.fixture(autouse=True)
def numpy_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels have tests of their own, and integers are the same bit for bit in NumPy."""
    monkeypatch.setenv("MILLIJOULE_TARGET", "numpy")


def recurrent(path: Path, op: str, directions: int = 1, read: str = "all") -> Path:
    """Convolution, recurrent layer, of which all states are read or the last alone, matrix product."""
    rng = np.random.default_rng(7)
    rows = GATES[op] * UNITS
    constants: dict[str, Any] = {
        "w1": weights(rng, 8, CHANNELS, 3),
        "w": rng.normal(0, 0.4, (directions, rows, 8)).astype(np.float32),
        "r": rng.normal(0, 0.3, (directions, rows, UNITS)).astype(np.float32),
        "b": rng.normal(0, 0.1, (directions, 2 * rows)).astype(np.float32),
        "w2": weights(rng, CLASSES, UNITS * directions * (STEPS if read == "all" else 1)),
    }
    attrs = {"hidden_size": UNITS, "direction": "forward" if directions == 1 else "bidirectional"}
    layer = node(op, "t1 w r b", "states" if read == "all" else "- states", **attrs)
    nodes = [
        *(node("Conv", "x w1", "c1", pads=[1, 1]), node("Relu", "c1", "r1")),
        *(node("Transpose", "r1", "t1", perm=[2, 0, 1]), layer, node("Flatten", "states", "flat", axis=0)),
        node("Gemm", "flat w2", "scores", transB=1),
    ]
    return save(path, nodes, constants, shape=(1, CHANNELS, STEPS))


def stored(model: mj.Model, dtype: type) -> set[tuple[int, ...]]:
    return {v.data.shape for v in model.graph.values.values() if v.data is not None and v.data.dtype == dtype}


def series(count: int, seed: int = 1) -> np.ndarray:
    return images(count, seed, (CHANNELS, STEPS))


@pytest.mark.parametrize(("op", "directions", "read"), [("LSTM", 1, "all"), ("LSTM", 2, "last"), ("GRU", 1, "last"),
                                                        ("RNN", 2, "all")])  # fmt: skip
def test_weights_are_integers_in_the_file(op: str, directions: int, read: str, tmp_path: Path) -> None:
    source = recurrent(tmp_path / "float.onnx", op, directions, read)
    wanted = run(source, series(20, seed=9))
    rows = GATES[op] * UNITS
    weighted = {(directions, rows, 8), (directions, rows, UNITS)}
    for calibration, left in ((None, 30), ({"x": series(24)}, 20)):
        model = mj.convert(source, quantize="int8", calibration=calibration)
        assert weighted <= stored(model, np.int8) and not weighted & stored(model, np.float32)
        model.save(tmp_path / "int8.mj")
        assert sqnr(wanted, run(tmp_path / "int8.mj", series(20, seed=9))) > left


def test_weights_are_halves_in_the_file(tmp_path: Path) -> None:
    source = recurrent(tmp_path / "float.onnx", "GRU", read="last")
    model = mj.convert(source, quantize="float16")
    assert {(1, 3 * UNITS, 8), (1, 3 * UNITS, UNITS)} <= stored(model, np.float16)
    assert sqnr(run(source, series(8)), run(model, series(8))) > 50


def test_layers_stay_in_float_where_that_is_asked_for(tmp_path: Path) -> None:
    source = recurrent(tmp_path / "float.onnx", "LSTM")
    model = mj.convert(source, quantize="int8", calibration={"x": series(24)}, keep_float=["states"])
    assert {(1, 4 * UNITS, 8), (1, 4 * UNITS, UNITS)} <= stored(model, np.float32)


def test_levels_of_a_recurrent_layer_are_chosen_under_a_budget(tmp_path: Path) -> None:
    source = recurrent(tmp_path / "float.onnx", "GRU")
    whole = mj.convert(source, quantize="int8", calibration={"x": series(24)}, budget="size=1MB")
    assert whole.fidelity is not None and whole.fidelity.levels is not None
    assert whole.fidelity.levels["states"] == "float32"
    scarce = mj.convert(source, quantize="int8", calibration={"x": series(24)})
    scarce.save(tmp_path / "int8.mj")
    limit = f"size={(tmp_path / 'int8.mj').stat().st_size}B"
    found = mj.convert(source, quantize="int8", calibration={"x": series(24)}, budget=limit).fidelity
    assert found is not None and found.levels is not None and found.levels["states"] != "float32"
