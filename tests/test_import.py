"""`import millijoule` costs nothing, hands on the public names, and says what to do where it is not installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import millijoule
from millijoule.runtime import errors

CHECKOUT = Path(__file__).resolve().parent.parent


def python(code: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, timeout=120)


def test_import_is_light(tmp_path: Path) -> None:
    """Not even typing, which takes ten times as long."""
    code = "import sys; before = set(sys.modules); import millijoule; print(*sys.modules.keys() - before)"
    done = python(code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) <= {"millijoule", "__future__"}


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


def test_python_in_the_checkout_finds_all_parts(tmp_path: Path) -> None:
    """Where ./millijoule comes before the installation, for which its parts are elsewhere."""
    for folder in ("millijoule", "runtime", "converters", "device_profiles", "tools"):
        shutil.copytree(CHECKOUT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    code = (
        "import millijoule as mj; from millijoule.tools import main; from millijoule.converters import convert;"
        "print(mj.__file__, main.__file__, mj.Error.__name__, mj.load.__name__, mj.__version__)"
    )
    done = python(code, tmp_path)
    assert done.returncode == 0, done.stderr
    package, tool, *names = done.stdout.split()
    assert Path(package).parent.parent == Path(tool).parent.parent == tmp_path.resolve()
    assert names == ["Error", "load", millijoule.__version__]


def test_a_part_alone_says_what_to_do(tmp_path: Path) -> None:
    package = tmp_path / "millijoule"
    package.mkdir()
    shutil.copy(Path(millijoule.__file__), package)
    # -S keeps an installation in site-packages out; -c puts the working folder on the path.
    command = [sys.executable, "-S", "-c", "import millijoule"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env={}, timeout=120)
    assert done.returncode == 1
    assert "ImportError" in done.stderr
    assert "pip install -e ." in done.stderr
