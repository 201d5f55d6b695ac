"""`mj debug`: an error is found in the layer where it enters, and not in those that inherit it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli import EXAMPLE, mj, mj_json, one_line

pytest.importorskip("onnx")
from onnx_models import node
from quantized_models import convolutional, images, save, weights

import millijoule
from millijoule.runtime.model import Model


@pytest.fixture(autouse=True)
def numpy_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLIJOULE_TARGET", "numpy")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """float.onnx, its int8.mj and samples.npz; commands run in it."""
    save(tmp_path / "float.onnx", *convolutional())
    np.savez(tmp_path / "samples.npz", x=images(20))
    millijoule.convert(
        tmp_path / "float.onnx", quantize="int8", calibration=str(tmp_path / "samples.npz"), fast=True
    ).save(tmp_path / "int8.mj")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def layers(model: object = "int8.mj") -> dict[str, Any]:
    report = mj_json("debug", model, "float.onnx", "--data", "samples.npz")
    return {each["name"]: each for each in report["layers"]}


def test_every_layer_has_its_own_part(folder: Path) -> None:
    found = layers()
    assert set(found) >= {"x", "r1", "r2", "c3", "scores"} and found["x"]["layer"] is None
    assert found["x"]["inherited"] is None and found["x"]["steps"] == pytest.approx(0.289, abs=0.03)
    for each in found.values():
        parts = [each[part] for part in ("own", "inherited") if each[part] is not None]
        assert all(15 < part < 80 for part in parts) and each["total"] > min(parts) - 6


@pytest.mark.parametrize("name", ["r2", "c3"])
def test_what_is_broken_is_found_where_it_broke(name: str, folder: Path) -> None:
    before = layers()
    model = Model.load(folder / "int8.mj")
    broken = next(each for each in model.graph.nodes if each.op == "Conv" and each.outputs[0].startswith(f"{name}."))
    weight = model.graph.values[broken.inputs[1]]
    assert weight.data is not None
    weight.data = weight.data // 2
    model.save(folder / "broken.mj")
    after = layers("broken.mj")
    assert min(after, key=lambda key: after[key]["own"] or 99) == name and after[name]["own"] < before[name]["own"] - 10
    unbroken = {key for key in after if key != name}
    assert all(after[key]["own"] == pytest.approx(before[key]["own"], abs=1e-6) for key in unbroken)
    if name == "r2":
        assert after["c3"]["inherited"] < before["c3"]["inherited"] - 10


def test_what_is_pasted_is_what_helps(folder: Path) -> None:
    done = mj("debug", "int8.mj", "float.onnx", "--data", "samples.npz", COLUMNS="80")
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    pasted = next(line for line in lines if line.startswith("  mj convert"))
    assert max(len(line) for line in lines if line != pasted) <= 80
    worst = shlex.split(pasted)[-1]
    known = set(layers())
    first = next(line for line in lines if line and line.split()[0] in known - {"x"})
    assert first.split()[0] == worst
    done = mj(*shlex.split(pasted)[1:], "--fast", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["output"] == "int8.mj"
    assert worst not in {name.partition(".")[0] for name, each in layers().items() if each["steps"] is not None}


def test_weights_alone(folder: Path) -> None:
    millijoule.convert("float.onnx", quantize="int8").save("weights.mj")
    found = layers("weights.mj")
    assert {"r1", "r2", "sum", "scores"} == set(found) and all(each["steps"] is None for each in found.values())


def test_attention_whose_products_stay_in_float(folder: Path) -> None:
    rng = np.random.default_rng(0)
    constants = {name: weights(rng, 8, 8) for name in ("q", "k", "v", "o")}
    nodes = [
        *(node("MatMul", "x q", "nq"), node("MatMul", "x k", "nk"), node("MatMul", "x v", "nv")),
        *(node("Transpose", "nk", "nkt", perm=[0, 2, 1]), node("MatMul", "nq nkt", "dots")),
        *(node("Softmax", "dots", "attention", axis=-1), node("MatMul", "attention nv", "mixed")),
        *(node("MatMul", "mixed o", "out"), node("Relu", "out", "scores")),
    ]
    save(folder / "float.onnx", nodes, constants, shape=(1, 6, 8))
    np.savez("samples.npz", x=images(20, shape=(6, 8)))
    millijoule.convert("float.onnx", quantize="int8", calibration="samples.npz", fast=True).save("int8.mj")
    assert {"x", "nq", "nkt", "nv", "mixed", "scores"} == set(layers())


def test_a_picture(folder: Path) -> None:
    pytest.importorskip("matplotlib")
    report = mj_json("debug", "int8.mj", "float.onnx", "--data", "samples.npz", "--picture", "error.png")
    assert report["picture"] == "error.png" and (folder / "error.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["int8.mj", EXAMPLE / "fashion_mnist_int8.onnx"], "the model is quantized already"),
        (["int8.mj", "other.onnx"], "other.onnx has an input 'x' float32 (1, 6, 8), and the quantized model 'x' float"),
        (
            ["float.onnx", "float.onnx"],
            "float.onnx is not quantized: nothing in it is an integer",
        ),
        (["int8.mj", "nothing.onnx"], "nothing.onnx: no such file"),
        (["int8.mj", "float.onnx", "--picture", "samples.npz"], "would replace what the command reads"),
        (["int8.mj", "float.onnx", "--picture", "error.txt"], "its name has to end in one of"),
    ],
)
def test_what_makes_no_sense(arguments: list[Any], problem: str, folder: Path) -> None:
    save(folder / "other.onnx", [node("MatMul", "x q", "scores")], {"q": np.eye(8, dtype=np.float32)}, shape=(1, 6, 8))
    done = mj("debug", *arguments, "--data", "samples.npz")
    assert done.exit_code == 2 and one_line(done.stderr) and problem in done.stderr
