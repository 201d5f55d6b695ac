"""From a graph and concrete input shapes to a program."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from sys import intern

import numpy as np

from ..errors import InputError
from ..evaluate.shapes import Instance, instantiate
from ..graph import Graph
from ..lowering.registry import find
from ..ops.registry import Shape, Tensor
from ..program.bounds import OutOfBounds
from ..program.builder import SOFTMAX_BYTES, Builder
from ..program.overlap import overlaps
from ..program.program import Call, Exits, Jump, Program, PythonStep, touched
from ..program.tiles import Tiles
from ..program.view import NEVER, Border, Place, Storage, View
from ..program.weights import Weights
from ..targets.target import Target
from . import layout
from .channel_order import order_channels
from .limits import Limits, constant_elements, most_kernels, most_work
from .strips import in_strips

WORTH_SHORTER = 0.85
"""What is left of the arena where strips of half the memory, of which there are more, are worth while."""
HASTY_TRIES = 1
"""Layouts of the arena that are tried for a program that is run once or a few times."""
SHARED_MACS = 4_000_000
"""Multiply-adds of a whole program below which one thread is faster than two."""


def plan(
    graph: Graph,
    shapes: Mapping[str, Shape],
    target: Target | None,
    weights: Weights,
    threads: int,
    outputs: Sequence[str] = (),
    *,
    reuse_inputs: bool = False,
    softmax_bytes: int = SOFTMAX_BYTES,
    strip_bytes: int | None = None,
    exits: Exits | None = None,
    known: Mapping[str, np.ndarray] | None = None,
    states: Mapping[str, str] | None = None,
    tiles: Tiles | None = None,
    without: AbstractSet[str] = frozenset(),
) -> Program:
    """Lowers the graph for these input shapes. outputs: names of values to return; the graph's outputs by default.
    target: None for a program of NumPy steps alone. reuse_inputs: the inputs' memory becomes other values' once they
    were read, where otherwise they stay as they were written. softmax_bytes: a row's input and output from where on two
    passes that read it again are faster. strip_bytes: what passes between two steps from where on one thread makes both
    strip by strip, and the memory of a strip; None where it never does. exits: which of the graph's nodes make later
    ones unnecessary for the graph's own outputs. known: inputs that will always have these elements. states: of inputs
    that the next run finds an output in, that output; where its memory is no other output's, the program leaves it
    there itself. tiles: what there are kernels for; where its sizes vary, no time is taken for the smallest arena.
    without: nodes, as text, that are to run in NumPy.

    DataNeeded where shapes depend on data. ModelError where shapes do not fit the graph, a node's memory cannot be
    addressed, or it asks for work or memory out of proportion to the inputs; InputError where an input's cannot be
    addressed.
    """
    names = list(outputs) or graph.outputs
    instance = instantiate(graph, shapes, names, known=known)
    node_macs = {intern(str(step.node)): step.op.macs(step.ctx) for step in instance.steps if step.op.macs is not None}
    node_elements = {intern(str(step.node)): sum(tensor.size for tensor in step.ctx.outputs) for step in instance.steps}
    macs = sum(node_macs.values())
    carried = sum(instance.tensors[name].size for name in states or ())
    given = sum(instance.tensors[name].size for name in graph.inputs) - carried
    constants = constant_elements(graph)
    limits = Limits(most_work(constants, given, carried, kernels=target is not None), most_kernels(constants))
    limits.without_inputs(instance.steps, graph.inputs)
    builder = Builder(target, weights, threads if macs >= SHARED_MACS else 1, limits.in_numpy, tiles)
    builder.softmax_bytes = softmax_bytes
    builder.borders = {} if target is None else _borders(instance, without)
    inputs = {}
    for name in graph.inputs:
        tensor = instance.tensors[name]
        try:
            view = builder.temporary(tensor.shape, tensor.dtype)
        except OutOfBounds as problem:
            raise InputError(f"input '{name}' of shape {tensor.shape} is too large: {problem}") from problem
        builder.declare(tensor, view)
        inputs[name] = view
    results = {name: instance.tensors[name] for name in names}
    if target is not None:
        order_channels(instance.steps, names, target)
    nodes = instance.steps[::-1]
    leave = exits if exits is not None and set(names) <= set(graph.outputs) else None
    gates: list[tuple[Call | PythonStep, Place]] = []
    del instance  # so that a constant computed for one step alone is freed once its packed form is among the weights
    while nodes:
        step = nodes.pop()
        lowering = None if without and str(step.node) in without else find(step.op.name)
        if leave is not None and step.node.name == leave.to:
            for gate, flag in gates:
                gate.jump = Jump(flag, len(builder.steps))
        mark = len(builder.steps)
        builder.lower(step.op, step.ctx, None if lowering is None else lowering.lower)
        limits.by_kernels(step.ctx, builder.steps[mark:], len(builder.kernels))
        if leave is not None and step.node.name in leave.gates:
            gates.append((builder.steps[-1], builder.public(step.ctx.outputs[0]).at(leave.gates[step.node.name])))
    views = _left_in_place(builder, results, inputs, states or {}) if target is not None else {}
    views |= {name: builder.public(tensor) for name, tensor in results.items() if name not in views}
    views = {name: views[name] for name in results}
    after = (*views.values(), *(() if reuse_inputs else inputs.values()))
    flags = [trap.flag for trap in builder.traps]
    kept = [view.storage for view in (*views.values(), *inputs.values(), *flags)]
    before, after = (*inputs.values(), *flags), (*after, *flags)
    steps, used = _scheduled(builder, kept, before, after, strip_bytes if target is not None else None)
    leads = overlaps(steps)
    size = layout.lay_out(used, leads, HASTY_TRIES if builder.tiles.few else layout.TRIES)
    limits.memory(size)
    return Program(
        steps, inputs, views, size, layout.lower_bound(used, leads), builder.scratch_bytes, macs,
        shared=any(getattr(step, "grain", 0) for step in steps), node_macs=node_macs,
        node_elements=node_elements, storages=used, work=limits.work, traps=builder.traps,
    )  # fmt: skip


def _scheduled(
    builder: Builder, kept: Sequence[Storage], before: Iterable[View], after: Iterable[View], strip_bytes: int | None
) -> tuple[list[Call | PythonStep], list[Storage]]:
    """The steps, in strips where the arena does not grow by it, and the storages they use. kept: what must be whole at
    the end. before, after: see `_alive`. Strips have half the room where that saves much of the arena."""
    used = _alive(builder.steps, builder.storages, before, after)
    if strip_bytes is None or builder.threads > 1:
        return builder.steps, used
    # Without overlaps: what is faster in strips is not left whole because its memory could overlap.
    whole, least = layout.lower_bound(used), layout.lower_bound(used, overlaps(builder.steps))
    chosen, storages = builder.steps, builder.storages
    for room in (strip_bytes, strip_bytes // 2):
        for sparing in (False, True):
            steps, between = in_strips(builder.steps, kept, builder.target, room, sparing)
            used = _alive(steps, builder.storages + between, before, after)
            if layout.lower_bound(used) <= whole:
                bound = layout.lower_bound(used, overlaps(steps))
                if room == strip_bytes or bound <= WORTH_SHORTER * least:
                    least, chosen, storages = bound, steps, builder.storages + between
                break
    return chosen, _alive(chosen, storages, before, after)


def _alive(
    steps: Sequence[Call | PythonStep], storages: Iterable[Storage], before: Iterable[View], after: Iterable[View]
) -> list[Storage]:
    """The storages that are used, each of which knows from which step to which it lives. before, after: what the caller
    writes and reads."""
    for storage in storages:
        storage.first, storage.last = NEVER
    for view in before:
        view.storage.touch(-1)
    for index, step in enumerate(steps):
        for storage in touched(step):
            storage.touch(index)
    for view in after:
        view.storage.touch(len(steps))
    return [storage for storage in storages if storage.last >= storage.first]


def _left_in_place(
    builder: Builder, results: Mapping[str, Tensor], inputs: Mapping[str, View], states: Mapping[str, str]
) -> dict[str, View]:
    """The outputs that were copied to the inputs in which the next run finds them. None where a kernel may have a trap,
    which is looked at when all is done: a run that fails leaves the state as it was."""
    found: dict[str, View] = {}
    if builder.traps:
        return found
    taken = {builder.result(tensor).storage for tensor in results.values()}
    before = len(builder.steps)
    for name, output in states.items():
        place = inputs[name]
        if output in results and place.shape == results[output].shape and place.storage not in taken:
            builder.copy(builder.result(results[output]), place)
            found[output] = place
    if not any(step.jump for step in builder.steps):
        builder.steps[:] = _early(builder.steps[:before], builder.steps[before:])
    return found


def _early(steps: Sequence[Call | PythonStep], copies: Sequence[Call | PythonStep]) -> list[Call | PythonStep]:
    """The steps with every copy as soon as what it reads and what it writes are used no more, so that what it reads
    makes room; but after all steps in NumPy, which may fail: a run that fails leaves the state as it was."""
    python, last = 0, dict[int, int]()
    for index, step in enumerate(steps):
        python = python if isinstance(step, Call) else index + 1
        last |= dict.fromkeys(map(id, touched(step)), index + 1)
    at: list[list[Call | PythonStep]] = [[] for _ in range(len(steps) + 1)]
    for copy in copies:
        at[max(python, *(last.get(id(storage), 0) for storage in touched(copy)))].append(copy)
    return [*at[0], *(one for step, after in zip(steps, at[1:], strict=True) for one in (step, *after))]


def _borders(instance: Instance, without: AbstractSet[str]) -> dict[str, tuple[Border, float]]:
    """For each value, the largest border that its consumers want; the first one's fill decides where they differ."""
    found: dict[str, tuple[Border, float]] = {}
    for step in instance.steps:
        lowering = None if without and str(step.node) in without else find(step.op.name)
        wanted = lowering.border(step.ctx) if lowering is not None and lowering.border is not None else None
        tensor = step.ctx.optional(0)
        if wanted is None or tensor is None or tensor.data is not None:
            continue
        border, fill = wanted
        known = found.setdefault(tensor.name, (border, fill))
        if known[1] == fill:
            found[tensor.name] = (known[0].union(border), fill)
    return found
