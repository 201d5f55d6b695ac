"""Every argument of the public functions, given what it cannot be: an InputError, and no error of Python's own."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_models import model_of, node

import millijoule as mj

Given = dict[str, Any]
JUNK: Given = {"object": object(), "text": "junk", "number": -3.5, "list": [object()], "dict": {1: 2}, "bytes": b"\0"}
CALLS = (
    "convert", "quantize", "load", "export", "budget", "softmax", "softmax_statistics", "Preprocessing", "Gate",
    "Memory", "Similar", "Cascade", "Cascade.save", "Model.save", "Session.run", "Session.resize", "Session.prepare",
    "Session.classify", "Session.bind", "Session.quantize", "Session.dequantize",
)  # fmt: skip
TAKEN = {
    "Preprocessing": {"mean": ["number"], "std": ["number"], "scale": ["number"]},
    "Gate": {"threshold": ["number"], "abstain": ["number"]},
    "Memory": {"min_score": ["number"], "path": ["text"]},
    "Cascade.save": {"path": ["text"]},
    "Model.save": {"path": ["text"]},
}
"""What of the above is no junk after all."""


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Callable[..., Any], Given]]:
    """Each function with arguments that it takes."""
    folder = tmp_path_factory.mktemp("arguments")
    source, path, shape = folder / "net.onnx", folder / "net.mj", (1, 3, 8, 8)
    nodes = [node("MatMul", "image w", "x"), node("Flatten", "x", "scores")]
    weights = {"w": np.ones((8, 8), np.float32)}
    source.write_bytes(model_of(nodes, {"image": (shape, "float32")}, "scores", weights).SerializeToString())
    model = mj.convert(source)
    model.save(path)
    session, cascade = mj.load(path), mj.Cascade([path, path], mj.Gate())
    image, array = np.zeros((8, 8, 3), np.uint8), np.zeros(shape, np.float32)
    samples = {"image": np.zeros((10, *shape[1:]), np.float32)}
    table = np.zeros((2, 3), np.float32)
    given: list[tuple[Callable[..., Any], Given]] = [
        (mj.convert, {"source": source}),
        (mj.convert, {"source": source, "quantize": "int8", "calibration": samples}),
        (mj.load, {"model": path}),
        (mj.export, {"model": model, "path": folder / "again.onnx"}),
        (mj.budget, {"limit": "latency=1ms"}),
        (mj.softmax, {"x": table}),
        (mj.softmax_statistics, {"x": table}),
        (mj.Preprocessing, {}),
        (mj.Gate, {}),
        (mj.Memory, {}),
        (mj.Similar, {}),
        (mj.Cascade, {"stages": [path, path], "gate": mj.Gate()}),
        (cascade.save, {"path": folder / "pair.mj"}),
        (model.save, {"path": folder / "saved.mj"}),
        (session.run, {"feeds": array}),
        (session.resize, {"shapes": {"image": shape}}),
        (session.prepare, {"image": image}),
        (session.classify, {"image": image}),
        (session.bind, {"output": "scores", "input": "image"}),
        (session.quantize, {"name": "image", "array": array}),
        (session.dequantize, {"name": "image", "array": array}),
    ]
    return dict(zip(CALLS, given, strict=True))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", CALLS)
def test_junk_is_refused_by_name(
    calls: dict[str, tuple[Callable[..., Any], Given]], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    function, known = calls[name]
    for argument in inspect.signature(function).parameters:
        for kind, junk in JUNK.items():
            where = f"{name}({argument}={junk!r})"
            try:
                function(**{**known, argument: junk})
            except mj.Error as refusal:
                assert kind not in TAKEN.get(name, {}).get(argument, ()), (where, refusal)
            except Exception as bare:
                pytest.fail(f"{where}: {bare!r}")
            else:
                assert kind in TAKEN.get(name, {}).get(argument, ()), where
