"""What LiteRT computes: its outputs with the default kernels, every tensor between with the reference ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .litert import PACKAGE, Interpreter, OpResolverType
from .litert_hybrid import explanation


class Oracle:
    """One source file, ready for inputs of any shape. note: why its results differ by design, where they do."""

    NAME, LAYERS = f"LiteRT ({PACKAGE})", "its built-in kernels, as XNNPACK keeps what lies inside to itself"

    def __init__(self, source: str) -> None:
        self._source = source
        self._default: Any = Interpreter(model_path=source)
        self._every: Any = None
        self.note = explanation(source)

    def outputs(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        _invoke(self._default, feeds)
        return {item["name"]: self._default.get_tensor(item["index"]) for item in self._default.get_output_details()}

    def layers(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Every tensor of the main graph that has numbers, by name."""
        if self._every is None:
            kernels = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
            self._every = Interpreter(
                model_path=self._source, experimental_op_resolver_type=kernels, experimental_preserve_all_tensors=True
            )
        _invoke(self._every, feeds)
        found = {}
        for item in self._every.get_tensor_details():
            # Some tensors of an operator's own have no memory. A variable's handle has none either, and reading it ends
            # the process.
            if item["name"] and item["dtype"] is not np.object_:
                array = _tensor(self._every, item["index"])
                if array is not None:
                    found[item["name"]] = array
        return found


def _invoke(interpreter: Any, feeds: Mapping[str, np.ndarray]) -> None:
    for item in interpreter.get_input_details():
        array = feeds[item["name"]]
        if tuple(item["shape"]) != array.shape:
            interpreter.resize_tensor_input(item["index"], array.shape)
    interpreter.allocate_tensors()
    for item in interpreter.get_input_details():
        interpreter.set_tensor(item["index"], feeds[item["name"]])
    interpreter.invoke()


def _tensor(interpreter: Any, index: int) -> np.ndarray | None:
    try:
        array: np.ndarray = interpreter.get_tensor(index)
    except ValueError:
        return None
    return array
