"""Random graphs, with Transposes and Reshapes everywhere, give the same before and after all rewrites."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rewriting import Sketch, apply_all, assert_same, feeds_of, ops

from millijoule.runtime.graph import Graph

LARGEST = 4000


class Growing:
    """A sketch that grows by one random node at a time; `shapes` are of the values so far."""

    def __init__(self, data: st.DataObject) -> None:
        self.data, self.sketch = data, Sketch()
        shape = data.draw(st.tuples(*[st.integers(1, 4)] * data.draw(st.integers(2, 4))))
        self.pool = [self.sketch.input(shape)]

    def draw(self, strategy: st.SearchStrategy[Any]) -> Any:
        return self.data.draw(strategy)

    def shape(self, name: str) -> tuple[int, ...]:
        return self.sketch.tensor(name).shape

    def pick(self) -> str:
        """A value, more likely a recent one."""
        return self.pool[-1 - min(int(self.draw(st.integers(0, 3))), len(self.pool) - 1)]

    def transpose(self, x: str) -> str:
        perm = self.draw(st.permutations(range(len(self.shape(x)))))
        return self.sketch.node("Transpose", x, perm=list(perm))

    def to_channels_first(self, x: str) -> str:
        rank = len(self.shape(x))
        return self.sketch.node("Transpose", x, perm=[0, rank - 1, *range(1, rank - 1)])

    def to_channels_last(self, x: str) -> str:
        return self.sketch.node("Transpose", x, perm=[0, *range(2, len(self.shape(x))), 1])

    def reshape(self, x: str) -> str:
        """Merges two neighbours, splits a dimension, or adds or drops one of size 1."""
        shape = list(self.shape(x))
        axis = int(self.draw(st.integers(0, len(shape) - 1)))
        kind = self.draw(st.sampled_from(["merge", "split", "add", "drop"]))
        if kind == "merge" and axis + 1 < len(shape):
            shape[axis : axis + 2] = [shape[axis] * shape[axis + 1]]
        elif kind == "split" and shape[axis] % 2 == 0 and len(shape) < 6:
            shape[axis : axis + 1] = [shape[axis] // 2, 2]
        elif kind == "add" and len(shape) < 6:
            shape.insert(axis, 1)
        elif kind == "drop" and shape[axis] == 1 and len(shape) > 1:
            del shape[axis]
        return self.sketch.node("Reshape", x, self.sketch.ints(*shape))

    def unary(self, x: str) -> str:
        return self.sketch.node(str(self.draw(st.sampled_from(["Relu", "Tanh", "Neg", "Sigmoid"]))), x)

    def with_constant(self, x: str) -> str:
        shape = self.shape(x)
        rank = int(self.draw(st.integers(0, len(shape))))
        sizes = [dim if self.draw(st.booleans()) else 1 for dim in shape[len(shape) - rank :]]
        op = str(self.draw(st.sampled_from(["Add", "Mul", "Sub"])))
        pair = [x, self.sketch.weights(*sizes)]
        return self.sketch.node(op, *(pair if self.draw(st.booleans()) else pair[::-1]))

    def binary(self, x: str) -> str:
        others = [name for name in self.pool if self.shape(name) == self.shape(x)]
        pair = [x, str(self.draw(st.sampled_from(others)))]
        more = [self.sketch.weights(*self.shape(x))] if self.draw(st.booleans()) else []
        op = "Max" if more else str(self.draw(st.sampled_from(["Add", "Sub", "Mul"])))
        return self.sketch.node(op, *(pair if self.draw(st.booleans()) else pair[::-1]), *more)

    def concat(self, x: str) -> str:
        shape = self.shape(x)
        axis = int(self.draw(st.integers(-len(shape), len(shape) - 1)))
        others = [name for name in self.pool if self.shape(name) == shape]
        other = str(self.draw(st.sampled_from([*others, self.sketch.weights(*shape)])))
        return x if prod(shape) * 2 > LARGEST else self.sketch.node("Concat", x, other, axis=axis)

    def softmax(self, x: str) -> str:
        return self.sketch.node(
            "Softmax", x, axis=int(self.draw(st.integers(-len(self.shape(x)), len(self.shape(x)) - 1)))
        )

    def reduce(self, x: str) -> str:
        rank = len(self.shape(x))
        axes = self.draw(st.sets(st.integers(0, rank - 1), min_size=1))
        keep = len(axes) == rank or bool(self.draw(st.booleans()))
        op = str(self.draw(st.sampled_from(["ReduceMean", "ReduceMax"])))
        return self.sketch.node(op, x, self.sketch.ints(*sorted(axes)), keepdims=int(keep))

    def slice(self, x: str) -> str:
        shape = self.shape(x)
        axis = int(self.draw(st.integers(0, len(shape) - 1)))
        start = int(self.draw(st.integers(0, shape[axis] - 1)))
        step = int(self.draw(st.sampled_from([1, 2])))
        return self.sketch.node("Slice", x, *(self.sketch.ints(n) for n in (start, 99, axis, step)))

    def gather(self, x: str) -> str:
        shape = self.shape(x)
        axis = int(self.draw(st.integers(0, len(shape) - 1)))
        index = int(self.draw(st.integers(-shape[axis], shape[axis] - 1)))
        if len(shape) < 2:
            return x
        indices = self.sketch.constant(index) if self.draw(st.booleans()) else self.sketch.ints(index, 0)
        return self.sketch.node("Gather", x, indices, axis=axis)

    def pad(self, x: str) -> str:
        pads = [int(self.draw(st.integers(0, 1))) for _ in range(2 * len(self.shape(x)))]
        return (
            x if prod(n + 2 for n in self.shape(x)) > LARGEST else self.sketch.node("Pad", x, self.sketch.ints(*pads))
        )

    def split(self, x: str) -> str:
        shape = self.shape(x)
        axis = int(self.draw(st.integers(0, len(shape) - 1)))
        if shape[axis] < 2:
            return x
        parts = self.sketch.node("Split", x, self.sketch.ints(1, shape[axis] - 1), outputs=2, axis=axis)
        self.pool.append(parts[0])
        return parts[1]

    def conv(self, x: str) -> str:
        shape = self.shape(x)
        if len(shape) < 3:
            return x
        kernel = [min(2, size) for size in shape[1:-1]]
        bias = [self.sketch.weights(3)] if self.draw(st.booleans()) else []
        y = self.sketch.node("Conv", x, self.sketch.weights(3, *kernel, shape[-1]), *bias)
        return self.to_channels_first(y) if self.draw(st.booleans()) else y

    def net(self, x: str) -> str:
        """A network of the tensor's own shape, as a channels-first source wraps it."""
        shape = self.shape(x)
        if len(shape) < 3:
            return x
        w, pads = self.sketch.weights(shape[1], *[3] * (len(shape) - 2), shape[1]), [1] * (2 * len(shape) - 4)
        y = self.sketch.node("Conv", self.to_channels_last(x), w, pads=pads)
        back = self.to_channels_first(y)
        return self.unary(back) if self.draw(st.booleans()) else back

    def pool_window(self, x: str) -> str:
        shape = self.shape(x)
        if len(shape) < 3:
            return x
        op = str(self.draw(st.sampled_from(["MaxPool", "AveragePool"])))
        return self.sketch.node(op, x, kernel_shape=[min(2, size) for size in shape[1:-1]])

    def product(self, x: str) -> str:
        return x if len(self.shape(x)) < 2 else self.sketch.node("MatMul", x, self.sketch.weights(self.shape(x)[-1], 5))

    def grow(self) -> None:
        moving: list[Callable[[str], str]] = [self.transpose, self.reshape]
        steps = [
            *(self.unary, self.with_constant, self.binary, self.concat, self.softmax, self.reduce, self.slice),
            *(self.gather, self.pad, self.split, self.conv, self.net, self.pool_window, self.product),
        ]
        step = self.data.draw(st.sampled_from(moving if self.draw(st.integers(0, 2)) == 0 else steps))
        x = self.pick()
        if step in (self.conv, self.pool_window) and len(self.shape(x)) > 2 and self.draw(st.booleans()):
            x = self.to_channels_last(x)
        y = step(x)
        if y != x:
            self.pool.append(y)


def random_graph(data: st.DataObject) -> Graph:
    growing = Growing(data)
    for _ in range(data.draw(st.integers(2, 14))):
        growing.grow()
    made = [name for name in growing.pool if name not in growing.sketch.graph.inputs]
    outputs = data.draw(st.lists(st.sampled_from(made), min_size=1, max_size=3, unique=True)) if made else []
    return growing.sketch.output(*outputs)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_all_rewrites_keep_what_a_graph_computes(data: st.DataObject) -> None:
    graph = random_graph(data)
    after = apply_all(graph)
    assert_same(graph, after, tolerance=1e-4)
    assert ops(after).get("Transpose", 0) <= ops(graph).get("Transpose", 0) + len(graph.outputs) + 4


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_with_a_symbolic_batch(data: st.DataObject) -> None:
    """The same graph with its first dimension unknown: it may not be rewritten as if it were what it is drawn as."""
    graph = random_graph(data)
    value = graph.values[graph.inputs[0]]
    feeds = feeds_of(graph)
    value.shape = ("n", *(value.shape or ())[1:])
    after = apply_all(graph)
    assert_same(graph, after, tolerance=1e-4, feeds=feeds)
    assert np.shape(feeds[graph.inputs[0]])[0] >= 1
