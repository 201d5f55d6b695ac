"""What one rewrite changes in a graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ....runtime.graph import Attribute, Node, Quantization, Value
from .indexed import IndexedGraph, Shape


@dataclass(slots=True)
class Patch:
    """Nodes to remove, nodes and values to add, and values whose readers shall read another value instead.

    A node that produces the output of a removed one takes over that output's name, so nothing has to be replaced;
    `replace` is for results that exist under another name already. What the patch leaves unread, the rewriter removes.
    evens: nodes to remove whose successors read what was transposed for them alone (`IndexedGraph.even`).
    """

    graph: IndexedGraph
    remove: list[Node] = field(default_factory=list)
    add: list[Node] = field(default_factory=list)
    values: dict[str, Value] = field(default_factory=dict)
    replace: dict[str, str] = field(default_factory=dict)
    evens: list[Node] = field(default_factory=list)

    def node(
        self,
        op: str,
        inputs: Sequence[str],
        attrs: dict[str, Attribute] | None = None,
        *,
        output: str | None = None,
        hint: str = "",
        dtype: np.dtype | None = None,
        shape: Shape | None = None,
        quant: Quantization | None = None,
    ) -> str:
        """Adds a node of one output and returns the output's name.

        output: an existing value's name, which the node takes over. Otherwise a new value is made, named after hint
        (default: the first input), of this dtype (default: the first input's); its shape is inferred where not given.
        """
        if output is None:
            if dtype is None:
                dtype = self.lookup(inputs[0]).dtype
            output = self.value(hint or inputs[0], dtype, shape, quant)
        self.add.append(Node(op, list(inputs), [output], attrs or {}, output))
        return output

    def value(self, hint: str, dtype: np.dtype, shape: Shape | None = None, quant: Quantization | None = None) -> str:
        """Adds a value named after hint, which a node that is added by hand makes, and returns its name."""
        name = self.graph.unique(hint, self.values)
        self.values[name] = Value(name, dtype, shape, quant)
        return name

    def constant(self, hint: str, data: np.ndarray, quant: Quantization | None = None) -> str:
        """Adds a constant named after hint and returns its name."""
        name = self.graph.unique(hint, self.values)
        self.values[name] = Value(name, data.dtype, data.shape, quant, np.ascontiguousarray(data).reshape(data.shape))
        return name

    def ints(self, hint: str, numbers: Sequence[int]) -> str:
        """Adds a constant int64 vector."""
        return self.constant(hint, np.array(numbers, np.int64).reshape(-1))

    def lookup(self, name: str) -> Value:
        """The value of that name, new or old."""
        value = self.values.get(name) or self.graph.value(name)
        if value is None:
            raise KeyError(f"a patch refers to '{name}', which does not exist")
        return value

    def update(self, node: Node, **attrs: Attribute) -> Patch:
        """Replaces a node by its copy with these attributes changed (None drops one)."""
        merged = {name: value for name, value in (node.attrs | attrs).items() if value is not None}
        self.remove.append(node)
        self.add.append(Node(node.op, list(node.inputs), list(node.outputs), merged, node.name))
        return self
