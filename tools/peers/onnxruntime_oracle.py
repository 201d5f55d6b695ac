"""What ONNX Runtime computes: its outputs as it runs the model, every tensor between without optimisations."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime

if TYPE_CHECKING:
    import onnx

ERRORS_ONLY, FATAL_ONLY = 3, 4
EXACT_PRODUCTS = "session.x64quantprecision"
PROVIDERS = ["CPUExecutionProvider"]
VNNI = {"avx512_vnni", "avx_vnni"}
INTEGER_PRODUCTS = {"QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger", "QGemm"}
SATURATED = "adds products of 8-bit integers in saturating pairs of 16 bits, as this CPU has no VNNI"


class Oracle:
    """One source file, ready for inputs of any shape. note: why its results may be off, where they may."""

    NAME, LAYERS = "ONNX Runtime", "without its optimisations, which fuse them"

    def __init__(self, source: str) -> None:
        self._source = source
        self.note: str | None = None
        self._default, exact = _session(source)
        if not exact and saturates():
            self.note = (
                f"ONNX Runtime refuses exact integer products for this model and {SATURATED}: "
                "what differs may be its own saturation"
            )
        self._every: onnxruntime.InferenceSession | None = None

    def outputs(self, feeds: Mapping[str, Any]) -> dict[str, Any]:
        """Arrays; lists of them for sequences, None for what is absent."""
        return _run(self._default, feeds)

    def layers(self, feeds: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Every tensor of the main graph that a node computes, by name."""
        if self._every is None:
            from onnx import load

            model = load(self._source)
            self._every, _ = _session(_with_every_tensor(model), optimized=False)
            if self.note is None and saturates() and INTEGER_PRODUCTS & {node.op_type for node in model.graph.node}:
                self.note = (
                    f"without its optimisations ONNX Runtime {SATURATED}: layers that differ, where outputs do not, "
                    "may be its own saturation"
                )
        found = _run(self._every, feeds)
        return {name: array for name, array in found.items() if isinstance(array, np.ndarray)}


@cache
def saturates() -> bool:
    """Whether ONNX Runtime's sums of products of uint8 and int8 saturate on this CPU: on x86 without VNNI."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return False
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), None)
    return flags is not None and not VNNI & set(flags)


def _with_every_tensor(model: onnx.ModelProto) -> bytes:
    """The model with all that its nodes compute as outputs."""
    from onnx import ValueInfoProto

    known = {output.name for output in model.graph.output}
    names = dict.fromkeys(name for node in model.graph.node for name in node.output if name)
    model.graph.output.extend(ValueInfoProto(name=name) for name in names if name not in known)
    data: bytes = model.SerializeToString()
    return data


def _session(
    model: str | bytes | os.PathLike[str], *, optimized: bool = True
) -> tuple[onnxruntime.InferenceSession, bool]:
    """The session, and whether its integer products are exact on every CPU."""

    def opened(*, exact: bool) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        # What it refuses is tried again, and its own words about that are not for users.
        options.log_severity_level = FATAL_ONLY if exact else ERRORS_ONLY
        if not optimized:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        if exact:
            # x86 without VNNI would add products of uint8 and int8 in saturating pairs of 16 bits.
            options.add_session_config_entry(EXACT_PRODUCTS, "1")
        return onnxruntime.InferenceSession(model, options, providers=PROVIDERS)

    try:
        return opened(exact=True), optimized
    except onnxruntime.capi.onnxruntime_pybind11_state.Fail:
        # It refuses a model of which several nodes share a weight.
        return opened(exact=False), False


def _run(session: onnxruntime.InferenceSession, feeds: Mapping[str, Any]) -> dict[str, Any]:
    names = [output.name for output in session.get_outputs()]
    found = zip(names, session.run(names, dict(feeds)), strict=True)
    # A ZipMap's maps are no arrays here, and none of ours.
    return {name: item for name, item in found if not (isinstance(item, list) and item and isinstance(item[0], dict))}
