"""Builds small .tflite files for tests, and runs them through LiteRT and through the converter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import tflite

from millijoule.converters.imported import Imported
from millijoule.converters.tflite.convert import convert
from millijoule.converters.tflite.schema import TENSOR_TYPES
from millijoule.runtime.evaluate.reference import run

_TYPES = {name.lower(): code for code, name in TENSOR_TYPES.items()}

METADATA_NAME = "TFLITE_METADATA"
_VERSIONS = {"BROADCAST_TO": 2}
"""Operators whose first version LiteRT does not run."""


@dataclass
class Tensor:
    """data: set for constants. scale: one number or one per index of axis. signature: the shape with -1 where it is
    dynamic. type_name: the schema's, where it is not the dtype's."""

    name: str
    shape: Sequence[int]
    dtype: str
    data: np.ndarray | None = None
    scale: float | Sequence[float] | np.ndarray | None = None
    zero_point: int | Sequence[int] = 0
    axis: int = 0
    signature: Sequence[int] | None = None
    type_name: str = ""
    raw: bytes | None = None
    variable: bool = False
    sparsity: Sparsity | None = None


@dataclass
class Sparsity:
    """levels: in the traversal order, a dense one's size, or a compressed one's segments and indices."""

    order: Sequence[int]
    blocks: Sequence[int]
    levels: Sequence[int | tuple[Sequence[int], Sequence[int]]]


@dataclass
class Operator:
    """options: the table's class and its fields, such as ("AddOptions", {"FusedActivationFunction": 1})."""

    kind: str
    inputs: Sequence[int]
    outputs: Sequence[int]
    options: tuple[str, dict[str, Any]] | None = None
    custom_options: bytes = b""


@dataclass
class Signature:
    """inputs, outputs: tensors by the names that it gives them. subgraph: the model itself is 0."""

    inputs: dict[str, int]
    outputs: dict[str, int]
    name: str = "serving_default"
    subgraph: int = 0


@dataclass
class Model:
    tensors: list[Tensor]
    operators: list[Operator]
    inputs: Sequence[int]
    outputs: Sequence[int]
    signatures: list[Signature] = field(default_factory=list)
    metadata: bytes | None = None
    version: int = 3
    subgraphs: list[Model] = field(default_factory=list)

    def to_bytes(self) -> bytes:
        return _Writer(self).write()


class _Writer:
    def __init__(self, model: Model) -> None:
        self.model = model
        self.b = flatbuffers.Builder(1024)
        self.buffers: list[bytes] = [b""]

    def write(self) -> bytes:
        b, model = self.b, self.model
        graphs = [model, *model.subgraphs]
        kinds = list(dict.fromkeys(operator.kind for graph in graphs for operator in graph.operators))
        codes = self.offsets([self.code(kind) for kind in kinds])
        subgraphs = self.offsets([self.subgraph(graph, kinds) for graph in graphs])
        signatures = self.offsets([self.signature(signature) for signature in model.signatures])
        metadata = self.metadata()
        buffers = self.offsets([self.buffer(content) for content in self.buffers])
        description = b.CreateString("made by a test")
        tflite.ModelStart(b)
        tflite.ModelAddVersion(b, model.version)
        tflite.ModelAddOperatorCodes(b, codes)
        tflite.ModelAddSubgraphs(b, subgraphs)
        tflite.ModelAddDescription(b, description)
        tflite.ModelAddBuffers(b, buffers)
        tflite.ModelAddSignatureDefs(b, signatures)
        if metadata is not None:
            tflite.ModelAddMetadata(b, metadata)
        b.Finish(tflite.ModelEnd(b), b"TFL3")
        return bytes(b.Output())

    def subgraph(self, graph: Model, kinds: list[str]) -> int:
        b = self.b
        tensors = self.offsets([self.tensor(tensor) for tensor in graph.tensors])
        operators = self.operators(graph, kinds)
        inputs, outputs = self.numbers(graph.inputs, np.int32), self.numbers(graph.outputs, np.int32)
        tflite.SubGraphStart(b)
        tflite.SubGraphAddTensors(b, tensors)
        tflite.SubGraphAddInputs(b, inputs)
        tflite.SubGraphAddOutputs(b, outputs)
        tflite.SubGraphAddOperators(b, operators)
        return tflite.SubGraphEnd(b)

    def numbers(self, values: Sequence[float] | np.ndarray, dtype: type) -> int:
        return self.b.CreateNumpyVector(np.asarray(values, dtype).reshape(-1))

    def offsets(self, values: Sequence[int]) -> int:
        self.b.StartVector(4, len(values), 4)
        for value in reversed(values):
            self.b.PrependUOffsetTRelative(value)
        return self.b.EndVector()

    def buffer(self, content: bytes) -> int:
        data = None
        if content:
            self.b.StartVector(1, len(content), 64)
            self.b.head -= len(content)
            self.b.Bytes[self.b.head : self.b.head + len(content)] = content
            data = self.b.EndVector()
        tflite.BufferStart(self.b)
        if data is not None:
            tflite.BufferAddData(self.b, data)
        return tflite.BufferEnd(self.b)

    def tensor(self, tensor: Tensor) -> int:
        b = self.b
        name, shape = b.CreateString(tensor.name), self.numbers(tensor.shape, np.int32)
        signature = None if tensor.signature is None else self.numbers(tensor.signature, np.int32)
        quantization = None if tensor.scale is None else self.quantization(tensor)
        raw = tensor.raw
        if tensor.data is not None:
            raw = np.ascontiguousarray(tensor.data).tobytes()
        index = 0
        if raw is not None:
            index = len(self.buffers)
            self.buffers.append(raw)
        sparsity = None if tensor.sparsity is None else self.sparsity(tensor.sparsity)
        tflite.TensorStart(b)
        tflite.TensorAddName(b, name)
        tflite.TensorAddShape(b, shape)
        tflite.TensorAddType(b, _TYPES[(tensor.type_name or tensor.dtype).lower()])
        tflite.TensorAddBuffer(b, index)
        tflite.TensorAddHasRank(b, True)
        tflite.TensorAddIsVariable(b, tensor.variable)
        if signature is not None:
            tflite.TensorAddShapeSignature(b, signature)
        if quantization is not None:
            tflite.TensorAddQuantization(b, quantization)
        if sparsity is not None:
            tflite.TensorAddSparsity(b, sparsity)
        return tflite.TensorEnd(b)

    def sparsity(self, sparsity: Sparsity) -> int:
        b, levels = self.b, []
        for level in sparsity.levels:
            lists = [] if isinstance(level, int) else [self.index_list(numbers) for numbers in level]
            tflite.DimensionMetadataStart(b)
            if isinstance(level, int):
                tflite.DimensionMetadataAddDenseSize(b, level)
            else:
                tflite.DimensionMetadataAddFormat(b, tflite.DimensionType.SPARSE_CSR)
                tflite.DimensionMetadataAddArraySegmentsType(b, tflite.SparseIndexVector.Int32Vector)
                tflite.DimensionMetadataAddArraySegments(b, lists[0])
                tflite.DimensionMetadataAddArrayIndicesType(b, tflite.SparseIndexVector.Int32Vector)
                tflite.DimensionMetadataAddArrayIndices(b, lists[1])
            levels.append(tflite.DimensionMetadataEnd(b))
        order, blocks = self.numbers(sparsity.order, np.int32), self.numbers(sparsity.blocks, np.int32)
        metadata = self.offsets(levels)
        tflite.SparsityParametersStart(b)
        tflite.SparsityParametersAddTraversalOrder(b, order)
        tflite.SparsityParametersAddBlockMap(b, blocks)
        tflite.SparsityParametersAddDimMetadata(b, metadata)
        return tflite.SparsityParametersEnd(b)

    def index_list(self, numbers: Sequence[int]) -> int:
        values = self.numbers(numbers, np.int32)
        tflite.Int32VectorStart(self.b)
        tflite.Int32VectorAddValues(self.b, values)
        return tflite.Int32VectorEnd(self.b)

    def quantization(self, tensor: Tensor) -> int:
        scale = np.atleast_1d(np.asarray(tensor.scale, np.float32))
        zero_point = np.broadcast_to(np.asarray(tensor.zero_point, np.int64), scale.shape)
        scales, zero_points = self.numbers(scale, np.float32), self.numbers(zero_point, np.int64)
        tflite.QuantizationParametersStart(self.b)
        tflite.QuantizationParametersAddScale(self.b, scales)
        tflite.QuantizationParametersAddZeroPoint(self.b, zero_points)
        tflite.QuantizationParametersAddQuantizedDimension(self.b, tensor.axis)
        return tflite.QuantizationParametersEnd(self.b)

    def operators(self, graph: Model, kinds: list[str]) -> int:
        b = self.b
        written = []
        for operator in graph.operators:
            inputs, outputs = self.numbers(operator.inputs, np.int32), self.numbers(operator.outputs, np.int32)
            options = None if operator.options is None else self.options(*operator.options)
            custom = b.CreateByteVector(operator.custom_options) if operator.custom_options else None
            tflite.OperatorStart(b)
            tflite.OperatorAddOpcodeIndex(b, kinds.index(operator.kind))
            tflite.OperatorAddInputs(b, inputs)
            tflite.OperatorAddOutputs(b, outputs)
            if operator.options is not None:
                table = operator.options[0]
                if hasattr(tflite.BuiltinOptions, table):
                    tflite.OperatorAddBuiltinOptionsType(b, getattr(tflite.BuiltinOptions, table))
                    tflite.OperatorAddBuiltinOptions(b, options)
                else:
                    tflite.OperatorAddBuiltinOptions2Type(b, getattr(tflite.BuiltinOptions2, table))
                    tflite.OperatorAddBuiltinOptions2(b, options)
            if custom is not None:
                tflite.OperatorAddCustomOptions(b, custom)
            written.append(tflite.OperatorEnd(b))
        return self.offsets(written)

    def code(self, kind: str) -> int:
        custom = self.b.CreateString(kind.removeprefix("CUSTOM ")) if kind.startswith("CUSTOM ") else None
        number = getattr(tflite.BuiltinOperator, "CUSTOM" if custom is not None else kind)
        tflite.OperatorCodeStart(self.b)
        tflite.OperatorCodeAddDeprecatedBuiltinCode(self.b, min(number, 127))
        tflite.OperatorCodeAddBuiltinCode(self.b, number)
        tflite.OperatorCodeAddVersion(self.b, _VERSIONS.get(kind, 1))
        if custom is not None:
            tflite.OperatorCodeAddCustomCode(self.b, custom)
        return tflite.OperatorCodeEnd(self.b)

    def options(self, table: str, fields: dict[str, Any]) -> int:
        vectors = {name: self.option(value) for name, value in fields.items()}
        getattr(tflite, f"{table}Start")(self.b)
        for name, value in vectors.items():
            getattr(tflite, f"{table}Add{name}")(self.b, value)
        return getattr(tflite, f"{table}End")(self.b)

    def option(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.b.CreateString(value)
        return self.vector(value) if isinstance(value, (list, tuple, np.ndarray)) else value

    def vector(self, values: Sequence[int] | np.ndarray) -> int:
        """Numbers of an array's own dtype; int32 of a list."""
        return self.b.CreateNumpyVector(values if isinstance(values, np.ndarray) else np.asarray(values, np.int32))

    def signature(self, made: Signature) -> int:
        maps = [self.offsets([self.entry(*item) for item in names.items()]) for names in (made.inputs, made.outputs)]
        key = self.b.CreateString(made.name)
        tflite.SignatureDefStart(self.b)
        tflite.SignatureDefAddInputs(self.b, maps[0])
        tflite.SignatureDefAddOutputs(self.b, maps[1])
        tflite.SignatureDefAddSignatureKey(self.b, key)
        tflite.SignatureDefAddSubgraphIndex(self.b, made.subgraph)
        return tflite.SignatureDefEnd(self.b)

    def entry(self, name: str, index: int) -> int:
        text = self.b.CreateString(name)
        tflite.TensorMapStart(self.b)
        tflite.TensorMapAddName(self.b, text)
        tflite.TensorMapAddTensorIndex(self.b, index)
        return tflite.TensorMapEnd(self.b)

    def metadata(self) -> int | None:
        if self.model.metadata is None:
            return None
        self.buffers.append(self.model.metadata)
        name = self.b.CreateString(METADATA_NAME)
        tflite.MetadataStart(self.b)
        tflite.MetadataAddName(self.b, name)
        tflite.MetadataAddBuffer(self.b, len(self.buffers) - 1)
        return self.offsets([tflite.MetadataEnd(self.b)])


def converted(model: Model, folder: Path) -> Imported:
    path = folder / "model.tflite"
    path.write_bytes(model.to_bytes())
    return convert(path)


def run_converted(model: Model, folder: Path, feeds: Sequence[np.ndarray]) -> list[np.ndarray]:
    graph = converted(model, folder).graph
    found = run(graph, dict(zip(graph.inputs, feeds, strict=True)))
    return [found[name] for name in graph.outputs]


def run_litert(model: Model, feeds: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Outputs of LiteRT's default kernels."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=model.to_bytes())
    for details, feed in zip(interpreter.get_input_details(), feeds, strict=True):
        if tuple(details["shape"]) != feed.shape:
            interpreter.resize_tensor_input(details["index"], feed.shape)
    interpreter.allocate_tensors()
    for details, feed in zip(interpreter.get_input_details(), feeds, strict=True):
        interpreter.set_tensor(details["index"], feed)
    interpreter.invoke()
    return [interpreter.get_tensor(details["index"]) for details in interpreter.get_output_details()]


def one_operator(
    kind: str,
    inputs: Sequence[Tensor | None],
    outputs: Sequence[Tensor],
    options: tuple[str, dict[str, Any]] | None = None,
    custom_options: bytes = b"",
) -> Model:
    """A model of one operator. Inputs without data are the model's inputs, None is an absent one."""
    tensors = [tensor for tensor in inputs if tensor is not None]
    indices = [-1 if tensor is None else tensors.index(tensor) for tensor in inputs]
    made = list(range(len(tensors), len(tensors) + len(outputs)))
    public = [index for index, tensor in enumerate(tensors) if tensor.data is None and tensor.raw is None]
    return Model([*tensors, *outputs], [Operator(kind, indices, made, options, custom_options)], public, made)


def random_feeds(model: Model, seed: int = 0) -> list[np.ndarray]:
    """Floats in -2..2, bools, 8-bit integers over their whole range, other integers in 1..4."""
    rng = np.random.default_rng(seed)
    feeds = []
    for index in model.inputs:
        tensor = model.tensors[index]
        dtype = np.dtype(tensor.dtype)
        if dtype.kind == "f":
            feeds.append(rng.uniform(-2, 2, tensor.shape).astype(dtype))
        elif dtype.kind == "b":
            feeds.append(rng.random(tensor.shape) < 0.5)
        elif dtype.itemsize == 1:
            limits = np.iinfo(dtype)
            feeds.append(rng.integers(limits.min, limits.max + 1, tensor.shape).astype(dtype))
        else:
            feeds.append(rng.integers(1, 5, tensor.shape).astype(dtype))
    return feeds


def declare_output_shapes(model: Model, feeds: Sequence[np.ndarray]) -> None:
    """Sets the outputs' shapes to what LiteRT finds: XNNPACK takes no operator whose declared shape is not right."""
    for index, array in zip(model.outputs, run_litert(model, feeds), strict=True):
        model.tensors[index].shape = array.shape


def compare(model: Model, folder: Path, feeds: Sequence[np.ndarray] | None = None, quanta: int = 0) -> None:
    """Converter and NumPy references against LiteRT: shapes and dtypes, integers to within `quanta`, floats to 1e-5."""
    feeds = random_feeds(model) if feeds is None else feeds
    declare_output_shapes(model, feeds)
    wanted, found = run_litert(model, feeds), run_converted(model, folder, feeds)
    for got, expected in zip(found, wanted, strict=True):
        assert (got.dtype, got.shape) == (expected.dtype, expected.shape)
        if got.dtype.kind == "f":
            np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
        elif got.dtype.kind == "b":
            np.testing.assert_array_equal(got, expected)
        else:
            assert np.abs(got.astype(np.int64) - expected).max(initial=0) <= quanta
