"""The blocks of Python in README and docs run as they stand, in a folder that has the files they name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from classifiers import SIZE, classifier, images
from cli import mj
from tflite_builder import Tensor, one_operator

import millijoule

ROOT = Path(__file__).resolve().parent.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
BLOCKS = [
    (f"{page.stem} {number}", block)
    for page in PAGES
    for number, block in enumerate(re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE))
]
PROGRAMS = [pytest.param(block, id=name) for name, block in BLOCKS if re.search(r"\bmj\.|^import |^from ", block, re.M)]
"""Others are signatures."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that a block reads."""
    image = pytest.importorskip("PIL.Image")
    pytest.importorskip("onnx")
    made = tmp_path_factory.mktemp("docs")
    (made / "examples").symlink_to(ROOT / "examples")
    for seed, name in enumerate(("model.mj", "a.mj", "b.mj")):
        classifier(seed).save(made / name)
    millijoule.export(classifier(0), made / "model.onnx")
    integers = Tensor("input", (1, SIZE, SIZE, 3), "uint8", scale=1 / 255)
    flat = Tensor("output", (1, SIZE * SIZE * 3), "uint8", scale=1 / 255)
    reshape = one_operator("RESHAPE", [integers], [flat], ("ReshapeOptions", {"NewShape": list(flat.shape)}))
    (made / "model.tflite").write_bytes(reshape.to_bytes())
    mj("compile", made / "model.mj", "-o", made / "model.mjk")
    mj("bench", made / "model.mj", "--seconds", 0.01, "--rounds", 2, "--start", "none", "-o", made / "run.json")
    np.savez(made / "samples.npz", image=images(40))
    (made / "labels.txt").write_text("".join(f"thing {number}\n" for number in range(10)))
    image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)).save(made / "cat.jpg")
    return made


@pytest.mark.filterwarnings("ignore::millijoule.PreprocessingWarning")
@pytest.mark.parametrize("block", PROGRAMS)
def test_blocks_of_python_run(
    block: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    reals = images(1)
    x = reals if "model.tflite" not in block else reals.astype(np.uint8)
    names: dict[str, Any] = {
        "np": np, "mj": millijoule, "x": x, "image": x, "reals": reals, "model": classifier(0),
    }  # fmt: skip
    exec(compile(block, "the block", "exec"), names)
    assert ("print(" in block) == bool(capsys.readouterr().out)
