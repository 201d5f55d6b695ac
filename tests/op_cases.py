"""Shared by the operators' tests: runs a reference beside its infer, and a one-node model in onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from onnxruntime_session import open_session

from millijoule.runtime.graph import Node
from millijoule.runtime.ops.inference import infer_node
from millijoule.runtime.ops.registry import Tensor


def node_of(op: str, count: int, outputs: int, attrs: dict[str, Any], absent: Sequence[int] = ()) -> Node:
    names = ["" if index in absent else f"x{index}" for index in range(count)]
    return Node(op, names, [f"y{index}" for index in range(outputs)], attrs, "tested")


def run_reference(op: str, *inputs: np.ndarray | None, outputs: int = 1, **attrs: Any) -> list[np.ndarray]:
    """The reference's outputs, after checking that infer (told the inputs' data) gave their very shapes and dtypes."""
    absent = [index for index, data in enumerate(inputs) if data is None]
    node = node_of(op, len(inputs), outputs, attrs, absent)
    tensors = [
        None if data is None else Tensor(f"x{index}", data.shape, data.dtype, data=data)
        for index, data in enumerate(inputs)
    ]
    step = infer_node(node, tensors)
    found = step.op.reference(*inputs, **step.ctx.attrs)
    found = list(found) if isinstance(found, (tuple, list)) else [found]
    for wanted, got in zip(step.ctx.outputs, found, strict=False):
        assert (got.shape, got.dtype) == (wanted.shape, wanted.dtype), f"{node}: infer disagrees with the reference"
    return found[:outputs]


def run_onnxruntime(op: str, *inputs: np.ndarray | None, outputs: int = 1, opset: int = 20, **attrs: Any) -> list[Any]:
    """What onnxruntime computes for the node; every input is a graph input, so that nothing is folded away."""
    onnx = pytest.importorskip("onnx")
    absent = [index for index, data in enumerate(inputs) if data is None]
    plain = node_of(op, len(inputs), outputs, attrs, absent)
    node = onnx.helper.make_node(op, plain.inputs, plain.outputs, **attrs)
    feeds = {f"x{index}": data for index, data in enumerate(inputs) if data is not None}
    graph = onnx.helper.make_graph(
        [node],
        "tested",
        [
            onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(data.dtype), data.shape)
            for name, data in feeds.items()
        ],
        [onnx.ValueInfoProto(name=name) for name in plain.outputs],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=9)
    return open_session(model.SerializeToString()).run(None, feeds)
