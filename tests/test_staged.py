"""Models whose shapes depend on data, and control flow: planned in parts, against onnxruntime, with every size."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

import onnx
from onnx_models import Type, feeds_for, graph_from, graph_of, model_of, node, onnxruntime_of

from millijoule.converters.rewrites.pipeline import rewrite
from millijoule.runtime.engine.staging import CUTS, Staged
from millijoule.runtime.errors import ModelError
from millijoule.runtime.model import Model
from millijoule.runtime.session import Session, load

ROW: dict[str, Type | None] = {"x": (("n",), "float32")}


def session_of(model: onnx.ModelProto, target: str = "numpy") -> Session:
    graph = graph_from(model)
    rewrite(graph)
    return load(Model(graph), target=target, threads=1)


def agree(session: Session, model: onnx.ModelProto, *every: Mapping[str, np.ndarray]) -> None:
    """One session on all of these feeds, one after another, twice."""
    for feeds in (*every, *every):
        wanted, found = onnxruntime_of(model, feeds), session.run(feeds)
        for name, expected in wanted.items():
            assert (found[name].dtype, found[name].shape) == (expected.dtype, expected.shape), name
            np.testing.assert_allclose(found[name], expected, rtol=1e-5, atol=1e-6, err_msg=name)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_inputs_that_carry_a_shape_axes_or_sizes() -> None:
    nodes = [
        node("Relu", "x", "r"), node("Reshape", "r shape", "m"), node("ReduceSum", "m axes", "s"),
        node("Tile", "s times", "y"),
    ]  # fmt: skip
    inputs: dict[str, Type | None] = {
        "x": ((2, 6), "float32"), "shape": ((3,), "int64"), "axes": (("k",), "int64"), "times": ((3,), "int64"),
    }  # fmt: skip
    model, x = model_of(nodes, inputs, "y"), feeds_for({"x": ((2, 6), "float32")})["x"]
    some = [
        {"x": x, "shape": ints(*shape), "axes": ints(*axes), "times": ints(*times)}
        for shape, axes, times in (
            ((3, 2, 2), (1,), (1, 2, 3)),
            ((-1, 3, 1), (0, 2), (2, 1, 2)),
            ((3, 2, 2), (), (1, 1, 1)),
        )
    ]
    agree(session_of(model), model, *some)


SIZES = [floats(1, 0, -2, 3), floats(0, 0), floats(4), floats(*range(-8, 9))]


@pytest.mark.parametrize(
    ("nodes", "constants"),
    [
        ([node("NonZero", "x", "i"), node("Transpose", "i", "t"), node("GatherND", "x t", "y")], {}),
        ([node("Greater", "x zero", "c"), node("Compress", "x c", "k"), node("Exp", "k", "y")], {"zero": floats(0)}),
        (
            [node("ReduceMax", "x", "m", keepdims=0), node("Abs", "m", "a"), node("Range", "zero a one", "y")],
            {"zero": np.float32(0), "one": np.float32(1)},
        ),
        (
            [
                node("Greater", "x zero", "c"), node("Cast", "c", "i", to=7), node("ReduceSum", "i", "k"),
                node("TopK", "x k", "v p"), node("Neg", "v", "y"),
            ],
            {"zero": floats(0)},
        ),
    ],
    ids=["NonZero", "Compress", "Range", "TopK"],
)  # fmt: skip
def test_sizes_that_come_out_of_the_computation(nodes: list[onnx.NodeProto], constants: dict[str, Any]) -> None:
    model = model_of(nodes, ROW, "y", constants, opset=13)
    agree(session_of(model), model, *({"x": x} for x in SIZES))


def test_what_was_planned_for_a_size_is_kept() -> None:
    model = model_of([node("NonZero", "x", "i"), node("Cast", "i", "f", to=1), node("Exp", "f", "y")], ROW, "y")
    session = session_of(model)
    plan = session.engine.plan({"x": (4,)}, ())
    assert isinstance(plan, Staged)
    for first in range(1, CUTS + 5):
        session.run({"x": np.eye(1, 4, first % 4, dtype=np.float32)[0]})
    parts = [plan._root, *plan._root.rests.values()]
    assert [len(part.cuts) for part in parts] == [1, 1]
    session.run({"x": floats(1, 1, 0, 0)})
    assert [len(part.cuts) for part in parts] == [1, 2]


def test_models_without_such_shapes_are_planned_as_a_whole() -> None:
    model = model_of([node("Shape", "x", "s"), node("ConstantOfShape", "s", "z"), node("Add", "x z", "y")], ROW, "y")
    assert not isinstance(session_of(model).engine.plan({"x": (4,)}, ()), Staged)


def branching(condition: list[onnx.NodeProto], constants: dict[str, Any]) -> onnx.ModelProto:
    """Of the branches one sums, the other keeps the shape; both see x from around them."""
    then = graph_of([node("ReduceSum", "x", "t", keepdims=1)], {}, "t")
    other = graph_of([node("Mul", "x three", "o")], {}, "o", {"three": np.float32(3)})
    chosen = node("If", "c", "b", then_branch=then, else_branch=other)
    return model_of([*condition, chosen, node("Neg", "b", "y")], ROW, "y", constants, opset=13)


def test_a_branch_is_chosen_by_what_is_computed() -> None:
    condition = [node("ReduceSum", "x", "s", keepdims=0), node("Greater", "s zero", "c")]
    model = branching(condition, {"zero": np.float32(0)})
    agree(session_of(model), model, *({"x": x} for x in (floats(1, 2), floats(-1, -2), floats(3))))


@pytest.mark.parametrize("value", [True, False])
def test_a_branch_that_is_known_costs_nothing(value: bool) -> None:
    model = branching([], {"c": np.array(value)})
    session = session_of(model)
    assert not isinstance(session.engine.plan({"x": (4,)}, ()), Staged)
    agree(session, model, {"x": floats(1, 2, 3, 4)})


def test_a_branch_that_waits_is_one_part_whatever_the_sizes() -> None:
    then = graph_of([node("Neg", "p", "t")], {}, "t")
    other = graph_of([node("Abs", "p", "o")], {}, "o")
    chosen = node("If", "flag", "b", then_branch=then, else_branch=other)
    nodes = [node("Tile", "x times", "r"), node("NonZero", "r", "p"), chosen, node("Mul", "b two", "y")]
    inputs: dict[str, Type | None] = {**ROW, "times": ((1,), "int64")}
    model = model_of(nodes, inputs, "y", {"two": ints(2), "flag": np.array(True)}, opset=13)
    session = session_of(model)
    agree(session, model, *({"x": floats(1, 0, 2), "times": ints(times)} for times in range(1, 9)))
    plan = session.engine.plan({"x": (3,), "times": (1,)}, ())
    assert isinstance(plan, Staged) and len(plan._root.rests) == 1


def growing() -> onnx.ModelProto:
    """A loop that appends a number at every iteration, and gives the sums so far; it stops at a sum of more than 20."""
    body = graph_of(
        [
            node("Cast", "i", "f", to=1), node("Add", "f step", "g"), node("Reshape", "g one", "r"),
            node("Concat", "before r", "after", axis=0), node("ReduceSum", "after", "s", keepdims=0),
            node("Less", "s most", "on"),
        ],
        {"i": ((), "int64"), "go": ((), "bool"), "before": (None, "float32")}, "on after s", {"one": ints(1)},
    )  # fmt: skip
    looped = node("Loop", "trips - x", "z sums", body=body)
    inputs: dict[str, Type | None] = {**ROW, "trips": ((), "int64"), "step": ((), "float32")}
    constants = {"most": np.float32(20)}
    return model_of([looped, node("Exp", "z", "y"), node("Neg", "sums", "n")], inputs, "y n", constants, opset=13)


def test_loops_whose_state_grows() -> None:
    model = growing()
    some = [
        {"x": x, "trips": np.array(trips), "step": np.array(step, np.float32)}
        for x, trips, step in ((floats(1, 2), 3, 0), (floats(), 100, 1), (floats(5), 1, -2))
    ]
    agree(session_of(model), model, *some)


def test_scans_of_several_axes_and_directions() -> None:
    body = graph_of(
        [node("Add", "state a", "sum"), node("Mul", "sum b", "p"), node("Identity", "sum", "out")],
        {"state": ((2,), "float32"), "a": ((2,), "float32"), "b": ((2,), "float32")}, "sum p",
    )  # fmt: skip
    scanned = node(
        "Scan", "start x z", "last y", body=body, num_scan_inputs=2, scan_input_axes=[1, 0],
        scan_input_directions=[0, 1], scan_output_axes=[1], scan_output_directions=[1],
    )  # fmt: skip
    inputs: dict[str, Type | None] = {
        "start": ((2,), "float32"), "x": ((2, "n"), "float32"), "z": (("n", 2), "float32"),
    }  # fmt: skip
    model = model_of([scanned], inputs, "last y", opset=13)
    rng = np.random.default_rng(1)

    def numbers(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    agree(session_of(model), model, *({"start": numbers(2), "x": numbers(2, n), "z": numbers(n, 2)} for n in (3, 1)))


def test_views_of_inputs_and_outputs_clones_and_values_between() -> None:
    model = model_of([node("NonZero", "x", "i"), node("Cast", "i", "f", to=1), node("Neg", "f", "y")], ROW, "y")
    session = session_of(model)
    session.resize({"x": (3,)})
    session.inputs["x"][...] = [0, 7, 7]
    session.invoke()
    np.testing.assert_array_equal(session.outputs["y"], [[-1, -2]])
    session.inputs["x"][0] = 1
    session.invoke()
    np.testing.assert_array_equal(session.outputs["y"], [[0, -1, -2]])
    np.testing.assert_array_equal(session.clone().run({"x": floats(1, 0)}, outputs=["f"])["f"], [[0]])
    with pytest.raises(ModelError, match="no list of its steps"):
        _ = session.engine.plan({"x": (3,)}, ()).program


def test_files_hold_it_and_kernels_run_it(tmp_path: Path) -> None:
    graph = graph_from(model := growing())
    rewrite(graph)
    Model(graph).save(tmp_path / "model.mj")
    with load(tmp_path / "model.mj", threads=1) as session:
        agree(session, model, {"x": floats(1, 2), "trips": np.array(3), "step": np.array(0.5, np.float32)})


def test_what_does_not_fit_is_said() -> None:
    body = graph_of([node("Identity", "go", "on")], {"i": ((), "int64"), "go": ((), "bool")}, "on")
    model = model_of([node("Loop", "- - x", "y", body=body)], ROW, "y", opset=13)
    model.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None))
    with pytest.raises(ModelError, match=r"Loop 'y': its body has 2 inputs and 1 outputs, which do not fit"):
        session_of(model).run({"x": floats(1, 2)})
    model = model_of([node("Reshape", "x s", "y")], {**ROW, "s": ((1,), "int64")}, "y")
    with pytest.raises(ModelError, match="Reshape 'y'"):
        session_of(model).run({"x": floats(1, 2), "s": ints(3)})


def test_what_a_run_gave_stays_as_it_was() -> None:
    """A node that is run by itself may give what it was given, which lies where the next run computes."""
    nodes = [node("Relu", "x", "r"), node("SequenceConstruct", "r r", "s"), node("NonZero", "r", "y")]
    model = model_of(nodes, {"x": ((4,), "float32")}, "y", {})
    model.graph.output.append(onnx.helper.make_tensor_sequence_value_info("s", onnx.TensorProto.FLOAT, None))
    for target in ("numpy", "host"):
        with session_of(model, target) as session:
            first = session.run({"x": floats(1, -2, 3, 0)})["s"]
            session.run({"x": floats(0, 5, 0, 7)})
            for array in first:
                np.testing.assert_array_equal(array, floats(1, 0, 3, 0))
