"""Constants, shapes, no-ops, common subexpressions and Reshapes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from rewriting import Sketch, apply, apply_all, assert_same, only, ops

from millijoule.converters.rewrites.absorbing_operand import absorbing_operand
from millijoule.converters.rewrites.common_subexpressions import merge_common_subexpressions
from millijoule.converters.rewrites.concat_to_pad import concat_to_pad
from millijoule.converters.rewrites.drop_expand import drop_expand
from millijoule.converters.rewrites.fold_constants import fold_constants
from millijoule.converters.rewrites.fold_shape import fix_reshape_target, fold_shape
from millijoule.converters.rewrites.gather_to_slice import gather_to_slice
from millijoule.converters.rewrites.hoist_to_constant import hoist_to_constant
from millijoule.converters.rewrites.merge_reshapes import merge_reshapes
from millijoule.converters.rewrites.remove_noop import remove_noop
from millijoule.converters.rewrites.simplify_pow import simplify_pow
from millijoule.converters.rewrites.slice_of_split import slice_of_split
from millijoule.converters.rewrites.to_reshape import to_reshape
from millijoule.runtime.graph import Quantization


def test_constants_are_folded_through_several_nodes() -> None:
    sketch = Sketch()
    two = sketch.node("Add", sketch.constant(np.ones(3, np.float32)), sketch.constant(np.ones(3, np.float32)))
    graph = sketch.output(sketch.node("Mul", sketch.input((2, 3)), sketch.node("Transpose", two)))
    after = apply(graph, fold_constants)
    assert ops(after) == {"Mul": 1}
    assert_same(graph, after)


def test_what_would_make_the_file_larger_is_left_to_load_time() -> None:
    sketch = Sketch()
    x = sketch.input((1, 100))
    half = sketch.constant(np.ones((100, 100), np.float16))
    stored = sketch.constant(np.ones((100, 100), np.int8))
    large = sketch.node("ConstantOfShape", sketch.ints(100, 100, 10))
    small = sketch.node("Cast", sketch.constant(np.ones(8, np.float16)), to="float32")
    graph = sketch.output(
        sketch.node("MatMul", x, sketch.node("Cast", half, to="float32")),
        sketch.node("MatMul", x, sketch.dequantize(stored, 0.5, 0)),
        sketch.node("ReduceSum", large),
        sketch.node("Add", small, sketch.input((8,))),
    )
    after = apply(graph, fold_constants)
    assert ops(after) == {"Cast": 1, "DequantizeLinear": 1, "MatMul": 2, "ConstantOfShape": 1, "ReduceSum": 1, "Add": 1}
    assert_same(graph, after)


def test_an_output_that_is_constant_is_still_produced() -> None:
    sketch = Sketch()
    sketch.input((1,))
    graph = sketch.output(sketch.node("Neg", sketch.weights(3)))
    after = apply_all(graph)
    assert ops(after) == {"Identity": 1}
    assert_same(graph, after)


def reshape_by_batch(sketch: Sketch, x: str, *rest: int) -> str:
    """x.reshape(x.shape[0], *rest) as exporters write it."""
    batch = sketch.node("Gather", sketch.node("Shape", x), sketch.constant(0), axis=0)
    target = sketch.node("Concat", sketch.node("Unsqueeze", batch, sketch.ints(0)), sketch.ints(*rest), axis=0)
    return sketch.node("Reshape", x, target, dtype="float32")


@pytest.mark.parametrize("rest", [(-1,), (20,), (5, 4), (4, -1)])
def test_reshapes_by_the_batch_size_become_constant(rest: tuple[int, ...]) -> None:
    sketch = Sketch()
    graph = sketch.output(reshape_by_batch(sketch, sketch.input(("batch", 4, 5)), *rest))
    after = apply(graph, fold_shape, fix_reshape_target)
    assert ops(after) == {"Reshape": 1}
    assert_same(graph, after)


def test_known_parts_of_shapes_are_computed() -> None:
    sketch = Sketch()
    x = sketch.input(("n", 6, 4))
    shape = sketch.node("Cast", sketch.node("Shape", x), to="int32")
    height = sketch.node("Slice", shape, sketch.ints(1), sketch.ints(2), sketch.ints(0), sketch.ints(1))
    area = sketch.node("Mul", height, sketch.node("Gather", shape, sketch.ints(-1), axis=0))
    graph = sketch.output(sketch.node("Add", area, sketch.constant(np.array([1], np.int32))), sketch.node("Size", x))
    after = apply(graph, fold_shape)
    assert ops(after) == {"Identity": 1, "Size": 1}
    assert_same(graph, after)


def test_a_reshape_of_two_unknown_sizes_stays_computed() -> None:
    sketch = Sketch()
    x = sketch.input(("n", "m", 4))
    shape = sketch.node("Shape", x)
    swapped = sketch.node("Gather", shape, sketch.ints(1, 0), axis=0)
    target = sketch.node("Concat", swapped, sketch.ints(4), axis=0)
    graph = sketch.output(sketch.node("Reshape", x, target, dtype="float32"))
    after = apply(graph, fold_shape, fix_reshape_target)
    assert ops(after)["Concat"] == 1
    assert_same(graph, after)


def noop(sketch: Sketch, op: str, x: str) -> str:
    one, zero = sketch.constant(np.float32(1)), sketch.constant(np.float32(0))
    makers: dict[str, tuple[list[str], dict[str, Any]]] = {
        "Mul": ([x, one], {}),
        "Div": ([x, one], {}),
        "Add": ([zero, x], {}),
        "Sub": ([x, zero], {}),
        "Pow": ([x, one], {}),
        "Cast": ([x], {"to": "float32"}),
        "Transpose": ([x], {"perm": [0, 1, 2]}),
        "Reshape": ([x, sketch.ints(2, 3, 4)], {}),
        "Expand": ([x, sketch.ints(3, 1)], {}),
        "Pad": ([x, sketch.ints(0, 0, 0, 0, 0, 0)], {}),
        "Slice": ([x, sketch.ints(0), sketch.ints(99), sketch.ints(1), sketch.ints(1)], {}),
        "Concat": ([x], {"axis": 0}),
        "Clip": ([x], {}),
        "MaxPool": ([x], {"kernel_shape": [1]}),
    }
    inputs, attrs = makers[op]
    return sketch.node(op, *inputs, **attrs)


OPS = ["Mul", "Div", "Add", "Sub", "Pow", "Cast", "Transpose", "Reshape", "Expand", "Pad", "Slice", "Concat", "Clip"]


@pytest.mark.parametrize("op", [*OPS, "MaxPool"])
def test_operators_that_change_nothing_go(op: str) -> None:
    sketch = Sketch()
    graph = sketch.output(sketch.node("Neg", noop(sketch, op, sketch.input((2, 3, 4)))))
    after = apply(graph, remove_noop)
    assert ops(after) == {"Neg": 1}
    assert_same(graph, after)


def test_operators_that_change_something_stay() -> None:
    sketch = Sketch()
    x = sketch.input((2, 1))
    reverse = sketch.node("Slice", x, sketch.ints(-1), sketch.ints(-9), sketch.ints(0), sketch.ints(-1))
    broadcast = sketch.node("Mul", x, sketch.constant(np.ones((1, 3), np.float32)))
    away = sketch.node("Sub", sketch.constant(np.float32(0)), x)
    unknown = sketch.input(("n",))
    stretched = sketch.node("Mul", unknown, sketch.constant(np.ones(2, np.float32)))
    graph = sketch.output(reverse, broadcast, away, stretched)
    after = apply(graph, remove_noop)
    assert ops(after) == {"Slice": 1, "Mul": 2, "Sub": 1}
    assert_same(graph, after)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "uint64"])
@pytest.mark.parametrize("op", ["Mul", "BitwiseAnd", "BitwiseOr"])
def test_an_operand_that_decides_an_integer_alone_is_the_result(op: str, dtype: str) -> None:
    sketch = Sketch()
    number = np.array([0, 0], np.int8) if op != "BitwiseOr" else np.array([-1, -1], np.int8)
    constant = sketch.constant(number.astype(dtype))
    graph = sketch.output(sketch.node("Add", sketch.node(op, constant, sketch.input((3, 1), dtype)), constant))
    after = apply(graph, absorbing_operand, fold_constants)
    assert ops(after) == {"Identity": 1}  # of a constant, which is an output
    assert_same(graph, after)


@pytest.mark.parametrize("op", ["And", "Or"])
def test_a_condition_that_decides_alone_is_the_result(op: str) -> None:
    sketch = Sketch()
    x, decides = sketch.input((2, 3), "bool"), sketch.constant(np.array(op == "Or"))
    graph = sketch.output(sketch.node("Not", sketch.node(op, x, decides)))
    after = apply(graph, absorbing_operand, fold_constants)
    assert ops(after) == {"Identity": 1}  # of a constant, which is an output
    assert_same(graph, after)


def test_operands_that_do_not_decide_alone_stay() -> None:
    sketch = Sketch()
    x, whole = sketch.input((2, 3)), sketch.input((2, 3), "int32")
    real = sketch.node("Mul", x, sketch.constant(np.float32(0)))  # infinity times 0 is no number
    some = sketch.node("Mul", whole, sketch.constant(np.array([0, 0, 1], np.int32)))
    unknown = sketch.node("Mul", sketch.input(("n",), "int32"), sketch.constant(np.array(0, np.int32)))
    large = sketch.node("Mul", sketch.input((5000,), "int32"), sketch.constant(np.array(0, np.int32)))
    empty = sketch.node("Mul", sketch.input((1,), "int32"), sketch.constant(np.zeros(0, np.int32)))
    quantized = sketch.input((2, 3), "int8", Quantization.per_tensor(0.5, 0))
    kept = sketch.node("Identity", quantized, quant=Quantization.per_tensor(0.5, 0))
    graph = sketch.output(real, some, unknown, large, empty, kept)
    after = apply(graph, absorbing_operand)
    assert ops(after) == ops(graph)
    assert_same(graph, after)


def test_common_subexpressions_are_computed_once() -> None:
    sketch = Sketch()
    x, w = sketch.input((1, 3)), sketch.random.standard_normal((3, 3)).astype(np.float32)
    first, second = (sketch.node("MatMul", x, sketch.constant(w.copy())) for _ in range(2))
    third = sketch.node("MatMul", x, sketch.constant(w + 1))
    parts = [sketch.node("Split", y, outputs=3, axis=1, num_outputs=3) for y in (first, second)]
    total = sketch.node("Add", parts[0][0], parts[1][0])
    graph = sketch.output(sketch.node("Add", total, parts[1][2]), third, second)
    after = apply(graph, merge_common_subexpressions)
    assert ops(after) == {"MatMul": 2, "Split": 1, "Add": 2}
    assert_same(graph, after)


def test_attributes_and_negative_zero_are_compared_exactly() -> None:
    sketch = Sketch()
    x = sketch.input((2, 2))
    graph = sketch.output(
        sketch.node("LeakyRelu", x, alpha=0.1),
        sketch.node("LeakyRelu", x, alpha=0.2),
        sketch.node("Div", x, sketch.constant(np.float32(0))),
        sketch.node("Div", x, sketch.constant(np.float32(-0.0))),
    )
    assert len(apply(graph, merge_common_subexpressions).nodes) == 4


@pytest.mark.parametrize("op", ["Flatten", "Squeeze", "Unsqueeze", "Transpose"])
def test_what_is_a_reshape_becomes_one(op: str) -> None:
    sketch = Sketch()
    x = sketch.input(("n", 1, 1, 5))
    nodes = {
        "Flatten": lambda: sketch.node("Flatten", x, axis=1),
        "Squeeze": lambda: sketch.node("Squeeze", x, sketch.ints(1, 2)),
        "Unsqueeze": lambda: sketch.node("Unsqueeze", x, sketch.ints(-1)),
        "Transpose": lambda: sketch.node("Transpose", x, perm=[0, 3, 1, 2]),
    }
    graph = sketch.output(sketch.node("Neg", nodes[op]()))
    after = apply(graph, to_reshape)
    assert ops(after) == {"Reshape": 1, "Neg": 1}
    assert_same(graph, after)


def test_a_transpose_of_what_may_be_larger_than_one_stays() -> None:
    sketch = Sketch()
    graph = sketch.output(sketch.node("Transpose", sketch.input(("n", "m", 1)), perm=[1, 0, 2]))
    assert ops(apply(graph, to_reshape)) == {"Transpose": 1}


def test_consecutive_reshapes_merge() -> None:
    sketch = Sketch()
    x = sketch.node("Reshape", sketch.input(("n", 4, 6)), sketch.ints(-1, 24))
    graph = sketch.output(
        sketch.node("Reshape", sketch.node("Reshape", x, sketch.ints(0, 2, 12)), sketch.ints(0, 8, 3))
    )
    after = apply(graph, merge_reshapes)
    assert ops(after) == {"Reshape": 1}
    assert_same(graph, after)


@pytest.mark.parametrize("indices", [2, [1], [0, 2, 4], [-1], [3, 4]])
def test_evenly_spaced_gathers_are_slices(indices: Any) -> None:
    sketch = Sketch()
    x = sketch.input(("n", 5, 3))
    graph = sketch.output(sketch.node("Gather", x, sketch.constant(np.array(indices, np.int64)), axis=1))
    after = apply(graph, gather_to_slice)
    assert "Gather" not in ops(after) and ops(after)["Slice"] == 1
    assert_same(graph, after)


@pytest.mark.parametrize("indices", [[0, 1, 3], [2, 1], [1, 1], [[0, 1]]])
def test_other_gathers_stay(indices: Any) -> None:
    sketch = Sketch()
    graph = sketch.output(
        sketch.node("Gather", sketch.input((5, 3)), sketch.constant(np.array(indices, np.int64)), axis=0)
    )
    assert ops(apply(graph, gather_to_slice)) == {"Gather": 1}


@pytest.mark.parametrize("axis", [2, 3])
def test_an_index_of_a_split_dimension_is_a_slice_of_the_whole(axis: int) -> None:
    sketch = Sketch()
    split = sketch.node("Reshape", sketch.input((2, 3, 12)), sketch.ints(2, 3, 4, 3))
    part = sketch.node("Slice", split, sketch.ints(1), sketch.ints(2), sketch.ints(axis))
    graph = sketch.output(sketch.node("Squeeze", part, sketch.ints(axis)))
    after = apply(graph, slice_of_split, to_reshape, merge_reshapes, remove_noop)
    assert ops(after) == {"Slice": 1}
    assert_same(graph, after)


def test_concatenation_with_constant_fill_is_pad() -> None:
    sketch = Sketch()
    x = sketch.input((1, 2, 3))
    zeros = sketch.node("ConstantOfShape", sketch.ints(1, 4, 3))
    fives = sketch.constant(np.full((1, 2, 1), 5, np.float32))
    both = sketch.node("Concat", sketch.constant(np.zeros((1, 1, 3), np.float32)), x, zeros, axis=1)
    graph = sketch.output(
        both, sketch.node("Concat", x, fives, axis=2), sketch.node("Concat", x, sketch.weights(1, 2, 3), axis=1)
    )
    after = apply(graph, concat_to_pad)
    assert ops(after) == {"Pad": 2, "Concat": 1}
    assert_same(graph, after)


def test_expand_goes_where_the_operator_broadcasts_anyway() -> None:
    sketch = Sketch()
    x, y = sketch.input((2, 3)), sketch.input((2, 1))
    wide = sketch.node("Expand", y, sketch.ints(2, 3))
    graph = sketch.output(sketch.node("Div", x, wide), sketch.node("Mul", wide, wide))
    after = apply(graph, drop_expand)
    assert ops(after) == {"Div": 1, "Expand": 1, "Mul": 1} and only(after, "Div").inputs[1] == y
    assert_same(graph, after)


@pytest.mark.parametrize(("exponent", "op"), [(2.0, "Mul"), (0.5, "Sqrt"), (-1.0, "Reciprocal"), (3.0, "Pow")])
def test_powers_with_something_faster(exponent: float, op: str) -> None:
    sketch = Sketch()
    x = sketch.node("Abs", sketch.input((2, 3)))
    graph = sketch.output(sketch.node("Pow", x, sketch.constant(np.float32(exponent))))
    after = apply(graph, simplify_pow)
    assert ops(after) == {"Abs": 1, op: 1}
    assert_same(graph, after)


def test_compact_weights_are_reshaped_before_they_are_converted() -> None:
    sketch = Sketch()
    x = sketch.input((1, 4))
    half = sketch.node("Cast", sketch.constant(sketch.random.standard_normal((20, 4)).astype(np.float16)), to="float32")
    scales = sketch.constant(np.linspace(0.1, 1, 20, dtype=np.float32))
    points = sketch.constant(np.zeros(20, np.int8))
    data = sketch.random.integers(-9, 9, (20, 2, 2)).astype(np.int8)
    quant = Quantization(np.linspace(0.1, 1, 20, dtype=np.float32), np.zeros(20, np.int32), 0)
    stored = sketch.node("DequantizeLinear", sketch.constant(data, quant=quant), scales, points, axis=0)
    flat = sketch.node("Reshape", stored, sketch.ints(20, 4))
    graph = sketch.output(
        sketch.node("MatMul", x, sketch.node("Transpose", half)),
        sketch.node("MatMul", x, sketch.node("Transpose", flat, perm=[1, 0])),
    )
    after = apply(graph, hoist_to_constant)
    assert ops(after) == {"Cast": 1, "DequantizeLinear": 1, "MatMul": 2}
    dequantize = only(after, "DequantizeLinear")
    assert dequantize.attrs["axis"] == 1 and after.values[dequantize.inputs[0]].quant == Quantization(
        quant.scale, quant.zero_point, 1
    )
    assert_same(graph, after)


def test_a_reshape_that_mixes_quantized_channels_stays() -> None:
    sketch = Sketch()
    scales, points = sketch.constant(np.ones(4, np.float32)), sketch.constant(np.zeros(4, np.int8))
    stored = sketch.node("DequantizeLinear", sketch.constant(np.ones((4, 30), np.int8)), scales, points, axis=0)
    graph = sketch.output(sketch.node("Add", sketch.input((120,)), sketch.node("Reshape", stored, sketch.ints(-1))))
    after = apply(graph, hoist_to_constant)
    assert ops(after) == {"DequantizeLinear": 1, "Reshape": 1, "Add": 1}
