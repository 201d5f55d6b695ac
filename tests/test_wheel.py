"""What the wheel holds is what git tracks, and the check that says so notices when it is not."""

from __future__ import annotations

import configparser
import importlib.util
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
CHECK = Path(".ci") / "check_wheel.py"

pytestmark = pytest.mark.skipif(not (CHECKOUT / ".git").exists(), reason="needs the git checkout")


def git(*words: str, cwd: Path) -> str:
    return subprocess.run(["git", *words], cwd=cwd, check=True, capture_output=True, text=True).stdout


def check(checkout: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(checkout / CHECK), "--no-build-isolation", "--checkout", str(checkout)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def copy_of_tracked(folder: Path) -> Path:
    """A repository of its own with the same tracked files."""
    for name in git("ls-files", "-z", cwd=CHECKOUT).split("\0"):
        if name and (CHECKOUT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(CHECKOUT / name, folder / name)
    git("init", "-q", cwd=folder)
    git("add", "-A", cwd=folder)
    return folder


needs_builder = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("pip", "setuptools")),
    reason="needs pip and setuptools; .ci/run builds the wheel in an isolated environment",
)


def test_every_package_is_declared() -> None:
    config = configparser.ConfigParser()
    config.read(CHECKOUT / "setup.cfg", encoding="utf-8")
    declared = set(config["options"]["packages"].split())
    lines = config["options"]["package_dir"].strip().splitlines()
    home = {folder.strip(): package.strip() for package, folder in (line.split("=") for line in lines)}
    found = set()
    for name in git("ls-files", "*.py", cwd=CHECKOUT).split("\n"):
        top, *rest = name.split("/")
        if top in home and rest:
            found.add(".".join([home[top], *rest[:-1]]))
    assert declared == found


@needs_builder
def test_wheel_holds_what_git_tracks() -> None:
    done = check(CHECKOUT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "exactly what git tracks" in done.stdout


@needs_builder
def test_check_notices_a_missing_and_a_stray_package(tmp_path: Path) -> None:
    checkout = copy_of_tracked(tmp_path)
    (checkout / "runtime" / "forgotten").mkdir()
    (checkout / "runtime" / "forgotten" / "__init__.py").touch()
    setup = checkout / "setup.cfg"
    text = setup.read_text(encoding="utf-8").replace("packages =", "packages =\n    millijoule.stray", 1)
    text = text.replace("package_dir =", "package_dir =\n    millijoule.stray = docs/stray", 1)
    setup.write_text(text, encoding="utf-8")
    (checkout / "docs" / "stray").mkdir(parents=True)
    (checkout / "docs" / "stray" / "__init__.py").touch()
    git("add", "-A", cwd=checkout)
    done = check(checkout)
    assert done.returncode == 1
    assert "missing from the wheel: millijoule/runtime/forgotten/__init__.py" in done.stdout
    assert "should not be in the wheel: millijoule/stray/__init__.py" in done.stdout


@needs_builder
def test_an_editable_install_is_a_folder_that_type_checkers_follow(tmp_path: Path) -> None:
    checkout = copy_of_tracked(tmp_path / "checkout")
    build = "import sys; from setuptools import build_meta; print(build_meta.build_editable(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", build, str(tmp_path)], capture_output=True, text=True, cwd=checkout, timeout=300
    )
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(tmp_path / done.stdout.split()[-1]) as wheel:
        (path,) = (wheel.read(name).decode() for name in wheel.namelist() if name.endswith(".pth"))
    package = Path(path.strip()) / "millijoule"
    for name, source in (("py.typed", "millijoule/py.typed"), ("runtime/session.py", "runtime/session.py")):
        assert (package / name).samefile(checkout / source)
