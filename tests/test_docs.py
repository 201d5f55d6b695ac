"""What the documents say is what the code does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"


def test_operators_page_is_made_from_the_code() -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("tflite")
    made = subprocess.run(
        [sys.executable, str(DOCS / "make_operators.py")], capture_output=True, text=True, check=True, cwd=DOCS
    ).stdout
    assert made == (DOCS / "operators.md").read_text(), "run: python docs/make_operators.py > docs/operators.md"
