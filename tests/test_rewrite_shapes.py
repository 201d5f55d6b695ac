"""Symbolic shapes pass through every operator: what `infer` says with numbers is said with symbols before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from millijoule.converters.rewrites.framework import shapes
from millijoule.converters.rewrites.framework.indexed import IndexedGraph
from millijoule.runtime.graph import Dim, Graph, Node, Quantization, Value
from millijoule.runtime.ops.inference import infer_node
from millijoule.runtime.ops.registry import Op, Tensor, find, names

SIZES = {"n": 6, "h": 10, "w": 12, "c": 4}
"""What the symbols stand for."""

Shape = tuple[Dim, ...]


@dataclass(frozen=True)
class Input:
    """shape: with symbols. data: the elements, where the shapes depend on them. constant: known at conversion."""

    shape: Shape
    dtype: str = "float32"
    data: np.ndarray | None = None
    constant: bool = False
    quant: Quantization | None = None


@dataclass(frozen=True)
class Case:
    """One node. computed: dimensions of its outputs that are neither numbers nor dimensions of its inputs."""

    inputs: tuple[Input | None, ...]
    attrs: dict[str, Any] = field(default_factory=dict)
    outputs: int = 1
    computed: int = 0


def of(*inputs: Input | Shape | None, outputs: int = 1, computed: int = 0, **attrs: Any) -> Case:
    return Case(tuple(Input(item) if isinstance(item, tuple) else item for item in inputs), attrs, outputs, computed)


def ints(*shape: Dim) -> Input:
    return Input(shape, "int64")


def texts(*shape: Dim) -> Input:
    return Input(shape, "O")


def constant(*numbers: int) -> Input:
    return Input((len(numbers),), "int64", np.array(numbers), constant=True)


def constant_scalar(number: int) -> Input:
    return Input((), "int64", np.array(number), constant=True)


def zeros(*shape: int) -> Input:
    return Input(shape, "float32", np.zeros(shape, np.float32), constant=True)


def late(*numbers: int) -> Input:
    """A vector that is known at run time only."""
    return Input((len(numbers),), "int64", np.array(numbers))


FLAGS = Input(("n",), "bool", np.arange(6) % 2 == 0)
IMAGE: Shape = ("n", "h", "w", "c")

CASES: dict[str, list[Case]] = {
    "ArgMax": [of(("n", "w"), axis=1), of(("n", "w"), axis=0, keepdims=0)],
    "ArgMin": [of(("n", "w"), axis=-1, keepdims=0)],
    "AveragePool": [of(IMAGE, kernel_shape=[3, 3], pads=[1, 1, 1, 1]), of(IMAGE, kernel_shape=[2, 2], computed=2)],
    "BatchNormalization": [of(("n", "w", 3), (3,), (3,), (3,), (3,), axis=-1)],
    "BitCast": [of(("n", 4), to="int32")],
    "BitShift": [of(Input(("n", 4), "uint8"), Input((1,), "uint8"), direction="LEFT")],
    "Cast": [of(("n", 4), to="int8")],
    "CastLike": [of(("n", 4), ints())],
    "Col2Im": [of(("n", 8, 6), constant(3, 4), constant(2, 2))],
    "Compress": [of(("w", "n"), FLAGS, axis=1, computed=1), of(("n",), FLAGS, computed=1)],
    "Concat": [of(("n", 3), ("n", 5), axis=1), of(("n", 3), ("w", 3), axis=0, computed=1)],
    "ConfidenceGate": [of((1, 4), (1, 4))],
    "ConstantOfShape": [of(constant(2, 3)), of(late(2, 3), computed=2)],
    "Conv": [of(("n", "h", "w", 3), (8, 3, 3, 3), pads=[1, 1, 1, 1])],
    "ConvTranspose": [of(("n", "h", "w", 3), (3, 2, 2, 8), computed=2)],
    "CumProd": [of(("n", "w"), constant(1))],
    "CumSum": [of(("n", "w"), constant(1))],
    "DFT": [of(("n", 8, 1), constant(6), constant(1), onesided=1), of(("n", "w", 2), computed=0)],
    "DeformConv": [of(("n", "h", "w", 3), (8, 1, 1, 3), ("n", "h", "w", 2))],
    "DepthToSpace": [of(("n", "h", "w", 8), blocksize=2, computed=2)],
    "Det": [of(("n", 3, 3))],
    "DetectionPostProcess": [
        of(
            *((1, "n", 4), (1, "n", 3), ("n", 4)),
            outputs=4,
            max_detections=5,
            max_classes_per_detection=2,
            num_classes=3,
            score_threshold=0.5,
            iou_threshold=0.5,
            scales=[1.0, 1.0, 1.0, 1.0],
        )
    ],
    "Dilate": [of(("n", 4), (), dilations=[1, 3]), of(("n", 4), (), dilations=[2, 1], computed=1)],
    "DynamicUpdateSlice": [of(("n", "w", 4), ("n", 1, 4), ints(3))],
    "Einsum": [of(("n", "h", "c"), ("n", "c", "w"), equation="bij,bjk->bik")],
    "Expand": [of(("n", 1), constant(1, 5)), of(("n", 1), late(2, 1, 5), computed=3)],
    "EyeLike": [of(("n", "w"))],
    "Flatten": [of(("n", 3, 4), axis=1), of(("n", "h", 4), axis=1, computed=1)],
    "GRU": [of(("h", "n", 5), (1, 12, 5), (1, 12, 4), outputs=2)],
    "DynamicConv": [of(("n", "h", "w", 3), Input((8, 3, 3, 3), "int8"), (8,), (8,), pads=[1, 1, 1, 1])],
    "DynamicQuantizeLinear": [of(("n", "h"), outputs=3)],
    "DynamicMatMul": [of(("n", "h", 8), Input((8, 5), "int8"), (5,), (5,))],
    "EmbeddingLookup": [of(ints("n", "w"), (9, 4))],
    "Gather": [of(("n", "w"), ints("h", 2), axis=1)],
    "GatherElements": [of(("n", "w"), ints("n", "h"), axis=1)],
    "GatherND": [of(("n", "w", "c"), ints("n", "h", 1), batch_dims=1), of(("n", "w", "c"), ints("h", 2))],
    "Gemm": [of(("n", 4), (4, 8)), of((4, "n"), ("w", 4), transA=1, transB=1)],
    "GlobalAveragePool": [of(IMAGE)],
    "GlobalMaxPool": [of(IMAGE)],
    "GridSample": [of(IMAGE, ("n", "w", 7, 2))],
    "InstanceNormalization": [of(("n", "w", 3), (3,), (3,))],
    "CDist": [of(("n", "c"), ("w", "c"))],
    "Inverse": [of(("n", 3, 3))],
    "LandmarksToTransformMatrix": [
        of(
            (1, "n", 3),
            left=0,
            right=1,
            subset=[0, 1],
            target_rotation=0.0,
            output_width=8,
            output_height=8,
            scale=[1.0, 1.0],
        )
    ],
    "Lookup": [of(texts("n", "w"), texts(3))],
    "LSTM": [of(("h", "n", 5), (2, 16, 5), (2, 16, 4), outputs=3, direction="bidirectional")],
    "LRN": [of(IMAGE, size=3)],
    "LayerNormalization": [of(("n", "w", 8), (8,), outputs=3), of(("n", "w"), ("w",), ("w",), outputs=3, axis=1)],
    "MatMul": [of(("n", "h", 4), (4, 8)), of(("n", 1, "h", "c"), ("n", 5, "c", "w"))],
    "Max": [of(("n", 1), ("w",), (1, 1))],
    "MostConfident": [of((1, 4), (5,), (1, 4), (5,), outputs=2, stage=1, post_check=True)],
    "MaxPool": [of(IMAGE, kernel_shape=[3, 3], strides=[2, 2], computed=2)],
    "MaxPoolIndices": [of(IMAGE, kernel_shape=[3, 3], strides=[2, 2], computed=2)],
    "MaxRoiPool": [of(IMAGE, ("w", 5), pooled_shape=[3, 2])],
    "MaxUnpool": [of(("n", 3, 4, 4), ints("n", 3, 4, 4), kernel_shape=[2, 2], strides=[2, 2])],
    "MelWeightMatrix": [of(*(constant_scalar(number) for number in (8, 16, 8000, 0, 4000)))],
    "NonZero": [of(Input(("n",), data=np.array([0, 1, 0, 2, 0, 3], np.float32)), computed=1)],
    "ClassNonMaxSuppression": [
        of(("n", 6, 4), ("n", "c", 6), constant(2), outputs=2),
        of(("n", "w", 4), ("n", "c", "w"), constant(2), outputs=2, computed=1),
    ],
    "ListDetections": [
        of(
            *((1, "n", 4), (1, "n", 3), Input((1, 1, "w"), "int32"), Input((1, 1), "int32")),
            outputs=4,
            max_detections=5,
            max_classes_per_detection=2,
        )
    ],
    "ListChosen": [
        of(
            Input((1, 2, 4), "int32", np.zeros((1, 2, 4), np.int32)),
            Input((1, 2), "int32", np.ones((1, 2), np.int32)),
            computed=1,
        )
    ],
    "NonMaxSuppression": [
        of(
            Input((1, 2, 4), data=np.zeros((1, 2, 4), np.float32)),
            Input((1, 1, 2), data=np.zeros((1, 1, 2), np.float32)),
            constant(2),
            computed=1,
        )
    ],
    "OneHot": [of(ints("n", "w"), constant(7), (2,), axis=1), of(ints("n"), late(7), (2,), computed=1)],
    "PRelu": [of(("n", "w"), ("w",)), of(("n", 4), (4,))],
    "PaddedNonMaxSuppression": [of(("n", 4), ("n",), constant(5), (), (), outputs=3)],
    "Pad": [of(("n", 4), constant(0, 1, 0, 1)), of(("n", 4), late(0, 1, 2, 3), computed=2)],
    "PairwiseVotes": [of(("n", 3), classes=3)],
    "QuantizeLinear": [of(("n", 4), (), Input((), "int8"))],
    "DequantizeLinear": [of(Input(("n", 4), "int8"), (), Input((), "int8"))],
    "Range": [of(*(Input((), "int64", np.array(number)) for number in (0, 9, 2)), computed=1)],
    "ReduceWindow": [of(("n", 8), (), function="max", window=[1, 3], strides=[1, 2])],
    "Requantize": [of(Input(("n", 4), "int8", quant=Quantization.per_tensor(0.5, 3)), to="int8")],
    "RegexFullMatch": [of(texts("n", "w"), pattern="a*")],
    "Reshape": [of(("n", 6, 4), constant(0, 24)), of(("n", 6, 4), late(6, -1), computed=2)],
    "Resize": [
        of(("n", "h", "w", 3), None, None, constant(6, 20, 20, 3)),
        of(IMAGE, None, None, late(6, 5, 5, 4), computed=2),
    ],
    "ReverseSequence": [of(("h", "n", 4), ints("n"))],
    "RNN": [of(("n", "h", 5), (1, 4, 5), (1, 4, 4), outputs=2, layout=1)],
    "RoiAlign": [of(IMAGE, ("w", 4), ints("w"), output_height=3, output_width=2)],
    "RoundToFormat": [of(("n", 4), format="bfloat16")],
    "STFT": [of(("n", 16), constant(4), None, constant(8))],
    "ScatterElements": [of(("n", "w"), ints("n", "h"), ("n", "h"), axis=1)],
    "ScatterND": [of(("n", "w"), ints("h", 1), ("h", "w"))],
    "Shape": [of(("n", "w"))],
    "Size": [of(("n", "w"))],
    "Slice": [of(("n", 8), constant(2), constant(6), constant(1)), of(("n", 8), late(2), late(6), computed=1)],
    "SpaceToDepth": [of(("n", "h", "w", 2), blocksize=2, computed=2)],
    "Split": [
        of(("n", 8), constant(3, 5), outputs=2, axis=1),
        of(("n", 8), outputs=2, axis=0, num_outputs=2, computed=2),
    ],
    "Squeeze": [of(("n", 1, 4), constant(1))],
    "StringConcat": [of(texts("n", 1), texts("w"))],
    "StringNormalizer": [
        of(texts("n"), case_change_action="UPPER"),
        of(Input((1, "n"), "O", np.array([["a", "b", "a", "c", "d", "e"]], object)), stopwords=["a"], computed=1),
    ],
    "StringSplit": [of(Input(("n",), "O", np.array(["a b"] * 6, object)), outputs=2, computed=1)],
    "SupportVectors": [of(("n", 4), (5, 4), kernel="RBF")],
    "TensorScatter": [of(("n", "w", 4), ("n", 1, 4), ints("n"))],
    "TreeEnsemble": [
        of(
            ("n", 4),
            constant(0, 0, 0),
            zeros(3),
            constant(1, 0, 0),
            constant(2, 0, 0),
            constant(1, 0, 0),
            constant(0, 0, 1),
            zeros(2, 5),
            constant(0),
        ),
    ],
    "TextToNumbers": [of(texts("n", "w"), to="float32")],
    "TfIdfVectorizer": [
        of(
            ints("n", "w"),
            max_gram_length=1,
            max_skip_count=0,
            min_gram_length=1,
            mode="TF",
            ngram_counts=[0],
            ngram_indexes=[0, 2],
            pool_int64s=[5, 7],
        )
    ],
    "Tile": [of(("n", 4), constant(1, 3)), of(("n", 4), late(2, 3), computed=2)],
    "Tokenizer": [
        of(Input(("n",), "O", np.array(["a b"] * 6, object)), tokenexp="[ab]", pad_value="#", computed=1),
    ],
    "TopK": [of(("n", "w"), constant(3), outputs=2), of(("n", "w"), late(3), outputs=2, axis=0, computed=2)],
    "Transpose": [of(("n", "w", 4), perm=[2, 0, 1]), of(("n", "w"))],
    "Trilu": [of(("n", "w"))],
    "Unique": [of(Input(("n",), "int64", np.array([1, 2, 1, 3, 3, 0])), outputs=4, computed=3)],
    "Unsqueeze": [of(("n", 4), constant(0, 2))],
    "Where": [of(Input(("n", 1), "bool"), (4,), ())],
}
"""Of the operators whose flags do not say how their shapes come about, or which take more than that."""


def dtype_of(name: str) -> str:
    if name in ("And", "Or", "Xor", "Not"):
        return "bool"
    return "int32" if name.startswith("Bitwise") or name == "Reinterpret" else "float32"


def cases_of(op: Op) -> list[Case]:
    if op.name in CASES:
        return CASES[op.name]
    x = Input(("n", "w", 4), dtype_of(op.name))
    if op.broadcasts:
        return [of(x, Input(("w", 1), x.dtype)), of(Input((4,), x.dtype), x), of(Input((), x.dtype), x)]
    if op.reduces:
        return [of(x, constant(1)), of(x, constant(0, -1), keepdims=0), of(x)]
    assert op.keeps_shape, f"symbolic shapes of {op.name} are not tested: add a case"
    return [of(x)]


BOXED = (
    *("ConcatFromSequence", "Optional", "OptionalGetElement", "OptionalHasElement", "SequenceAt", "SequenceConstruct"),
    *("SequenceErase", "SequenceInsert", "SequenceLength", "SplitToSequence"),
)
OPERATORS = [op for op in map(find, names()) if op is not None and not op.runs_graphs and op.name not in BOXED]
"""Without those whose shapes are known once they have run."""
EVERY = [(op.name, case) for op in OPERATORS for case in cases_of(op)]


@pytest.mark.parametrize(("name", "case"), EVERY, ids=[f"{name}-{index}" for index, (name, _) in enumerate(EVERY)])
def test_what_is_inferred_with_numbers_is_known_with_symbols(name: str, case: Case) -> None:
    node = Node(
        name, ["" if item is None else f"x{index}" for index, item in enumerate(case.inputs)],
        [f"y{index}" for index in range(case.outputs)], dict(case.attrs),
    )  # fmt: skip
    graph, tensors = Graph(nodes=[node]), list[Tensor | None]()
    for index, item in enumerate(case.inputs):
        if item is None:
            tensors.append(None)
            continue
        shape = tuple(SIZES[dim] if isinstance(dim, str) else dim for dim in item.shape)
        dtype = np.dtype(item.dtype)
        tensors.append(Tensor(f"x{index}", shape, dtype, item.quant, item.data))
        data = item.data if item.constant else None
        graph.add_value(Value(f"x{index}", dtype, item.shape, item.quant, data))
    wanted = infer_node(node, tensors).ctx.outputs
    for tensor in wanted:
        graph.add_value(Value(tensor.name, tensor.dtype))
    shapes.infer(IndexedGraph(graph), node)

    computed = 0
    for tensor in wanted:
        found = graph.values[tensor.name].shape
        assert found is not None and len(found) == len(tensor.shape), f"{found}, not {tensor.shape}"
        for dim, size in zip(found, tensor.shape, strict=True):
            if isinstance(dim, str) and dim not in SIZES:
                computed += 1
            else:
                assert (SIZES[dim] if isinstance(dim, str) else dim) == size, f"{found}, not {tensor.shape}"
    assert computed == case.computed


def infer(node: Node, *inputs: tuple[Dim, ...]) -> tuple[Dim, ...] | None:
    graph = Graph(nodes=[node])
    for index, shape in enumerate(inputs):
        graph.add_value(Value(f"x{index}", np.dtype(np.float32), shape))
    graph.add_value(Value("y", np.dtype(np.float32)))
    shapes.infer(IndexedGraph(graph), node)
    return graph.values["y"].shape


def test_of_sizes_that_must_agree_only_the_rank_is_known() -> None:
    node = Node("Einsum", ["x0", "x1"], ["y"], {"equation": "ij,jk->ik"})
    found = infer(node, ("n", "k"), ("l", "m"))
    assert found is not None and len(found) == 2 and all(isinstance(dim, str) for dim in found)
    found = infer(node, ("n", 8), ("l", 5))
    assert found is not None and len(found) == 2


def test_nothing_is_known_of_what_cannot_be_computed() -> None:
    assert infer(Node("Einsum", ["x0", "x1"], ["y"], {"equation": "ij,jk->ik"}), ("n", "k"), (5, "m", 2)) is None
