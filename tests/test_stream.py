"""Sessions whose state goes from one run to the next: bound by the caller, and kept by the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from session_models import node_graph

from millijoule.runtime.errors import InputError, ModelError
from millijoule.runtime.file.metadata import Metadata, State
from millijoule.runtime.graph import Node
from millijoule.runtime.memory.memory import Memory
from millijoule.runtime.model import Model
from millijoule.runtime.session import Session, load
from millijoule.runtime.targets.target import TARGETS
from millijoule.tools.models.plans import plan_program

ONE = np.ones((1, 3), np.float32)


def summing(**metadata: Any) -> Model:
    """total = x + before, y = 2 total."""
    graph = node_graph(
        Node("Add", ["x", "before"], ["total"]), Node("Add", ["total", "total"], ["y"]),
        inputs={"x": (1, 3), "before": (1, 3)}, outputs=("y", "total"),
    )  # fmt: skip
    for name in ("total", "y"):
        graph.values[name].shape = (1, 3)
    return Model(graph, Metadata(**metadata))


def growing() -> Model:
    """The cache gets one row longer in every run; y is the sum of its rows."""
    graph = node_graph(
        Node("Concat", ["cache", "x"], ["longer"], {"axis": 0}),
        Node("ReduceSum", ["longer", "axes"], ["y"], {"keepdims": 0}),
        inputs={"x": (1, 2), "cache": ("rows", 2)}, outputs=("y", "longer"),
    )  # fmt: skip
    graph.values["y"].shape = (2,)
    graph.add_constant("axes", np.array([0], np.int64))
    return Model(graph)


def bound(model: Model, output: str, input: str, initial: Any = None, target: str | None = "numpy") -> Session:
    session = load(model, target=target)
    session.bind(output, input, initial)
    return session


@pytest.mark.parametrize("target", ["numpy", None])
def test_what_a_run_gives_the_next_one_gets(target: str | None) -> None:
    session = bound(summing(), "total", "before", target=target)
    for number in range(1, 5):
        found = session.run(ONE)
        assert list(found) == ["y"] and (found["y"] == 2 * number).all()
    assert (session.run({"x": ONE}, outputs=["total", "y"])["total"] == 5).all()
    session.reset()
    assert (session.run(ONE)["y"] == 2).all()


def test_without_copies_too() -> None:
    session = bound(summing(), "total", "before")
    session.inputs["x"][...] = ONE
    for number in range(1, 4):
        session.invoke()
        assert (session.outputs["y"] == 2 * number).all()
    assert (session.run(ONE)["y"] == 8).all()
    session.invoke()
    assert (session.outputs["y"] == 10).all()


def test_the_first_state_may_be_given_and_any_other() -> None:
    session = bound(summing(), "total", "before", 10 * ONE)
    assert (session.run(ONE)["y"] == 22).all()
    assert (session.run({"x": ONE, "before": 0 * ONE})["y"] == 2).all()
    assert (session.run(ONE)["y"] == 4).all()
    session.reset()
    assert (session.run(ONE)["y"] == 22).all()


def test_every_clone_is_a_stream_of_its_own() -> None:
    session = bound(summing(), "total", "before")
    session.run(ONE)
    other = session.clone()
    assert (other.run(ONE)["y"] == 2).all() and (session.run(ONE)["y"] == 4).all()


def test_what_grows_is_planned_anew() -> None:
    session = bound(growing(), "longer", "cache", np.zeros((0, 2), np.float32))
    x = np.ones((1, 2), np.float32)
    for number in range(1, 4):
        assert (session.run({"x": x})["y"] == number).all()
    assert session.run({"x": x}, outputs=["longer"])["longer"].shape == (4, 2)
    session.reset()
    assert (session.run({"x": x})["y"] == 1).all()


def test_a_size_that_nobody_says() -> None:
    session = bound(growing(), "longer", "cache")
    with pytest.raises(InputError, match="the first run has to be given input 'cache'"):
        session.run(np.ones((1, 2), np.float32))
    session.run({"x": np.ones((1, 2), np.float32), "cache": np.ones((3, 2), np.float32)})
    assert (session.run(np.ones((1, 2), np.float32))["y"] == 5).all()


def test_what_cannot_be_bound() -> None:
    session = load(summing(), target="numpy")
    with pytest.raises(InputError, match="no output 'nowhere'"):
        session.bind("nowhere", "before")
    session.bind("total", "before")
    with pytest.raises(InputError, match="'before' is bound already"):
        session.bind("y", "before")
    with pytest.raises(InputError, match="cannot be what input 'cache'"):
        load(growing(), target="numpy").bind("y", "cache")
    with pytest.raises(InputError, match="reuse_inputs cannot be a stream"):
        load(summing(), target="numpy", reuse_inputs=True).bind("total", "before")
    with pytest.raises(InputError, match="cannot be a stream"):
        load(summing(), target="numpy", memory=Memory()).bind("total", "before")


STATES = {"before": State("total", 1)}


def test_a_model_s_own_state_is_not_public(tmp_path: Path) -> None:
    model = summing(states=STATES)
    model.save(tmp_path / "model.mj")
    for one in (model, Model.load(tmp_path / "model.mj")):
        session = load(one, target="numpy")
        assert list(session.input_info) == ["x"] and list(session.output_info) == ["y"]
        assert list(session.inputs) == ["x"] and list(session.outputs) == ["y"]
        assert [session.run(ONE)["y"][0, 0] for _ in range(3)] == [4, 6, 8]
        with pytest.raises(InputError, match="no input 'before'"):
            session.run({"x": ONE, "before": ONE})


@pytest.mark.parametrize("options", [{"memory": Memory()}, {"reuse_inputs": True}])
def test_what_does_not_go_with_state(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="keeps state from one run to the next"):
        load(summing(states=STATES), target="numpy", **options)


@pytest.mark.parametrize("target", ["numpy", None])
def test_states_that_are_each_other_or_an_older_one(target: str | None) -> None:
    """A program that leaves a state where the next run reads it must not do so before others have read that."""
    graph = node_graph(
        Node("Identity", ["b"], ["a_next"]), Node("Identity", ["a"], ["b_next"]), Node("Identity", ["c"], ["d_next"]),
        Node("Add", ["x", "c"], ["c_next"]), Node("Sub", ["a", "b"], ["difference"]),
        Node("Sub", ["c", "d"], ["last"]),
        inputs=dict.fromkeys(("x", "a", "b", "c", "d"), (1, 3)),
        outputs=("difference", "last", "a_next", "b_next", "c_next", "d_next"),
    )  # fmt: skip
    for name in graph.outputs:
        graph.values[name].shape = (1, 3)
    fills = {"a": 1, "b": 5, "c": 0, "d": 0}
    states = {name: State(f"{name}_next", fill) for name, fill in fills.items()}
    with load(Model(graph, Metadata(states=states)), target=target) as session:
        for number in range(5):
            found = session.run(ONE)
            assert (found["difference"] == (4 if number % 2 else -4)).all()
            assert (found["last"] == min(number, 1)).all()
        session.reset()
        session.inputs["x"][...] = 2
        for number in range(3):
            session.invoke()
            assert (session.outputs["last"] == 2 * min(number, 1)).all()


@pytest.mark.parametrize("index", ["int64", "uint8"])
def test_a_run_that_fails_leaves_the_state_as_it_was(index: str) -> None:
    """In a kernel, which tells by a trap, and in NumPy, as there is no kernel for these indices."""
    graph = node_graph(
        Node("Add", ["x", "before"], ["total"]), Node("Mul", ["total", "x"], ["z"]),
        Node("ScatterElements", ["z", "i", "x"], ["y"], {"axis": 1}),
        inputs={"x": (1, 3), "before": (1, 3), "i": (1, 3)}, outputs=("y", "total"),
    )  # fmt: skip
    graph.values["i"].dtype = np.dtype(index)
    for name in graph.outputs:
        graph.values[name].shape = (1, 3)
    places = np.array([[0, 0, 0]], index)
    with load(Model(graph, Metadata(states={"before": State("total")}))) as session:
        for number in range(1, 4):
            with pytest.raises(ModelError):
                session.run({"x": ONE, "i": places + 3})
            assert session.run({"x": ONE, "i": places})["y"][0, 1] == number


def test_a_state_is_written_as_soon_as_the_old_one_is_not_read_any_more() -> None:
    """So that of many what they are copied from is never alive together."""
    count, size = 8, 1000
    names = [f"s{number}" for number in range(count)]
    nodes = []
    for number, name in enumerate(names):
        last = names[number - 1] + "_sum" if number else "x"
        nodes += [Node("Add", [name, last], [f"{name}_next"]), Node("Tanh", [f"{name}_next"], [f"{name}_sum"])]
    graph = node_graph(
        *nodes, inputs=dict.fromkeys(("x", *names), (1, size)),
        outputs=(f"{names[-1]}_sum", *(f"{name}_next" for name in names)),
    )  # fmt: skip
    for name in graph.outputs:
        graph.values[name].shape = (1, size)
    model = Model(graph, Metadata(states={name: State(f"{name}_next") for name in names}))
    program, _ = plan_program(model, dict.fromkeys(graph.inputs, (1, size)), TARGETS["x86-64-v3"], 1)
    assert program.arena_bytes < 4.1 * size * (count + 4)


@pytest.mark.parametrize(
    ("states", "problem"),
    [
        ({"nowhere": State("total")}, "is no input"),
        ({"before": State("x")}, "is no input"),
        ({"before": State("total"), "x": State("total")}, "two states are kept in one output"),
    ],
)
def test_states_that_are_none(states: dict[str, State], problem: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=problem):
        summing(states=states).save(tmp_path / "model.mj")


def test_a_state_of_another_type(tmp_path: Path) -> None:
    model = summing(states=STATES)
    model.graph.values["total"].shape = (1, 4)
    with pytest.raises(ModelError, match="state 'before' is not what output 'total' is"):
        model.save(tmp_path / "model.mj")
