"""What the documents say is what the code does."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import QUICK

import millijoule

DOCS = Path(__file__).parent.parent / "docs"


def test_python_page_is_made_from_the_docstrings() -> None:
    made = subprocess.run(
        [sys.executable, str(DOCS / "make_python.py")], capture_output=True, text=True, check=True, cwd=DOCS
    ).stdout
    assert made == (DOCS / "python.md").read_text(), "run: python docs/make_python.py > docs/python.md"
    public = [name for name in millijoule.__all__ if not name.startswith("_")]
    assert [name for name in public if f"\n### mj.{name}\n" not in made] == []
    assert "\nNone\n" not in made  # what a missing docstring prints


def test_operators_page_is_made_from_the_code() -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("tflite")
    made = subprocess.run(
        [sys.executable, str(DOCS / "make_operators.py")], capture_output=True, text=True, check=True, cwd=DOCS
    ).stdout
    assert made == (DOCS / "operators.md").read_text(), "run: python docs/make_operators.py > docs/operators.md"


PAGES = [*DOCS.parent.glob("*.md"), *DOCS.glob("*.md"), *DOCS.parent.glob("examples/*/*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_exist(page: Path) -> None:
    """Links, and paths in the checkout: those that begin with one of its folders."""
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([\w./-]+)\)", text)
    paths = re.findall(r"(?<![\w/.-])((?:tests|runtime|tools|converters|device_profiles|docs|\.ci)/[\w./-]*\w)", text)
    lost = [name for name in links if not (page.parent / name).exists()]
    lost += [name for name in paths if not any((top / name).exists() for top in (DOCS.parent, DOCS.parent / "runtime"))]
    assert not lost


PROGRAMS = [
    path
    for folder in (".ci", "examples/fashion_mnist")
    for path in sorted((DOCS.parent / folder).glob("*.py"))
    if "ArgumentParser(" in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_programs_say_how_they_are_called(program: Path) -> None:
    """And then do nothing."""
    run = subprocess.run([sys.executable, str(program), "--help"], capture_output=True, text=True, timeout=60)
    if "ModuleNotFoundError" in run.stderr:
        pytest.skip(run.stderr.splitlines()[-1])
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith(f"usage: {program.name} ")


def test_quick_tests_are_in_files_that_exist() -> None:
    assert [name for name in QUICK if not Path(__file__).with_name(name).exists()] == []


def test_rooms_import_only_from_those_below_them() -> None:
    """As the table of runtime/ in docs/architecture.md has them, highest first."""
    runtime = DOCS.parent / "runtime"
    page = (DOCS / "architecture.md").read_text()
    table = page.partition("Inside `runtime/`")[2].partition("Inside `converters/`")[0]
    leaves = set(re.findall(r"`(\w+)\.py`", table.partition("leaves")[2].partition(")")[0]))
    places = [re.findall(r"`(\w+)(?:/|\.py)`", row) for row in re.findall(r"^\|([^|]*)\|", table, re.MULTILINE)]
    height = {name: -row for row, names in enumerate(places) for name in names}
    assert leaves >= {"errors", "graph"} and len(height) > 20
    wrong = []
    for path in runtime.rglob("*.py"):
        parts = path.relative_to(runtime).with_suffix("").parts
        if parts == ("__init__",) or parts[0] in leaves:
            continue
        for line, name, within in imported(path, len(parts)):
            up = name != parts[0] and name not in leaves and height[name] > height[parts[0]]
            if up and not (within and parts[0] in ("session", "model", "model_file")):
                wrong.append(f"{'/'.join(parts)}:{line} imports {name}")
    assert not wrong


def imported(path: Path, depth: int) -> Iterator[tuple[int, str, bool]]:
    """(line, first part of what is imported of runtime/, whether within a function), without what types alone need.
    depth: 1 for a file of runtime/ itself."""
    tree = ast.parse(path.read_text())
    typing = [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    left_out = {id(node) for branch in typing for node in ast.walk(branch)}
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    inner = {id(node) for function in functions for node in ast.walk(function)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == depth and id(node) not in left_out:
            names = [node.module.partition(".")[0]] if node.module else [alias.name for alias in node.names]
            yield from ((node.lineno, name, id(node) in inner) for name in names)
