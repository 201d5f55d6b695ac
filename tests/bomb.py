"""Models that ask for minutes or gigabytes, and what becomes of one that is loaded and run in a child process, where
the system ends it once it has taken too much of either.
"""

from __future__ import annotations

import os
import pickle
import re
import resource
import signal
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import millijoule as mj
from millijoule.runtime.boxed import DTYPES, name_of
from millijoule.runtime.engine import run_budget
from millijoule.runtime.engine.workspace import Plan
from millijoule.runtime.file.metadata import Metadata, State
from millijoule.runtime.file.write import serialize
from millijoule.runtime.graph import Graph, Node, Value
from millijoule.runtime.program.program import PythonStep
from millijoule.runtime.program.view import View

SECONDS = 20
"""Of CPU time on a busy machine, kernels that are not in the cache and are compiled by the same process included; on a
quiet one it is 5 s, and what these models asked for was minutes."""
SPACE = 6 << 30
"""Bytes of address space, where a bomb that goes off ends."""
SLACK, EACH = 32 << 20, 3000
"""Bytes besides twice the file, the arena and what `run` returns: of code and NumPy, and of each node and output."""
COMPILER = 160 << 20
"""What compiling takes in the same process."""
SOURCE, SOURCE_OF_A_BYTE = 384 << 20, 24
"""Bytes that converting, loading and running a source may take, and for each byte of it."""
RESET_PEAK = Path("/proc/self/clear_refs")
"""Writing 5 here makes the peak of resident memory start anew; Linux, Documentation/filesystems/proc.rst."""

MARKS = [
    pytest.mark.skipif(not os.access(RESET_PEAK, os.W_OK), reason="this system cannot tell the peak of memory"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]
DATA_DEPENDENT = ("Loop", "Scan", "If", "NonZero", "Unique", "NumbersToText")
MADE_OF_SHAPES = ("ConstantOfShape", "OneHot")
Attributes = dict[str, Any]
Row = tuple[str, Sequence[str], str | Sequence[str], Attributes]


@dataclass
class Bomb:
    """nodes: (operator, inputs, outputs, attributes). constants: arrays, or with what they mean. inputs: shape and
    dtype. dtypes: of what nodes give, where that is not their first input's. fed: inputs that are not all ones.
    kernels: how many the model may need. refused: words of the error, where there is one. states: inputs that are these
    outputs in the next run."""

    nodes: Sequence[Row]
    constants: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, tuple[tuple[int, ...] | None, str]] = field(default_factory=lambda: {"x": ((1, 4), "float32")})
    outputs: Sequence[str] = ("y",)
    dtypes: Mapping[str, str] = field(default_factory=dict)
    fed: Mapping[str, np.ndarray] = field(default_factory=dict)
    kernels: int = 12
    refused: str = ""
    states: Mapping[str, str] = field(default_factory=dict)

    def file(self) -> bytes:
        graph = graph_of(self, "bomb")
        for name, output in self.states.items():
            graph.values[output].shape = graph.values[name].shape
        return serialize(graph, Metadata(states={name: State(output) for name, output in self.states.items()}))

    def feeds(self) -> dict[str, np.ndarray]:
        ones = {
            name: np.ones(shape or (), dtype)
            for name, (shape, dtype) in self.inputs.items()
            if name not in self.fed and name not in self.states
        }
        return {**ones, **self.fed}


def graph_of(bomb: Bomb, name: str = "body") -> Graph:
    """Also of a graph within a node, whose inputs may be of unknown shape."""
    graph = Graph(name=name, inputs=list(bomb.inputs), outputs=list(bomb.outputs))
    for value, (shape, dtype) in bomb.inputs.items():
        graph.add_value(Value(value, DTYPES[dtype], shape))
    for value, item in bomb.constants.items():
        data, quant = item if isinstance(item, tuple) else (item, None)
        graph.add_constant(value, np.asarray(data), quant)
    for index, (op, inputs, given, attrs) in enumerate(bomb.nodes):
        outputs = [given] if isinstance(given, str) else list(given)
        for output in outputs:
            first = graph.values.get(inputs[0]) if inputs and op not in MADE_OF_SHAPES else None
            known = attrs.get("to", "float32" if first is None else name_of(first.dtype))
            graph.add_value(Value(output, DTYPES[bomb.dtypes.get(output, known)]))
        graph.nodes.append(Node(op, list(inputs), outputs, dict(attrs), f"n{index}"))
    return graph


def chain(count: int, *functions: tuple[str, Attributes]) -> list[Row]:
    """x through so many nodes of one input, which the functions are in turn, to y."""
    names = ["x", *(f"t{i}" for i in range(1, count)), "y"]
    return [
        (functions[i % len(functions)][0], [names[i]], names[i + 1], functions[i % len(functions)][1])
        for i in range(count)
    ]


def folded(*nodes: Row) -> list[Row]:
    """Nodes that compute `f` from constants alone, and y = x + its sum."""
    return [*nodes, ("ReduceSum", ["f"], "s", {"keepdims": 0}), ("Add", ["x", "s"], "y", {})]


def one(op: str, inputs: Sequence[str] = ("x",), **attrs: Any) -> list[Row]:
    return [(op, inputs, "y", attrs)]


def spatial(*shape: int, dtype: str = "float32") -> dict[str, tuple[tuple[int, ...] | None, str]]:
    return {"x": (shape, dtype)}


def doubling(count: int) -> list[Row]:
    names = ["a", *(f"t{i}" for i in range(1, count)), "f"]
    return [("Concat", [names[i]] * 2, names[i + 1], {"axis": 0}) for i in range(count)]


def _status(kind: str) -> int:
    """Bytes, as /proc/self/status counts them: VmRSS resident, VmHWM the peak of that."""
    return 1024 * int(Path("/proc/self/status").read_text().split(kind + ":", 1)[1].split(maxsplit=1)[0])


def _bytes(views: Sequence[View | None]) -> int:
    return sum(view.size * view.itemsize for view in views if view is not None)


def _explode(path: Path, bomb: Bomb) -> dict[str, Any]:
    """What happened: error, kernels, and by how many bytes memory was exceeded."""
    allowed = 2 * path.stat().st_size + SLACK + EACH * (len(bomb.nodes) + len(bomb.outputs))
    if set(DATA_DEPENDENT) & {node[0] for node in bomb.nodes}:
        allowed += 3 * run_budget.BYTES + COMPILER
    before = _status("VmRSS")
    RESET_PEAK.write_text("5")
    found: dict[str, Any] = {"error": "", "kernels": 0}
    try:
        with mj.load(path, threads=1, progress=False) as session:
            session.run(bomb.feeds())
            (plan,) = session.engine._plans.values()
            allowed += COMPILER
            if isinstance(plan, Plan):
                allowed += plan.program.arena_bytes
                # The caller's own arrays.
                allowed += _bytes([*plan.program.inputs.values(), *plan.program.outputs.values()])
                numpy = [step for step in plan.program.steps if isinstance(step, PythonStep)]
                allowed += max((4 * _bytes([*step.inputs, *step.outputs]) for step in numpy), default=0)
                found["kernels"] = len(plan.program.kernels())
    except mj.Error as error:
        found["error"] = str(error)
    found["excess"] = _status("VmHWM") - before - allowed
    return found


def _in_a_child(explode: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(read)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            space = _status("VmSize") + SPACE
            resource.setrlimit(resource.RLIMIT_AS, (space, space))
            used = int(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))
            resource.setrlimit(resource.RLIMIT_CPU, (used + SECONDS, used + SECONDS))
            with os.fdopen(write, "wb") as answer:
                pickle.dump(explode(), answer)
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as answer:
        content = answer.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == 0, f"the process died of {signal.Signals(-status).name}"
    assert content, "the process ended without an answer"
    return pickle.loads(content)


def check(bomb: Bomb, folder: Path) -> None:
    """Fails where the bomb goes off, or what becomes of it is not what it says itself."""
    path = folder / "bomb.mj"
    path.write_bytes(bomb.file())
    found = _in_a_child(lambda: _explode(path, bomb))
    if bomb.refused:
        assert re.search(bomb.refused, found["error"]), found["error"]
        assert len(found["error"]) < 3000
    else:
        assert found["error"] == ""
    assert found["kernels"] <= bomb.kernels
    assert found["excess"] <= 0, f"{found['excess'] >> 20} MiB too many"


def check_source(path: Path, refused: str = "", feeds: Mapping[str, np.ndarray] | None = None) -> None:
    """As `check`, of a source that is converted, loaded and run. feeds: ones by default."""
    found = _in_a_child(lambda: _explode_source(path, feeds))
    if refused:
        assert re.search(refused, found["error"]), found["error"]
        assert len(found["error"]) < 3000
    else:
        assert found["error"] == ""
    assert found["excess"] <= 0, f"{found['excess'] >> 20} MiB too many"


def _ones(session: mj.Session) -> dict[str, np.ndarray]:
    """Feeds; one of what no number says."""
    return {
        name: np.ones([n if isinstance(n, int) else 1 for n in info.shape or ()], info.dtype)
        for name, info in session.input_info.items()
    }


def _explode_source(path: Path, feeds: Mapping[str, np.ndarray] | None) -> dict[str, Any]:
    allowed = SOURCE + SOURCE_OF_A_BYTE * path.stat().st_size
    before = _status("VmRSS")
    RESET_PEAK.write_text("5")
    error = ""
    try:
        with warnings.catch_warnings(), mj.load(path, threads=1, progress=False) as session:
            warnings.simplefilter("ignore", UserWarning)
            session.run(feeds or _ones(session))
    except mj.Error as problem:
        error = str(problem)
    return {"error": error, "excess": _status("VmHWM") - before - allowed}
