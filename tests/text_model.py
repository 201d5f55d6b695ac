"""A small model of text, a sequence and an optional value, with kernels between, for the tests of files."""

from __future__ import annotations

import numpy as np

from millijoule.runtime.boxed import TEXT, optional_of, sequence_of
from millijoule.runtime.graph import Graph, Node, Value
from millijoule.runtime.model import Model

F32, I64, BOOL = (np.dtype(name) for name in ("float32", "int64", "bool"))
WORDS = np.array([["red", "blue pink"], ["", "grün"]], object)
ITEMS = [np.ones((2, 3), np.float32), np.zeros((1, 3), np.float32)]


def text_graph() -> Graph:
    graph = Graph(inputs=["words", "items", "maybe"], outputs=["scores", "text", "joined", "there"])
    for name, dtype, shape in (
        ("words", TEXT, ("n", 2)), ("items", sequence_of(F32), None), ("maybe", optional_of(F32), None),
        ("place", I64, None), ("rows", F32, None), ("scores", F32, None), ("best", I64, None), ("named", TEXT, None),
        ("parts", TEXT, None), ("counts", I64, None), ("same", BOOL, None), ("clean", TEXT, None), ("text", TEXT, None),
        ("more", sequence_of(F32), None), ("joined", F32, None), ("there", BOOL, None), ("flat", TEXT, None),
        ("one", TEXT, None),
    ):  # fmt: skip
        graph.add_value(Value(name, dtype, shape))
    graph.add_constant("keys", np.array(["red", "grün", ""], object))
    graph.add_constant("table", np.arange(12, dtype=np.float32).reshape(4, 3))
    graph.add_constant("labels", np.array(["a", "b", "c"], object))
    graph.add_constant("row", np.ones((1, 3), np.float32))
    graph.add_constant("vector", np.array([-1], np.int64))
    graph.nodes = [
        Node("Lookup", ["words", "keys"], ["place"]),
        Node("Gather", ["table", "place"], ["rows"]),
        Node("Relu", ["rows"], ["scores"]),
        Node("ArgMax", ["scores"], ["best"], {"axis": -1, "keepdims": 0}),
        Node("Gather", ["labels", "best"], ["named"]),
        Node("StringConcat", ["named", "words"], ["one"]),
        Node("StringSplit", ["one"], ["parts", "counts"], {"delimiter": " "}),
        Node("Reshape", ["parts", "vector"], ["flat"]),
        Node("StringNormalizer", ["flat"], ["clean"], {"stopwords": ["pink"], "case_change_action": "UPPER"}),
        Node("RegexFullMatch", ["clean"], ["same"], {"pattern": "[A-Z]+(RED|BLUE)?"}),
        Node("Where", ["same", "clean", "clean"], ["text"]),
        Node("SequenceInsert", ["items", "row"], ["more"]),
        Node("ConcatFromSequence", ["more"], ["joined"], {"axis": 0}),
        Node("OptionalHasElement", ["maybe"], ["there"]),
    ]
    return graph


def text_model() -> Model:
    return Model(text_graph())
