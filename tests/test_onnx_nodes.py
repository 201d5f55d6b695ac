"""ONNX's own test cases of single operators: all that once passed still do."""

from __future__ import annotations

import pytest

pytest.importorskip("onnx")

from onnx_node_suite import cases, failures, listed

FEWEST = 1400


def test_list_is_sorted_and_known() -> None:
    names = listed()
    assert names == sorted(set(names)) and len(names) > FEWEST
    known = cases()
    if not known:
        pytest.skip("this onnx package keeps its cases in files")
    assert len(set(names) & set(known)) > FEWEST // 2, "the onnx package has lost most cases, or names them anew"


def test_cases_that_pass_still_pass() -> None:
    found = [f"{name}: {problem}" for name, problem in failures(listed())]
    assert not found, "\n".join(found)


def test_cases_pass_with_symbolic_sizes_too() -> None:
    """Nothing that the converter does depends on sizes, but for one operator that ONNX defines by its kernel's."""
    names = [name for name in listed() if "causal_conv_with_state" not in name]
    found = [f"{name}: {problem}" for name, problem in failures(names, symbolic=True)]
    assert not found, "\n".join(found)
