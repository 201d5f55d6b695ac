"""onnxruntime as the tests' oracle: exact in integers on every CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

LOG_NOTHING = 4
EXACT_PRODUCTS = "session.x64quantprecision"
PROVIDERS = ["CPUExecutionProvider"]


def open_session(source: Path | bytes, *, optimize: bool = True) -> Any:
    """An InferenceSession with one thread. optimize: with its graph optimisations.

    x86 without VNNI adds products of uint8 and int8 in saturating pairs of 16 bits. x64quantprecision has optimisations
    turn constant weights into uint8, whose products do not saturate. It knows nothing of operands that are computed or
    fed, nor acts without optimisations: int8 operands of integer products must lie within 7 bits there. It refuses
    models of which several nodes share a weight, whose products then saturate.
    """
    onnxruntime = pytest.importorskip("onnxruntime")

    def opened(*, exact: bool) -> Any:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = LOG_NOTHING
        options.intra_op_num_threads = 1
        if not optimize:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        if exact:
            options.add_session_config_entry(EXACT_PRODUCTS, "1")
        model = source if isinstance(source, bytes) else str(source)
        return onnxruntime.InferenceSession(model, options, providers=PROVIDERS)

    try:
        return opened(exact=True)
    except onnxruntime.capi.onnxruntime_pybind11_state.Fail:
        return opened(exact=False)
