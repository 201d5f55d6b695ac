"""Commands on models of text and of sequences: what they read, show, write and refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnxruntime")

import onnx
from cli import mj, mj_json, one_line
from onnx import TensorProto
from onnx_models import node
from test_sequences import ITEMS, SEQUENCE, model_of
from test_text import ML, text_model

WORDS = np.array([["red"], ["blue"], ["none of them"]])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """words.onnx: categories through a product to names. parts.onnx: a sequence to a sequence and a tensor. Both as .mj
    files, too, with what to feed them."""
    found = tmp_path_factory.mktemp("text")
    nodes = [
        node("OneHotEncoder", "x", "hot", domain=ML, cats_strings=["red", "blue"]),
        node("Flatten", "hot", "flat"),
        node("MatMul", "flat w", "scores"),
        node("ArgMax", "scores", "best", axis=1, keepdims=0),
        node("Gather", "names best", "name"),
        node("StringConcat", "name mark", "y"),
    ]
    stored: Any = {"w": np.array([[1, 2], [4, 3]], np.float32), "names": np.array(["cold", "warm"], object)}
    inputs = [("x", TensorProto.STRING, ["n", 1])]
    onnx.save(text_model(nodes, "y scores", inputs, **stored, mark=np.array("!", object)), found / "words.onnx")
    parts = [node("SequenceErase", "s", "t"), node("ConcatFromSequence", "s", "y", axis=0)]
    onnx.save(model_of(parts, "y t", {"s": SEQUENCE}), found / "parts.onnx")
    np.save(found / "x.npy", WORDS)
    (found / "x.txt").write_text("\n".join(WORDS[:, 0]) + "\n", encoding="utf-8")
    (found / "bad.txt").write_bytes(b"\xff")
    np.save(found / "f.npy", ITEMS[0])
    np.savez(found / "s.npz", *ITEMS)
    for name in ("words", "parts"):
        done = mj("convert", found / f"{name}.onnx", "-o", found / f"{name}.mj")
        assert done.exit_code == 0, done.stderr
    return found


@pytest.mark.parametrize("file", ["x.npy", "x.txt"])
def test_text_in_and_out(folder: Path, file: str, tmp_path: Path) -> None:
    done = mj("run", folder / "words.mj", "--input", folder / file, "-o", tmp_path / "y.npz")
    assert done.exit_code == 0, done.stderr
    assert "y: text 3: 'warm!', 'cold!', 'cold!'" in done.stdout
    with np.load(tmp_path / "y.npz") as written:
        assert written["y"].tolist() == ["warm!", "cold!", "cold!"] and written["scores"].shape == (3, 2)
    report = mj_json("run", folder / "words.mj", "--input", folder / file)["outputs"]["y"]
    assert (report["dtype"], report["shape"], report["texts"][0]) == ("text", [3], "warm!")


def test_random_text_is_what_the_model_knows(folder: Path) -> None:
    done = mj("run", folder / "words.mj", "--shape", "x=50,1")
    assert done.exit_code == 0, done.stderr
    assert "'warm!'" in done.stdout and "'cold!'" in done.stdout and ", ..." in done.stdout


def test_sequences_in_and_out(folder: Path, tmp_path: Path) -> None:
    done = mj("run", folder / "parts.mj", "--input", folder / "s.npz", "-o", tmp_path / "y.npz")
    assert done.exit_code == 0, done.stderr
    assert "t: sequence 2" in done.stdout and "t[0]: float32 2x3" in done.stdout and "y: float32 3x3" in done.stdout
    with np.load(tmp_path / "y.npz") as written:
        assert sorted(written.files) == ["t.0", "t.1", "y"]
        np.testing.assert_array_equal(written["t.0"], ITEMS[0])


def test_what_is_in_them(folder: Path) -> None:
    done = mj("inspect", folder / "words.mj")
    assert done.exit_code == 0, done.stderr
    assert "text" in done.stdout and "Lookup" in done.stdout
    kinds = [item["dtype"] for item in mj_json("inspect", folder / "words.mj")["outputs"]]
    assert kinds == ["text", "float32"]
    report = mj_json("inspect", folder / "parts.mj", "--input", folder / "s.npz")
    assert [item["dtype"] for item in report["inputs"]] == ["sequence(float32)"]
    assert [step["operator"] for step in report["steps"]] == ["SequenceErase", "ConcatFromSequence"]


@pytest.mark.parametrize("name", ["words", "parts"])
def test_beside_onnxruntime(folder: Path, name: str) -> None:
    given = folder / ("x.npy" if name == "words" else "s.npz")
    report = mj_json("compare", folder / f"{name}.mj", folder / f"{name}.onnx", "--input", given)
    assert report["within"] and all(row["max_abs"] == 0 for row in report["tensors"])


def test_text_that_differs_is_beyond_any_tolerance(folder: Path, tmp_path: Path) -> None:
    model = onnx.load(folder / "words.onnx")
    mark = next(tensor for tensor in model.graph.initializer if tensor.name == "mark")
    mark.string_data[0] = b"?"
    onnx.save(model, tmp_path / "other.onnx")
    done = mj("compare", folder / "words.mj", tmp_path / "other.onnx", "--input", folder / "x.npy", "--no-layers")
    assert done.exit_code == 1 and "first result beyond the tolerance is 'y'" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["run", "parts.mj"], "'s' sequence(float32) has to be given, with --input"),
        (["bench", "parts.mj"], "'s' sequence(float32) has to be given, with --input"),
        (["run", "parts.mj", "--input", "x.npy"], "takes an .npz file with the tensors in their order"),
        (["run", "words.mj", "--input", "f.npy"], "got float32, not text"),
        (["run", "words.mj", "--input", "bad.txt"], "is no text file in UTF-8"),
        (["run", "words.mj", "--input", "none.txt"], "cannot read"),
        (["export", "words.mj", "-o", "again.onnx"], "ONNX has no operator Lookup"),
        (["convert", "words.onnx", "-o", "w.mj", "--quantize", "dynamic"], "such a model cannot be quantized"),
        (["convert", "words.onnx", "-o", "w.mj", "--self-test", "2"], "the model takes or gives text or sequences"),
    ],
)
def test_refusals(folder: Path, arguments: list[str], problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    done = mj(*arguments)
    assert done.exit_code != 0 and problem in done.stderr
    assert one_line(done.stderr.removeprefix("no --input: feeding random numbers (seed 0)\n"))
