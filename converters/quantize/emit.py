"""The decisions written into a graph as QuantizeLinear and DequantizeLinear, as any quantized ONNX model has them.

The rewrites then make integer kernels of what lies between. A tensor's integers get its name, so that layers are called
what they were; the numbers before they are rounded, and after, get names of their own.
"""

from __future__ import annotations

import numpy as np

from ...runtime.graph import Graph, Node, Value
from .decisions import Decisions
from .plan import Plan, data_inputs
from .prepare import copied
from .products import bias_of, is_product
from .weights import IntegerWeights

INTEGERS = ".int8"
"""Behind a tensor's name, that of its integers, where others read the tensor as it is."""


def emit(graph: Graph, plan: Plan, decisions: Decisions) -> Graph:
    """A new graph; the one given is not changed."""
    return _Emitter(graph, plan, decisions).run()


class _Emitter:
    def __init__(self, graph: Graph, plan: Plan, decisions: Decisions) -> None:
        self._source, self._plan, self._decisions = graph, plan, decisions
        self._graph = copied(graph)
        self._nodes: list[Node] = []
        self._integer_reads: dict[str, str] = {}
        self._all_reads: dict[str, str] = {}

    def run(self) -> Graph:
        for name in self._graph.inputs:
            self._round(name, None)
        for node in self._graph.nodes:
            self._read_rounded(node)
            self._constants(node)
            self._nodes.append(node)
            for name in list(node.outputs):
                self._round(name, node)
        self._graph.nodes = self._nodes
        return self._graph

    def _read_rounded(self, node: Node) -> None:
        integer = node.outputs[0] in self._plan.integer
        wanted = set(data_inputs(node)) if integer else set[str]()
        node.inputs[:] = [
            self._integer_reads.get(name, name) if name in wanted else self._all_reads.get(name, name)
            for name in node.inputs
        ]

    def _round(self, name: str, producer: Node | None) -> None:
        quant = self._decisions.quants.get(name)
        if quant is None or name not in self._plan.rounded:
            return
        graph, value = self._graph, self._graph.values[name]
        parameters = self._parameters(quant.scale.reshape(()), np.int8(quant.zero_point[0]), np.int8)
        if name in self._plan.public and name in graph.inputs:
            value.dtype = np.dtype(np.int8)
            real = graph.unique(f"{name}.real")
            graph.values[real] = Value(real, np.dtype(np.float32), value.shape)
            self._nodes.append(Node("DequantizeLinear", [name, *parameters], [real]))
            self._integer_reads[name] = self._all_reads[name] = real
            return
        before, integers, after = name, name, f"{name}.real"
        if name in self._plan.public:
            before = graph.unique(f"{name}.float")
        elif self._plan.rounded[name]:
            integers = graph.unique(f"{name}{INTEGERS}")
        elif name in graph.outputs:
            before, integers, after = graph.unique(f"{name}.float"), graph.unique(f"{name}{INTEGERS}"), name
        else:
            before = graph.unique(f"{name}.float")
        if after != name:
            after = graph.unique(after)
        if before != name:
            assert producer is not None
            producer.outputs[:] = [before if each == name else each for each in producer.outputs]
        for each, dtype in ((before, value.dtype), (integers, np.dtype(np.int8)), (after, value.dtype)):
            graph.values[each] = Value(each, dtype, value.shape)
        self._nodes.append(Node("QuantizeLinear", [before, *parameters], [integers], {}, name))
        self._nodes.append(Node("DequantizeLinear", [integers, *parameters], [after]))
        self._integer_reads[name] = after
        if before != name:
            self._all_reads[name] = after

    def _parameters(self, scale: np.ndarray, zero_point: object, dtype: type) -> list[str]:
        """Under short names, as those of tensors may be long, and a file says each several times."""
        zeros = np.broadcast_to(np.array(zero_point, dtype), scale.shape).copy()
        return [
            self._graph.add_constant("scale", np.array(scale, np.float32)),
            self._graph.add_constant("zero_point", zeros),
        ]

    def _constants(self, node: Node) -> None:
        decisions, name = self._decisions, node.outputs[0]
        chosen = decisions.weights.get(name)
        if name in self._plan.dynamic:
            assert chosen is not None
            self._multiply_rows(node, chosen)
        elif chosen is not None:
            node.inputs[1] = self._stored(node.inputs[1], chosen)
            if name in decisions.biases:
                bias = self._graph.add_constant(f"{name}.bias", decisions.biases[name])
                node.inputs[2:] = [bias]
        elif name in self._plan.integer | self._plan.weights_only and not is_product(self._source, node):
            node.inputs[:] = [
                self._stored(each, decisions.constants[each]) if each in decisions.constants else each
                for each in node.inputs
            ]

    def _multiply_rows(self, node: Node, chosen: IntegerWeights) -> None:
        """The node rounds its rows by itself."""
        add, bias = self._graph.add_constant, bias_of(self._source, node)
        transposed = node.op == "Gemm" and node.attrs.get("transB")
        data = np.ascontiguousarray(chosen.data.T) if transposed else chosen.data
        scale = np.broadcast_to(chosen.scale, data.shape[1:]).astype(np.float32)
        node.inputs[1:] = [add(f"{node.inputs[1]}{INTEGERS}", data), add("scale", scale)]
        if bias is not None:
            node.inputs.append(add(f"{node.outputs[0]}.bias", bias))
        node.op = "DynamicMatMul"
        node.attrs = {key: value for key, value in node.attrs.items() if key.startswith("activation")}

    def _stored(self, name: str, chosen: IntegerWeights) -> str:
        """int8 integers under the constant's name, and what makes real numbers of them."""
        graph = self._graph
        integers = graph.add_constant(f"{name}{INTEGERS}", chosen.data)
        scale = chosen.scale if chosen.axis is not None else chosen.scale.reshape(())
        parameters = self._parameters(scale, 0, np.int8)
        real = graph.unique(f"{name}.real")
        graph.values[real] = Value(real, np.dtype(np.float32), chosen.data.shape)
        attrs = {} if chosen.axis is None else {"axis": chosen.axis}
        self._nodes.append(Node("DequantizeLinear", [integers, *parameters], [real], attrs))
        return real
