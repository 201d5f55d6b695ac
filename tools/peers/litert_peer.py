"""LiteRT (formerly TensorFlow Lite) with its default kernels, as a contender."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .litert import Interpreter


class Peer:
    name = "litert"

    def __init__(self, source: str, feeds: Mapping[str, np.ndarray], threads: int) -> None:
        self._interpreter: Any = Interpreter(model_path=source, num_threads=threads)
        details = {item["name"]: item for item in self._interpreter.get_input_details()}
        self._feeds = []
        for name, array in feeds.items():
            item = details[name]
            if tuple(item["shape"]) != array.shape:
                self._interpreter.resize_tensor_input(item["index"], array.shape)
            self._feeds.append((item["index"], array))
        self._interpreter.allocate_tensors()
        self.invoke = self._interpreter.invoke
        self.feed()
        self.invoke()

    def feed(self) -> None:
        for index, array in self._feeds:
            self._interpreter.set_tensor(index, array)

    def outputs(self) -> dict[str, np.ndarray]:
        """Copies of the outputs of the latest call, by name."""
        return {item["name"]: self._interpreter.get_tensor(item["index"]) for item in
                self._interpreter.get_output_details()}  # fmt: skip
