"""What ONNX Runtime computes: its outputs as it runs the model, every tensor between without optimisations."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
import onnxruntime

ERRORS_ONLY = 3
EXACT_PRODUCTS = "session.x64quantprecision"
PROVIDERS = ["CPUExecutionProvider"]


class Oracle:
    """One source file, ready for inputs of any shape. note: why its results differ by design, where they do."""

    note: str | None = None
    DESCRIPTION = "ONNX Runtime; layers: without its optimisations, which fuse them"

    def __init__(self, source: str) -> None:
        self._source = source
        self._default = _session(source)
        self._every: onnxruntime.InferenceSession | None = None

    def outputs(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return _run(self._default, feeds)

    def layers(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Every tensor of the main graph that a node computes, by name."""
        if self._every is None:
            self._every = _session(_with_every_tensor(self._source), optimized=False)
        return _run(self._every, feeds)


def _with_every_tensor(source: str) -> bytes:
    """The model with all that its nodes compute as outputs."""
    import onnx

    model = onnx.load(source)
    known = {output.name for output in model.graph.output}
    names = dict.fromkeys(name for node in model.graph.node for name in node.output if name)
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in known)
    data: bytes = model.SerializeToString()
    return data


def _session(model: str | bytes | os.PathLike[str], *, optimized: bool = True) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = ERRORS_ONLY
    if not optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    # x86 without VNNI would add products of uint8 and int8 in saturating pairs of 16 bits.
    options.add_session_config_entry(EXACT_PRODUCTS, "1")
    try:
        return onnxruntime.InferenceSession(model, options, providers=PROVIDERS)
    except onnxruntime.capi.onnxruntime_pybind11_state.Fail:
        # It refuses a model of which several nodes share a weight.
        options.add_session_config_entry(EXACT_PRODUCTS, "0")
        return onnxruntime.InferenceSession(model, options, providers=PROVIDERS)


def _run(session: onnxruntime.InferenceSession, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    names = [output.name for output in session.get_outputs()]
    found = zip(names, session.run(names, dict(feeds)), strict=True)
    return {name: array for name, array in found if isinstance(array, np.ndarray)}
