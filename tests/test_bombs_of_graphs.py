"""As test_bombs.py, of models whose nodes run graphs, or whose shapes depend on data: how often these run, what they
hand on and what is planned for them is bounded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bomb import MARKS, Bomb, Row, check, graph_of, spatial

pytestmark = MARKS

TOO_OFTEN, TOO_LONG, TOO_LARGE = (
    "have run .* times, and it asks for more",
    "too much for a model",
    "what the run makes would take",
)
STATE: dict[str, Any] = {"s": (None, "float32")}


def loop(nodes: Sequence[Row], refused: str, constants: Mapping[str, Any] | None = None, **more: Any) -> Bomb:
    """x through a body that makes t of s, as often as it may. stacked: names of results. more: of the bomb."""
    stacked = more.pop("stacked", ())
    inputs: dict[str, Any] = {"i": ((), "int64"), "c": ((), "bool"), **STATE}
    body = graph_of(Bomb([("Identity", ["c"], "on", {}), *nodes], constants or {}, inputs, ["on", "t", *stacked]))
    outputs = ["y", *(f"z{number}" for number in range(len(stacked)))]
    given = {"n": np.array(1 << 40)}
    dtypes = dict.fromkeys(outputs, "float32")
    return Bomb([("Loop", ["n", "", "x"], outputs, {"body": body})], given, dtypes=dtypes, refused=refused, **more)


def nested(depth: int) -> Bomb:
    """Loops within loops, each a thousand times."""
    inputs: dict[str, Any] = {"i": ((), "int64"), "c": ((), "bool"), **STATE}
    body = graph_of(Bomb([("Identity", ["c"], "on", {}), ("Neg", ["s"], "t", {})], {}, inputs, ["on", "t"]))
    for level in range(depth - 1):
        i, c, s, on, t = (f"{name}{level}" for name in ("i", "c", "s", "on", "t"))
        around: dict[str, Any] = {i: ((), "int64"), c: ((), "bool"), s: (None, "float32")}
        rows: list[Row] = [("Identity", [c], on, {}), ("Loop", ["n", "", s], t, {"body": body})]
        body = graph_of(Bomb(rows, {}, around, [on, t], {t: "float32"}))
    row: Row = ("Loop", ["n", "", "x"], "y", {"body": body})
    return Bomb([row], {"n": np.array(1000)}, dtypes={"y": "float32"}, refused=TOO_OFTEN)


def scan(nodes: Sequence[Row], length: int, refused: str = "") -> Bomb:
    body = graph_of(Bomb(nodes, {}, {**STATE, "e": (None, "float32")}, ["t"]))
    row: Row = ("Scan", ["x", "v"], "y", {"body": body, "num_scan_inputs": 1})
    return Bomb([row], {}, {"x": ((1, 4), "float32"), "v": ((length, 1), "float32")}, refused=refused)


def in_turn(count: int, *rows: tuple[str, str, dict[str, Any]]) -> list[Row]:
    """t0 from s, and so on to t: operators in turn, each with the dtype that it gives."""
    names = ["s", *(f"t{number}" for number in range(1, count)), "t"]
    return [(rows[i % len(rows)][0], [names[i]], names[i + 1], rows[i % len(rows)][2]) for i in range(count)]


def found_in_turn(count: int, first: str = "x", last: str = "y", copies: int = 1) -> tuple[list[Row], dict[str, str]]:
    """The places of what is not zero, and their places, and so on: none of whose shapes is known before."""
    rows, dtypes = list[Row](), dict[str, str]()
    for number in range(count):
        given, name = f"f{number - 1}" if number else first, f"f{number}" if number < count - 1 else last
        rows += [("Concat", [given] * copies, f"k{number}", {"axis": 0}), ("NonZero", [f"k{number}"], f"z{number}", {}),
                 ("Cast", [f"z{number}"], name, {"to": "float32"})]  # fmt: skip
        dtypes |= {f"z{number}": "int64"}
    return rows, dtypes


def found(count: int, copies: int = 1, refused: str = TOO_LONG) -> Bomb:
    rows, dtypes = found_in_turn(count, copies=copies)
    return Bomb(rows, dtypes=dtypes, refused=refused)


def branches(count: int) -> Bomb:
    """Ifs one after another, each of which asks what the one before it gave."""
    rows: list[Row] = []
    for number in range(count):
        x = f"t{number}" if number else "x"
        y = f"t{number + 1}" if number < count - 1 else "y"
        then, other = (
            graph_of(Bomb([(op, [x], f"{op}{number}", {})], {}, {}, [f"{op}{number}"], {f"{op}{number}": "float32"}))
            for op in ("Neg", "Abs")
        )
        rows += [
            ("ReduceMax", [x], f"m{number}", {"keepdims": 0}), ("Cast", [f"m{number}"], f"b{number}", {"to": "bool"}),
            ("If", [f"b{number}"], y, {"then_branch": then, "else_branch": other}),
        ]  # fmt: skip
    dtypes = {output: "float32" for op, _, output, _ in rows if op == "If" and isinstance(output, str)}
    return Bomb(rows, dtypes=dtypes, refused=TOO_LONG)


SIZES: dict[str, Any] = {"z": np.array([0])}
GROWS: list[Row] = [("Unsqueeze", ["i", "z"], "size", {}), ("Expand", ["s", "size"], "e", {}),
                    ("ReduceSum", ["e"], "t", {"keepdims": 1})]  # fmt: skip
BOMBS: dict[str, Bomb] = {
    "a loop without end": loop([("Neg", ["s"], "t", {})], TOO_OFTEN),
    "a loop of nothing": loop([("Identity", ["s"], "t", {})], TOO_OFTEN),
    "a loop of 60 kernels": loop(in_turn(60, ("Abs", "", {}), ("Neg", "", {})), TOO_OFTEN),
    "a loop of 1000 kernels": loop(in_turn(1000, ("Abs", "", {}), ("Neg", "", {})), TOO_OFTEN),
    "a loop of 60 steps in NumPy": loop(in_turn(60, ("Hardmax", "", {}), ("Trilu", "", {})), TOO_LONG),
    "a loop of products": loop([("MatMul", ["s", "s"], "t", {})], TOO_LONG, inputs=spatial(512, 512)),
    "a loop of products of constants": loop(
        [("ConstantOfShape", ["k"], "a", {}), ("MatMul", ["a", "a"], "m", {}),
         ("ReduceSum", ["m"], "r", {"keepdims": 0}), ("Add", ["s", "r"], "t", {})],
        TOO_LONG, {"k": np.array([1500, 1500])},
    ),
    "a loop of large steps in NumPy": loop([("Trilu", ["s"], "t", {})], TOO_LONG, inputs=spatial(1000, 1000)),
    "loops in loops": nested(3),
    "loops in loops in loops": nested(12),
    "a loop that doubles": loop([("Concat", ["s", "s"], "t", {"axis": 0})], TOO_LARGE),
    "a loop that doubles by Tile": loop([("Tile", ["s", "k"], "t", {})], TOO_LARGE, {"k": np.array([2, 1])}),
    "a loop that grows": loop(
        [("Concat", ["s", "o"], "t", {"axis": 0})], TOO_LONG, {"o": np.ones((1, 4), np.float32)}
    ),
    "a loop that stacks": loop(
        [("Identity", ["s"], "t", {}), ("ConstantOfShape", ["k"], "a", {})], TOO_LARGE, {"k": np.array([1 << 20])},
        stacked=["a"],
    ),
    "a loop that stacks 16 results": loop(
        [("Identity", ["s"], "t", {}), *(("ConstantOfShape", ["k"], f"a{j}", {}) for j in range(16))],
        TOO_LARGE, {"k": np.array([1 << 20])}, stacked=[f"a{j}" for j in range(16)],
    ),
    "a loop whose sizes are always new": loop(GROWS, TOO_LONG, SIZES, inputs=spatial(1)),
    "a scan that doubles": scan([("Concat", ["s", "s"], "t", {"axis": 0})], 100, TOO_LARGE),
    "a scan of 20 000 steps": scan([("Add", ["s", "e"], "t", {})], 20_000),
    "1000 conditions": branches(1000),
    "places of places": found(1000, refused=f"{TOO_LONG}|{TOO_LARGE}"),
    "places of places that grow": found(30, copies=2, refused=f"{TOO_LONG}|{TOO_LARGE}"),
    "places of 2^27 elements": Bomb(
        [("Expand", ["x", "n"], "e", {}), ("NonZero", ["e"], "y", {})], {"n": np.array([1 << 27])}, spatial(1),
        dtypes={"y": "int64"}, refused=TOO_LARGE,
    ),
    "what there is once of 2^25": Bomb(
        [("Expand", ["x", "n"], "e", {}), ("Unique", ["e"], ["y", "a", "b", "c"], {})],
        {"n": np.array([1 << 25])}, spatial(1),
        dtypes={"a": "int64", "b": "int64", "c": "int64"}, refused=TOO_LONG,
    ),
    "boxes that all are chosen": Bomb(
        [("NonMaxSuppression", ["b", "x", "m", "i", "l"], "y", {})],
        {"b": np.tile(np.array([0, 0, 1, 1], np.float32), (1, 3000, 1)), "m": np.array(3000),
         "i": np.array(1, np.float32), "l": np.array(0, np.float32)},
        spatial(1, 80, 3000), dtypes={"y": "int64"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_runs_or_is_refused(name: str, tmp_path: Path) -> None:
    check(BOMBS[name], tmp_path)
