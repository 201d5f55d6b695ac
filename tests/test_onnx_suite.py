"""ONNX's own test cases: all that once passed still do."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from typing import Any

import pytest

pytest.importorskip("onnx")

import numpy as np
import onnx
from onnx_models import run_all
from onnx_suite import Case, cases, difference, failures, held, left_out, listed, problem_of

from millijoule.converters.onnx.convert import convert
from millijoule.runtime import boxed
from millijoule.runtime.errors import Error

FEWEST = 1800
NEWEST = 28
"""The operator set of the onnx package that the lists were made with."""
NETWORKS = ["shufflenet", "squeezenet"]
if os.environ.get("MILLIJOULE_FULL"):
    NETWORKS += ["bvlc_alexnet", "densenet121", "inception_v1", "inception_v2", "resnet50", "zfnet512"]


def test_list_is_sorted_and_known() -> None:
    names = listed()
    assert names == sorted(set(names)) and len(names) > FEWEST
    assert len(set(names) & set(cases())) > FEWEST // 2, "the onnx package has lost most cases, or names them anew"


@pytest.mark.skipif(onnx.defs.onnx_opset_version() > NEWEST, reason="a newer onnx has cases that nobody looked at")
def test_what_is_not_listed_is_left_out_with_a_reason() -> None:
    names, patterns = set(listed()), left_out()
    unlisted = [name for name in cases() if name not in names and not name.startswith("light/")]
    matched = {name: [pattern for pattern in patterns if fnmatchcase(name, pattern)] for name in unlisted}
    assert not [name for name, found in matched.items() if len(found) != 1]
    assert not [name for name in names for pattern in patterns if fnmatchcase(name, pattern)]
    assert all(len(reason) > 10 for reason in patterns.values())


@pytest.mark.parametrize("network", NETWORKS)
def test_networks_with_kernels(network: str) -> None:
    """Whole ones, without their weights, each of which is one number."""
    assert problem_of(cases()[f"light/test_{network}"], "host") is None


@pytest.mark.skipif(not os.environ.get("MILLIJOULE_FULL"), reason="takes ten seconds")
def test_a_network_out_of_proportion_to_its_file_is_refused() -> None:
    """VGG-19, whose weights would be computed at every run."""
    problem = problem_of(cases()["light/test_vgg19"], "host")
    assert problem is not None and "operations at every run" in problem


def test_cases_that_pass_still_pass() -> None:
    found = [f"{name}: {problem}" for name, problem in failures(listed())]
    assert not found, "\n".join(found)


def test_cases_pass_with_symbolic_sizes_too() -> None:
    """Nothing that the converter does depends on sizes, but for operators that ONNX defines by sizes of theirs."""
    names = [name for name in listed() if name in cases() and "/" not in name and not any(map(name.count, BY_SIZES))]
    found = [f"{name}: {problem}" for name in names if (problem := problem_with_symbols(cases()[name]))]
    assert not found, "\n".join(found)


BY_SIZES = ("causal_conv_with_state",)


def problem_with_symbols(case: Case) -> str | None:
    """What is wrong with the case's results as computed by its graph as imported, where every dimension of every input
    has a name in place of its size; intermediate values must have the dtypes and shapes that the converter gave."""
    model = without_sizes(case.model)
    for given, wanted in case.data_sets:
        try:
            graph = convert(model).graph
            feeds = {
                name: fed(array, graph.values[name].dtype)
                for name, array in zip([info.name for info in model.graph.input], given, strict=True)
            }
            found = {name: boxed.given(array) for name, array in run_all(graph, feeds).items()}
        except (Error, AssertionError) as error:
            return str(error)
        for name, got, expected in zip(found, found.values(), wanted, strict=True):
            problem = difference(got, expected, case.source.rtol, case.source.atol)
            if problem is not None:
                return f"{name} {problem}"
    return None


def fed(array: Any, dtype: np.dtype) -> np.ndarray:
    """As a graph holds it."""
    return boxed.taken(array, dtype) if boxed.is_boxed(dtype) else held(array, dtype)


def without_sizes(model: onnx.ModelProto) -> onnx.ModelProto:
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    for info in changed.graph.input:
        for axis, dim in enumerate(info.type.tensor_type.shape.dim):
            dim.dim_param = f"{info.name}_{axis}"
    for info in changed.graph.output:
        if info.type.HasField("tensor_type"):
            info.type.tensor_type.ClearField("shape")
    return changed
