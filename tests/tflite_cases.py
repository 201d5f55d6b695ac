"""Shared by the tests of quantized arithmetic: one-operator TFLite models, and what LiteRT computes for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from millijoule.runtime.graph import Node, Quantization
from millijoule.runtime.ops.inference import infer_node
from millijoule.runtime.ops.registry import Tensor
from millijoule.runtime.reference import evaluate


@dataclass(frozen=True)
class Quantized:
    """A tensor of the model. data None: an input of it. scale None: plain integers."""

    shape: tuple[int, ...]
    scale: float | Sequence[float] | None
    zero_point: int = 0
    axis: int = 0
    data: np.ndarray | None = None
    dtype: type = np.int8

    @property
    def quant(self) -> Quantization:
        scale = np.atleast_1d(np.asarray(self.scale, np.float32))
        points = np.full(scale.shape, self.zero_point, np.int32)
        return Quantization(scale, points, self.axis if scale.size > 1 else None)


Options = Callable[[Any, Any], int]


def one_op_model(op: str, tensors: Sequence[Quantized], inputs: Sequence[int], output: int, options: Options) -> bytes:
    """op: name in tflite.BuiltinOperator; options writes the operator's options table and returns its offset."""
    tflite, flatbuffers = pytest.importorskip("tflite"), pytest.importorskip("flatbuffers")
    b = flatbuffers.Builder(1024)
    kinds = {np.int8: tflite.TensorType.INT8, np.uint8: tflite.TensorType.UINT8, np.int32: tflite.TensorType.INT32}

    def offsets(start: Callable[[Any, int], int], items: list[int]) -> int:
        start(b, len(items))
        for item in reversed(items):
            b.PrependUOffsetTRelative(item)
        return b.EndVector()

    buffers, tables = [0], []
    for index, tensor in enumerate(tensors):
        name, shape = b.CreateString(f"t{index}"), b.CreateNumpyVector(np.array(tensor.shape, np.int32))
        quant = 0
        if tensor.scale is not None:
            scale = b.CreateNumpyVector(tensor.quant.scale)
            points = b.CreateNumpyVector(tensor.quant.zero_point.astype(np.int64))
            tflite.QuantizationParametersStart(b)
            tflite.QuantizationParametersAddScale(b, scale)
            tflite.QuantizationParametersAddZeroPoint(b, points)
            tflite.QuantizationParametersAddQuantizedDimension(b, tensor.axis)
            quant = tflite.QuantizationParametersEnd(b)
        buffer = 0
        if tensor.data is not None:
            content = np.ascontiguousarray(tensor.data)
            buffers.append(b.CreateNumpyVector(content.reshape(-1).view(np.uint8)))
            buffer = len(buffers) - 1
        tflite.TensorStart(b)
        tflite.TensorAddShape(b, shape)
        tflite.TensorAddType(b, kinds[tensor.dtype])
        tflite.TensorAddBuffer(b, buffer)
        tflite.TensorAddName(b, name)
        if quant:
            tflite.TensorAddQuantization(b, quant)
        tables.append(tflite.TensorEnd(b))
    tensor_list = offsets(tflite.SubGraphStartTensorsVector, tables)
    option_table = options(b, tflite)
    op_inputs = b.CreateNumpyVector(np.array(inputs, np.int32))
    op_outputs = b.CreateNumpyVector(np.array([output], np.int32))
    graph_inputs = [i for i in inputs if i >= 0 and tensors[i].data is None]
    public_inputs = b.CreateNumpyVector(np.array(graph_inputs, np.int32))
    public_outputs = b.CreateNumpyVector(np.array([output], np.int32))
    tflite.OperatorStart(b)
    tflite.OperatorAddOpcodeIndex(b, 0)
    tflite.OperatorAddInputs(b, op_inputs)
    tflite.OperatorAddOutputs(b, op_outputs)
    if option_table:
        kind = OPTIONS.get(op, "".join(part.capitalize() for part in op.split("_")) + "Options")
        tflite.OperatorAddBuiltinOptionsType(b, getattr(tflite.BuiltinOptions, kind))
        tflite.OperatorAddBuiltinOptions(b, option_table)
    operators = offsets(tflite.SubGraphStartOperatorsVector, [tflite.OperatorEnd(b)])
    tflite.SubGraphStart(b)
    tflite.SubGraphAddTensors(b, tensor_list)
    tflite.SubGraphAddInputs(b, public_inputs)
    tflite.SubGraphAddOutputs(b, public_outputs)
    tflite.SubGraphAddOperators(b, operators)
    graphs = offsets(tflite.ModelStartSubgraphsVector, [tflite.SubGraphEnd(b)])
    code = getattr(tflite.BuiltinOperator, op)
    tflite.OperatorCodeStart(b)
    tflite.OperatorCodeAddDeprecatedBuiltinCode(b, min(code, 127))
    tflite.OperatorCodeAddBuiltinCode(b, code)
    tflite.OperatorCodeAddVersion(b, 2)
    codes = offsets(tflite.ModelStartOperatorCodesVector, [tflite.OperatorCodeEnd(b)])
    buffer_tables = []
    for data in buffers:
        tflite.BufferStart(b)
        if data:
            tflite.BufferAddData(b, data)
        buffer_tables.append(tflite.BufferEnd(b))
    buffer_list = offsets(tflite.ModelStartBuffersVector, buffer_tables)
    tflite.ModelStart(b)
    tflite.ModelAddVersion(b, 3)
    tflite.ModelAddOperatorCodes(b, codes)
    tflite.ModelAddSubgraphs(b, graphs)
    tflite.ModelAddBuffers(b, buffer_list)
    b.Finish(tflite.ModelEnd(b), b"TFL3")
    return bytes(b.Output())


OPTIONS = {
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "MEAN": "ReducerOptions",
}


def run_litert(model: bytes, *feeds: np.ndarray) -> np.ndarray:
    """The model's output with LiteRT's default kernels, one thread."""
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    interpreter = litert.Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    for detail, feed in zip(interpreter.get_input_details(), feeds, strict=True):
        interpreter.set_tensor(detail["index"], feed)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def run_quantized(
    op: str, inputs: Sequence[Quantized | np.ndarray | None], output: Quantized, **attrs: Any
) -> np.ndarray:
    """One node by `evaluate`; an array among the inputs has no quantization."""
    tensors, arrays = [], []
    for index, item in enumerate(inputs):
        data = item.data if isinstance(item, Quantized) else item
        quant = item.quant if isinstance(item, Quantized) else None
        tensors.append(None if data is None else Tensor(f"x{index}", data.shape, data.dtype, quant, data))
        arrays.append(data)
    names = ["" if tensor is None else tensor.name for tensor in tensors]
    step = infer_node(Node(op, names, ["y"], attrs, "tested"), tensors)
    step.ctx.outputs[0].quant = output.quant
    (found,) = evaluate(step.op, step.ctx, arrays)
    assert (found.shape, found.dtype) == (step.ctx.outputs[0].shape, step.ctx.outputs[0].dtype)
    return found
