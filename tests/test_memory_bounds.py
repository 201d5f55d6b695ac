"""Views, places and tables that would leave their memory cannot be made, whatever model asks for them."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import check_node, const, feed, node_model
from session_models import node_graph

from millijoule.runtime.errors import ModelError
from millijoule.runtime.graph import Node
from millijoule.runtime.lowering.windows import Table
from millijoule.runtime.model import Model
from millijoule.runtime.program.bounds import OutOfBounds, check_int32, extent, int32
from millijoule.runtime.program.view import Border, Place, Start, Storage, View, dense
from millijoule.runtime.session import load

INT16 = np.dtype(np.int16)
AXES = st.lists(st.tuples(st.integers(0, 4), st.integers(-12, 12)), max_size=3)


def touched(shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int) -> set[int]:
    """The bytes of the elements, counted from the first element's."""
    starts = (sum(i * s for i, s in zip(index, strides, strict=True)) for index in product(*map(range, shape)))
    return {start + byte for start in starts for byte in range(itemsize)}


@given(AXES, st.integers(-20, 60), st.integers(0, 60))
@settings(max_examples=300, deadline=None)
def test_a_view_lies_in_its_storage_or_is_refused(axes: list[tuple[int, int]], offset: int, size: int) -> None:
    shape, strides = tuple(n for n, _ in axes), tuple(s for _, s in axes)
    around = touched(shape, strides, 2)
    assert extent(shape, strides, 2) == ((min(around), max(around) + 1) if around else (0, 0))
    inside = all(0 <= offset + byte < size for byte in around) if around else 0 <= offset <= size
    try:
        View(Storage(size), offset, shape, strides, INT16)
    except OutOfBounds:
        assert not inside
    else:
        assert inside


@given(AXES, st.integers(-30, 30))
@settings(max_examples=300, deadline=None)
def test_a_part_lies_in_its_view_or_is_refused(axes: list[tuple[int, int]], offset: int) -> None:
    whole = View(Storage(100), 40, (3, 4), (-8, 2), INT16)
    shape, strides = tuple(n for n, _ in axes), tuple(s for _, s in axes)
    around = touched(shape, strides, 2)
    try:
        part = whole.part(shape, strides, offset)
    except OutOfBounds:
        assert any(not -16 <= offset + byte < 8 for byte in around)
    else:
        assert all(24 <= part.offset + byte < 48 for byte in around)


def test_padding_lies_in_the_storage() -> None:
    shape, strides = (1, 2, 3, 2), (48, 20, 4, 2)
    View(Storage(48), 8, shape, strides, INT16, Border(0, 2, 0, 2))
    View(Storage(20 + 48), 20, shape, strides, INT16, Border(1, 0, 0, 0))
    for border in (Border(0, 3, 0, 0), Border(1, 0, 0, 0), Border(0, 0, 1, 0), Border(0, 0, 0, 3)):
        with pytest.raises(OutOfBounds, match=r"elements of shape \(1, 2, 3, 2\)"):
            View(Storage(48), 8, shape, strides, INT16, border)


def test_another_number_of_elements_is_no_reshape() -> None:
    view = View(Storage(24), 0, (3, 4), dense((3, 4), 2), INT16)
    assert view.reshape((2, 6)).strides == (12, 2)
    for shape in ((3, 5), (3, 3), ()):
        with pytest.raises(OutOfBounds):
            view.reshape(shape)


def test_a_kernel_is_given_places_inside_of_a_storage() -> None:
    start = Start(Storage(64), 16)
    assert start.touching(-16, 48) == Place(start.storage, 16, 0, 64)
    for first, end in ((-17, 0), (0, 49), (-100, -90), (50, 60)):
        with pytest.raises(OutOfBounds, match="would be touched"):
            start.touching(first, end)
    view = View(start.storage, 0, (4, 3), (16, 4), np.dtype(np.float32))
    assert (view.at().first, view.at().end, view.at(2).first, view.at(2).end) == (0, 60, 32, 44)
    with pytest.raises(OutOfBounds, match="neighbouring"):
        view.run(3)


def test_numbers_beyond_32_bits_are_refused() -> None:
    fits = [-(2**31), 2**31 - 1]
    assert int32("an offset", fits).tolist() == fits and int32("an offset", []).dtype == np.int32
    for number in (2**31, -(2**31) - 1, 2**63, -(2**64)):
        with pytest.raises(OutOfBounds, match=f"an offset would be {number}"):
            int32("an offset", [0, number])
        with pytest.raises(OutOfBounds):
            check_int32("an offset", number)


def test_a_table_says_what_its_windows_touch() -> None:
    table = Table(np.array([[8, 0, 2, 2], [100, 40, 0, 1], [-4, 12, 3, 3]]), -4)
    assert table.reads == (-12, 8) and table.writes == (0, 40)
    assert Table(np.array([[8, 0, 0, 1]]), 4).reads == (0, 0)


WIDE = 22_000_000


@pytest.mark.parametrize(
    ("node", "constants"),
    [
        (Node("MaxPool", ["r"], ["p"], {"kernel_shape": [2, 1]}, "reader"), {}),
        (Node("Resize", ["r", "", "", "sizes"], ["p"], {}, "reader"), {"sizes": [3, 8, 2, 16]}),
        (Node("ReduceMax", ["r", "axes"], ["p"], {}, "reader"), {"axes": [1]}),
    ],
    ids=lambda value: value.op if isinstance(value, Node) else "",
)
def test_offsets_that_wrap_are_refused(
    node: Node, constants: dict[str, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The border that one Conv wants lies in every other reader's input, too, where it wants one so large."""
    monkeypatch.setattr("millijoule.runtime.lowering.conv.far_apart", lambda window, spatial: False)
    convolution = {"pads": [0, 0, WIDE, 0], "strides": [10_000_000, 1]}
    graph = node_graph(
        Node("Relu", ["x"], ["r"]), Node("Conv", ["r", "w"], ["c"], convolution), node, inputs={"x": (3, 4, 1, 16)},
        outputs=("c", "p"),
    )  # fmt: skip
    graph.add_constant("w", np.ones((1, 1, 1, 16), np.float32))
    for name, data in constants.items():
        graph.add_constant(name, np.array(data, np.int64))
    with pytest.raises(ModelError, match=rf"{node.op} 'reader': .*32 bits"), load(Model(graph), threads=1) as session:
        session.run({"x": np.ones((3, 4, 1, 16), np.float32)})


@pytest.mark.parametrize("index", [4, -5, 100, 10_000_000, -10_000_000, 2**33, -(2**62), 2**62])
@pytest.mark.parametrize("others", [[], [0], [0, 1]])
def test_constant_indices_out_of_range(index: int, others: list[int]) -> None:
    x = np.ones((4, 8), np.float32)
    model, feeds = node_model("Gather", [feed(x), const(np.array([*others, index], np.int64))], axis=0)
    for target in ("host", "numpy"):
        refused = pytest.raises(ModelError, match=f"Gather 'tested'.* {index} is out of")
        with refused, load(model, threads=1, target=target) as session:
            session.run(feeds)


@pytest.mark.parametrize("step", [2**31, 2**62, -(2**62)])
def test_a_step_beyond_every_element(step: int) -> None:
    """One element is taken, whose distance from the next does not matter."""
    bounds = ([0], [8]) if step > 0 else ([7], [-9])
    constants = [const(np.array(v, np.int64)) for v in (*bounds, [1], [step])]
    check_node("Slice", [feed(np.arange(24, dtype=np.float32).reshape(3, 8)), *constants])


@pytest.mark.parametrize("shape", [(1, 0, 8, 4), (1, 8, 0, 4), (2, 0, 0, 4), (0, 8, 8, 4)])
@pytest.mark.parametrize("before", [[], ["Relu"]])
def test_padding_around_nothing(shape: tuple[int, ...], before: list[str]) -> None:
    nodes = [Node("Relu", ["x"], ["r"])] if before else []
    nodes.append(Node("Conv", ["r" if before else "x", "w", "b"], ["y"], {"pads": [1, 1, 1, 1]}))
    graph = node_graph(*nodes, inputs={"x": ("N", "H", "W", 4)})
    graph.add_constant("w", np.ones((5, 2, 2, 4), np.float32))
    graph.add_constant("b", np.arange(5, dtype=np.float32))
    with load(Model(graph), threads=1) as session:
        y = session.run({"x": np.ones(shape, np.float32)})["y"]
    n, h, w, _ = shape
    assert y.shape == (n, h + 1, w + 1, 5) and (h * w > 0 or (y == np.arange(5)).all())
