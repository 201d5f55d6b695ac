"""What the documents say is what the code does."""

from __future__ import annotations

import re
import subprocess
import sys
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


def test_quick_tests_are_in_files_that_exist() -> None:
    assert [name for name in QUICK if not Path(__file__).with_name(name).exists()] == []
