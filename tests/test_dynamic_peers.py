"""The script that puts rows rounded as they come beside other engines: what it says of a small model."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx_models import node
from quantized_models import save, weights

SCRIPT = Path(__file__).resolve().parent.parent / ".ci" / "dynamic_peers.py"


def test_engines_take_turns_and_are_compared(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    nodes = [node("Flatten", "x", "flat"), node("Gemm", "flat w b", "scores", transB=1)]
    model = save(tmp_path / "linear.onnx", nodes, {"w": weights(rng, 32, 192), "b": weights(rng, 32)})
    command = [sys.executable, str(SCRIPT), str(model), "--rounds", "2", "--seconds", "0.01", "--group", "64"]
    done = subprocess.run([*command, "--json", str(tmp_path / "out.json")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "linear.onnx, one thread" in done.stdout and "dynamic" in done.stdout
    found = json.loads((tmp_path / "out.json").read_text())
    engines = found["engines"]
    assert {"millijoule, as it is", "millijoule, dynamic", "onnxruntime"} <= set(engines)
    assert {name.partition(",")[0] for name in engines} <= {"millijoule", "onnxruntime", "OpenVINO"}
    for name, each in engines.items():
        assert len(each["round_medians"]) == 2 and 0 < each["min"] <= each["median"]
        exact = name in ("millijoule, as it is", "onnxruntime", "OpenVINO, float32")
        assert each["cosine"] == pytest.approx(1, abs=1e-9 if exact else 1e-2), name
    rounded = engines["millijoule, dynamic"]
    assert rounded["largest_difference"] > 10 * engines["millijoule, as it is"]["largest_difference"]
    assert found["largest"] > rounded["largest_difference"]
