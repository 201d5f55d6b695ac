"""The catalogue says where each operator is, so that a run imports only the operators of its model."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from millijoule.runtime.ops import catalogue, registry

FOLDER = Path(str(catalogue.__file__)).parent


def test_every_file_that_registers_operators_is_listed() -> None:
    registering = {path.stem for path in FOLDER.glob("*.py") if "register(" in path.read_text()} - {"registry"}
    assert registering <= set(catalogue.FILES)
    assert list(catalogue.FILES) == sorted(catalogue.FILES)


@pytest.mark.parametrize("name", catalogue.HOMES)
def test_an_operator_is_in_the_file_listed(name: str) -> None:
    found = registry.find(name)
    assert found is not None and found.name == name
    assert f'"{name}"' in (FOLDER / f"{catalogue.HOMES[name]}.py").read_text()


def test_nothing_is_registered_that_is_not_listed() -> None:
    for file in catalogue.FILES:
        import_module(f"millijoule.runtime.ops.{file}")
    assert set(registry._ops) == set(registry.names()) == set(catalogue.HOMES)


def test_only_the_operators_asked_for_are_imported(tmp_path: Path) -> None:
    code = (
        "import sys; from millijoule.runtime.ops.registry import find; find('Concat');"
        "print('millijoule.runtime.ops.concat' in sys.modules, 'millijoule.runtime.ops.scatter' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.stdout.split() == ["True", "False"], done.stderr
