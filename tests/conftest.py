"""Marks the quick tests: `pytest -m quick` takes a minute or so and sees something of every part."""

from __future__ import annotations

import pytest

QUICK = frozenset(
    f"test_{name}.py"
    for name in (
        *("abi", "profiles", "shapes", "target", "reference", "model", "preprocess", "docs"),
        *("ops_catalogue", "ops_conv", "ops_elementwise", "ops_quantize", "ops_reduce", "ops_softmax"),
        *("onnx_operators", "onnx_quantized", "tflite_operators", "rewrite_fusion", "rewrite_quantized"),
        *("example", "cli_convert"),
    )
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.name in QUICK:
            item.add_marker(pytest.mark.quick)
