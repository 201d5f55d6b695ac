"""As test_bombs.py, of models that make much of small inputs, and then compute with all of it at every run; of text, of
long attributes, and of more nodes and kernels than any model has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bomb import MARKS, Bomb, Row, chain, check, one, spatial

from millijoule.runtime.errors import ModelError
from millijoule.runtime.file import schema
from millijoule.runtime.planner.limits import most_kernels

pytestmark = MARKS

AT_EVERY_RUN, BESIDES = "would take about .* at every run", "besides its results"
BOX = np.array([[0, 0, 1, 1]], np.float32)
FIRST = np.array([0])
UNARY = (
    "Exp", "Log", "Sigmoid", "Tanh", "Erf", "Gelu", "Mish", "Softplus", "Softsign", "HardSwish", "Selu", "Sin", "Cos",
    "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Acosh", "Atanh", "Sqrt", "Reciprocal", "Ceil", "Floor",
)  # fmt: skip
COMPARISONS = "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal"


def widened(shape: tuple[int, ...], rows: list[Row], refused: str = AT_EVERY_RUN, **constants: Any) -> Bomb:
    """One number, made a tensor `e` of that shape, and the sum of what is computed of it, `f`."""
    nodes = [("Expand", ["x", "n"], "e", {}), *rows, ("ReduceSum", ["f"], "y", {})]
    return Bomb(nodes, {"n": np.array(shape), **constants}, spatial(*[1] * len(shape)), refused=refused)


def text(op: str, given: np.ndarray, refused: str, dtype: str = "text", **attrs: Any) -> Bomb:
    inputs: dict[str, Any] = {"x": (given.shape, "text")}
    return Bomb(one(op, **attrs), {}, inputs, dtypes={"y": dtype}, fed={"x": given}, refused=refused)


def regions(op: str, refused: str, given: np.ndarray = BOX, **attrs: Any) -> Bomb:
    constants = {"r": given, "b": np.zeros(len(given), np.int64)}
    return Bomb(one(op, ["x", "r", "b"][: 3 if op == "RoiAlign" else 2], **attrs), constants, spatial(1, 4, 4, 1),
                refused=refused)  # fmt: skip


def of_many_kernels() -> Bomb:
    """Casts, comparisons and functions of each kind, tiles of products of many widths, and depthwise windows of many
    widths and strides are kernels of their own."""
    wholes = ("int8", "uint8", "int16", "int32", "int64", "float64", "bool")
    rows: list[Row] = [("Cast", ["x"], f"c{to}", {"to": to}) for to in wholes]
    rows += [("Cast", [f"c{a}"], f"c{a}{b}", {"to": b}) for a in wholes for b in wholes if a != b]
    rows += [(op, ["x"], f"u{op}", {}) for op in UNARY]
    rows += [(op, [f"c{a}", f"c{a}"], f"{op}{a}", {}) for op in COMPARISONS for a in wholes[:5]]
    dtypes = {output: "bool" for op, _, output, _ in rows if op in COMPARISONS and isinstance(output, str)}
    widths = range(1, 70)
    rows += [("MatMul", ["x", f"w{width}"], f"m{width}", {}) for width in widths]
    constants = {f"w{width}": np.ones((4, width), np.float32) for width in widths}
    windows, strides = range(2, 25), range(1, 8)
    rows += [
        ("Conv", ["p", f"d{window}"], f"v{window}.{stride}", {"group": 4, "strides": [1, stride]})
        for window in windows for stride in strides
    ]  # fmt: skip
    constants |= {f"d{window}": np.ones((4, 1, window, 1), np.float32) for window in windows}
    inputs = {"x": ((1, 4), "float32"), "p": ((1, 1, 200, 4), "float32")}
    outputs = [output for _, _, output, _ in rows if isinstance(output, str)]
    refused = f"more than {most_kernels(sum(map(np.size, constants.values())))} different kernels"
    return Bomb(rows, constants, inputs, outputs=outputs, dtypes=dtypes, refused=refused)


def tree(nodes: int, roots: int = 1) -> Bomb:
    """One tree that is as deep as it has nodes, from whose root every walk begins."""
    last, places = nodes - 1, np.arange(nodes)
    constants = {
        "features": 0 * places, "thresholds": np.full(nodes, 2, np.float32), "yes": np.minimum(places + 1, last),
        "no": np.full(nodes, last), "modes": (places < last) * 1, "leaves": 0 * places,
        "weights": np.ones((1, 1), np.float32), "roots": np.zeros(roots, np.int64),
    }  # fmt: skip
    return Bomb(one("TreeEnsemble", ["x", *constants]), constants, spatial(100, 4), refused=AT_EVERY_RUN)


BOMBS: dict[str, Bomb] = {
    "a tree of 100 000 levels": tree(100_000),
    "100 000 times a tree of 1000 levels": tree(1000, 100_000),
    "a product of one number": widened((12000, 12000), [("MatMul", ["e", "e"], "f", {})]),
    "a convolution of one number": widened(
        (1, 2000, 2000, 16), [("Conv", ["e", "w"], "f", {"pads": [7] * 4})], w=np.ones((64, 15, 15, 16), np.float32)
    ),
    "windows of 201 x 201": widened(
        (1, 2000, 2000, 16), [("MaxPool", ["e"], "f", {"kernel_shape": [201, 201], "pads": [100] * 4})]
    ),
    "attention of one number": widened(
        (64, 2048, 64),
        [("Transpose", ["e"], "k", {"perm": [0, 2, 1]}), ("MatMul", ["e", "k"], "m", {}), ("Softmax", ["m"], "p", {}),
         ("MatMul", ["p", "e"], "f", {})],
    ),
    "1000 functions of one number": widened(
        (1 << 26,),
        [(("Exp", "Tanh")[i % 2], [f"t{i}" if i else "e"], f"t{i + 1}" if i < 999 else "f", {}) for i in range(1000)],
    ),
    "an identity matrix of 16 000 rows": widened(
        (16_000, 16_000), [("EyeLike", ["e"], "f", {"k": 1 << 40})], "GiB of memory at a time"
    ),
    "a product that sums all pairs": widened((1 << 20,), [("Einsum", ["e", "e"], "f", {"equation": "a,b->a"})]),
    "distances of 20 000 points": widened((20_000, 64), [("CDist", ["e", "e"], "f", {})], BESIDES),
    "a determinant": widened((4000, 4000), [("Det", ["e"], "f", {})]),
    "regions larger than the image": regions(
        "RoiAlign", "a region of 1e.06 x 1e.06 pixels", BOX * np.float32(1e6), output_height=1, output_width=1
    ),
    "regions of a region": regions("RoiAlign", BESIDES, output_height=4096, output_width=4096, sampling_ratio=1),
    "20 000 regions": regions(
        "RoiAlign", AT_EVERY_RUN, np.repeat(BOX, 20_000, 0), output_height=14, output_width=14, sampling_ratio=2
    ),
    "bins of a region": regions("MaxRoiPool", AT_EVERY_RUN, np.zeros((1, 5), np.float32), pooled_shape=[2000, 2000]),
    "votes of 2000 classes": Bomb(one("PairwiseVotes", classes=2000), {}, spatial(1, 1_999_000), refused=AT_EVERY_RUN),
    "a million axes": Bomb(one("Transpose", perm=[0] * 1_000_000), refused="Transpose 'n0': perm"),
    "100 000 new dimensions": Bomb(
        one("Unsqueeze", ["x", "a"]), {"a": np.arange(100_000)}, refused="at most 32 are supported"
    ),
    "words of a pattern": text(
        "Tokenizer", np.array([["ab" * 5000] * 4], object), "takes too long", tokenexp="(a|b)*c|a", pad_value="#"
    ),
    "100 000 separators": text(
        "Tokenizer", np.array([["a" * 20_000] * 4], object), "takes too long", pad_value="#",
        separators=[f"q{i}" for i in range(100_000)],
    ),
    "separators that are patterns": text(
        "Tokenizer", np.array([["a"]], object), "patterns have more than", pad_value="#",
        separators=[f"q{i}+" for i in range(100_000)],
    ),
    "a pattern of many ways": text(
        "RegexFullMatch", np.array(["a" * 50_000] * 4, object), "takes too long", "bool", pattern="(a*)*" * 20 + "b"
    ),
    "16 million numbers as text": Bomb(
        [("Expand", ["x", "n"], "e", {}), ("NumbersToText", ["e"], "y", {})], {"n": np.array([1 << 24])}, spatial(1),
        dtypes={"y": "text"}, refused="too much|at every run",
    ),
    "a product for a large state": Bomb(
        [("Abs", ["s"], "t", {}), ("Expand", ["x", "n"], "e", {}), ("MatMul", ["e", "e"], "f", {}),
         ("ReduceSum", ["f"], "y", {})],
        {"n": np.array([8000, 8000])}, {"x": ((1, 1), "float32"), "s": ((1 << 26,), "float32")}, ["y", "t"],
        states={"s": "t"}, refused="too small for",
    ),
    "kernels by the hundred": of_many_kernels(),
    "a chain of 40 000 from a constant": Bomb(
        [*(("Abs" if i % 2 else "Neg", [f"c{i}"], f"c{i + 1}", {}) for i in range(40_000)),
         ("Add", ["x", "c40000"], "y", {})],
        {"c0": np.ones(4, np.float32)},
    ),
    "a chain of 40 000": Bomb(chain(40_000, ("Relu", {}), ("Neg", {}))),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_runs_or_is_refused(name: str, tmp_path: Path) -> None:
    check(BOMBS[name], tmp_path)


MANY = [f"t{i}" for i in range(schema.MAX_NODES + 4)]


@pytest.mark.parametrize(
    "nodes",
    [
        chain(schema.MAX_NODES + 1, ("Relu", {})), [("Concat", ["x"] * (schema.MAX_NODES + 4), "y", {"axis": 0})],
        [("Split", ["x"], MANY, {"num_outputs": len(MANY)}), ("Neg", ["t0"], "y", {})],
    ],
    ids=["nodes", "inputs", "outputs"],
)  # fmt: skip
def test_more_nodes_than_a_file_may_have(nodes: Sequence[Row]) -> None:
    with pytest.raises(ModelError, match=f"more than {schema.MAX_NODES} nodes"):
        Bomb(nodes).file()
