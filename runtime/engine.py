"""What the sessions of one loaded model share: weights, machine code and the plans for the latest input shapes."""

from __future__ import annotations

import os
import threading
import warnings
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..device_profiles import Profile, ProfileError
from ..device_profiles import load as load_profile
from .arena import Plan
from .compiler import loader
from .compiler.abi import Kernel
from .compiler.build import Progress, build
from .compiler.cache import default_cache
from .compiler.executable import ExecutableMemoryError
from .compiler.target import Target, resolve
from .errors import InputError, TargetError
from .graph import Graph
from .kernels.execute import assist, dismiss, execute, lead
from .model import Model
from .planner.plan import plan
from .planner.program import Program
from .planner.weights import Weights
from .shapes import fold_constants
from .table import encode_program

if TYPE_CHECKING:
    from .compiler.loader import Code

PLANS = 4
"""How many plans, for the input shapes used last, are kept."""
NUMPY = "numpy"
"""The target that stands for no machine code at all: every step runs its NumPy reference."""
STEP_LOOP = {f"execute.{f.__name__}()": (f, dict[str, Any]()) for f in (execute, lead, assist, dismiss)}
Shapes = dict[str, tuple[int, ...]]


class Engine:
    """Plans are made and bound under a lock, and immutable afterwards."""

    def __init__(
        self,
        model: Model,
        threads: int | None,
        profile: str,
        target: str | None,
        kernels: str | os.PathLike[str] | None,
        progress: Progress | None,
    ) -> None:
        self.model = model
        self.profile = _profile(profile)
        self.code: Code | None = None if kernels is None else _load(kernels)
        asked = target or (None if self.profile.target == "host" else self.profile.target)
        if kernels is not None:
            asked = NUMPY if self.code is None else _agreed(self.code.target, target)
        self.target = _target(asked)
        self.threads = _threads(threads, self.profile)
        self._fixed = self.code is not None
        self._graph = fold_constants(model.graph)
        self.weights = Weights(packing_space(self._graph))
        self._plans: OrderedDict[tuple[Any, ...], Plan] = OrderedDict()
        self._lock = threading.RLock()
        self._progress = progress
        self._users = 0

    def retain(self) -> Engine:
        with self._lock:
            self._users += 1
        return self

    def release(self) -> None:
        """Once the last session is closed, plans and weights are let go of."""
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._plans.clear()

    def shapes(self, wanted: Mapping[str, tuple[int, ...]]) -> Shapes:
        """Input shapes with those not given taken from the model; InputError where one is symbolic."""
        found: Shapes = {}
        for name, info in self.model.inputs.items():
            shape = wanted.get(name, info.shape)
            if shape is None or any(isinstance(n, str) for n in shape):
                raise InputError(
                    f"input '{name}' has the symbolic shape {info.shape}; "
                    f"call run, or resize({{'{name}': (...)}}), first"
                )
            found[name] = tuple(int(n) for n in shape)
        return found

    def value_name(self, name: str) -> str:
        """A value of the graph by its name, or an output by its alias; InputError where there is none."""
        if name in self._graph.values or any(name in node.outputs for node in self._graph.nodes):
            return name
        return self.model.output_name(name)

    def plan(self, shapes: Shapes, outputs: tuple[str, ...]) -> Plan:
        """The plan for these input shapes, made where it is not kept."""
        key = (outputs, tuple(sorted(shapes.items())))
        with self._lock:
            found = self._plans.get(key)
            if found is None:
                found = self._make(shapes, outputs)
                self._plans[key] = found
                if len(self._plans) > PLANS:
                    self._plans.popitem(last=False)
            self._plans.move_to_end(key)
            return found

    def program(self, shapes: Shapes, outputs: tuple[str, ...] = ()) -> Program:
        """The program for these input shapes, without compiling anything."""
        with self._lock:
            return plan(self._graph, shapes, self.target, self.weights, self.threads, outputs)

    def _make(self, shapes: Shapes, outputs: tuple[str, ...]) -> Plan:
        program = self.program(shapes, outputs)
        if self.target is None:
            return Plan(program, encode_program(program, {}, {}), None, self.weights)
        needed = needed_kernels(program)
        if self._fixed:
            assert self.code is not None
            code = self.code
            lacking = sorted(needed.keys() - code.kernels.keys())
            if lacking:
                raise TargetError(
                    f"the kernel file lacks {lacking[0]} and {len(lacking) - 1} more that this model needs for these "
                    "shapes; write it anew with `mj compile` from the same model and version"
                )
        else:
            try:
                code = build(needed, self.target, default_cache(), self._progress)
            except ExecutableMemoryError as problem:
                _warn_slow(problem)
                self.target = None
                return self._make(shapes, outputs)
        offsets = {name: kernel.offset for name, kernel in code.kernels.items()}
        signatures = {name: kernel.signature for name, kernel in code.kernels.items()}
        made = Plan(program, encode_program(program, offsets, signatures), code, self.weights)
        self.model.release_pages()
        return made


def packing_space(graph: Graph) -> int:
    """Bytes of address space to reserve for the packed weights of a few plans."""
    return 8 * sum(value.data.nbytes for value in graph.values.values() if value.data is not None) + (64 << 20)


def needed_kernels(program: Program) -> dict[str, tuple[Kernel, Mapping[str, Any]]]:
    """The kernels of a program and of the loop that runs it, by name."""
    return {**STEP_LOOP, **program.kernels()}


def _profile(name: str) -> Profile:
    try:
        return load_profile(name)
    except ProfileError as problem:
        raise TargetError(str(problem)) from None


def _target(name: str | None) -> Target | None:
    asked = name or os.environ.get("MILLIJOULE_TARGET")
    if asked == NUMPY:
        return None
    try:
        return resolve(name)
    except TargetError as problem:
        if asked and asked != "host":
            raise
        _warn_slow(problem)
        return None


def _load(kernels: str | os.PathLike[str]) -> Code | None:
    """The code of a kernel file; None, with a warning, where the system grants no executable memory."""
    try:
        return loader.load(kernels)
    except ExecutableMemoryError as problem:
        _warn_slow(problem)
        return None


def _agreed(compiled: str, asked: str | None) -> str:
    """The target of a kernel file; TargetError where another one was asked for."""
    if asked is not None and (asked == NUMPY or resolve(asked).name != compiled):
        raise TargetError(f"the kernel file is for target {compiled}, not {asked}; leave one of the two out")
    return compiled


def _warn_slow(problem: Exception) -> None:
    warnings.warn(f"{problem}; every operator runs in NumPy, which is slow", RuntimeWarning, stacklevel=5)


def _threads(asked: int | None, profile: Profile) -> int:
    from ..device_profiles import usable_cpus

    if asked is not None and asked < 1:
        raise InputError(f"threads = {asked}; at least 1 is needed")
    return min(asked or profile.threads, usable_cpus())
