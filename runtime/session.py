"""Session: a model ready to run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

import numpy as np

from .arena import Arena
from .engine import Engine
from .errors import Error
from .feeds import check_feeds
from .model import Model, TensorInfo

Path = str | os.PathLike[str]


def load(
    model: Model | Path,
    *,
    threads: int | None = None,
    profile: str = "host",
    target: str | None = None,
    kernels: Path | None = None,
    verify: bool = True,
    progress: Any = None,
) -> Session:
    """Makes a model ready to run.

    model: a Model, or the path of a .mj file. threads: at most so many (default: the profile's, within the affinity
    mask and the cgroup's quota). profile: a device profile's name or file. target: compile for this target instead of
    the CPU's own (also MILLIJOULE_TARGET). kernels: a file written by `mj compile`, so that nothing is compiled here.
    verify: check the file's checksum. progress: called as progress(done, total, kernel) while kernels are compiled.

    Raises ModelError on a bad file, TargetError on a target that this CPU lacks.
    """
    if not isinstance(model, Model):
        model = Model.load(model, verify=verify)
    return Session(Engine(model, threads, profile, target, kernels, progress))


class Session:
    """Runs a model.

    `run` may be called from several threads at once. `inputs`, `invoke` and `outputs` belong to one thread; another
    thread takes a `clone`, which shares the weights and the code.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine.retain()
        self._own: Arena | None = None
        self._pool: list[Arena] = []
        self._closed = False

    @property
    def engine(self) -> Engine:
        """What this session shares with its clones, for tools that look inside."""
        return self._engine

    @property
    def model(self) -> Model:
        return self._engine.model

    @property
    def target(self) -> str:
        """The name of the target that the kernels are compiled for; "numpy" where no machine code is used."""
        target = self._engine.target
        return "numpy" if target is None else target.name

    @property
    def threads(self) -> int:
        return self._engine.threads

    @property
    def input_info(self) -> dict[str, TensorInfo]:
        """Names, declared shapes (with symbolic dimensions by name) and dtypes of the inputs."""
        return self.model.inputs

    @property
    def output_info(self) -> dict[str, TensorInfo]:
        return self.model.outputs

    @property
    def inputs(self) -> Mapping[str, np.ndarray]:
        """Views of the inputs' memory with the shapes of the latest `run` or `resize`; `invoke` may overwrite them.

        InputError before either where a dimension is symbolic.
        """
        return self._bound().inputs

    @property
    def outputs(self) -> Mapping[str, np.ndarray]:
        """Views of the outputs' memory, which the next `invoke` overwrites."""
        return self._bound().outputs

    def resize(self, shapes: Mapping[str, Sequence[int]]) -> None:
        """Plans for these input shapes; inputs not named keep theirs. InputError where they do not fit the model."""
        current = {} if self._own is None else {name: array.shape for name, array in self._own.inputs.items()}
        wanted = {**current, **{self.model.input_name(name): tuple(shape) for name, shape in shapes.items()}}
        self._bind(self._engine.shapes(wanted))

    def invoke(self) -> None:
        """Runs the model on what `inputs` hold."""
        self._bound().execute()

    def run(self, feeds: Mapping[str, Any], outputs: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        """Runs the model on arrays by input name and returns new arrays by output name.

        outputs: names of any values of the graph, also intermediate ones; the model's outputs by default.
        Raises InputError on a wrong name, shape or dtype.
        """
        arrays = check_feeds(self.model, feeds)
        names = () if outputs is None else tuple(self._engine.value_name(name) for name in outputs)
        plan = self._engine.plan({name: array.shape for name, array in arrays.items()}, names)
        arena = self._take()
        try:
            arena.bind(plan)
            for name, array in arrays.items():
                arena.inputs[name][...] = array
            arena.execute()
            found = {name: array.copy() for name, array in arena.outputs.items()}
        finally:
            self._pool.append(arena)
        return found if outputs is None else dict(zip(outputs, (found[name] for name in names), strict=True))

    def clone(self) -> Session:
        """Another session on the same weights and code, for another thread."""
        self._check_open()
        return Session(self._engine)

    def close(self) -> None:
        """Ends the helper threads and lets go of the memory. Closing twice is harmless."""
        if self._closed:
            return
        self._closed = True
        for arena in [self._own, *self._pool]:
            if arena is not None:
                arena.close()
        self._own, self._pool = None, []
        self._engine.release()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if not getattr(self, "_closed", True):
            self.close()

    def _take(self) -> Arena:
        self._check_open()
        try:
            return self._pool.pop()
        except IndexError:
            return Arena(self._engine.threads)

    def _bound(self) -> Arena:
        if self._own is None or self._own.plan is None:
            self._bind(self._engine.shapes({}))
        assert self._own is not None
        return self._own

    def _bind(self, shapes: dict[str, tuple[int, ...]]) -> None:
        if self._own is None:
            self._own = self._take()
        self._own.bind(self._engine.plan(shapes, ()))

    def _check_open(self) -> None:
        if self._closed:
            raise Error("this session is closed")
