"""What the sessions of one loaded model share: weights, machine code and the plans for the latest input shapes."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any
from weakref import WeakMethod

import numpy as np

from ...device_profiles import Profile, ProfileError
from ...device_profiles import load as load_profile
from ..arguments import flag, path, text, whole
from ..compiler import loader
from ..compiler.abi import Kernel
from ..compiler.build import Progress, build
from ..compiler.cache import default_cache
from ..compiler.digest import blob_key
from ..errors import CompilerError, InputError, ModelError, TargetError, warn
from ..graph import Graph
from ..kernels.execute import assist, dismiss, enter, execute, lead
from ..model import Model
from ..model_file import ModelFile
from ..program.apart import Apart
from ..program.program import Call, Program
from ..program.tiles import Tiles
from ..program.weights import Weights, WeightsFull
from ..system.collection import no_collection
from ..system.executable import ExecutableMemoryError
from ..system.memory import LARGE as LARGE_MEMORY
from ..system.memory import trim
from ..targets.target import Target, resolve
from . import guards
from .fitting import check_fits, memory_of
from .kept import Kept
from .kept_records import NOTHING_PACKED, KeptWeights
from .locks import Lock
from .step_table import encode_program
from .workspace import Plan

if TYPE_CHECKING:
    from ..compiler.loader import Code
    from .names import Found
    from .staging import Staged

PLANS = 32
"""How many plans, for the input shapes used last, are kept."""
VARYING = 2
"""Input shapes that there are plans for from which on sizes are taken to vary from run to run: what is best for one of
them is worth less than a plan that is made soon."""
SPARE_WEIGHTS = 16 << 20
"""Bytes by which packed weights may outgrow twice the first plan's before they are packed anew."""
LARGE = 16 << 10
"""Constants above so many bytes that are computed from smaller ones (half-precision weights) are not kept but computed
for every plan."""
NUMPY = "numpy"
"""The target that stands for no machine code at all: every step runs its NumPy reference."""
Shapes = dict[str, tuple[int, ...]]


class Engine:
    """Plans are made under a lock, and immutable afterwards.

    Of a model that is given as its file, plans are kept in the kernel cache, and what is there is not made again: then
    neither the graph is read nor anything imported that makes plans of it.
    """

    def __init__(
        self,
        model: Model | ModelFile,
        threads: int | None,
        profile: str | os.PathLike[str],
        target: str | None,
        kernels: str | os.PathLike[str] | None,
        progress: Progress | bool = True,
        reuse_inputs: bool = False,
    ) -> None:
        target = None if target is None else text("target", target)
        progress = progress if callable(progress) else flag("progress", progress)
        self.profile = _profile(path("profile", profile))
        self.code: Code | None = None if kernels is None else _load(path("kernels", kernels), target)
        asked = target or os.environ.get("MILLIJOULE_TARGET") or self.profile.target
        if kernels is not None:
            asked = NUMPY if self.code is None else self.code.target
        self.target = target_of(asked)
        self.threads = _threads(threads, self.profile)
        self._fixed = self.code is not None
        self._guard = guards.wanted()
        self._reuse_inputs = flag("reuse_inputs", reuse_inputs)
        self._kept: Kept | None = None
        self._folded: Graph | None = None
        self._room = 0
        self._tiles = set[tuple[str, int, int, int]]()
        self._warned = False
        self.weights: Weights = NOTHING_PACKED
        known = None
        if isinstance(model, ModelFile):
            cache = default_cache()
            if self.target is not None and cache.folder is not None and not (self._fixed or self._guard):
                caches = f"{self.profile.softmax_bytes} {self.profile.strip_bytes}"
                setting = f"{self.threads} {self._reuse_inputs} {caches}"
                self._kept = Kept(cache, model, self.target, setting)
                known = self._kept.model()
            decoded = known or model.decode()
            if known is None and self._kept is not None:
                self._kept.keep_model(decoded)
            model = decoded
        self.model = model
        if known is None:
            self._begin_packing()
        self._plans: OrderedDict[tuple[Any, ...], Plan | Staged] = OrderedDict()
        self.lock = Lock()
        self._progress = progress
        self._users = 0

    def _begin_packing(self) -> None:
        # Packed, no weight is smaller than stored; so that what cannot fit is not packed first.
        check_fits(self.profile, {"weights": self.model.graph.constant_bytes()})
        self.weights = self._new_weights()

    @property
    def _graph(self) -> Graph:
        """The model's, with constants folded."""
        if self._folded is None:
            from ..evaluate.shapes import fold_constants  # which a kept plan does without

            self._folded = fold_constants(self.model.graph, largest=LARGE)
        return self._folded

    def retain(self) -> Engine:
        with self.lock:
            self._users += 1
        return self

    def release(self) -> None:
        """Once the last session is closed, plans, weights and code are let go of."""
        with self.lock:
            self._users -= 1
            if self._users == 0:
                self._plans.clear()
                self.weights, self.code = Weights(0), None

    def shapes(self, wanted: Shapes, kept: Shapes | None = None) -> Shapes:
        """Input shapes, those not wanted as kept or as the model says; InputError where one is symbolic."""
        found: Shapes = {}
        for name, shape in self.model.input_shapes(wanted, kept).items():
            if shape is None or any(isinstance(n, str) for n in shape):
                from ..evaluate.dimensions import written

                raise InputError(
                    f"input '{name}' has the symbolic shape {written(shape)}; "
                    f"call run, or resize({{'{name}': (...)}}), first"
                )
            found[name] = tuple(int(n) for n in shape)
        return found | self.model.state_shapes

    def warm_up(self) -> None:
        """Makes the plan for the shapes that the model itself names, if it names all.

        Raises as `plan` does; not where only default sizes are to blame, as other sizes may do.
        """
        shapes = self.model.input_shapes({})
        known = {
            name: shape
            for name, shape in shapes.items()
            if shape is not None and all(isinstance(n, int) for n in shape)
        }
        if len(known) < len(shapes):
            return
        try:
            self.plan(self.shapes({}), ())
        except (InputError, ModelError):
            if not self.model.metadata.default_sizes:
                raise

    @property
    def reuses_inputs(self) -> bool:
        """Whether the memory of inputs is others' once they are read."""
        return self._reuse_inputs

    def find_value(self, name: str) -> Found:
        from .names import find_value  # which a run that gives the model's own outputs never needs

        return find_value(self.model, self._graph, name)

    def plan(self, shapes: Shapes, outputs: tuple[str, ...]) -> Plan | Staged:
        """The plan for these input shapes, made where it is not kept; staged where shapes depend on data.

        InputError where the model does not take them, ModelError where it cannot be run on them.
        """
        key = (outputs, tuple(sorted(shapes.items())))
        with self.lock:
            found = self._plans.get(key)
            if found is None:
                kept = self._kept is not None and not outputs
                found = (self._find_kept(shapes) if kept else None) or self._made(shapes, outputs, keep=kept)
                self._plans[key] = found
                if len(self._plans) > PLANS:
                    self._plans.popitem(last=False)
            self._plans.move_to_end(key)
            return found

    def whole(self, shapes: Shapes, outputs: tuple[str, ...]) -> Plan:
        """As `plan`, of a model that has to be one program; ModelError where shapes depend on data."""
        found = self.plan(shapes, outputs)
        if not isinstance(found, Plan):
            raise found.refusal()
        return found

    def _find_kept(self, shapes: Shapes) -> Plan | None:
        """What the cache has of a plan; ModelError where it does not fit the device."""
        assert self._kept is not None
        listed = WeakMethod(self._listed)  # else a session that is dropped would wait for the garbage collector

        def whole() -> Program:
            make = listed()
            assert make is not None, "who has the plan has the engine"
            return make(shapes)

        found = self._kept.plan(shapes, whole)
        if found is not None:
            check_fits(self.profile, memory_of(found.program, found.weights.used, self.threads))
            if self.weights is NOTHING_PACKED:
                self.weights = found.weights
        return found

    def _listed(self, shapes: Shapes) -> Program:
        """The program of a plan that was kept, for who looks into it."""
        with self.lock:
            weights = self.weights
            self.weights = self._new_weights()
            try:
                return self._program(self._graph, shapes, (), None, Tiles())
            finally:
                self.weights = weights

    def _made(self, shapes: Shapes, outputs: tuple[str, ...], *, keep: bool) -> Plan | Staged:
        from ..ops.registry import DataNeeded  # as all of what makes plans, a kept one does without
        from .staging import Staged

        varies = len({sizes for _, sizes in self._plans}) >= VARYING
        try:
            found = self.make(shapes, outputs, varies=varies)
        except DataNeeded:
            if self.model.exits is not None:
                raise
            return Staged(self, self._graph, outputs or self._graph.outputs, shapes)
        if keep and self._kept is not None and self.target is not None and not varies:
            self._kept.keep_plan(found, shapes, blob_key(needed_kernels(found.program), self.target))
        return found

    def make(
        self,
        shapes: Shapes,
        outputs: tuple[str, ...],
        graph: Graph | None = None,
        known: Mapping[str, np.ndarray] | None = None,
        varies: bool = False,
    ) -> Plan:
        """A plan of the graph, the model's by default. known: see planner.plan. varies: whether sizes are others in
        every run. DataNeeded where shapes depend on data; else as `plan`. The caller holds the lock."""
        graph = self._graph if graph is None else graph
        tiles, of_data = Tiles(self._tiles, few=True) if varies else Tiles(), varies and graph is not self._graph
        try:
            program = self._program(graph, shapes, outputs, known, tiles)
            if of_data and self.code is not None and self._fixed:
                program = self._with_kernels_of(self.code, program, graph, shapes, outputs, known, tiles)
            self._tiles |= tiles.made
            check_fits(self.profile, memory_of(program, self.weights.used, self.threads))
            code = self._code_for(program, self.target, shapes) if self.target and program.kernels() else None
            if code is None:
                # Executable memory may have been refused just now: then the program must hold no kernel calls.
                program = program if not program.kernels() else self._program(graph, shapes, outputs, known, tiles)
            offsets = {} if code is None else {name: kernel.offset for name, kernel in code.kernels.items()}
            signatures = {} if code is None else {name: kernel.signature for name, kernel in code.kernels.items()}
            apart = Apart(program.storages) if self._guard else None
            table = encode_program(program, offsets, signatures)
        except OverflowError as problem:
            raise InputError(f"the model cannot be planned for inputs of {_listed(shapes)}: {problem}") from problem
        self.model.release_pages()
        trim()
        return Plan(program, table, code, self.weights, apart)

    @no_collection()
    def _program(
        self,
        graph: Graph,
        shapes: Shapes,
        outputs: tuple[str, ...],
        known: Mapping[str, np.ndarray] | None,
        tiles: Tiles,
        without: AbstractSet[str] = frozenset(),
    ) -> Program:
        """Weights that only dropped plans used are forgotten once they outweigh the others."""
        from ..planner.plan import plan

        if isinstance(self.weights, KeptWeights):
            self._begin_packing()
        if self.weights.used > self._room > 0:
            self._plans.clear()
            self.weights, self._room = self._new_weights(), 0
        while True:
            try:
                program = plan(
                    graph, shapes, self.target, self.weights, self.threads, outputs,
                    reuse_inputs=self._reuse_inputs, softmax_bytes=self.profile.softmax_bytes,
                    strip_bytes=self.profile.strip_bytes,
                    exits=self.model.exits, known=known, states=self._states() if graph is self._folded else None,
                    tiles=tiles, without=without,
                )  # fmt: skip
                break
            except WeightsFull:
                self._plans.clear()
                self.weights, self._room = self._new_weights(2 * self.weights.reserve), 0
        self._room = self._room or 2 * self.weights.used + SPARE_WEIGHTS
        return program

    def _states(self) -> Mapping[str, str]:
        """Not where programs run twice on the same inputs."""
        return {} if self._guard else {name: state.output for name, state in self.model.metadata.states.items()}

    def _with_kernels_of(
        self,
        code: Code,
        program: Program,
        graph: Graph,
        shapes: Shapes,
        outputs: tuple[str, ...],
        known: Mapping[str, np.ndarray] | None,
        tiles: Tiles,
    ) -> Program:
        """The program, with those nodes in NumPy that the kernel file lacks a kernel for: where sizes depend on data,
        nobody could have asked for it."""
        without = frozenset[str]()
        while lacking := _lacking(program, code) - without:
            without |= lacking
            program = self._program(graph, shapes, outputs, known, tiles, without)
        if without and not self._warned:
            warn(f"the kernel file lacks kernels for the sizes that were met now: {len(without)} nodes run in NumPy")
            self._warned = True
        return program

    def _code_for(self, program: Program, target: Target, shapes: Shapes) -> Code | None:
        """None, with a warning, where the system grants no executable memory."""
        needed = needed_kernels(program)
        if not self._fixed:
            try:
                return build(needed, target, default_cache(), self._reporter(target))
            except CompilerError as problem:
                raise CompilerError(
                    f"{problem}, or load them from a file (--kernels, in Python kernels=) that another computer "
                    f"writes: `mj compile MODEL --target {target.name} -o FILE.mjk`"
                ) from problem
            except ExecutableMemoryError as problem:
                warn_slow(problem)
                self.target = None
                return None
        assert self.code is not None
        lacking = sorted(needed.keys() - self.code.kernels.keys())
        if lacking:
            more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
            raise TargetError(
                f"the kernel file lacks {lacking[0]}{more}, which this model needs for inputs of {_listed(shapes)}; "
                f"write it anew from the same model with the same version: `mj compile MODEL --target {target.name}"
                f"{_as_options(shapes)}`"
            )
        return self.code

    def _reporter(self, target: Target) -> Progress | None:
        if self._progress is True:
            from ..compiler.announce import Announcement

            return Announcement(target.name)
        return self._progress or None

    def _new_weights(self, reserve: int = 0) -> Weights:
        huge = self._graph.constant_bytes() >= LARGE_MEMORY
        space = reserve or packing_space(self._graph)
        return Weights(space, self.model.release_pages, huge=huge, guard=self._guard)


def packing_space(graph: Graph) -> int:
    """Bytes of address space to reserve for the packed weights of a few plans."""
    return 8 * graph.constant_bytes() + (64 << 20)


def needed_kernels(program: Program, *, helpers: bool = False) -> dict[str, tuple[Kernel, Mapping[str, Any]]]:
    """The kernels of a program and of the loop that runs it, by name. helpers: their loop, too, where the program has
    nothing for them."""
    loop = (enter, execute, lead, assist, dismiss) if helpers or program.shared else (enter, execute)
    return {**{f"execute.{factory.__name__}()": (factory, {}) for factory in loop}, **program.kernels()}


def _profile(name: str | os.PathLike[str]) -> Profile:
    try:
        return load_profile(name)
    except ProfileError as problem:
        raise TargetError(str(problem)) from None


def target_of(name: str) -> Target | None:
    """A target by name; None for "numpy", and with a warning where this machine has none."""
    asked = name.strip().lower()
    if asked == NUMPY:
        return None
    try:
        return resolve(asked)
    except TargetError as problem:
        if asked != "host":
            raise
        warn_slow(problem)
        return None


def _load(kernels: str | os.PathLike[str], target: str | None) -> Code | None:
    """The code of a kernel file; None, with a warning, where the system grants no executable memory."""
    if target is not None and target.strip().lower() == NUMPY:
        raise TargetError(f"target {NUMPY} takes no kernels from a file; leave one of the two out")
    try:
        return loader.load(kernels, target)
    except ExecutableMemoryError as problem:
        warn_slow(problem)
        return None


def warn_slow(problem: Exception) -> None:
    warn(f"{problem}; every operator runs in NumPy, which is slow")


def _threads(asked: int | None, profile: Profile) -> int:
    from ...device_profiles import usable_cpus

    return min(profile.threads if asked is None else whole("threads", asked, 1), usable_cpus())


def _as_options(shapes: Shapes) -> str:
    from shlex import quote

    options = [f"{name}={','.join(map(str, shape))}" for name, shape in shapes.items() if shape]
    return "".join(f" --shape {quote(option)}" for option in options)


def _lacking(program: Program, code: Code) -> AbstractSet[str]:
    """Nodes for which there is a kernel, but not here."""
    calls = (step for step in program.steps if isinstance(step, Call))
    return frozenset(call.node for call in calls if call.name not in code.kernels)


def _listed(shapes: Shapes) -> str:
    return ", ".join(f"'{name}' {shape}" for name, shape in shapes.items())
