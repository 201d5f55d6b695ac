"""OpenVINO on the CPU in float32, tuned for latency, as a contender."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

import numpy as np

# Its stubs hide what it exports.
openvino: Any = import_module("openvino")
GROUP_SIZE: Final = "DYNAMIC_QUANTIZATION_GROUP_SIZE"
AS_THE_MODEL_SAYS: Final = {GROUP_SIZE: "0"}
"""By default it rounds what linear layers with integer weights read to 8 bits, which the model does not say."""


class Peer:
    name = "openvino"

    def __init__(
        self, source: str, feeds: Mapping[str, np.ndarray], threads: int, rounded: Mapping[str, str] = AS_THE_MODEL_SAYS
    ) -> None:
        """rounded: settings of what linear layers with integer weights read; empty for OpenVINO's own."""
        core = openvino.Core()
        model = core.read_model(source)
        by_name = {name: port for port in model.inputs for name in port.get_names()}
        model.reshape({by_name[name]: openvino.PartialShape(list(array.shape)) for name, array in feeds.items()})
        settings = {
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            **rounded,
        }
        self.compiled = core.compile_model(model, "CPU", settings)
        self.request = self.compiled.create_infer_request()
        for name, array in feeds.items():
            self.request.set_tensor(name, openvino.Tensor(np.ascontiguousarray(array)))
        self.invoke()

    def feed(self) -> None:
        """The tensors set stay as they are."""

    def invoke(self) -> None:
        self.request.infer()
