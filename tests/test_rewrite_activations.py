"""Activations that exporters write out, recognised in every form, and not where something differs."""

from __future__ import annotations

from collections.abc import Callable
from math import pi, sqrt
from typing import Any

import numpy as np
import pytest
from rewriting import Sketch, apply, assert_same, only, ops

from millijoule.converters.rewrites.clip_forms import clip_from_min_max, merge_clips, name_clip
from millijoule.converters.rewrites.gelu import recognise_gelu
from millijoule.converters.rewrites.hard_swish import (
    recognise_clipped_line,
    recognise_hard_sigmoid,
    recognise_hard_swish,
)
from millijoule.converters.rewrites.prelu import prelu_to_leaky_relu
from millijoule.converters.rewrites.silu import recognise_silu

ALL = (
    *(name_clip, clip_from_min_max, merge_clips, recognise_silu, recognise_hard_sigmoid, recognise_hard_swish),
    *(recognise_clipped_line, recognise_gelu, prelu_to_leaky_relu),
)
SHAPE = (2, 5, 3)


class Formula:
    """Arithmetic on values of a sketch, with numbers as constant scalars."""

    def __init__(self, sketch: Sketch, name: str) -> None:
        self.sketch, self.name = sketch, name

    def call(self, op: str, *others: Any, **attrs: Any) -> Formula:
        names = [
            other.name if isinstance(other, Formula) else self.sketch.constant(np.float32(other)) for other in others
        ]
        return Formula(self.sketch, self.sketch.node(op, self.name, *names, **attrs))

    def __add__(self, other: Any) -> Formula:
        return self.call("Add", other)

    def __mul__(self, other: Any) -> Formula:
        return self.call("Mul", other)

    def __truediv__(self, other: Any) -> Formula:
        return self.call("Div", other)

    def __pow__(self, other: Any) -> Formula:
        return self.call("Pow", other)

    def relu6(self) -> Formula:
        return self.call("Clip", 0, 6)


HARD_SWISH: dict[str, Callable[[Formula], Formula]] = {
    "product over 6": lambda x: (x * (x + 3).relu6()) / 6,
    "product times a sixth": lambda x: (x * (x + 3).relu6()) * (1 / 6),
    "x over 6": lambda x: (x / 6) * (x + 3).relu6(),
    "gate over 6": lambda x: x * ((x + 3).relu6() / 6),
    "gate first": lambda x: ((x + 3).relu6() * (1 / 6)) * x,
    "hard sigmoid": lambda x: x * x.call("HardSigmoid", alpha=1 / 6, beta=0.5),
    "clipped line": lambda x: x * (x * (1 / 6) + 0.5).call("Clip", 0, 1),
    "min of max": lambda x: x * ((x + 3).call("Max", 0).call("Min", 6) / 6),
}

GELU: dict[str, tuple[str, Callable[[Formula], Formula]]] = {
    "half x": ("none", lambda x: (x * 0.5) * ((x / sqrt(2)).call("Erf") + 1)),
    "half last": ("none", lambda x: (x * ((x * sqrt(0.5)).call("Erf") + 1)) * 0.5),
    "over 2": ("none", lambda x: (x * ((x / sqrt(2)).call("Erf") + 1)) / 2),
    "half gate": ("none", lambda x: x * (((x / sqrt(2)).call("Erf") + 1) * 0.5)),
    "cube": ("tanh", lambda x: (x * 0.5) * (((x + (x**3) * 0.044715) * sqrt(2 / pi)).call("Tanh") + 1)),
    "products": ("tanh", lambda x: x * (((((x * x) * x) * 0.044715 + x) * sqrt(2 / pi)).call("Tanh") + 1) * 0.5),
    "factored": ("tanh", lambda x: (x * 0.5) * (((x * sqrt(2 / pi)) * ((x * x) * 0.044715 + 1)).call("Tanh") + 1)),
}


def formula_graph(make: Callable[[Formula], Formula]) -> Any:
    sketch = Sketch()
    return sketch.output(make(Formula(sketch, sketch.input(SHAPE))).name)


@pytest.mark.parametrize("form", HARD_SWISH)
def test_hard_swish(form: str) -> None:
    graph = formula_graph(HARD_SWISH[form])
    after = apply(graph, *ALL)
    assert ops(after) == {"HardSwish": 1}
    assert_same(graph, after)


@pytest.mark.parametrize("form", GELU)
def test_gelu(form: str) -> None:
    approximate, make = GELU[form]
    graph = formula_graph(make)
    after = apply(graph, *ALL)
    assert ops(after) == {"Gelu": 1} and only(after, "Gelu").attrs["approximate"] == approximate
    assert_same(graph, after)


@pytest.mark.parametrize(
    "make",
    [
        lambda x: (x * 0.5) * ((x / 1.5).call("Erf") + 1),
        lambda x: (x * 0.5) * ((x / sqrt(2)).call("Erf") + 2),
        lambda x: (x * 0.6) * ((x / sqrt(2)).call("Erf") + 1),
        lambda x: (x * 0.5) * (((x + (x**3) * 0.05) * sqrt(2 / pi)).call("Tanh") + 1),
        lambda x: (x * (x + 2).relu6()) / 6,
        lambda x: (x * (x + 3).relu6()) / 5,
        lambda x: x * (x + 3).relu6(),
        lambda x: x * x.call("HardSigmoid", alpha=0.2, beta=0.5),
        lambda x: x * (x + 1).call("Sigmoid"),
    ],
)
def test_what_only_looks_like_it_stays(make: Callable[[Formula], Formula]) -> None:
    graph = formula_graph(make)
    after = apply(graph, *ALL)
    assert not {"Gelu", "HardSwish", "SiLU"} & set(ops(after))
    assert_same(graph, after)


@pytest.mark.parametrize("gate_first", [False, True])
def test_silu(gate_first: bool) -> None:
    graph = formula_graph(lambda x: x.call("Sigmoid") * x if gate_first else x * x.call("Sigmoid"))
    after = apply(graph, *ALL)
    assert ops(after) == {"SiLU": 1}
    assert_same(graph, after)


def test_a_sigmoid_that_is_read_elsewhere_stays_beside_silu() -> None:
    sketch = Sketch()
    x = sketch.input(SHAPE)
    gate = sketch.node("Sigmoid", x)
    graph = sketch.output(sketch.node("Mul", x, gate), gate)
    after = apply(graph, *ALL)
    assert ops(after) == {"SiLU": 1, "Sigmoid": 1}
    assert_same(graph, after)


def test_hard_sigmoid() -> None:
    for make in (lambda x: (x + 3).relu6() / 6, lambda x: (x * 0.3 + 0.4).call("Clip", 0, 1)):
        graph = formula_graph(make)
        after = apply(graph, *ALL)
        assert ops(after) == {"HardSigmoid": 1}
        assert_same(graph, after)


@pytest.mark.parametrize(
    ("low", "high", "name"),
    [
        (0, 6, "Relu6"),
        (-1, 1, "ReluN1To1"),
        (0, None, "Relu"),
        (0, 3.4028235e38, "Relu"),
        (0, np.inf, "Relu"),
        (1, 6, "Clip"),
    ],
)
def test_clips_get_their_names(low: float, high: float | None, name: str) -> None:
    sketch = Sketch()
    bounds = [sketch.constant(np.float32(bound)) for bound in (low, high) if bound is not None]
    graph = sketch.output(sketch.node("Clip", sketch.input(SHAPE), *bounds))
    after = apply(graph, *ALL)
    assert ops(after) == {name: 1}
    assert_same(graph, after)


def test_integer_clips_keep_their_name() -> None:
    sketch = Sketch()
    bounds = [sketch.constant(np.array(bound, np.int32)) for bound in (0, 6)]
    graph = sketch.output(sketch.node("Clip", sketch.input(SHAPE, "int32"), *bounds))
    assert ops(apply(graph, *ALL)) == {"Clip": 1}


@pytest.mark.parametrize(
    ("make", "wanted"),
    [
        (lambda x: x.call("Max", 0).call("Min", 6), {"Relu6": 1}),
        (lambda x: x.call("Min", 6).call("Max", 0), {"Relu6": 1}),
        (lambda x: x.call("Max", 0).call("Relu"), {"Relu": 1}),
        (lambda x: x.call("Max", 2).call("Min", 3), {"Clip": 1}),
        (lambda x: x.call("Clip", -2, 2).call("Clip", -1, 5), {"Clip": 1}),
        (lambda x: x.call("Clip", -2, -1).call("Relu"), {"Clip": 1}),
    ],
)
def test_clamps_merge(make: Callable[[Formula], Formula], wanted: dict[str, int]) -> None:
    graph = formula_graph(make)
    after = apply(graph, *ALL)
    assert ops(after) == wanted
    assert_same(graph, after)


def test_min_with_a_tensor_stays() -> None:
    sketch = Sketch()
    x = sketch.input(SHAPE)
    vector = sketch.constant(np.array([1, 2, 3], np.float32))
    graph = sketch.output(sketch.node("Min", x, vector), sketch.node("Max", sketch.input((1,)), sketch.weights(1, 1)))
    assert ops(apply(graph, *ALL)) == {"Min": 1, "Max": 1}


def test_prelu_with_one_slope_is_leaky_relu() -> None:
    sketch = Sketch()
    x = sketch.input(SHAPE)
    same = sketch.constant(np.full((5, 1), 0.25, np.float32))
    graph = sketch.output(sketch.node("PRelu", x, same), sketch.node("PRelu", x, sketch.weights(5, 1)))
    after = apply(graph, *ALL)
    assert ops(after) == {"LeakyRelu": 1, "PRelu": 1} and only(after, "LeakyRelu").attrs["alpha"] == 0.25
    assert_same(graph, after)
