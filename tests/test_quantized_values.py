"""Real numbers and the integers of quantized inputs and outputs: quantize, dequantize, what errors say."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from session_models import node_graph

from millijoule import InputError, Model, Session, load
from millijoule.runtime.file.metadata import Metadata
from millijoule.runtime.graph import Node, Quantization, Value

PER_CHANNEL = Quantization(np.array([0.5, 0.25, 2.0], np.float32), np.array([0, 10, -3], np.int32), 1)


@pytest.fixture
def session() -> Iterator[Session]:
    """q (N, 3) int8, alias "features" -> q again; c (1, 3) int8 with a scale per channel; f (2,) float32."""
    graph = node_graph(
        Node("Identity", ["q"], ["y"]), Node("Identity", ["c"], ["d"]), Node("Identity", ["f"], ["g"]),
        inputs={"q": ("N", 3), "c": (1, 3), "f": (2,)}, outputs=("y", "d", "g"),
    )  # fmt: skip
    per_tensor = Quantization.per_tensor(0.5, -3)
    for name, quant, shape in (("q", per_tensor, ("N", 3)), ("y", per_tensor, ("N", 3)), ("c", PER_CHANNEL, (1, 3)),
                               ("d", PER_CHANNEL, (1, 3))):  # fmt: skip
        graph.values[name] = Value(name, np.dtype(np.int8), shape, quant)
    metadata = Metadata(input_aliases={"features": "q"}, output_aliases={"class": "y"})
    with load(Model(graph, metadata), threads=1) as found:
        yield found


@pytest.mark.parametrize("name", ["q", "features", "y", "class"])
def test_there_and_back(session: Session, name: str) -> None:
    reals = [[0.0, 1.2, -0.3], [1e9, -1e9, np.inf]]
    found = session.quantize(name, reals)
    assert found.dtype == np.int8
    np.testing.assert_array_equal(found, [[-3, -1, -4], [127, -128, 127]])
    back = session.dequantize(name, found)
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, [[0, 1, -0.5], [65, -62.5, 65]])


def test_a_scale_for_each_channel(session: Session) -> None:
    found = session.quantize("c", np.array([[1.0, 1.0, 1.0]]))
    np.testing.assert_array_equal(found, [[2, 14, -3]])  # 0.5 steps of 2 round to the even 0
    np.testing.assert_array_equal(session.dequantize("d", found), [[1, 1, 0]])


def test_what_has_no_integers(session: Session) -> None:
    for use in (session.quantize, session.dequantize):
        with pytest.raises(
            InputError, match="the model has no input or output 'x'; it has 'q', 'c', 'f', 'y', 'd', 'g'"
        ):
            use("x", np.zeros(2))
        with pytest.raises(InputError, match=r"input 'f' float32 \(2,\) carries no quantization"):
            use("f", np.zeros(2))
    with pytest.raises(InputError, match=r"input 'q' int8 \(N, 3\): a NaN"):
        session.quantize("q", [[0, np.nan, 0]])
    with pytest.raises(InputError, match=r"input 'q' int8 \(N, 3\) expected, got shape \(3,\)"):
        session.quantize("q", np.zeros(3))
    with pytest.raises(InputError, match=r"output 'd' int8 \(1, 3\) expected, got shape \(3, 1\)"):
        session.dequantize("d", np.zeros((3, 1), np.int8))
    with pytest.raises(InputError, match="expected, got uint8"):
        session.dequantize("q", np.zeros((1, 3), np.uint8))
    with pytest.raises(InputError, match="real numbers are wanted, not complex128"):
        session.quantize("q", np.zeros((1, 3), complex))
    with pytest.raises(InputError, match="real numbers are wanted, not <U3"):
        session.quantize("q", "cat")


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_reals_for_integers_are_told_the_scale(session: Session, dtype: str) -> None:
    feeds = {"q": np.zeros((1, 3), dtype), "c": np.zeros((1, 3), np.int8), "f": np.zeros(2, np.float32)}
    with pytest.raises(InputError) as caught:
        session.run(feeds)
    text = str(caught.value)
    assert "scale 0.5, zero point -3" in text and "session.quantize('q', array)" in text and "astype" not in text
    feeds["q"] = session.quantize("q", feeds["q"])
    assert (session.run(feeds)["y"] == -3).all()
    with pytest.raises(InputError, match=r"scales 0\.25 to 2, 3 zero points, along axis 1"):
        session.run({**feeds, "c": np.zeros((1, 3), dtype)})


@pytest.mark.parametrize(
    ("wanted", "given", "cast"),
    [
        ("float32", "float64", True), ("float32", "float16", True), ("float32", "int64", True),
        ("float32", "bool", True), ("int32", "int64", True), ("int64", "uint8", True), ("int32", "float32", False),
        ("uint8", "float32", False), ("bool", "int64", False),
        ("float32", "complex64", False), ("float32", "U3", False),
    ],
)  # fmt: skip
def test_a_cast_is_proposed_where_it_keeps_the_meaning(wanted: str, given: str, cast: bool) -> None:
    graph = node_graph(Node("Identity", ["x"], ["y"]), inputs={"x": (2,)})
    for name in "xy":
        graph.values[name] = Value(name, np.dtype(wanted), (2,))
    with load(Model(graph), threads=1) as session:
        with pytest.raises(InputError, match=f"expected, got .*{given}") as caught:
            session.run(np.zeros(2, given))
        assert (f"convert it with .astype('{wanted}')" in str(caught.value)) == cast


def test_integers_of_another_kind_are_told_the_scale_and_no_cast(session: Session) -> None:
    with pytest.raises(InputError, match=r"got uint8: it takes integers q .* scale 0\.5, zero point -3$"):
        session.run({"q": np.zeros((1, 3), np.uint8), "c": np.zeros((1, 3), np.int8), "f": np.zeros(2, np.float32)})


def test_pixels_are_told_of_prepare() -> None:
    graph = node_graph(Node("Identity", ["x"], ["y"]), inputs={"x": (1, 4, 4, 3)})
    with load(Model(graph), threads=1) as session, pytest.raises(InputError, match=r"session\.prepare\(array\)"):
        session.run(np.zeros((1, 4, 4, 3), np.uint8))
