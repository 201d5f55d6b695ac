"""An ONNX graph under construction that knows what each value is: every node runs in onnxruntime as it is added."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnxruntime_session import open_session

OPSET = 21
LARGEST = 4096
"""Elements of a value."""
COARSE, FINE, REACH = 2.0**-7, 2.0**-14, 2.0**10
"""Multiples of FINE below REACH are float32 with room to spare: sums of them, and products of multiples of COARSE, are
exact in whatever order they are computed, and so is what is made of them by rounding."""
MICROSOFT = "com.microsoft"


class Declined(Exception):
    """A node that onnxruntime does not take, or whose result is not finite or too large."""


@dataclass(frozen=True, slots=True)
class Known:
    """A value and its numbers for the feeds.

    exact: whether they are the same in whatever order they are computed, as all integers are but those with slack.
    slack: by how many steps rounding may have moved an integer: then nothing else is computed from it.
    """

    name: str
    data: np.ndarray
    exact: bool = False
    slack: int = 0


@dataclass(slots=True)
class RandomGraph:
    rng: np.random.Generator
    values: list[Known] = field(default_factory=list)
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    feeds: dict[str, np.ndarray] = field(default_factory=dict)
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    parameters: dict[str, tuple[Known, Known]] = field(default_factory=dict)
    """Scale and zero point by which a value of integers was quantized."""

    def feed(self, data: np.ndarray) -> Known:
        known = Known(f"x{len(self.feeds)}", data, exact=data.dtype.kind != "f")
        self.feeds[known.name] = data
        self.values.append(known)
        return known

    def constant(self, data: Any, dtype: Any = None) -> Known:
        array = np.asarray(data, dtype)
        known = Known(f"c{len(self.constants)}", array, exact=array.dtype.kind != "f" or multiples(array, FINE))
        self.constants[known.name] = known.data
        return known

    def add(
        self,
        op: str,
        *inputs: Known | None,
        outputs: int = 1,
        exact: bool = False,
        slack: int = 0,
        domain: str = "",
        **attrs: Any,
    ) -> list[Known]:
        """Declined where the node does not run, or gives what is not finite.

        exact: of floats, whether the numbers do not depend on rounding if they are multiples of FINE.
        """
        names = [f"n{len(self.nodes)}_{index}" for index in range(outputs)]
        node = helper.make_node(op, ["" if x is None else x.name for x in inputs], names, domain=domain, **attrs)
        arrays = self._run(node, [x for x in inputs if x is not None])
        if any(array.size > LARGEST or not np.isfinite(array.astype(np.float64)).all() for array in arrays):
            raise Declined(f"{op} gives too much")
        self.nodes.append(node)
        made = [
            Known(name, array, slack == 0 and (array.dtype.kind != "f" or (exact and multiples(array, FINE))), slack)
            for name, array in zip(names, arrays, strict=True)
        ]
        self.values.extend(made)
        return made

    def _run(self, node: onnx.NodeProto, inputs: Sequence[Known]) -> list[np.ndarray]:
        fed = {x.name: x.data for x in inputs if x.name not in self.constants}
        kept = {x.name: x.data for x in inputs if x.name in self.constants}
        try:
            session = open_session(model_of([node], fed, kept, list(node.output)).SerializeToString(), optimize=False)
            return [np.asarray(array) for array in session.run(None, fed)]
        except Exception as problem:  # onnxruntime has a class for every reason
            raise Declined(str(problem)) from None

    def pick(self, where: Callable[[Known], bool]) -> Known:
        """One of the values, the later the likelier; Declined where there is none."""
        found = [known for known in self.values if not known.slack and where(known)]
        if not found:
            raise Declined("no value fits")
        weights = np.arange(1, len(found) + 1, dtype=np.float64) ** 2
        return found[int(self.rng.choice(len(found), p=weights / weights.sum()))]

    def choice(self, options: Sequence[Any]) -> Any:
        return options[int(self.rng.integers(len(options)))]

    def outputs(self) -> list[Known]:
        """What nothing reads, and some of the rest."""
        read = {name for node in self.nodes for name in node.input}
        made = {name for node in self.nodes for name in node.output}
        return [
            known
            for known in self.values
            if known.name in made and (known.name not in read or known.slack or self.rng.random() < 0.15)
        ]

    def model(self, outputs: Sequence[Known]) -> onnx.ModelProto:
        return model_of(self.nodes, self.feeds, self.constants, [known.name for known in outputs])


def multiples(data: np.ndarray, unit: float) -> bool:
    """Whether all numbers are multiples of the unit and below REACH."""
    steps = data.astype(np.float64) / unit
    return bool((np.abs(data) < REACH).all() and (steps == np.rint(steps)).all())


def model_of(
    nodes: Sequence[onnx.NodeProto],
    feeds: dict[str, np.ndarray],
    constants: dict[str, np.ndarray],
    outputs: Sequence[str],
) -> onnx.ModelProto:
    given = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(data.dtype), data.shape)
        for name, data in feeds.items()
    ]
    tensors = [numpy_helper.from_array(data, name) for name, data in constants.items()]
    graph = helper.make_graph(nodes, "random", given, [onnx.ValueInfoProto(name=name) for name in outputs], tensors)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)
