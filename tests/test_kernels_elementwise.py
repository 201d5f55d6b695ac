"""float32 elementwise kernels against their references: shapes, strides, broadcasting, remainders, special values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernel_cases import TARGETS, Operand, check_model, check_node, const, feed, node_model, run_model

from millijoule.runtime.graph import Graph, Node, Value
from millijoule.runtime.kernels.elementwise import PART
from millijoule.runtime.lowering.elementwise import PARAMS, POWERS
from millijoule.runtime.model import Model
from millijoule.runtime.planner import plan

pytestmark = pytest.mark.skipif(not TARGETS, reason="this system runs no compiled kernels")

FEW_ULP = 1e-6
"""Relative; test_kernels_functions.py has the bound of each function."""
CANCELLING = 3e-7
"""Absolute, for functions that are sums of opposite signs."""
SPECIAL = np.array([0.0, -0.0, 1.0, -2.5, np.inf, -np.inf, np.nan, 3e38, -1e-30], np.float32)
FLOAT = np.dtype(np.float32)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).normal(0, 2, shape).astype(np.float32)


SHAPES = [(), (1,), (3,), (16,), (67,), (5, 1, 7), (2, 3, 4, 5, 6), (2 * PART + 5,), (3, PART - 1)]


@pytest.mark.parametrize("target", TARGETS)
def test_unary_of_any_shape(target: str) -> None:
    for shape in SHAPES:
        check_node("Sigmoid", [feed(normal(*shape))], target=target, rtol=FEW_ULP)


@pytest.mark.parametrize(
    ("op", "attrs"),
    [
        ("LeakyRelu", {}),
        ("LeakyRelu", {"alpha": 0.3}),
        ("HardSigmoid", {"beta": 0.4}),
        ("SiLU", {"alpha": 1.5}),
        ("Elu", {"alpha": 0.5}),
        ("Selu", {}),
        ("Celu", {"alpha": 2.0}),
        ("ThresholdedRelu", {"alpha": 0.25}),
        ("Gelu", {}),
        ("Gelu", {"approximate": "tanh"}),
        ("HardSwish", {}),
        ("Abs", {}),
    ],
)
def test_attributes_become_parameters(op: str, attrs: dict[str, Any]) -> None:
    kernels = check_node(op, [feed(normal(3, 41))], rtol=FEW_ULP, atol=CANCELLING, **attrs)
    assert len(kernels) == 1


def test_every_parametric_operator_is_tested() -> None:
    marks = test_attributes_become_parameters.pytestmark
    assert set(PARAMS) - {"Clip"} <= {op for op, _ in marks[-1].args[1]}


@pytest.mark.parametrize("bounds", [(-1.0, 0.5), (None, 0.5), (-1.0, None), (None, None), (0.5, -1.0)])
def test_clip(bounds: tuple[float | None, float | None]) -> None:
    operands = [None if bound is None else const(np.float32(bound)) for bound in bounds]
    check_node("Clip", [feed(np.concatenate([normal(100), SPECIAL])), *operands])


def test_bounds_known_at_run_time_only_are_left_to_numpy() -> None:
    model, feeds = node_model("Clip", [feed(normal(100)), feed(np.float32(-1).reshape(())), None])
    check_model(model, feeds, numpy_steps=1)


def chain(nodes: list[Node], x: np.ndarray, constants: dict[str, np.ndarray]) -> tuple[Model, dict[str, np.ndarray]]:
    """x through nodes, each of which names its output; the last one's, of x's dtype, is the graph's."""
    graph = Graph(inputs=["x"], outputs=nodes[-1].outputs, nodes=nodes)
    graph.add_value(Value("x", x.dtype, x.shape))
    for name in graph.outputs:
        graph.add_value(Value(name, x.dtype))
    for name, data in constants.items():
        graph.add_constant(name, data)
    return Model(graph), {"x": x}


@pytest.mark.parametrize("axis", [1, 2, 3])
@pytest.mark.parametrize("step", [1, 2])
def test_parts_of_a_tensor_are_read_where_they_lie(axis: int, step: int) -> None:
    bounds = {"starts": np.array([1]), "ends": np.array([5]), "axes": np.array([axis]), "steps": np.array([step])}
    cut = Node("Slice", ["x", *bounds], ["part"])
    model, feeds = chain([cut, Node("Neg", ["part"], ["y"])], normal(2, 6, 5, 37)[:, :, :, :21], bounds)
    check_model(model, feeds)
    model, feeds = chain([cut, Node("Sub", ["part", "one"], ["y"])], normal(2, 6, 5, 7), {**bounds, "one": normal(1)})
    kernels = check_model(model, feeds)
    assert len(kernels) == (2 if axis == 3 and step == 2 else 1)


@pytest.mark.parametrize("channels", [1, 3, 16])
def test_results_are_written_inside_the_border_that_a_convolution_wants(channels: int) -> None:
    weights = {"w": normal(4, 3, 3, channels), "bias": normal(channels)}
    conv = Node("Conv", ["y", "w"], ["z"], {"pads": [1, 1, 1, 1]})
    for node in (Node("Abs", ["x"], ["y"]), Node("Sub", ["bias", "x"], ["y"])):
        model, feeds = chain([node, conv], normal(2, 5, 9, channels), weights)
        kernels = check_model(model, feeds, atol=1e-4)
        assert [k.partition("(")[0] for k in kernels if "copy.copy" in k] == []


BROADCASTS: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    ((7, 19), (7, 19)),
    ((7, 19), (19,)),
    ((7, 19), (7, 1)),
    ((7, 19), (1,)),
    ((7, 19), ()),
    ((19,), (7, 1)),
    ((3, 1, 5), (1, 4, 5)),
    ((2, 8, 6, 24), (2, 1, 1, 24)),
    ((2, 8, 6, 24), (24,)),
    ((2, 8, 6, 24), (1, 8, 1, 24)),
    ((100, 4), (100, 1)),
    ((50, 3), (3,)),
    ((2, 3, 4, 5, 6), (3, 1, 5, 1)),
    ((2, 1, 4, 1, 6, 1), (1, 3, 1, 5, 1, 7)),
    ((1, 1), (1,)),
    ((3, 2 * PART + 3), (2 * PART + 3,)),
]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", [feed, const])
def test_broadcasting(kind: Any, target: str) -> None:
    for a, b in BROADCASTS:
        left, right = normal(*a), normal(*b, seed=1)
        check_node("Sub", [feed(left), kind(right)], target=target)
        check_node("Sub", [kind(right), feed(left)], target=target)


def test_a_short_row_that_repeats_is_made_longer_once() -> None:
    at_run_time = check_node("Sub", [feed(normal(64, 50, 3)), feed(normal(3))])
    assert [kernel.partition("(")[0] for kernel in at_run_time] == ["copy.copy", "elementwise.binary_f32"]
    assert len(check_node("Sub", [feed(normal(64, 50, 3)), const(normal(3))])) == 1


def pairs() -> tuple[np.ndarray, np.ndarray]:
    """Every special value with every other."""
    a, b = np.meshgrid(SPECIAL, SPECIAL)
    return np.ascontiguousarray(a), np.ascontiguousarray(b)


@pytest.mark.parametrize(
    ("op", "target"),
    [*((op, "host") for op in ("Add", "Mul", "Div")), *((op, t) for op in ("Min", "Max", "PRelu") for t in TARGETS)],
)
def test_special_values(op: str, target: str) -> None:
    a, b = pairs()
    check_node(op, [feed(a), feed(b)], target=target, rtol=FEW_ULP)


@pytest.mark.parametrize(("op", "activation", "params"), [("Add", "Relu", []), ("Mul", "Clip", [-0.5, 0.25])])
def test_fused_activation(op: str, activation: str, params: list[float]) -> None:
    operands = [feed(normal(4, 5, 33)), feed(normal(33))]
    check_node(op, operands, rtol=FEW_ULP, activation=activation, activation_params=params)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_extremes_of_any_number_of_tensors(count: int) -> None:
    shapes = [(3, 1, 5), (4, 5), (3, 4, 1), (1,)]
    check_node("Max", [feed(normal(*shape)) for shape in shapes[:count]])


@pytest.mark.parametrize("exponent", [*POWERS, 1.7])
def test_power_with_a_constant_exponent(exponent: float) -> None:
    model, feeds = node_model("Pow", [feed(np.abs(normal(3, 50)) + 0.1), const(np.float32(exponent))])
    check_model(model, feeds, rtol=FEW_ULP, numpy_steps=exponent not in POWERS)


def test_other_dtypes_are_left_to_numpy() -> None:
    operands: list[Operand | None] = [feed(np.arange(6)), feed(np.arange(6))]
    graph = node_model("Add", operands)[0].graph
    graph.values["y0"].dtype = np.dtype(np.int64)
    check_model(Model(graph), {"x0": np.arange(6), "x1": np.arange(6)}, numpy_steps=1)


def test_numbers_too_small_for_normal_count_as_zero() -> None:
    a, b = np.array([[1e-39, 1e-20, 2.0], [1e38, 1e-25, 3.0]], np.float32)
    found, _ = run_model(*node_model("Mul", [feed(a), const(b)]))
    assert found["y0"].tolist() == [0, 0, 6]


@pytest.mark.parametrize("op", ["Sign", "Floor", "Ceil", "Round"])
@pytest.mark.parametrize("target", TARGETS)
def test_steps_know_the_sign_of_numbers_too_small_for_normal(target: str, op: str) -> None:
    x = np.array([1e-45, -1e-45, 1e-39, -1e-39, 1.2e-38, -1.2e-38, 0, -0.0, np.nan, np.inf, -np.inf, 2, -2], "f4")
    check_node(op, [feed(x)], target=target)


def test_threads_share_a_tensor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "SHARED_MACS", 0)
    for shape in [(5 * PART + 11,), (700, 3, 41)]:
        check_node("Sigmoid", [feed(normal(*shape))], threads=2, rtol=FEW_ULP)
        check_node("Sub", [feed(normal(*shape)), const(normal(shape[-1]))], threads=2)
