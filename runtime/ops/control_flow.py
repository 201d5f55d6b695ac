"""If, Loop and Scan: nodes that run graphs of their own, which see the values around the node.

Their references are generators, which leave it open what runs the graphs: see evaluate/control.py.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence

import numpy as np

from ..graph import Graph, Node
from .checks import BOOL, INTEGERS, normalize_axis, require_kind
from .inference import TENSOR_LIMIT
from .registry import Context, DataNeeded, Inferred, Op, register

Arrays = list[np.ndarray]
Runs = Generator[tuple[Graph, Mapping[str, np.ndarray]], Arrays, Arrays]


def infer_if(ctx: Context) -> list[Inferred]:
    """Once the condition is known, the nodes of the branch stand in for the node."""
    require_kind(ctx, ctx.input(0), BOOL)
    if ctx.input(0).size != 1:
        raise ctx.error(f"the condition has {ctx.input(0).size} elements, not one")
    for branch in (ctx.attrs["then_branch"], ctx.attrs["else_branch"]):
        if len(branch.outputs) != len(ctx.node.outputs):
            raise ctx.error(f"a branch has {len(branch.outputs)} outputs, the node {len(ctx.node.outputs)}")
    raise DataNeeded(f"{ctx.node}: its condition is not known before running", ctx.input(0).name)


def infer_loop(ctx: Context) -> list[Inferred]:
    trips, condition = ctx.optional(0), ctx.optional(1)
    body, carried = ctx.attrs["body"], max(len(ctx.inputs) - 2, 0)
    if trips is not None:
        require_kind(ctx, trips, INTEGERS)
    if condition is not None:
        require_kind(ctx, condition, BOOL)
    if any(tensor is not None and tensor.size != 1 for tensor in (trips, condition)):
        raise ctx.error("the trip count and the condition must be one element each")
    if len(body.inputs) != carried + 2 or len(body.outputs) != len(ctx.node.outputs) + 1:
        raise ctx.error(
            f"its body has {len(body.inputs)} inputs and {len(body.outputs)} outputs, which do not fit "
            f"{carried} values that are carried and {len(ctx.node.outputs)} results"
        )
    raise DataNeeded(f"{ctx.node}: how often it runs is not known before running")


def infer_scan(ctx: Context) -> list[Inferred]:
    body, count = ctx.attrs["body"], ctx.attrs["num_scan_inputs"]
    if not 1 <= count <= len(ctx.inputs) or len(body.inputs) != len(ctx.inputs):
        raise ctx.error(f"num_scan_inputs {count} and a body of {len(body.inputs)} inputs do not fit its inputs")
    if len(body.outputs) != len(ctx.node.outputs) or len(body.outputs) < len(ctx.inputs) - count:
        raise ctx.error(f"its body has {len(body.outputs)} outputs, the node {len(ctx.node.outputs)}")
    scanned = [ctx.input(index) for index in range(len(ctx.inputs) - count, len(ctx.inputs))]
    stacked = len(body.outputs) - (len(ctx.inputs) - count)
    for side, wanted in (("input", count), ("output", stacked)):
        for name in (f"scan_{side}_axes", f"scan_{side}_directions"):
            if len(ctx.attrs[name]) not in (0, wanted):
                raise ctx.error(f"{name} has {len(ctx.attrs[name])} entries, not one for each of {wanted} {side}s")
    axes = ctx.attrs["scan_input_axes"] or [0] * count
    shapes = [tensor.shape for tensor in scanned]
    sizes = {shape[normalize_axis(ctx, axis, len(shape))] for axis, shape in zip(axes, shapes, strict=True)}
    if len(sizes) != 1:
        raise ctx.error(f"its scanned inputs of shape {', '.join(map(str, shapes))} are of different lengths")
    raise DataNeeded(f"{ctx.node}: its results are not known before running")


def handed_on(node: Node) -> int:
    """How many of the first results of its graph one run hands on to the next; others are stacked. All, of an If."""
    if node.op == "If":
        return len(node.outputs)
    return len(node.inputs) - 1 if node.op == "Loop" else len(node.inputs) - node.attrs["num_scan_inputs"]


def if_(condition: np.ndarray, *, then_branch: Graph, else_branch: Graph) -> Runs:
    return (yield (then_branch if condition.any() else else_branch), {})


def loop(
    trip_count: np.ndarray | None = None,
    condition: np.ndarray | None = None,
    *carried: np.ndarray,
    body: Graph,
) -> Runs:
    """The body takes the number of the iteration, the condition and what is carried; it gives the condition for another
    iteration, what is carried on, and elements of results that are stacked in a new first dimension."""
    number, going = 0, condition is None or bool(condition.any())
    states = list(carried)
    stacks = [Stack() for _ in body.outputs[1 + len(states) :]]
    while going and (trip_count is None or number < int(trip_count.item())):
        arrays = [np.array(number, np.int64), np.array(going), *states]
        found = yield body, dict(zip(body.inputs, arrays, strict=True))
        going, states = bool(found[0].any()), found[1 : 1 + len(states)]
        for stack, array in zip(stacks, found[1 + len(states) :], strict=True):
            stack.add(array)
        number += 1
    names = body.outputs[1 + len(states) :]
    return [*states, *(stacked(body, name, stack.arrays, 0) for name, stack in zip(names, stacks, strict=True))]


def scan(
    *inputs: np.ndarray,
    body: Graph,
    num_scan_inputs: int,
    scan_input_axes: Sequence[int] = (),
    scan_input_directions: Sequence[int] = (),
    scan_output_axes: Sequence[int] = (),
    scan_output_directions: Sequence[int] = (),
) -> Runs:
    """The body takes the states and a slice of each scanned input, along its axis, from the end where its direction is
    1; it gives the states, and slices that are stacked along new axes."""
    count = len(inputs) - num_scan_inputs
    states, scanned = list(inputs[:count]), inputs[count:]
    axes = list(scan_input_axes) or [0] * len(scanned)
    turned = list(scan_input_directions) or [0] * len(scanned)
    outputs = len(body.outputs) - count
    placed, flipped = list(scan_output_axes) or [0] * outputs, list(scan_output_directions) or [0] * outputs
    moved = [np.moveaxis(array, axis, 0) for array, axis in zip(scanned, axes, strict=True)]
    moved = [array[::-1] if turn else array for array, turn in zip(moved, turned, strict=True)]
    stacks = [Stack() for _ in range(outputs)]
    for parts in zip(*moved, strict=True):
        found = yield body, dict(zip(body.inputs, [*states, *parts], strict=True))
        states = found[:count]
        for stack, array in zip(stacks, found[count:], strict=True):
            stack.add(array)
    names, results = body.outputs[count:], list[np.ndarray]()
    for name, stack, axis, flip in zip(names, stacks, placed, flipped, strict=True):
        results.append(stacked(body, name, stack.arrays[::-1] if flip else stack.arrays, axis))
    return [*states, *results]


class Stack:
    """Arrays that will be one, which has to stay as small as any other."""

    def __init__(self) -> None:
        self.arrays: Arrays = []
        self._bytes = 0

    def add(self, array: np.ndarray) -> None:
        self._bytes += array.nbytes
        if self._bytes >= TENSOR_LIMIT:
            raise ValueError("what its body gives takes 2 GiB or more, one above the other")
        self.arrays.append(array)


def stacked(body: Graph, name: str, arrays: Arrays, axis: int) -> np.ndarray:
    """The arrays along a new axis; of none, as many dimensions as the body's output is said to have."""
    if arrays:
        return np.stack(arrays, axis)
    value = body.values[name]
    shape = [dim if isinstance(dim, int) else 0 for dim in value.shape or ()]
    shape.insert(axis % (len(shape) + 1), 0)
    return np.zeros(shape, value.dtype)


register(Op("If", if_, infer_if, runs_graphs=True))
register(Op("Loop", loop, infer_loop, runs_graphs=True))
register(Op("Scan", scan, infer_scan, runs_graphs=True))
