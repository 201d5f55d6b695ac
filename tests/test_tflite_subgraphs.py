"""Subgraphs of TFLite: branches, loops, calls, and variables that are kept from one run to the next, against LiteRT."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tflite")
pytest.importorskip("ai_edge_litert")

from cli import mj_process
from tflite_builder import Model, Operator, Tensor, converted, run_litert

import millijoule as mj
from millijoule.runtime.errors import ModelError
from millijoule.runtime.session import Session

Options = tuple[str, dict[str, Any]]
ADD: Options = ("AddOptions", {})
LESS: Options = ("LessOptions", {})
HANDLE = ("VarHandleOptions", {"SharedName": "count"})


def real(name: str, shape: tuple[int, ...] = (3,), dtype: str = "float32") -> Tensor:
    return Tensor(name, shape, dtype)


def quantized(name: str, scale: float = 0.1, zero_point: int = 5, shape: tuple[int, ...] = (3,)) -> Tensor:
    return Tensor(name, shape, "int8", scale=scale, zero_point=zero_point)


def constant(data: Any, name: str = "c", dtype: str = "float32") -> Tensor:
    array = np.asarray(data, dtype)
    return Tensor(name, array.shape, dtype, array)


def applied(kind: str, factor: float, like: Tensor) -> Model:
    """x -> x times or plus a number, all of the type of `like`."""
    tensors = [Tensor(name, like.shape, like.dtype, None, like.scale, like.zero_point) for name in "xy"]
    number = np.full(like.shape, factor, like.dtype)
    tensors.append(Tensor("c", like.shape, like.dtype, number, like.scale, like.zero_point))
    return Model(tensors, [Operator(kind, [0, 2], [1], (f"{kind.capitalize()}Options", {}))], [0], [1])


def session(model: Model, folder: Path, target: str | None = None) -> Session:
    path = folder / "model.tflite"
    path.write_bytes(model.to_bytes())
    return mj.load(mj.convert(path), target=target)


def run(model: Model, folder: Path, feeds: Sequence[np.ndarray]) -> list[np.ndarray]:
    with session(model, folder, "numpy") as ready:
        return list(ready.run(dict(zip(ready.input_info, feeds, strict=True))).values())


@pytest.mark.parametrize("like", [real("x"), quantized("x")], ids=["real", "quantized"])
@pytest.mark.parametrize("condition", [True, False])
def test_branches(like: Tensor, condition: bool, tmp_path: Path) -> None:
    options = ("IfOptions", {"ThenSubgraphIndex": 1, "ElseSubgraphIndex": 2})
    outer = [Tensor(name, like.shape, like.dtype, None, like.scale, like.zero_point) for name in ("x", "y", "twice")]
    model = Model(
        [real("flag", (1,), "bool"), *outer],
        [Operator("IF", [0, 1], [2], options), Operator("ADD", [2, 2], [3], ADD)],
        [0, 1],
        [3],
        subgraphs=[applied("MUL", 3, like), applied("ADD", 20, like)],
    )
    feeds = [np.array([condition]), np.array([1, 2, -4], like.dtype)]
    for got, wanted in zip(run(model, tmp_path, feeds), run_litert(model, feeds), strict=True):
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("like", [real("x"), quantized("x")], ids=["real", "quantized"])
@pytest.mark.parametrize("trips", [0, 3])
def test_loops(like: Tensor, trips: int, tmp_path: Path) -> None:
    def count(name: str) -> Tensor:
        return real(name, (1,), "int32")

    def like_x(name: str) -> Tensor:
        return Tensor(name, like.shape, like.dtype, None, like.scale, like.zero_point)

    condition = Model(
        [count("i"), like_x("x"), constant([3], "most", "int32"), real("going", (1,), "bool")],
        [Operator("LESS", [0, 2], [3], LESS)],
        [0, 1],
        [3],
    )
    body = Model(
        [count("i"), like_x("x"), constant([1], "one", "int32"), count("i_next"), like_x("x_next")],
        [Operator("ADD", [0, 2], [3], ADD), Operator("ADD", [1, 1], [4], ADD)],
        [0, 1],
        [3, 4],
    )
    options = ("WhileOptions", {"CondSubgraphIndex": 1, "BodySubgraphIndex": 2})
    model = Model(
        [count("i"), like_x("x"), count("n"), like_x("y")],
        [Operator("WHILE", [0, 1], [2, 3], options)],
        [0, 1],
        [2, 3],
        subgraphs=[condition, body],
    )
    feeds = [np.array([3 - trips], np.int32), np.array([1, 7, -4], like.dtype)]
    for got, wanted in zip(run(model, tmp_path, feeds), run_litert(model, feeds), strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_calls(tmp_path: Path) -> None:
    model = Model(
        [real("x"), real("y"), real("z")],
        [Operator("CALL", [0], [1], ("CallOptions", {"Subgraph": 1})),
         Operator("CALL", [1], [2], ("CallOptions", {"Subgraph": 1}))],
        [0], [2], subgraphs=[applied("MUL", 3, real("x"))],
    )  # fmt: skip
    np.testing.assert_array_equal(run(model, tmp_path, [np.array([1, 2, 3], np.float32)])[0], [9, 18, 27])


def test_calls_without_end(tmp_path: Path) -> None:
    call = Operator("CALL", [0], [1], ("CallOptions", {"Subgraph": 1}))
    inner = Model([real("x"), real("y")], [call], [0], [1])
    with pytest.raises(ModelError, match="call each other too often"):
        converted(Model([real("x"), real("y")], [call], [0], [1], subgraphs=[inner]), tmp_path)


@pytest.mark.parametrize("broken", [{"Subgraph": 7}, {"Subgraph": 0}])
def test_subgraphs_that_do_not_fit(broken: dict[str, int], tmp_path: Path) -> None:
    call = Operator("CALL", [0, 0], [1], ("CallOptions", broken))
    with pytest.raises(ModelError, match=r"no subgraph 7|1 inputs, but is given 2"):
        converted(Model([real("x"), real("y")], [call], [0], [1]), tmp_path)


def test_what_a_branch_holds_is_told_with_all_that_is_refused(tmp_path: Path) -> None:
    inner = Model([real("x"), real("y")], [Operator("CUSTOM Frob", [0], [1])], [0], [1])
    options = ("IfOptions", {"ThenSubgraphIndex": 1, "ElseSubgraphIndex": 1})
    model = Model(
        [real("flag", (1,), "bool"), real("x"), real("y")], [Operator("IF", [0, 1], [2], options)], [0, 1], [2],
        subgraphs=[inner],
    )  # fmt: skip
    with pytest.raises(ModelError, match="CUSTOM Frob at position 0 of if_0/then, which makes 'y'"):
        converted(model, tmp_path)


def counting(first: Tensor | None, like: Tensor) -> Model:
    """y is x plus all x of earlier runs; the variable begins with `first` where there is one."""

    def like_x(name: str) -> Tensor:
        return Tensor(name, like.shape, like.dtype, None, like.scale, like.zero_point)

    handle = Tensor("handle", (), "int32", type_name="resource")
    operators = [
        Operator("VAR_HANDLE", [], [1], HANDLE),
        Operator("READ_VARIABLE", [1], [2], ("ReadVariableOptions", {})),
        Operator("ADD", [0, 2], [3], ADD),
        Operator("ASSIGN_VARIABLE", [1, 3], [], ("AssignVariableOptions", {})),
    ]
    start = [] if first is None else [Operator("CALL_ONCE", [], [], ("CallOnceOptions", {"InitSubgraphIndex": 1}))]
    once = Model(
        [handle, *([] if first is None else [first])],
        [Operator("VAR_HANDLE", [], [0], HANDLE),
         Operator("ASSIGN_VARIABLE", [0, 1], [], ("AssignVariableOptions", {}))],
        [], [],
    )  # fmt: skip
    tensors = [like_x("x"), handle, like_x("before"), like_x("y")]
    return Model(tensors, [*start, *operators], [0], [3], subgraphs=[once] if first else [])


class Lite:
    """LiteRT's interpreter, run on and on."""

    def __init__(self, model: Model) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(model_content=model.to_bytes())
        self._interpreter.allocate_tensors()

    def run(self, x: np.ndarray) -> np.ndarray:
        self._interpreter.set_tensor(self._interpreter.get_input_details()[0]["index"], x)
        self._interpreter.invoke()
        found: np.ndarray = self._interpreter.get_tensor(self._interpreter.get_output_details()[0]["index"])
        return found


FIRSTS = {
    "zeros": (constant([0, 0, 0], "first"), real("x")),
    "numbers": (constant([5, 6, 7], "first"), real("x")),
    "quantized": (Tensor("first", (3,), "int8", np.full(3, 9, np.int8), 0.1, 5), quantized("x")),
}


@pytest.mark.parametrize("name", FIRSTS)
def test_variables_are_kept(name: str, tmp_path: Path) -> None:
    first, like = FIRSTS[name]
    model = counting(first, like)
    lite, ready = Lite(model), session(model, tmp_path, "numpy")
    feeds = [np.array(numbers, like.dtype) for numbers in ([1, 2, 3], [4, -5, 6], [0, 1, 0])]
    for x in feeds:
        np.testing.assert_array_equal(ready.run(x)["y"], lite.run(x))
    other, again = ready.clone(), Lite(model)
    for x in feeds:
        np.testing.assert_array_equal(other.run(x)["y"], again.run(x))
    ready.reset()
    np.testing.assert_array_equal(ready.run(feeds[0])["y"], Lite(model).run(feeds[0]))
    assert list(ready.input_info) == ["x"] and list(ready.output_info) == ["y"]


def test_models_with_variables_are_compared(tmp_path: Path) -> None:
    """Though LiteRT ends the process that asks for a variable's handle."""
    (tmp_path / "m.tflite").write_bytes(counting(*FIRSTS["numbers"]).to_bytes())
    done = mj_process("compare", tmp_path / "m.tflite", "--target", "numpy", "--seeds", 2, "--json")
    assert done.returncode == 0, done.stderr
    assert [row["name"] for row in json.loads(done.stdout)["tensors"]] == ["y"]


def test_a_variable_that_nothing_assigns_is_a_constant(tmp_path: Path) -> None:
    model = counting(constant([5, 6, 7], "first"), real("x"))
    del model.operators[-1]
    found = converted(model, tmp_path)
    assert not found.states and found.graph.inputs == ["x"]
    np.testing.assert_array_equal(run(model, tmp_path, [np.ones(3, np.float32)])[0], [6, 7, 8])


def test_a_variable_that_a_branch_assigns_is_refused(tmp_path: Path) -> None:
    inner = counting(None, real("x"))
    options = ("IfOptions", {"ThenSubgraphIndex": 1, "ElseSubgraphIndex": 1})
    model = Model(
        [real("flag", (1,), "bool"), real("x"), real("y")], [Operator("IF", [0, 1], [2], options)], [0, 1], [2],
        subgraphs=[inner],
    )  # fmt: skip
    with pytest.raises(ModelError, match="'/count' is kept inside of a branch or a loop"):
        converted(model, tmp_path)


def test_state_travels_with_the_file(tmp_path: Path) -> None:
    ready = session(counting(constant([5, 6, 7], "first"), real("x")), tmp_path, "numpy")
    ready.model.save(tmp_path / "model.mj")
    x = np.ones(3, np.float32)
    with mj.load(tmp_path / "model.mj", target="numpy") as loaded:
        for _ in range(3):
            np.testing.assert_array_equal(loaded.run(x)["y"], ready.run(x)["y"])
