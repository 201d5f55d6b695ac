"""As test_bombs_of_sources.py, of TFLite files: tables and buffers that many share, subgraphs that call each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from bomb import MARKS, check_source

pytest.importorskip("tflite")

from test_tflite_metadata import archive, packed
from tflite_builder import Model, Operator, Sparsity, Tensor, _Writer

pytestmark = MARKS

TOO_OFTEN, LARGE = "call each other too often", 10_000_000


class Shared(_Writer):
    """Writes each content of a buffer once, and lists the first operator of a graph so many times."""

    def __init__(self, model: Model, times: int = 1) -> None:
        super().__init__(model)
        self.times, self.listed = times, 1

    def tensor(self, tensor: Tensor) -> int:
        if tensor.raw is None or tensor.raw not in self.buffers:
            return super().tensor(tensor)
        # The builder gives a tensor the number that its buffer would have, so this takes the place of all behind it.
        behind = self.buffers
        self.buffers = behind[: behind.index(tensor.raw)]
        made = super().tensor(tensor)
        self.buffers = behind
        return made

    def operators(self, graph: Model, kinds: list[str]) -> int:
        self.listed = self.times
        made = super().operators(graph, kinds)
        self.listed = 1
        return made

    def offsets(self, values: Sequence[int]) -> int:
        return super().offsets([*values] * self.listed)


def model(tensors: int, operators: list[Operator], *more: Tensor, outputs: int = 1) -> Model:
    """Tensors of four numbers, the first of which is the input and the next the output, and others behind them."""
    made = [Tensor(f"t{at}", (1, 4), "float32") for at in range(tensors)]
    return Model([*made, *more], operators, [0], [outputs])


def negated(*more: Tensor) -> Model:
    return model(2, [Operator("NEG", [0], [1])], *more)


def constants(kind: str, scale: float | None = None) -> bytes:
    """500 of one buffer of 10 MB."""
    count = 2 * LARGE if kind == "int4" else LARGE // 2 if kind == "bfloat16" else LARGE
    dtype = "uint8" if kind == "uint8" else "int8"
    more = [
        Tensor(f"c{at}", (count,), dtype, raw=SHARED, type_name=kind, scale=scale, zero_point=3) for at in range(500)
    ]
    return Shared(negated(*more)).write()


SHARED = bytes([1]) * LARGE


def calls(depth: int, count: int, branch: bool = False) -> Model:
    """Subgraphs, each of which calls the next one so many times, or as both branches."""
    graphs = []
    for level in range(depth + 1):
        if level == depth:
            made = model(2, [Operator("NEG", [0], [1])])
        elif branch:
            options = ("IfOptions", {"ThenSubgraphIndex": level + 1, "ElseSubgraphIndex": level + 1})
            made = model(2, [Operator("IF", [2, 2, 0], [1], options)], Tensor("c", (), "bool"))
        else:
            call = ("CallOptions", {"Subgraph": level + 1})
            operators = [Operator("CALL", [at], [at + 1], call) for at in range(count)]
            made = model(count + 1, operators, outputs=count)
        if branch:
            made.inputs = [2, 0]
            if level == depth:
                made.tensors.append(Tensor("c", (), "bool"))
        graphs.append(made)
    graphs[0].subgraphs = graphs[1:]
    return graphs[0]


def variable(size: int) -> Model:
    """One that is read and never written."""
    operators = [
        Operator("VAR_HANDLE", [], [2], ("VarHandleOptions", {"SharedName": "v"})), Operator("READ_VARIABLE", [2], [3]),
        Operator("REDUCE_MAX", [3, 4], [5], ("ReducerOptions", {"KeepDims": False})),
        Operator("ADD", [0, 5], [1], ("AddOptions", {})),
    ]  # fmt: skip
    more = [
        Tensor("h", (), "int32", type_name="RESOURCE"), Tensor("r", (size,), "float32"),
        Tensor("axis", (1,), "int32", np.array([0], np.int32)), Tensor("s", (), "float32"),
    ]  # fmt: skip
    return model(2, operators, *more)


def sparse(*levels: int) -> Tensor:
    """Nothing but dense levels, of which a few bytes are stored."""
    return Tensor("c", levels, "int8", np.ones(1024, np.int8), sparsity=Sparsity([*range(len(levels))], [], levels))


def one_in_many(at: int) -> Tensor:
    """One number in 256 MiB."""
    stored = Sparsity([0], [], [([0, 1], [0])])
    return Tensor(f"c{at}", (1 << 26,), "float32", np.ones(1, np.float32), sparsity=stored)


def labelled(labels: bytes) -> bytes:
    made = negated()
    made.metadata = packed((0.0,), (1.0,))
    return made.to_bytes() + archive({"labels.txt": labels})


Make = Callable[[], "bytes | Model"]
BOMBS: dict[str, tuple[Make, str]] = {
    "8000 tensors of one name": (lambda: negated(*(Tensor("a", (), "float32") for _ in range(8000))), ""),
    "one operator a million times": (
        lambda: Shared(negated(), 1_000_000).write(), "its vectors are longer than the file"
    ),
    "constants of one buffer, int8": (lambda: constants("int8"), ""),
    "constants of one buffer, uint8": (lambda: constants("uint8", 0.5), ""),
    "constants of one buffer, int4": (lambda: constants("int4", 0.5), ""),
    "constants of one buffer, bfloat16": (lambda: constants("bfloat16"), ""),
    "calls in calls": (lambda: calls(15, 2), TOO_OFTEN),
    "calls in calls of many": (lambda: calls(3, 40), TOO_OFTEN),
    "branches in branches": (lambda: calls(15, 1, branch=True), TOO_OFTEN),
    "a variable of 2 GB that nothing writes": (lambda: variable(1 << 29), "nothing writes it"),
    "a sparse constant of one level": (lambda: negated(sparse(1 << 24)), "stored sparse with a dimension"),
    "a sparse constant of many levels": (lambda: negated(sparse(*[1] * 24, 1 << 20)), "stored sparse with a dimension"),
    "sparse constants of 256 MB": (lambda: negated(*map(one_in_many, range(8))), "once they are unpacked"),
    "labels of 16 million lines": (lambda: labelled(b"\n" * (16 << 20)), ""),
    "labels of 16 million lines of another kind": (lambda: labelled(b"\r" * (16 << 20)), ""),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_source_runs_or_is_refused(name: str, tmp_path: Path) -> None:
    make, refused = BOMBS[name]
    made = make()
    path = tmp_path / "bomb.tflite"
    path.write_bytes(made if isinstance(made, bytes) else made.to_bytes())
    check_source(path, refused)
