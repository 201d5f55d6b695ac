"""`import millijoule` costs nothing, hands on the public names, and says what to do where it is not installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import millijoule
from millijoule.runtime import errors

HEAVY = ("numba", "llvmlite", "onnx", "tflite", "flatbuffers", "matplotlib", "PIL", "click", "numpy")


def python(code: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=cwd, timeout=120)


def test_import_is_light(tmp_path: Path) -> None:
    code = f"import millijoule, sys; print([name for name in {HEAVY} if name in sys.modules])"
    done = python(code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["Error", "ModelError", "InputError", "TargetError"])
def test_errors_are_public(name: str) -> None:
    assert getattr(millijoule, name) is getattr(errors, name)
    assert issubclass(getattr(millijoule, name), millijoule.Error)


def test_every_public_name_is_there() -> None:
    missing = [name for name in millijoule.__all__ if not hasattr(millijoule, name)]
    assert not missing
    assert set(millijoule.__all__) <= set(dir(millijoule))


def test_version_is_a_release_number() -> None:
    assert all(part.isdigit() for part in millijoule.__version__.split(".")[:2])


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="no attribute 'sofmax'"):
        _ = millijoule.sofmax  # type: ignore[attr-defined]


def test_bare_checkout_says_what_to_do(tmp_path: Path) -> None:
    package = tmp_path / "millijoule"
    package.mkdir()
    shutil.copy(Path(millijoule.__file__), package)
    # -S keeps an installation in site-packages out; -c puts the working folder on the path.
    command = [sys.executable, "-S", "-c", "import millijoule"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env={}, timeout=120)
    assert done.returncode == 1
    assert "ImportError" in done.stderr
    assert "pip install -e ." in done.stderr
