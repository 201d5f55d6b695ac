"""Operators are found in their files, and only those of a model are imported; their flags agree with what they do."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from millijoule.runtime.ops import location, registry

FOLDER = Path(str(location.__file__)).parent


def test_every_file_that_registers_operators_is_found_by_their_names() -> None:
    for name in registry.names():
        declared = re.compile(rf'\(\s*"{name}"')
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
