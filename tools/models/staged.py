"""What a model whose shapes depend on data did with some data: the steps of all its programs, and the nodes between."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...runtime.boxed import is_boxed
from ...runtime.engine.staging import Arrays, Cut, Opened, Part, Staged
from ...runtime.engine.workspace import Workspace
from ...runtime.graph import Node, Value
from ...runtime.ops.inference import infer_node
from ...runtime.ops.registry import Tensor
from ...runtime.program.program import Program, PythonStep
from ...runtime.program.view import Storage, View, dense

if TYPE_CHECKING:
    from ...runtime.engine.engine import Engine


class Ran:
    """A program, or a node that NumPy ran, as often as it ran. seconds: of each step, all times together.

    part: whose memory a program is run in.
    """

    def __init__(self, cut: Cut, macs: int, step: PythonStep | None = None, part: Part | None = None) -> None:
        program = None if step is not None or cut.plan is None else cut.plan.program
        self.program, self.step, self.macs, self.part, self.cut = program, step, macs, part, cut
        self.times = 0
        self.seconds = [0.0] * (1 if program is None else len(program.steps))


class Recorder(Opened):
    """A staged plan with memory to run it in, which keeps what ran in the latest run. timed: whether the seconds of
    every step, too, which takes longer than a run."""

    def __init__(self, staged: Staged, workspace: Callable[[], Workspace], timed: bool = False) -> None:
        super().__init__(staged, workspace)
        self._timed, self._inner = timed, 0.0
        self.ran: dict[int, Ran] = {}

    def execute(self) -> None:
        self.ran = {}
        super().execute()

    def _program(self, part: Part, cut: Cut, arrays: Mapping[str, np.ndarray]) -> Arrays:
        assert cut.plan is not None
        began = time.perf_counter()
        ran = self.ran.setdefault(id(cut), Ran(cut, cut.plan.program.macs, part=part))
        ran.times += 1
        if not self._timed:
            return super()._program(part, cut, arrays)
        space = self._space(part)
        space.bind(cut.plan)
        for name, place in space.inputs.items():
            place[...] = arrays[name]
        for index in range(len(ran.seconds)):
            call = space.step(index)
            at = time.perf_counter()
            call()
            ran.seconds[index] += time.perf_counter() - at
        found = {name: array.copy() for name, array in space.outputs.items()}
        self._inner += time.perf_counter() - began
        return found

    def _node(self, node: Node, cut: Cut, arrays: Mapping[str, np.ndarray]) -> Arrays:
        """The seconds are without those of the graphs that the node runs."""
        outside, self._inner = self._inner, 0.0
        began = time.perf_counter()
        found = super()._node(node, cut, arrays)
        took = time.perf_counter() - began
        ran = self.ran.get(id(node))
        if ran is None:
            step, macs = _described(node, cut.values, arrays, found)
            ran = self.ran[id(node)] = Ran(cut, macs, step)
        ran.times += 1
        ran.seconds[0] += took - self._inner
        self._inner = outside + took
        return found

    def seconds(self) -> list[float]:
        """Of the steps of `program`."""
        return [seconds for ran in self.ran.values() for seconds in ran.seconds]

    def program(self, planned: Mapping[int, Program] | None = None) -> Program:
        """All steps that ran, in the order in which they first did, as one program that cannot be run; macs are those
        of the whole run. planned: other programs in the place of those that ran, by the place of these in `ran`."""
        merged = Program([], {}, {}, 0, 0, 0, 0, times=[])
        arenas: dict[Part, tuple[int, int]] = {}
        for key, ran in self.ran.items():
            merged.macs += ran.times * ran.macs
            program = (planned or {}).get(key, ran.program)
            if program is None:
                assert ran.step is not None
                merged.steps.append(ran.step)
                merged.times.append(ran.times)
                _add(merged.node_macs, {ran.step.node: ran.macs})
                _add(merged.node_elements, {ran.step.node: sum(view.size for view in ran.step.outputs)})
                continue
            merged.steps += program.steps
            merged.times += [ran.times] * len(program.steps)
            merged.stages += ran.times
            merged.scratch_bytes = max(merged.scratch_bytes, program.scratch_bytes)
            merged.shared |= program.shared
            _add(merged.node_macs, program.node_macs)
            _add(merged.node_elements, program.node_elements)
            assert ran.part is not None
            known = arenas.get(ran.part, (0, 0))
            arenas[ran.part] = max(known, (program.arena_bytes, program.lower_bound))
        merged.arena_bytes = sum(size for size, _ in arenas.values())
        merged.lower_bound = sum(bound for _, bound in arenas.values())
        return merged


def recorded(engine: Engine, staged: Staged, feeds: Mapping[str, np.ndarray], timed: bool = False) -> Recorder:
    """A run on these arrays. The caller closes what it is given."""
    found = Recorder(staged, lambda: Workspace(engine.threads, engine.profile), timed)
    try:
        for name, array in feeds.items():
            found.inputs[name][...] = array
        found.execute()
    except BaseException:
        found.close()
        raise
    return found


def _add(total: dict[str, int], more: Mapping[str, int]) -> None:
    for name, count in more.items():
        total[name] = total.get(name, 0) + count


def _described(
    node: Node, values: Mapping[str, Value], arrays: Mapping[str, np.ndarray], found: Mapping[str, np.ndarray]
) -> tuple[PythonStep, int]:
    """A step that stands for a node that ran, with views of the sizes that it met, and its multiply-adds."""

    def view(name: str) -> View | None:
        data = found.get(name, arrays.get(name, values[name].data if name in values else None))
        return None if data is None else _view(data)

    outputs = [made for made in map(view, node.outputs) if made is not None]
    step = PythonStep(_not_run, [view(name) for name in node.inputs], outputs, str(node))
    inputs = [Tensor(name, item.shape, item.dtype) if (item := view(name)) else None for name in node.inputs]
    return step, _macs(node, inputs, arrays)


def _macs(node: Node, inputs: Sequence[Tensor | None], arrays: Mapping[str, np.ndarray]) -> int:
    from ...runtime.ops.registry import find

    op = find(node.op)
    if op is None or op.macs is None:
        return 0
    for tensor in inputs:
        if tensor is not None:
            tensor.data = arrays.get(tensor.name)
    return op.macs(infer_node(node, [*inputs]).ctx)


def _view(data: np.ndarray) -> View:
    """Of boxed values as if they were numbers: no view is of Python's objects."""
    dtype = np.dtype(np.int64) if is_boxed(data.dtype) else data.dtype
    return View(Storage(data.size * dtype.itemsize), 0, data.shape, dense(data.shape, dtype.itemsize), dtype)


def _not_run(arrays: Sequence[np.ndarray | None]) -> Sequence[np.ndarray]:
    raise RuntimeError("a step that only says what ran is not run")
