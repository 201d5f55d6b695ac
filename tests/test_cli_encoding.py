"""Output where a terminal is narrow, or its encoding lacks the characters of tables and of the names in models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli import EXAMPLE, mj_process
from small_model import small_model

from millijoule.runtime.graph import Graph, Node, Value
from millijoule.runtime.model import Model

SOURCE = EXAMPLE / "fashion_mnist_f32.onnx"
LOCALES: dict[str, dict[str, Any]] = {
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "ascii": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}
QUICK = ("--seconds", "0.01", "--rounds", "2")
BENCH = (*QUICK, "--start", "none")
NUMPY = ("--target", "numpy")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of long names, and one whose names are in no 8-bit encoding."""
    folder = tmp_path_factory.mktemp("models")
    model = small_model()
    for node in model.graph.nodes:
        node.name = f"{node.name}/" + 8 * "functional_1/with_a_long_name/"
    model.save(folder / "small.mj")
    names = ("eingäng", "出力")
    graph = Graph({name: Value(name, np.dtype(np.float32), (1, 4)) for name in names})
    graph.nodes, graph.inputs, graph.outputs = (
        [Node("Relu", ["eingäng"], ["出力"], {}, "─節─")],
        ["eingäng"],
        ["出力"],
    )
    Model(graph).save(folder / "names.mj")
    return folder


def commands(folder: Path) -> list[list[object]]:
    small, names = folder / "small.mj", folder / "names.mj"
    return [
        ["run", small, *NUMPY, "--profile", "--shape", "1,8,8,3"],
        ["run", names, *NUMPY],
        ["inspect", small, "--target", "cortex-a72", "--steps"],
        ["inspect", names, *NUMPY, "--profile"],
        ["bench", small, *NUMPY, *BENCH],
        ["bench", SOURCE, *NUMPY, *BENCH, "--peers"],
        ["bench", "softmax", "--sizes", "1000", *QUICK, "--no-peers"],
        ["compare", SOURCE, *NUMPY],
        ["convert", SOURCE, "-o", folder / "out.mj"],
        ["compile", "--target", "list"],
        ["doctor"],
        ["estimate", small, "--profile", "raspberry-pi-zero-2-w", "--profile", "jetson-agx-orin", "--steps"],
        ["profiles"],
    ]


@pytest.mark.parametrize(("index", "locale"), [*((index, "ascii") for index in range(13)), (3, "latin-1")])
def test_tables_fit_80_columns_and_any_locale(index: int, locale: str, models: Path) -> None:
    """Nothing is wider but what cannot be broken: the name of a file."""
    arguments = commands(models)[index]
    if SOURCE in arguments:
        pytest.importorskip("onnx")
    if arguments[0] == "compare" or "--peers" in arguments:
        pytest.importorskip("onnxruntime")
    done = mj_process(*arguments, COLUMNS="80", encoding=locale, **LOCALES[locale])
    assert done.returncode == 0, done.stderr
    wide = [line for line in done.stdout.splitlines() if len(line) > 80]
    assert not [line for line in wide if not any(str(path) in line for path in (models, SOURCE))], wide
    assert "Traceback" not in done.stderr


def test_names_that_an_encoding_lacks_are_replaced_in_text_and_escaped_in_json(models: Path) -> None:
    arguments = ["inspect", models / "names.mj", *NUMPY]
    text = mj_process(*arguments, **LOCALES["ascii"]).stdout
    assert "eing?ng" in text and " ?? " in text
    found = json.loads(mj_process(*arguments, "--json", **LOCALES["ascii"]).stdout)
    assert found["inputs"][0]["name"] == "eingäng" and found["outputs"][0]["name"] == "出力"


@pytest.mark.parametrize("locale", LOCALES)
def test_errors_name_what_no_encoding_has(locale: str, tmp_path: Path) -> None:
    done = mj_process("run", tmp_path / "fä出.mj", encoding=locale, **LOCALES[locale])
    assert done.returncode == 2 and "Traceback" not in done.stderr and "No such file" in done.stderr
    done = mj_process("run", "x.mj", "--nösuch", encoding="latin-1", **LOCALES[locale])
    assert done.returncode == 2 and "Traceback" not in done.stderr
