"""Other libraries' softmax of one row, as contenders of `mj bench softmax`; each is imported only when it is timed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from typing import Any, Final

import numpy as np

from .softmax_contenders import AUTO_WARM, SESSION, Contender, Row

Peer = Callable[[Row], Contender]
OURS = {"scipy": AUTO_WARM, "litert": SESSION}
"""What peers that choose the place of their output themselves, so that it may stay in a cache, are compared with:
LiteRT, whose input is in place, with a session of ours."""
ONNX_FLOAT, ONNX_OPSET, ONNX_IR = 1, 13, 7
ERRORS_ONLY = 3


def open_peers(threads: int, stack: ExitStack) -> tuple[dict[str, Peer], dict[str, str]]:
    """What makes contenders of the peers that are installed and load, and why the others do not. stack: closed when
    all is measured."""
    tried = {name: _opened(name, threads, stack) for name in PEERS}
    return (
        {name: peer for name, peer in tried.items() if not isinstance(peer, str)},
        {name: reason for name, reason in tried.items() if isinstance(reason, str)},
    )


def join(peers: Mapping[str, Peer], row: Row) -> tuple[list[Contender], list[str]]:
    """Those that compute the softmax of the row, and what the others say."""
    tried = [_tried(name, peer, row) for name, peer in peers.items()]
    return [item for item in tried if isinstance(item, Contender)], [item for item in tried if isinstance(item, str)]


def _opened(name: str, threads: int, stack: ExitStack) -> Peer | str:
    _, modules, opener = PEERS[name]
    try:
        for module in modules:
            import_module(module)
        return opener(name, threads, stack)
    except Exception as error:  # each library raises kinds of its own
        return _reason(error)


def _tried(name: str, peer: Peer, row: Row) -> Contender | str:
    try:
        contender = peer(row)
        contender.check()
    except Exception as error:  # as above
        return f"{name} with {row.x.size:,} elements: {_reason(error)}"
    return contender


def _reason(error: Exception) -> str:
    """The first line of what it says."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _scipy(name: str, threads: int, stack: ExitStack) -> Peer:
    """It knows no threads and returns a new array, which is likely to lie where the previous one was."""
    from scipy.special import softmax

    def peer(row: Row) -> Contender:
        call = partial(softmax, row.x)
        return Contender(name, row, [call] * len(row.outputs), call)

    return peer


def _torch(name: str, threads: int, stack: ExitStack) -> Peer:
    import torch

    torch.set_num_threads(threads)
    stack.enter_context(torch.inference_mode())

    def peer(row: Row) -> Contender:
        x = torch.from_numpy(row.x)
        return Contender(name, row, [partial(torch.softmax, x, -1, out=torch.from_numpy(y)) for y in row.outputs])

    return peer


def _onnxruntime(name: str, threads: int, stack: ExitStack) -> Peer:
    """Inputs and outputs are bound beforehand, so that nothing is copied or allocated."""
    import onnxruntime
    from onnx import helper

    x, y = (helper.make_tensor_value_info(name, ONNX_FLOAT, ["n"]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Softmax", ["x"], ["y"], axis=-1)], "softmax", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", ONNX_OPSET)], ir_version=ONNX_IR)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = ERRORS_ONLY
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def bound(x: np.ndarray, y: np.ndarray) -> Callable[[], Any]:
        binding = session.io_binding()
        binding.bind_input("x", "cpu", 0, np.float32, x.shape, x.ctypes.data)
        binding.bind_output("y", "cpu", 0, np.float32, y.shape, y.ctypes.data)
        return partial(session.run_with_iobinding, binding)

    return lambda row: Contender(name, row, [bound(row.x, y) for y in row.outputs])


def _litert(name: str, threads: int, stack: ExitStack) -> Peer:
    """It computes in memory of its own."""
    from ai_edge_litert.interpreter import Interpreter

    def peer(row: Row) -> Contender:
        interpreter: Any = Interpreter(model_content=_tflite_model(row.x.size), num_threads=threads)
        interpreter.allocate_tensors()
        interpreter.set_tensor(0, row.x[np.newaxis])
        calls = [interpreter.invoke] * len(row.outputs)
        return Contender(name, row, calls, lambda: interpreter.get_tensor(1)[0])

    return peer


def _tflite_model(n: int) -> bytes:
    """A .tflite model of one SOFTMAX, from tensor 0 to tensor 1, both (1, n) float32."""
    from ai_edge_litert import schema_py_generated as schema
    from flatbuffers.builder import Builder

    model: Any = schema.ModelT()
    graph: Any = schema.SubGraphT()
    code: Any = schema.OperatorCodeT()
    node: Any = schema.OperatorT()
    graph.tensors = [schema.TensorT(), schema.TensorT()]
    for tensor, name in zip(graph.tensors, "xy", strict=True):
        tensor.name, tensor.shape, tensor.type = name, [1, n], schema.TensorType.FLOAT32
    node.inputs, node.outputs = [0], [1]
    node.builtinOptionsType, node.builtinOptions = schema.BuiltinOptions.SoftmaxOptions, schema.SoftmaxOptionsT()
    node.builtinOptions.beta = 1.0
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.SOFTMAX
    graph.inputs, graph.outputs, graph.operators = [0], [1], [node]
    model.version, model.buffers = 3, [schema.BufferT()]
    model.operatorCodes, model.subgraphs = [code], [graph]
    builder = Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


# name -> (distribution, the modules it takes, what opens it)
PEERS: Final[dict[str, tuple[str, tuple[str, ...], Callable[[str, int, ExitStack], Peer]]]] = {
    "scipy": ("scipy", ("scipy.special",), _scipy),
    "torch": ("torch", ("torch",), _torch),
    "onnxruntime": ("onnxruntime", ("onnxruntime", "onnx"), _onnxruntime),
    "litert": (
        "ai-edge-litert",
        ("ai_edge_litert.interpreter", "ai_edge_litert.schema_py_generated", "flatbuffers.builder"),
        _litert,
    ),
}
