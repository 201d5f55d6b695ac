"""Every kernel compiles fast enough to be waited for, which is held by counting numba's work, not by a clock.

On a busy AMD Zen 3, the smallest kernel (0.2 million calls, 350 instructions) took 0.12 s of CPU time and the largest
(4.5 million calls, 12 000 instructions) 3 s, of which LLVM took a third.
"""

from __future__ import annotations

import cProfile
import importlib
import inspect
import pkgutil
from typing import Any

import pytest

from millijoule.runtime import kernels
from millijoule.runtime.compiler.numba_bridge import effort
from millijoule.runtime.simd.isa import Isa
from millijoule.runtime.targets.target import TARGETS, Target

CALLS, INSTRUCTIONS = 7_000_000, 13_000
"""Python calls of numba until LLVM takes over, and LLVM instructions that it is given, subroutines inlined. A softmax
whose subroutines numba inlines itself, with njit(inline="always"), took 34 million calls."""

TILE: dict[str, Any] = {"activation": "HardSwish"}
DEPTHWISE: dict[str, Any] = {"stride": 1, "narrow": False, "repeat": 1, "dense": False, "joined": 1, "finish": "clamp"}
NONE_SCALAR: dict[str, Any] = {"a_scalar": False, "b_scalar": False}
BYTES: dict[str, Any] = {"a": "u8", "b": "u8", "y": "u8", **NONE_SCALAR}
OFFSETS = [0, 32, 64, 96]
LARGEST: dict[str, dict[str, Any]] = {
    "conditions.compare": {"function": "Less", "element": "f32", **NONE_SCALAR},
    "conditions.predicate": {"function": "IsNaN", "element": "f32"},
    "conditions.where": {"element": "i64", **NONE_SCALAR, "c_scalar": False},
    "confidence.confidence_gate": {"score": "entropy"},
    "confidence.most_confident": {"post_check": True},
    "conv.conv_f32": {"rows": 8, "columns": 2, "tail": None, **TILE, "residual": True},
    "conv_dot.conv_dot_f32": {"tail": 7, **TILE, "dense": False},
    "conv.conv_int8": {
        "rows": 5, "columns": 2, "tail": None, "finish": "clamp", "ahead": 1, "element": "i8 byte pairs",
    },
    "copy.copy": {"itemsize": 1, "flip": True, "rows": True},
    "depthwise.depthwise_f32": {"lanes": 4, "kernel": 32, "stride": 4, "count": 8, **TILE},
    "depthwise.depthwise_int8": {"channels": 128, "kernel": 32, "dilation": 1, "parts": 2, **DEPTHWISE},
    "depthwise.depthwise_scan_int8": {"channels": 256, "kernel": 3, "parts": 2, **DEPTHWISE},
    "dynamic.product_rows": {"rows": 8, "columns": 3, "tail": None, **TILE, "ahead": 1, "widened": False},
    "dynamic.round_rows": {"y": "u8", "widened": False},
    "dynamic_whole.round_lines": {"y": "u8"},
    "elementwise.binary_f32": {"function": "PRelu", **NONE_SCALAR, **TILE},
    "elementwise.unary_f32": {"function": "Erf"},
    "embedding.embedding_lookup": {"index": "i32"},
    "gather.gather": {"index": "i32", "element": 0},
    "gather.gather_elements": {"index": "i32", "element": 4},
    "normalize.instance_normalize": {"lanes": 8},
    "normalize.lp_normalize": {"p": 2},
    "pool.pool": {
        "element": "u8", "operation": "sum", "lanes": 32, "offsets": OFFSETS, "window_rows": 3, "window_taps": 3,
        "epilogue": "scaled_offset", "long": False, "activation": None,
    },
    "positions.position_across": {"element": "f32", "smallest": True, "last": False},
    "positions.position_in_rows": {"element": "f32", "smallest": True, "last": False},
    "quantized.add_int8": BYTES,
    "quantized.add_real": BYTES,
    "quantized.cast": {"source": "float32", "result": "int64"},
    "quantized.dequantize": {"x": "u8", "scalar": False},
    "quantized.mul_int8": BYTES,
    "quantized.quantize": {"y": "u8", "scalar": False},
    "quantized.quantize_anywhere": {"y": "u8", "zero": "u8", "scalar": False, "zero_scalar": False},
    "recurrent.recurrent": {
        "cell": "LSTM", "rows": 6, "groups": 1, "activations": ["Sigmoid", "Softplus", "Softplus"], "clipped": True,
        "peepholes": True,
    },
    "reduce.reduce_rows": {"operation": "sum", "mean": True, "function": "Sqrt"},
    "reorder.interleave": {"itemsize": 1, "flip": True, "count": 4},
    "reorder.separate": {"itemsize": 1, "flip": True, "count": 4, "kept": 4},
    "reorder.transpose": {"itemsize": 1, "flip": True, "block": 16},
    "resize.resample": {
        "element": "i8", "lanes": 32, "offsets": OFFSETS, "row_taps": 2, "column_taps": 2, "bits": 10,
    },
    "scatter.scatter_elements": {"index": "i32", "element": "f32", "reduction": "min"},
    "scatter.scatter_rows": {"index": "i32", "element": "f32", "single": False, "reduction": "min"},
    "softmax.softmax_f32": {"algorithm": "two-pass-reload", "log": False, "streaming": False, "in_place": True},
    "softmax.softmax_groups_f32": {"n": 4, "log": True},
    "softmax_split.scale": {"streaming": True},
    "softmax_split.totals_below": {"keep": True, "streaming": True},
    "softmax_split.write": {"streaming": True},
    "suppression.suppression": {
        "count_type": "i64", "centred": False, "inclusive": True, "bounded": True, "scored": True,
    },
    "top_k.top_k": {"element": "f64", "smallest": True},
    "winograd.winograd_f32": {"rows": 8, "columns": 2, **TILE, "residual": True, "ahead": 1},
    "winograd.winograd_int8": {"rows": 6, "columns": 2, "tail": None, "finish": "clamp", "ahead": 1},
    "winograd_line.winograd_line": {"columns": 2, "tail": None, "finish": "clamp"},
}  # fmt: skip
"""The constants of the largest kernels that a factory is asked for; those with none are not listed."""


def _factories() -> dict[str, Any]:
    """Every function of runtime/kernels that makes a kernel of an Isa and constants."""
    found = {}
    for module in pkgutil.iter_modules(kernels.__path__):
        for name, function in vars(importlib.import_module(f"{kernels.__name__}.{module.name}")).items():
            if not inspect.isfunction(function) or not function.__module__.endswith("." + module.name):
                continue
            first, *constants = [*inspect.signature(function).parameters.values(), None]
            makes = inspect.signature(function).return_annotation == "Callable[..., None]"
            plain = not any(item is not None and "Callable" in item.annotation for item in constants)
            if first is not None and first.name == "isa" and makes and plain:
                found[f"{module.name}.{name}"] = function
    return found


FACTORIES = _factories()


def test_the_factories_are_found() -> None:
    """And it is known what constants to give each of them."""
    assert len(FACTORIES) > 40 and FACTORIES.keys() >= LARGEST.keys()
    for name, factory in FACTORIES.items():
        _, *constants = inspect.signature(factory).parameters.values()
        wanted = {constant.name for constant in constants if constant.default is constant.empty}
        assert wanted <= LARGEST.get(name, {}).keys(), name


@pytest.fixture(scope="module")
def target() -> Target:
    """numba has made what all kernels share."""
    for factory in ("execute.lead", "softmax_split.join_peaks"):
        effort(FACTORIES[factory](Isa(TARGETS["x86-64-v3"])), TARGETS["x86-64-v3"])
    return TARGETS["x86-64-v3"]


@pytest.mark.parametrize("factory", FACTORIES)
def test_within_budget(factory: str, target: Target) -> None:
    """A factory with constants that is not in LARGEST fails, as it is called without them."""
    kernel = FACTORIES[factory](Isa(target), **LARGEST.get(factory, {}))
    profile = cProfile.Profile()
    instructions = profile.runcall(effort, kernel, target)
    calls = sum(entry.callcount for entry in profile.getstats())
    assert calls <= CALLS and instructions <= INSTRUCTIONS
