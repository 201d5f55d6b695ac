"""OpenVINO on the CPU in float32, tuned for latency, as a contender."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np

# Its stubs hide what it exports.
openvino: Any = import_module("openvino")


class Peer:
    name = "openvino"

    def __init__(self, source: str, feeds: Mapping[str, np.ndarray], threads: int) -> None:
        core = openvino.Core()
        model = core.read_model(source)
        by_name = {name: port for port in model.inputs for name in port.get_names()}
        model.reshape({by_name[name]: openvino.PartialShape(list(array.shape)) for name, array in feeds.items()})
        settings = {
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            # By default it rounds what linear layers with integer weights read to 8 bits, which the model does not say.
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0",
        }
        self._request = core.compile_model(model, "CPU", settings).create_infer_request()
        for name, array in feeds.items():
            self._request.set_tensor(name, openvino.Tensor(np.ascontiguousarray(array)))
        self.invoke()

    def feed(self) -> None:
        """The tensors set stay as they are."""

    def invoke(self) -> None:
        self._request.infer()
