"""ONNX Runtime on the CPU with all its optimisations, as a contender."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnxruntime

ERRORS_ONLY = 3


class Peer:
    name = "onnxruntime"

    def __init__(self, source: str, feeds: Mapping[str, np.ndarray], threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = ERRORS_ONLY
        self._session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        # Bound once: neither inputs nor outputs are looked up or converted in what is measured.
        self.binding = self._session.io_binding()
        for name, array in feeds.items():
            self.binding.bind_cpu_input(name, np.ascontiguousarray(array))
        for output in self._session.get_outputs():
            self.binding.bind_output(output.name)
        self.invoke()

    def feed(self) -> None:
        """The bound inputs stay as they are."""

    def invoke(self) -> None:
        self._session.run_with_iobinding(self.binding)
