"""Sessions: inputs, outputs, shapes and errors, as one thread sees them."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

import numpy as np
import pytest
from session_models import agree, feeds_of, float_network, int8_network, node_graph
from small_model import small_model

from millijoule import Error, InputError, Model, ModelError, load
from millijoule.runtime.engine.engine import PLANS
from millijoule.runtime.evaluate import reference
from millijoule.runtime.graph import Node, Quantization, Value
from millijoule.runtime.session import Session


@pytest.fixture
def model() -> Model:
    """pixels (N, 8, 8, 3), alias image -> scores (N, 10), alias class; means (N, 8); table (N, 3, 8)."""
    return small_model()


@pytest.fixture
def session(model: Model) -> Session:
    return load(model, threads=1)


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_run(session: Session, model: Model, batch: int) -> None:
    feeds = feeds_of(model, N=batch)
    found = session.run(feeds)
    agree(found, model, feeds)
    kept = {name: array.copy() for name, array in found.items()}
    session.run(feeds_of(model, 1, N=batch))
    for name, array in kept.items():
        np.testing.assert_array_equal(found[name], array)  # new arrays, which later runs leave alone
    assert all(array.flags.owndata and array.flags.writeable for array in found.values())


def test_inputs_outputs_and_invoke(session: Session, model: Model) -> None:
    session.resize({"pixels": (2, 8, 8, 3)})
    assert {name: array.shape for name, array in session.inputs.items()} == {"pixels": (2, 8, 8, 3)}
    feeds = feeds_of(model, 3, N=2)
    session.inputs["pixels"][...] = feeds["pixels"]
    view = session.outputs["scores"]
    session.invoke()
    agree(dict(session.outputs), model, feeds)
    np.testing.assert_array_equal(view, session.outputs["scores"])
    assert np.shares_memory(view, session.outputs["scores"])


def test_symbolic_dimensions_are_unknown_before_the_first_run_or_resize(session: Session, model: Model) -> None:
    for look in (lambda: session.inputs, lambda: session.outputs, session.invoke):
        with pytest.raises(InputError, match=r"input 'pixels' has the symbolic shape \(N, 8, 8, 3\); call run, or"):
            look()
    assert session.input_info["pixels"].shape == ("N", 8, 8, 3)
    session.run(feeds_of(model, N=3))
    assert session.inputs["pixels"].shape == (3, 8, 8, 3)
    assert session.outputs["table"].shape == (3, 3, 8)


def test_default_sizes_are_planned_with_until_others_are_given(model: Model) -> None:
    model.metadata.default_sizes = {"N": 2}
    with load(model, threads=1) as session:
        assert session.inputs["pixels"].shape == (2, 8, 8, 3)
        feeds = feeds_of(model, N=2)
        session.inputs["pixels"][...] = feeds["pixels"]
        session.invoke()
        agree(dict(session.outputs), model, feeds)
        feeds = feeds_of(model, N=3)
        agree(session.run(feeds), model, feeds)
        session.resize({"image": (5, 8, 8, 3)})
        assert session.outputs["scores"].shape[0] == 5


def test_inputs_that_share_a_symbol_are_resized_together() -> None:
    graph = node_graph(Node("Add", ["a", "b"], ["y"]), inputs={"a": ("N", "M"), "b": ("N", 3)})
    model = Model(graph)
    model.metadata.default_sizes = {"N": 1, "M": 3}
    with load(model, threads=1) as session:
        session.resize({"a": (4, 1)})
        assert session.inputs["b"].shape == (4, 3)
        session.resize({"b": (6, 3)})
        assert session.inputs["a"].shape == (6, 1)
        with pytest.raises(InputError, match="N is 2"):
            session.resize({"a": (2, 1), "b": (3, 3)})


def test_shapes_are_those_of_the_latest_run_or_resize(session: Session, model: Model) -> None:
    session.resize({"pixels": (2, 8, 8, 3)})
    session.run(feeds_of(model, N=4))
    assert session.inputs["pixels"].shape[0] == session.outputs["scores"].shape[0] == 4
    session.resize({"image": (3, 8, 8, 3)})
    assert session.inputs["pixels"].shape[0] == session.outputs["scores"].shape[0] == 3
    session.resize({})
    assert session.inputs["pixels"].shape[0] == 3


def test_fixed_shapes_are_known_at_once() -> None:
    with load(float_network(size=6, channels=4), threads=1) as session:
        assert session.inputs["x"].shape == (1, 6, 6, 8)
        assert session.outputs["y"].shape == (1, 3, 3, 4)


def test_run_does_not_disturb_inputs(session: Session, model: Model) -> None:
    session.resize({"pixels": (2, 8, 8, 3)})
    feeds = feeds_of(model, 3, N=2)
    session.inputs["pixels"][...] = feeds["pixels"]
    session.run(feeds_of(model, 4, N=2))
    np.testing.assert_array_equal(session.inputs["pixels"], feeds["pixels"])
    session.invoke()
    agree(dict(session.outputs), model, feeds)


@pytest.mark.parametrize("network", [float_network, int8_network, small_model])
@pytest.mark.parametrize("target", ["host", "numpy"])
def test_inputs_stay_from_one_invoke_to_the_next(network: Callable[[], Model], target: str) -> None:
    model = network()
    feeds = feeds_of(model, N=2)
    (name,) = feeds
    with load(model, threads=1, target=target) as session:
        session.resize({name: feeds[name].shape})
        session.inputs[name][...] = feeds[name]
        for _ in range(3):
            session.invoke()
            np.testing.assert_array_equal(session.inputs[name], feeds[name])
            agree(dict(session.outputs), model, feeds)
        arena = session.engine.plan({name: feeds[name].shape}, ()).program.arena_bytes
    with load(model, threads=1, target=target, reuse_inputs=True) as session:
        found = session.run(feeds)
        agree(found, model, feeds)
        assert session.engine.plan({name: feeds[name].shape}, ()).program.arena_bytes < arena


def test_views_of_another_shape_stay_readable(session: Session) -> None:
    session.resize({"pixels": (1, 8, 8, 3)})
    old = session.inputs["pixels"]
    session.resize({"pixels": (50, 8, 8, 3)})
    old[...] = 1
    assert session.inputs["pixels"].shape[0] == 50 and old.sum() == old.size


def test_aliases(session: Session, model: Model) -> None:
    feeds = feeds_of(model, N=2)
    by_name = session.run(feeds)
    by_alias = session.run({"image": feeds["pixels"]}, outputs=["class", "means"])
    assert list(by_alias) == ["class", "means"]
    np.testing.assert_array_equal(by_alias["class"], by_name["scores"])
    assert session.inputs["image"] is not None
    assert np.shares_memory(session.outputs["class"], session.outputs["scores"])
    with pytest.raises(InputError, match="'pixels' is given twice"):
        session.run({"image": feeds["pixels"], "pixels": feeds["pixels"]})


def test_wrong_names(session: Session, model: Model) -> None:
    x = feeds_of(model, N=1)["pixels"]
    with pytest.raises(InputError, match="the model has no input 'x'; it has 'pixels'"):
        session.run({"x": x})
    with pytest.raises(InputError, match=r"missing input 'pixels' float32 \(N, 8, 8, 3\)"):
        session.run({})
    with pytest.raises(InputError, match="no output 'logit'; it has 'scores', 'means', 'table'"):
        session.run({"pixels": x}, outputs=["logit"])
    session.run({"pixels": x})
    with pytest.raises(InputError, match="no input 'nothing'"):
        session.inputs["nothing"]
    with pytest.raises(InputError, match="no output 'nothing'"):
        session.outputs["nothing"]
    assert "nothing" not in session.inputs and "pixels" in session.inputs
    with pytest.raises(InputError, match="no input 'nothing'"):
        session.resize({"nothing": (1,)})
    with pytest.raises(InputError, match="write into it"):
        session.inputs["pixels"] = x  # type: ignore[index]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros((1, 8, 8, 3)), r"input 'pixels' float32 \(N, 8, 8, 3\) expected, got float64; .*astype\('float32'\)"),
        (np.zeros((1, 8, 8, 3), np.uint8), "got uint8"),
        (np.zeros((1, 8, 8, 3), ">f4"), "got >f4"),
        (np.zeros((8, 8, 3), np.float32), r"float32 \(N, 8, 8, 3\) expected, got shape \(8, 8, 3\)"),
        (np.zeros((1, 3, 8, 8), np.float32), r"got shape \(1, 3, 8, 8\)"),
        ([[1.0], [1.0, 2.0]], r"input 'pixels' float32 \(N, 8, 8, 3\) expected: "),
        ("cat.jpg", "got <U7"),
        (None, "got object"),
    ],
)
def test_wrong_arrays(session: Session, value: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        session.run({"pixels": value})


def test_the_array_of_a_model_with_one_input(session: Session, model: Model) -> None:
    feeds = feeds_of(model, N=2)
    agree(session.run(feeds["pixels"]), model, feeds)
    agree(session.run(list(feeds["pixels"])), model, feeds)
    with pytest.raises(InputError, match=r"input 'pixels' float32 \(N, 8, 8, 3\) expected, got shape \(8, 8, 3\)"):
        session.run(feeds["pixels"][0])
    graph = node_graph(Node("Add", ["a", "b"], ["y"]), inputs={"a": (1,), "b": (1,)})
    one = np.ones(1, np.float32)
    with load(Model(graph), threads=1) as other:
        for given in (one, [one, one], (one, one)):
            with pytest.raises(InputError, match=r"the model has 2 inputs: .* as in run\({'a': ..., 'b': ...}\)"):
                other.run(given)


@pytest.mark.parametrize("shape", [(2, 8, 8, 4), (2, 8, 8), (-1, 8, 8, 3), (2.5, 8, 8, 3), 7, ("N", 8, 8, 3)])
def test_wrong_sizes(session: Session, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="'pixels'"):
        session.resize({"pixels": shape})


def test_sizes_beyond_memory(session: Session) -> None:
    with pytest.raises(Error):
        session.resize({"pixels": (1 << 40, 8, 8, 3)})
    with pytest.raises(InputError, match="2 GiB or more"):
        session.resize({"pixels": (8_000_000, 8, 8, 3)})
    session.resize({"pixels": (1, 8, 8, 3)})
    assert session.inputs["pixels"].shape[0] == 1
    large = {"a": (450_000_000,), "b": (450_000_000,), "c": (450_000_000,)}
    graph = node_graph(Node("Add", ["a", "b"], ["ab"]), Node("Add", ["ab", "c"], ["y"]), inputs=large)
    planned = pytest.raises(InputError, match=r"cannot be planned for inputs of 'a' \(450000000,\), 'b'")
    with planned:
        load(Model(graph), threads=1)


def test_one_symbol_is_one_size() -> None:
    graph = node_graph(Node("Add", ["a", "b"], ["y"]), inputs={"a": ("N", 3), "b": ("N", 3)})
    with load(Model(graph), threads=1) as session:
        with pytest.raises(InputError, match=r"input 'b' takes shape \(N, 3\), not \(3, 3\); N is 2"):
            session.run({"a": np.ones((2, 3), np.float32), "b": np.ones((3, 3), np.float32)})
        found = session.run({"a": np.ones((2, 3), np.float32), "b": np.ones((2, 3), np.float32)})
        assert (found["y"] == 2).all()


def test_what_is_not_contiguous_or_not_an_array(session: Session, model: Model) -> None:
    x = feeds_of(model, N=6)["pixels"]
    found = session.run({"pixels": x[::-2, :, ::-1]})
    agree(found, model, {"pixels": np.ascontiguousarray(x[::-2, :, ::-1])})
    agree(session.run({"pixels": x[:1].data}), model, {"pixels": x[:1]})


def test_intermediate_values(session: Session, model: Model) -> None:
    feeds = feeds_of(model, N=2)
    names = ["features", "logits", "scores", "pooled", "mixed", "depthwise"]
    found = session.run(feeds, outputs=names)
    wanted = reference.run(model.graph, feeds, outputs=names)
    assert list(found) == names
    for name in names:
        assert found[name].dtype == wanted[name].dtype
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-5, atol=1e-5)
    agree(session.run(feeds), model, feeds)
    assert session.run(feeds, outputs=[]) == {}
    assert list(session.run(feeds, outputs=["means", "means"])) == ["means"]


def test_inputs_and_constants_as_outputs() -> None:
    """Quantized integers too, which x86 code holds as q + 128 where it can."""
    model = int8_network(size=4, channels=4)
    model.graph.outputs = ["y", "x"]
    feeds = feeds_of(model)
    with load(model, threads=1) as session:
        found = session.run(feeds)
        np.testing.assert_array_equal(found["x"], feeds["x"])
        found = session.run(feeds, outputs=["w0", "b0", "x", "first"])
    for name in ("w0", "b0"):
        np.testing.assert_array_equal(found[name], model.graph.values[name].data)
    np.testing.assert_array_equal(found["x"], feeds["x"])


def test_an_output_that_is_the_input() -> None:
    graph = node_graph(Node("Identity", ["x"], ["y"]), Node("Reshape", ["x", "shape"], ["flat"]), inputs={"x": (2, 3)})
    graph.add_constant("shape", np.array([-1]))
    graph.outputs = ["y", "flat", "x"]
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    with load(Model(graph), threads=1) as session:
        found = session.run({"x": x})
    np.testing.assert_array_equal(found["y"], x)
    np.testing.assert_array_equal(found["flat"], x.reshape(-1))
    assert found["flat"].shape == (6,)


def test_many_shapes_in_turn(session: Session, model: Model) -> None:
    """More of them than plans are kept."""
    feeds = {n: feeds_of(model, n, N=n) for n in range(1, PLANS + 3)}
    for _ in range(2):
        for given in feeds.values():
            agree(session.run(given), model, given)
    for n, given in reversed(feeds.items()):
        session.resize({"pixels": (n, 8, 8, 3)})
        session.inputs["pixels"][...] = given["pixels"]
        session.invoke()
        agree(dict(session.outputs), model, given)


def test_a_batch_is_a_loop_over_its_entries() -> None:
    model = float_network(size=10, channels=4, batch="N")
    feeds = feeds_of(model, N=3)
    with load(model, threads=1) as session:
        whole = session.run(feeds)["y"]
        parts = [session.run({"x": feeds["x"][i : i + 1]})["y"] for i in range(3)]
    np.testing.assert_allclose(whole, np.concatenate(parts), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("target", ["host", "numpy"])
def test_nothing_at_all(target: str) -> None:
    """Sizes of zero, in the batch and in the images."""
    model = float_network(size=10, channels=4, batch="N")
    with load(model, threads=1, target=target) as session:
        assert session.run({"x": np.zeros((0, 10, 10, 8), np.float32)})["y"].shape == (0, 5, 5, 4)
    graph = node_graph(Node("Mul", ["x", "x"], ["y"]), inputs={"x": ("N", "M")})
    with load(Model(graph), threads=1, target=target) as session:
        assert session.run({"x": np.zeros((3, 0), np.float32)})["y"].shape == (3, 0)
        assert session.run({"x": np.ones((3, 1), np.float32)})["y"].shape == (3, 1)
        session.resize({"x": (0, 5)})
        session.invoke()
        assert session.outputs["y"].shape == (0, 5)


def test_scalars_and_other_dtypes() -> None:
    graph = node_graph(
        Node("Mul", ["x", "x"], ["square"]), Node("Cast", ["square"], ["y"], {"to": "int64"}), inputs={"x": ()}
    )
    graph.values["y"].dtype = np.dtype(np.int64)
    with load(Model(graph), threads=1) as session:
        found = session.run({"x": np.float32(3)})["y"]
    assert (found.dtype, found.shape, int(found)) == (np.int64, (), 9)


def test_nan_and_infinities_go_where_numpy_takes_them() -> None:
    model = float_network(size=12, channels=4)
    x = feeds_of(model)["x"]
    x[0, 2, 3, 1], x[0, 8, 8, 0], x[0, 9, 2, 5] = np.nan, np.inf, -np.inf
    with load(model, threads=1) as session:
        found = session.run({"x": x})["y"]
    wanted = reference.run(model.graph, {"x": x})["y"]
    assert np.isnan(wanted).any()
    np.testing.assert_array_equal(np.isnan(found), np.isnan(wanted))
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


def test_data_that_cannot_be_computed_with() -> None:
    graph = node_graph(Node("Gather", ["x", "i"], ["y"], {"axis": 0}, "pick"), inputs={"x": (3,)})
    graph.add_value(Value("i", np.dtype(np.int64), ("N",)))
    graph.inputs.append("i")
    with load(Model(graph), threads=1) as session:
        x = np.arange(3, dtype=np.float32)
        np.testing.assert_array_equal(session.run({"x": x, "i": np.array([2, 0])})["y"], [2, 0])
        with pytest.raises(ModelError, match="Gather 'pick'"):
            session.run({"x": x, "i": np.array([3])})
        np.testing.assert_array_equal(session.run({"x": x, "i": np.array([1])})["y"], [1])


def test_clones_share_weights_and_nothing_else(session: Session, model: Model) -> None:
    clone = session.clone()
    assert clone.engine is session.engine
    session.resize({"pixels": (1, 8, 8, 3)})
    clone.resize({"pixels": (2, 8, 8, 3)})
    assert session.inputs["pixels"].shape[0] == 1
    session.close()
    feeds = feeds_of(model, N=2)
    agree(clone.run(feeds), model, feeds)
    clone.close()
    assert clone.engine.weights.used == 0


def test_closed_sessions_say_so(model: Model) -> None:
    with load(model, threads=1) as session:
        session.run(feeds_of(model, N=1))
        view = session.inputs["pixels"]
    session.close()
    uses = [
        lambda: session.run(feeds_of(model, N=1)), session.invoke, session.clone, lambda: session.inputs,
        lambda: session.outputs, lambda: session.resize({"pixels": (1, 8, 8, 3)}),
    ]  # fmt: skip
    for use in uses:
        with pytest.raises(Error, match="this session is closed"):
            use()
    view[...] = 1  # views outlive their session
    assert session.model is model and session.threads == 1


def test_what_is_dropped_is_freed(model: Model) -> None:
    session = load(model, threads=1)
    session.resize({"pixels": (2, 8, 8, 3)})
    session.run(feeds_of(model, N=1))
    held = [weakref.ref(part) for part in (session.engine, session.engine.weights, session._own, *session._pool)]
    assert len(held) == 4
    gc.disable()
    try:
        del session
        assert [ref() for ref in held] == [None] * 4
    finally:
        gc.enable()


def test_an_exception_leaves_the_session_whole(session: Session, model: Model) -> None:
    feeds = feeds_of(model, N=1)
    session.run(feeds)
    with pytest.raises(InputError):
        session.run({"pixels": np.zeros((1, 8, 8, 4), np.float32)})
    agree(session.run(feeds), model, feeds)
    assert len(session._pool) == 1


def test_quantized_inputs_keep_their_dtype() -> None:
    graph = node_graph(Node("Requantize", ["x"], ["q"]), Node("DequantizeLinear", ["q", "s", "z"], ["y"]),
                       inputs={"x": (4,)})  # fmt: skip
    graph.values["x"] = Value("x", np.dtype(np.uint8), (4,), Quantization.per_tensor(0.5, 128))
    graph.values["q"] = Value("q", np.dtype(np.int8), (4,), Quantization.per_tensor(0.5, 0))
    graph.add_constant("s", np.float32(0.5).reshape(()))
    graph.add_constant("z", np.int8(0).reshape(()))
    x = np.array([0, 127, 128, 255], np.uint8)
    with load(Model(graph), threads=1) as session:
        assert session.inputs["x"].dtype == np.uint8
        np.testing.assert_array_equal(session.run({"x": x})["y"], (x.astype(np.float32) - 128) / 2)
        np.testing.assert_array_equal(session.run({"x": x}, outputs=["q"])["q"], (x ^ 128).view(np.int8))
