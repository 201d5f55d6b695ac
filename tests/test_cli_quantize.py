"""`mj convert --quantize`: what it writes, what it says of it, and what it refuses."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from cli import EXAMPLE, mj, mj_json, one_line
from full_disk import PAGE, full_disk

pytest.importorskip("onnx")
from quantized_models import convolutional, images, save

from millijoule.runtime.model import Model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("quantize")
    save(made / "float.onnx", *convolutional())
    np.savez(made / "samples.npz", x=images(20))
    np.savez(made / "wrong.npz", y=images(20))
    np.savez(made / "few.npz", x=images(3))
    np.savez(made / "shape.npz", x=images(20, shape=(3, 9, 8)))
    np.savez(made / "pixels.npz", x=np.rint(np.clip(127 + 120 * images(20), 0, 255)).astype(np.float32))
    np.savez(made / "constant.npz", x=np.ones_like(images(20)))
    for name, number in (("nan", np.nan), ("inf", np.inf)):
        broken = images(20)
        broken[7, 0, 0, 0] = number
        np.savez(made / f"{name}.npz", x=broken)
    return made


def test_converts_and_judges(folder: Path, tmp_path: Path) -> None:
    options = ("--quantize", "int8", "--calibrate", folder / "samples.npz")
    done = mj("convert", folder / "float.onnx", "-o", tmp_path / "out.mj", *options, MILLIJOULE_TARGET="numpy")
    assert done.exit_code == 0, done.stderr
    assert "on 4 held-out samples" in done.stdout and "layers with the least signal to noise" in done.stdout
    assert "note: only 16 samples to calibrate with" in done.stdout
    model = Model.load(tmp_path / "out.mj")
    stored = {value.dtype.name for value in model.graph.values.values() if value.data is not None}
    assert {"int8", "int32"} <= stored and list(model.inputs) == ["x"]


def test_report_for_programs(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLIJOULE_TARGET", "numpy")
    report = mj_json(
        *("convert", folder / "float.onnx", "-o", tmp_path / "out.mj", "--quantize", "int8", "--fast"),
        *("--calibrate", folder / "samples.npz", "--validate", folder / "samples.npz", "--keep-float", "c2"),
    )
    found = report["fidelity"]
    assert found["samples"] == 20 and not found["held_out"] and found["outputs"][0]["name"] == "scores"
    assert found["verdict"] in ("fit", "doubtful") and 10 < found["outputs"][0]["sqnr"] < 80
    assert {layer["operator"] for layer in found["layers"]} >= {"Conv"}
    assert mj_json("convert", folder / "float.onnx", "-o", tmp_path / "out.mj")["fidelity"] is None


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--calibrate", "samples.npz"], "--calibrate goes with --quantize int8"),
        (["--keep-float", "c1"], "--keep-float goes with --quantize int8"),
        (["--quantize", "int8", "--calibrate", "wrong.npz"], "no array for input 'x'; there are 'y'"),
        (["--quantize", "int8", "--calibrate", "few.npz"], "few.npz: 3 samples, and at least 5 are needed"),
        (["--quantize", "int8", "--calibrate", "shape.npz"], "expected, got shape (3, 9, 8)"),
        (["--quantize", "int8", "--calibrate", "constant.npz"], "input 'x' is 1 throughout"),
        (["--quantize", "int8", "--calibrate", "nan.npz"], "nan.npz, sample 7: input 'x' holds NaN"),
        (
            ["--quantize", "int8", "--calibrate", "samples.npz", "--validate", "inf.npz"],
            "sample 7: input 'x' holds inf",
        ),
        (["--quantize", "int8", "--calibrate", "nothing.npz"], "no such file or folder of samples"),
        (["--quantize", "int8", "--calibrate", "samples.npz", "--keep-float", "c9"], "no layer 'c9' to keep in float"),
        (["--quantize", "int8", "--min-agreement", "0.9"], "take samples to calibrate with"),
    ],
)
def test_what_makes_no_sense(
    options: list[str], problem: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    done = mj("convert", "float.onnx", "-o", tmp_path / "out.mj", *options, MILLIJOULE_TARGET="numpy")
    assert done.exit_code == 2 and one_line(done.stderr) and problem in done.stderr
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("preprocessing", "said"),
    [
        ([], "holds whole numbers from 0 to 255, like pixels that nobody prepared"),
        (["--scale", 1 / 255], "reaches from 0 to 255, but the model's preprocessing gives 0 to 1"),
    ],
)
def test_pixels_where_the_model_wants_other_numbers(
    preprocessing: list[object], said: str, folder: Path, tmp_path: Path
) -> None:
    options = ("--quantize", "int8", "--fast", "--calibrate", folder / "pixels.npz", *preprocessing)
    done = mj("convert", folder / "float.onnx", "-o", tmp_path / "out.mj", *options, MILLIJOULE_TARGET="numpy")
    assert done.exit_code == 0, done.stderr
    assert sum(said in line for line in done.stderr.splitlines()) == 1


def test_a_model_that_is_quantized_already(folder: Path, tmp_path: Path) -> None:
    options = ("--quantize", "int8", "--calibrate", folder / "samples.npz")
    done = mj("convert", EXAMPLE / "fashion_mnist_int8.onnx", "-o", tmp_path / "out.mj", *options)
    assert done.exit_code == 2 and one_line(done.stderr) and "the model is quantized already" in done.stderr


def test_a_full_disk(folder: Path, tmp_path: Path) -> None:
    with full_disk(PAGE):
        done = mj("convert", folder / "float.onnx", "-o", tmp_path / "out.mj", "--quantize", "int8")
    assert done.exit_code == 2 and one_line(done.stderr) and f"cannot write {tmp_path / 'out.mj'}: " in done.stderr
    assert os.listdir(tmp_path) == []
