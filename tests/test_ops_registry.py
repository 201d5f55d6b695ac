"""Operators are found in their files, and only those of a model are imported; their flags agree with what they do."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from millijoule.runtime.graph import Node
from millijoule.runtime.ops import location, registry
from millijoule.runtime.ops.inference import infer_node

FOLDER = Path(str(location.__file__)).parent


def test_every_file_that_registers_operators_is_found_by_their_names() -> None:
    for name in registry.names():
        declared = re.compile(rf'(?<!Node)(?<!add)\(\s*"{name}"')
        homes = {file for file in location.files_of(name) if declared.search((FOLDER / f"{file}.py").read_text())}
        assert len(homes) == 1, f"{name} must be in a file of its name or in one of FAMILIES, but is in {homes}"
    assert set(location.FAMILIES) <= location.files()


def test_only_the_operators_asked_for_are_imported(tmp_path: Path) -> None:
    code = (
        "import sys; from millijoule.runtime.ops.registry import find; assert find('Concat') and find('Relu');"
        "print(*(f'millijoule.runtime.ops.{name}' in sys.modules for name in ('concat', 'scatter', 'arithmetic')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.stdout.split() == ["True", "False", "False"], done.stderr


@pytest.mark.parametrize("name", ["", "Warp", "Registry", "../errors", "os", "relu", "Concat\0", "Add "])
def test_names_that_are_no_operator_s(name: str) -> None:
    assert registry.find(name) is None


@pytest.mark.parametrize(
    ("op", "attrs", "shapes", "macs"),
    [
        ("Conv", {"pads": [1, 1, 1, 1]}, [(2, 8, 6, 3), (5, 3, 3, 3)], 2 * 8 * 6 * 5 * 27),
        ("Gemm", {}, [(4, 6), (6, 5)], 4 * 6 * 5),
        ("MatMul", {}, [(3, 4, 6), (6, 5)], 3 * 4 * 6 * 5),
        ("Einsum", {"equation": "bij,bjk->bik"}, [(3, 4, 6), (3, 6, 5)], 3 * 4 * 6 * 5),
        ("Einsum", {"equation": "...i,i->..."}, [(3, 4, 6), (6,)], 3 * 4 * 6),
        ("Einsum", {"equation": "ij,jk,kl->il"}, [(2, 3), (3, 4), (4, 5)], 2 * 3 * 4 + 2 * 4 * 5),
        ("Einsum", {"equation": "ij->j"}, [(2, 3)], 0),
        ("SupportVectors", {"kernel": "LINEAR"}, [(4, 6), (5, 6)], 4 * 6 * 5),
    ],
)
def test_products_are_counted(op: str, attrs: dict[str, object], shapes: list[tuple[int, ...]], macs: int) -> None:
    inputs = [registry.Tensor(f"x{i}", shape, np.dtype(np.float32)) for i, shape in enumerate(shapes)]
    step = infer_node(Node(op, [tensor.name for tensor in inputs], ["y"], attrs), inputs)
    assert step.op.macs is not None and step.op.macs(step.ctx) == macs
