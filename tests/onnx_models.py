"""Shared by the ONNX converter's tests: builds small models and runs them beside onnxruntime."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper
from onnxruntime_session import open_session

from millijoule.converters.onnx.convert import convert
from millijoule.runtime.evaluate.reference import run
from millijoule.runtime.graph import Graph

Type = tuple[Sequence[int | str | None] | None, str]
MICROSOFT = "com.microsoft"


def node(op: str, inputs: str, outputs: str, **attrs: Any) -> onnx.NodeProto:
    """inputs, outputs: names separated by blanks, - for an absent one."""
    read, made = (["" if name == "-" else name for name in text.split()] for text in (inputs, outputs))
    return helper.make_node(op, read, made, **attrs)


def info(name: str, kind: Type | None = None) -> onnx.ValueInfoProto:
    if kind is None:
        return onnx.ValueInfoProto(name=name)
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(kind[1])), kind[0])


def graph_of(
    nodes: Iterable[onnx.NodeProto],
    inputs: Mapping[str, Type | None],
    outputs: str,
    constants: Mapping[str, Any] | None = None,
) -> onnx.GraphProto:
    tensors = [onnx.numpy_helper.from_array(np.asarray(data), name) for name, data in (constants or {}).items()]
    given = [info(name, kind) for name, kind in inputs.items()]
    return helper.make_graph(list(nodes), "tested", given, [info(name) for name in outputs.split()], tensors)


def model_of(
    nodes: Iterable[onnx.NodeProto],
    inputs: Mapping[str, Type | None],
    outputs: str,
    constants: Mapping[str, Any] | None = None,
    opset: int = 17,
    **kwargs: Any,
) -> onnx.ModelProto:
    """Outputs are declared without a type: shapes and dtypes are the converter's own finding."""
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(MICROSOFT, 1)]
    graph = graph_of(nodes, inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=kwargs.pop("opsets", opsets), ir_version=8, **kwargs)


def graph_from(model: onnx.ModelProto) -> Graph:
    return convert(model).graph


def feeds_for(inputs: Mapping[str, Type | None], seed: int = 0) -> dict[str, np.ndarray]:
    """Normal floats, or integers over the dtype's whole range (small ones where it has more than 8 bits)."""
    rng = np.random.default_rng(seed)
    found = {}
    for name, kind in inputs.items():
        assert kind is not None and kind[0] is not None
        shape, dtype = [dim if isinstance(dim, int) else 3 for dim in kind[0]], np.dtype(kind[1])
        if dtype.kind == "f":
            found[name] = rng.standard_normal(shape).astype(dtype)
        elif dtype.kind == "b":
            found[name] = rng.integers(0, 2, shape).astype(dtype)
        else:
            low, high = (np.iinfo(dtype).min, np.iinfo(dtype).max + 1) if dtype.itemsize == 1 else (0, 5)
            found[name] = rng.integers(low, high, shape).astype(dtype)
    return found


def run_all(graph: Graph, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The graph's outputs in NumPy, after checking every computed value against the dtype and shape that the converter
    gave it."""
    names = [name for name, value in graph.values.items() if value.data is None]
    found = run(graph, feeds, outputs=[*names, *graph.outputs])
    sizes: dict[str, int] = {}
    for name in [*graph.inputs, *names]:
        value, array = graph.values[name], found[name]
        assert value.dtype == array.dtype, f"{name} was said to be {value.dtype}, but is {array.dtype}"
        if value.shape is None:
            continue
        assert len(value.shape) == array.ndim, f"{name} was said to be {value.shape}, but is {array.shape}"
        for dim, size in zip(value.shape, array.shape, strict=True):
            expected = sizes.setdefault(dim, size) if isinstance(dim, str) else dim
            assert expected == size, f"{name} was said to be {value.shape}, but is {array.shape} ({sizes})"
    return {name: found[name] for name in graph.outputs}


def onnxruntime_of(
    model: onnx.ModelProto | str, feeds: Mapping[str, np.ndarray], optimize: bool = True
) -> dict[str, np.ndarray]:
    source = Path(model) if isinstance(model, str) else model.SerializeToString()
    session = open_session(source, optimize=optimize)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(feeds)), strict=True))


def agree(
    nodes: Iterable[onnx.NodeProto],
    inputs: Mapping[str, Type | None],
    outputs: str = "y",
    constants: Mapping[str, Any] | None = None,
    opset: int = 17,
    feeds: Mapping[str, np.ndarray] | None = None,
    quanta: int = 0,
) -> Graph:
    """Converts the model and compares what it computes with onnxruntime; floats to 1e-5, integers to `quanta`."""
    model = model_of(nodes, inputs, outputs, constants, opset)
    feeds = feeds_for(inputs) if feeds is None else feeds
    graph = graph_from(model)
    wanted, found = onnxruntime_of(model, feeds), run_all(graph, feeds)
    assert list(found) == outputs.split()
    for name, expected in wanted.items():
        got = found[name]
        assert (got.dtype, got.shape) == (expected.dtype, expected.shape), name
        if expected.dtype.kind == "f":
            np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5, err_msg=name)
        else:
            assert np.abs(got.astype(np.int64) - expected.astype(np.int64)).max(initial=0) <= quanta, name
    return graph
