"""`mj convert` and the options that say how images are prepared."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cli import EXAMPLE, mj, mj_json, one_line

from millijoule.runtime.file.metadata import Preprocessing
from millijoule.runtime.model import Model

pytest.importorskip("onnx")
SOURCE = EXAMPLE / "fashion_mnist_f32.onnx"


def test_writes_a_model_and_says_what_is_in_it(tmp_path: Path) -> None:
    done = mj("convert", SOURCE, "-o", tmp_path / "out.mj")
    assert done.exit_code == 0, done.stderr
    assert "image" in done.stdout and "1x1x28x28" in done.stdout and "Conv" in done.stdout
    model = Model.load(tmp_path / "out.mj")
    assert list(model.inputs) == ["image"] and list(model.outputs) == ["scores"]
    assert os.listdir(tmp_path) == ["out.mj"]


def test_what_is_not_supported_is_a_list(tmp_path: Path) -> None:
    from onnx_models import model_of, node

    nodes = [node("Frob", "x", "a", name="first"), node("Frob", "a", "b"), node("Grate", "b", "y", name="last")]
    (tmp_path / "m.onnx").write_bytes(model_of(nodes, {"x": ((3,), "float32")}, "y").SerializeToString())
    done = mj("convert", tmp_path / "m.onnx", "-o", tmp_path / "m.mj")
    assert done.exit_code == 2 and done.stderr.splitlines() == [
        f"mj: {tmp_path / 'm.onnx'}: 3 operators are not supported:",
        "  Frob x2, Grate x1: there is no such operator in millijoule",
        "    Frob 'first'",
        "    Frob 'b'",
        "    Grate 'last'",
    ]


def test_preparation_travels_in_the_file(tmp_path: Path) -> None:
    report = mj_json(
        *("convert", SOURCE, "-o", tmp_path / "out.mj", "--labels", EXAMPLE / "labels.txt"),
        *("--mean", "0.5", "--std", "0.25", "--scale", "1/255", "--color", "gray", "--resize", "crop"),
        *("--crop-fraction", "0.875", "--interpolation", "bicubic"),
    )
    metadata = Model.load(tmp_path / "out.mj").metadata
    assert metadata.preprocessing == Preprocessing(
        mean=(0.5,), std=(0.25,), scale=1 / 255, color="gray", resize="crop", crop_fraction=0.875,
        interpolation="bicubic",
    )  # fmt: skip
    assert metadata.labels[9] == "Ankle boot" and report["labels"] == 10


def test_report_for_programs(tmp_path: Path) -> None:
    report = mj_json("convert", SOURCE, "-o", tmp_path / "out.mj")
    assert report["output_bytes"] == (tmp_path / "out.mj").stat().st_size
    assert report["inputs"] == [{"name": "image", "shape": [1, 1, 28, 28], "dtype": "float32", "quantization": None}]
    assert report["operators"]["Conv"] > 3 and report["weight_bytes"]["float32"] > 100_000


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--mean", "1,2", "--color", "rgb"], "mean"),
        (["--std", "0"], "std"),
        (["--crop-fraction", "7"], "crop_fraction"),
        (["--labels", "nothing.txt"], "nothing.txt"),
    ],
)
def test_preparation_that_makes_no_sense(options: list[str], problem: str, tmp_path: Path) -> None:
    done = mj("convert", SOURCE, "-o", tmp_path / "out.mj", *options)
    assert done.exit_code == 2 and one_line(done.stderr) and problem in done.stderr
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("option", ["--mean=a", "--scale=1/0", "--color=cmyk", "--resize=bend"])
def test_options_are_checked_by_the_command_line(option: str, tmp_path: Path) -> None:
    done = mj("convert", SOURCE, "-o", tmp_path / "out.mj", option)
    assert done.exit_code == 2 and "Usage: mj convert" in done.stderr


def test_a_truncated_source_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(SOURCE.read_bytes()[:20_000])
    done = mj("convert", cut, "-o", tmp_path / "out.mj")
    assert done.exit_code == 2 and one_line(done.stderr) and "cut.onnx" in done.stderr
    assert os.listdir(tmp_path) == ["cut.onnx"]


def test_an_output_that_cannot_be_written(tmp_path: Path) -> None:
    done = mj("convert", SOURCE, "-o", tmp_path / "no" / "such" / "folder.mj")
    assert done.exit_code == 2 and one_line(done.stderr) and "No such file or directory" in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk(tmp_path: Path) -> None:
    done = mj("convert", SOURCE, "-o", "/dev/full")
    assert done.exit_code == 2 and one_line(done.stderr) and "/dev/full" in done.stderr


def test_a_model_is_a_source_too(tmp_path: Path) -> None:
    mj("convert", SOURCE, "-o", tmp_path / "out.mj")
    done = mj("convert", tmp_path / "out.mj", "-o", tmp_path / "again.mj")
    assert done.exit_code == 0, done.stderr
    assert (tmp_path / "again.mj").read_bytes() == (tmp_path / "out.mj").read_bytes()
