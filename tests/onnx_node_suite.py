"""ONNX's own test cases of single operators, which the onnx package generates in memory.

onnx_node_cases.txt names those that pass. Run this file to add what passes by now:

    python tests/onnx_node_suite.py
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from millijoule.converters.onnx.convert import convert
from millijoule.runtime.errors import Error

LIST = Path(__file__).parent / "onnx_node_cases.txt"


def listed() -> list[str]:
    return LIST.read_text().split()


@cache
def cases() -> dict[str, Any]:
    """Name -> case, in the order of the suite; none with an onnx package that keeps them in files."""
    from onnx.backend.test import loader

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {case.name: case for case in loader.load_model_tests(kind="node")}
    return {name: case for name, case in found.items() if case.model is not None}


def problem_of(case: Any, model: onnx.ModelProto) -> str | None:
    """What is wrong with the case's results as computed by model, converted; None where nothing is.

    Intermediate values too must have the dtypes and shapes that the converter gave them.
    """
    from onnx_models import run_all

    inputs = model.graph.input
    if any(info.type.WhichOneof("value") != "tensor_type" for info in inputs):
        return "has inputs that are no tensors"
    for given, wanted in case.data_sets:
        try:
            graph = convert(model).graph
            feeds = {info.name: _array(data) for info, data in zip(inputs, given, strict=True)}
            found = run_all(graph, feeds)
        except (Error, AssertionError) as error:
            return str(error)
        for name, got, expected in zip(found, found.values(), map(_array, wanted), strict=True):
            if (got.dtype, got.shape) != (expected.dtype, expected.shape):
                return f"{name} is {got.dtype}{got.shape}, not {expected.dtype}{expected.shape}"
            exact = got.dtype.kind not in "f"
            tolerance = {"rtol": 0, "atol": 0} if exact else {"rtol": case.rtol, "atol": case.atol}
            if not np.allclose(got, expected, equal_nan=True, **tolerance):
                return f"{name} differs"
    return None


def _array(data: Any) -> np.ndarray:
    return onnx.numpy_helper.to_array(data) if isinstance(data, onnx.TensorProto) else np.asarray(data)


def failures(names: list[str], symbolic: bool = False) -> Iterator[tuple[str, str]]:
    """Name and problem of those cases that fail; a case that this version of onnx does not have is left out.

    symbolic: every dimension of every input gets a name in place of its size.
    """
    known = cases()
    for name in names:
        if name not in known:
            continue
        model = known[name].model
        problem = problem_of(known[name], without_sizes(model) if symbolic else model)
        if problem is not None:
            yield name, problem


def without_sizes(model: onnx.ModelProto) -> onnx.ModelProto:
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    for info in changed.graph.input:
        for axis, dim in enumerate(info.type.tensor_type.shape.dim):
            dim.dim_param = f"{info.name}_{axis}"
    for info in changed.graph.output:
        info.type.tensor_type.ClearField("shape")
    return changed


def promote() -> None:
    """Adds the cases that pass to the list; never takes one off."""
    before = listed() if LIST.exists() else []
    passing = [name for name, case in cases().items() if name not in before and problem_of(case, case.model) is None]
    LIST.write_text("\n".join(sorted([*before, *passing])) + "\n")
    print(f"{len(before)} cases listed before, {len(passing)} added:", *passing, sep="\n  ")


if __name__ == "__main__":
    promote()
