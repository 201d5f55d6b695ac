"""Models whose shapes depend on data: planned as far as shapes are known, run, and planned on with what came out.

A `Part` is a graph all of whose inputs are there once it runs. For their shapes, and for the elements of those few that
say shapes, a `Cut` is made of it: a program of all nodes whose shapes follow from these, the nodes that have to be run
to know what they give, and the part that is left. Cuts are kept, so that a run with sizes that were met before plans
nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from math import prod
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from ..boxed import TEXT, blank, name_of, text_of
from ..errors import Error, ModelError
from ..evaluate import control
from ..evaluate.cost import cost_of
from ..evaluate.dimensions import declare
from ..evaluate.reference import evaluate
from ..evaluate.shapes import Instance, Later, instantiate
from ..graph import Graph, Node, Value, outer_reads
from ..ops.control_flow import handed_on
from ..ops.inference import context_of, infer_node
from ..ops.regex import steps_taken
from ..ops.registry import Tensor, find
from ..planner.limits import Limits, constant_elements
from .run_budget import PLAN, PLAN_OF_A_NODE, RunBudget

if TYPE_CHECKING:
    from ..program.program import Program
    from .engine import Engine
    from .workspace import Plan, Workspace

FEW = 1024
"""Bytes of elements up to which they may be part of what a cut is made for."""
KEPT = 64 << 20
"""Bytes of graphs within nodes that stay with the session after a run."""
COPIED = 4
"""Bytes of a program's memory that are copied or cleared in the time of one of Cost.work."""
STATES = 4
"""Bytes of what the model keeps from one run to the next that count as one of its inputs."""
FOLLOWED = 500
"""As Cost.work: of a state of a pattern that is followed through a text; known only once that is done."""
HANDED = 1 << 10
"""As Cost.work: of an array that goes into a program or comes out of it."""
WAITING = 8
"""Nodes that wait for others and take as long to pass over as one to plan."""
CUTS = 64
"""How many cuts of one part, for the sizes used last, are kept."""
Arrays = dict[str, np.ndarray]


class Part(msgspec.Struct, eq=False):
    """varies: whether it is such a rest, whose sizes are others in every run. carriers: inputs on whose elements shapes
    depend. rests: the parts that cuts leave, by their nodes. inlined: see Later."""

    graph: Graph
    varies: bool = False
    carriers: set[str] = msgspec.field(default_factory=set)
    cuts: OrderedDict[tuple[Any, ...], Cut] = msgspec.field(default_factory=OrderedDict)
    rests: dict[tuple[int, ...], Part] = msgspec.field(default_factory=dict)
    inlined: dict[tuple[int, int], Graph] = msgspec.field(default_factory=dict)

    def key(self, arrays: Mapping[str, np.ndarray]) -> tuple[Any, ...]:
        carried = tuple((name, arrays[name].tobytes()) for name in sorted(self.carriers))
        # A program reads nothing of a sequence, and how long it is is no matter of shapes.
        return carried, tuple(None if arrays[n].dtype.names else arrays[n].shape for n in self.graph.inputs)


class Cut(msgspec.Struct, frozen=True, eq=False):
    """plan: of the nodes whose shapes are known; None where there are none. at_once: nodes that are run then, one by
    one. values: what is known of all nodes' values. rest: None where nothing is left. work: of making it, as Cost.work,
    and run_work of running its plan. results: bytes that come out of that. graph, known: what the plan was made of;
    varies: as of the part."""

    plan: Plan | None
    at_once: tuple[Node, ...]
    values: Mapping[str, Value]
    rest: Part | None
    work: int
    run_work: int = 0
    results: int = 0
    graph: Graph | None = None
    known: Mapping[str, np.ndarray] | None = None
    varies: bool = False


class Staged:
    """Stands for a plan, of a graph that cannot be planned as a whole. shapes: of the inputs."""

    def __init__(
        self, engine: Engine, graph: Graph, outputs: Iterable[str], shapes: Mapping[str, tuple[int, ...]]
    ) -> None:
        self._engine, self._outputs = engine, list(outputs)
        self._root = Part(Graph(graph.values, graph.nodes, graph.inputs, self._outputs, graph.name))
        self._shapes = shapes
        self._bodies: dict[int, Part] = {}

    @property
    def compiled(self) -> bool:
        return self._engine.target is not None

    @property
    def program(self) -> Any:
        raise self.refusal()

    def refusal(self) -> ModelError:
        """For who asks for the one program that there is not."""
        return ModelError("what this model computes depends on the data it is given: there is no list of its steps")

    def open(self, workspace: Callable[[], Workspace]) -> Opened:
        """What runs it in memory of its own. workspace: makes an empty one."""
        return Opened(self, workspace)

    def budget(self) -> RunBudget:
        """What a run on inputs of these shapes may take."""
        graph, states = self._root.graph, self._engine.model.metadata.states
        elements, sizes = [0, 0], [0, 0]
        for name in graph.inputs:
            count = prod(self._shapes[name])
            elements[name in states] += count
            sizes[name in states] += count * graph.values[name].dtype.itemsize
        size = sizes[0] + sizes[1] // STATES
        return RunBudget(constant_elements(graph), elements[0], size, elements[1], kernels=self.compiled)

    def cut(self, part: Part, arrays: Mapping[str, np.ndarray], budget: RunBudget) -> Cut:
        """The part's cut for these arrays of its inputs, made where it is not kept."""
        with self._engine.lock:
            key = part.key(arrays)
            found = part.cuts.get(key)
            if found is None:
                found = self._make(part, arrays)
                if part.graph.nodes:  # else its outputs are its inputs
                    budget.work(part.graph.nodes[0], found.work)
                key = part.key(arrays)  # to which making it may have added elements
                part.cuts[key] = found
                if len(part.cuts) > CUTS:
                    part.cuts.popitem(last=False)
            part.cuts.move_to_end(key)
            return found

    def _make(self, part: Part, arrays: Mapping[str, np.ndarray]) -> Cut:
        graph, shapes = part.graph, {name: arrays[name].shape for name in part.graph.inputs}
        while True:
            later, known = Later(inlined=part.inlined), {name: arrays[name] for name in part.carriers}
            instance = instantiate(graph, shapes, known=known, later=later)
            asked = {name for name in later.needs.values() if name is not None and name in shapes}
            asked = {name for name in asked - part.carriers if arrays[name].nbytes <= FEW}
            if not asked:
                break
            part.carriers |= asked
        at_once = [node for node in later.nodes if _runs_at_once(node, later, instance, part)]
        now_run = set(map(id, at_once))
        left = [node for node in later.nodes if id(node) not in now_run]
        made = {name for node in later.done for name in node.outputs}
        wanted = {*graph.outputs}.union(*(_reads(node) for node in later.nodes))
        outputs = sorted(wanted & made - {""})
        plan = now = None
        run_work = results = 0
        if outputs:
            used = set[str]().union(*(_reads(node) for node in later.done))
            inputs = [name for name in graph.inputs if name in used]
            now = Graph(later.values, later.done, inputs, outputs, graph.name)
            known = {name: data.copy() for name, data in known.items() if name in used}
            read = {name: shapes[name] for name in inputs}
            plan = self._engine.make(read, tuple(outputs), now, known, varies=part.varies)
            run_work, results = _running(plan.program)
        work = PLAN + PLAN_OF_A_NODE * (len(later.done) + len(later.nodes) // WAITING)
        rest = self._rest(part, left, later, instance)
        return Cut(plan, tuple(at_once), later.values, rest, work, run_work, results, now, known, part.varies)

    def _rest(self, part: Part, nodes: list[Node], later: Later, instance: Instance) -> Part | None:
        if not nodes:
            return None
        key = tuple(id(node) for node in nodes)
        if key not in part.rests:
            made = {name for node in nodes for name in node.outputs}
            read = set[str]().union(*(_reads(node) for node in nodes)) - made
            values, inputs = dict(later.values), list[str]()
            for name in sorted(read):
                value = values.get(name)
                if value is not None and value.data is not None:
                    continue
                known = instance.tensors.get(name)
                if value is None and known is None:
                    raise ModelError(f"'{name}' is not computed by any node")
                dtype = value.dtype if value is not None else known.dtype  # type: ignore[union-attr]
                values[name] = Value(name, dtype, None, None if value is None else value.quant)
                inputs.append(name)
            outputs = [name for name in part.graph.outputs if name in made]
            part.rests[key] = Part(Graph(values, nodes, inputs, outputs, part.graph.name), varies=True)
        return part.rests[key]

    def body(self, graph: Graph, captured: Iterable[str], values: Mapping[str, Value]) -> Part:
        """A graph within a node, with what it reads of the graphs around it among its inputs or constants."""
        if id(graph) not in self._bodies:
            around, inputs = dict[str, Value](), list(graph.inputs)
            for name in sorted(captured):
                value = values[name]
                around[name] = value if value.data is not None else Value(name, value.dtype, None, value.quant)
                inputs += [] if value.data is not None else [name]
            self._bodies[id(graph)] = Part(
                Graph({**around, **graph.values}, graph.nodes, inputs, graph.outputs, graph.name)
            )
        return self._bodies[id(graph)]


class Opened:
    """A staged plan with memory to run it in. inputs: what is run on; outputs: of the latest run. macs, shared: of the
    programs that the latest run took, as a program's."""

    def __init__(self, staged: Staged, workspace: Callable[[], Workspace]) -> None:
        self._staged, self._workspace = staged, workspace
        root = staged._root.graph
        self.inputs = {name: blank(shape, root.values[name].dtype) for name, shape in staged._shapes.items()}
        self.outputs: Arrays = {}
        self.macs, self.shared = 0, False
        self._budget, self._around = staged.budget(), list[Node]()
        self._spaces: dict[Part, Workspace] = {}
        self._within: dict[Part, int] = {}

    def execute(self) -> None:
        self.macs, self.shared = 0, False
        self._budget.start()
        self._around.clear()
        self._forget_large()
        for array in self.inputs.values():
            if array.dtype == TEXT:
                array[...] = text_of(array)  # which the caller may write anything into
        found = self._run(self._staged._root, self.inputs)
        self.outputs.clear()
        self.outputs |= {name: found[name] for name in self._staged._outputs}

    def close(self) -> None:
        for space in self._spaces.values():
            space.close()
        self._spaces.clear()

    def _run(self, part: Part, given: Mapping[str, np.ndarray]) -> Arrays:
        """The graph's outputs, and whatever else was computed on the way."""
        arrays, wanted, first = dict(given), part.graph.outputs, part.graph
        rest: Part | None = part
        while rest is not None:
            cut = self._staged.cut(rest, arrays, self._budget)
            if cut.plan is not None:
                self.macs += cut.plan.program.macs
                self.shared |= cut.plan.program.shared
                arrays |= self._program(rest, cut, arrays)
            for node in cut.at_once:
                arrays |= self._node(node, cut, arrays)
            rest = cut.rest
        for name in wanted:
            if name not in arrays:
                data = first.values[name].data if name in first.values else None
                if data is None:
                    raise ModelError(f"output '{name}' is not computed by any node")
                arrays[name] = data
        return arrays

    def _forget_large(self) -> None:
        """Gives back what graphs within nodes took in the run before, where it is much."""
        if sum(self._within.values()) > KEPT:
            for part in self._within:
                self._spaces.pop(part).close()
        self._within.clear()

    def _space(self, part: Part) -> Workspace:
        """The memory of the part's programs."""
        if part not in self._spaces:
            self._spaces[part] = self._workspace()
        return self._spaces[part]

    def _program(self, part: Part, cut: Cut, arrays: Mapping[str, np.ndarray]) -> Arrays:
        """What the cut's plan computes."""
        assert cut.plan is not None and cut.graph is not None
        program, node = cut.plan.program, self._around[-1] if self._around else cut.graph.nodes[0]
        self._budget.work(node, cut.run_work)
        self._budget.hold(node, cut.results)
        if self._around:
            grown = max(program.arena_bytes - self._within.get(part, 0), 0)
            self._budget.keep(node, grown)
            self._within[part] = self._within.get(part, 0) + grown
        space = self._space(part)
        space.bind(cut.plan)
        for name, place in space.inputs.items():
            place[...] = arrays[name]
        space.execute()
        # A program of the model itself runs once, and what it left stays until the next run.
        return {name: array.copy() if self._around else array for name, array in space.outputs.items()}

    def _node(self, node: Node, cut: Cut, arrays: Mapping[str, np.ndarray]) -> Arrays:
        """Runs one node of the cut in NumPy. ModelError where the arrays are not what it can compute with."""
        values = cut.values

        def tensor(name: str) -> Tensor:
            value = values.get(name)
            data = arrays.get(name, None if value is None else value.data)
            if data is None:
                raise ModelError(f"{node}: input '{name}' is not computed by any earlier node")
            return Tensor(name, data.shape, data.dtype, None if value is None else value.quant, data)

        inputs = [tensor(name) if name else None for name in node.inputs]
        given = [None if item is None else item.data for item in inputs]
        op = find(node.op)
        try:
            if op is not None and op.runs_graphs:
                ctx = context_of(node, op, inputs)
                captured = {name: arrays[name] for name in outer_reads(node) if name in arrays}
                held = self._budget.held
                results = control.run(op, ctx, given, self._runner(node, captured, values))
                self._budget.held = held
                for name, result in zip(node.outputs, results, strict=False):
                    if name in values and values[name].dtype != result.dtype:
                        raise ctx.error(
                            f"gives {name_of(result.dtype)}, but '{name}' is declared {name_of(values[name].dtype)}"
                        )
            else:
                if op is not None and op.reads_text:
                    self._budget.reads(node, given)
                if op is not None and op.runs_to_infer:
                    self._budget.work(node, cost_of(op, context_of(node, op, inputs)).work)
                step = infer_node(node, inputs)
                for output in step.ctx.outputs:
                    wrong = declare(output, values.get(output.name), {})
                    if wrong:
                        raise step.ctx.error(wrong)
                limits = Limits(self._budget.most_work)
                limits.in_numpy(step.op, step.ctx)
                self._budget.work(node, 0 if step.op.runs_to_infer else limits.work)
                self._budget.hold(node, sum(t.size * t.dtype.itemsize for t in step.ctx.outputs))
                results = evaluate(step.op, step.ctx, given)
                if step.op.reads_text:
                    self._budget.work(node, FOLLOWED * steps_taken())
        except ModelError:
            raise
        except (Error, ArithmeticError, LookupError, ValueError) as problem:
            raise ModelError(f"{node} cannot be computed on these inputs: {problem}") from problem
        for array in results:
            self._budget.text(node, array)
        return {name: array for name, array in zip(node.outputs, results, strict=False) if name}

    def _runner(self, node: Node, captured: Arrays, values: Mapping[str, Value]) -> control.RunGraph:
        """What runs the node's graphs. captured, values: of what is around the node."""
        before, stacked, on = self._budget.held, 0, handed_on(node)

        def run_graph(graph: Graph, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
            nonlocal stacked
            self._budget.run(node, graph)
            self._around.append(node)
            found = self._run(self._staged.body(graph, _captured(graph, node), values), {**captured, **feeds})
            self._around.pop()
            results = [found[name] for name in graph.outputs]
            stacked += 2 * sum(array.nbytes for array in results[on:])  # twice, as they will be one array
            self._budget.held = before
            self._budget.hold(node, stacked + sum(array.nbytes for array in results[:on]))
            return results

        return run_graph


def _running(program: Program) -> tuple[int, int]:
    """What a run of it counts, as Cost.work, with what it is handed and hands back; and the bytes of the latter."""
    given, results = (
        sum(view.size * view.itemsize for view in views.values()) for views in (program.inputs, program.outputs)
    )
    copied, handed = given + results + program.arena_bytes, len(program.inputs) + len(program.outputs)
    return program.work + copied // COPIED + HANDED * handed, results


def _runs_at_once(node: Node, later: Later, instance: Instance, part: Part) -> bool:
    """Whether knowing a few elements is not enough to plan the node, all of whose inputs will be there."""
    key = tuple(node.outputs)
    if key not in later.needs:
        return False
    name = later.needs[key]
    if name is None or name in part.carriers:
        return True
    tensor = instance.tensors[name]
    return tensor.size * tensor.dtype.itemsize > FEW


def _captured(graph: Graph, node: Node) -> set[str]:
    """What one of the node's graphs reads of the graphs around the node."""
    return outer_reads(Node("If", [], [], {"graph": graph}, node.name))


def _reads(node: Node) -> set[str]:
    return {*node.inputs, *outer_reads(node)} - {""}
