"""Plans that are kept beside the kernels: a process that runs a model which was run before neither reads its graph nor
plans it, and shares its packed weights' pages with all others that run it.

An entry is found by all that decides what is in it: the bytes of the model's file, the runtime's own sources and
versions, and for a plan the target, threads, input shapes and what of the profile the planner asks for. What is not
exactly what is wanted is as good as absent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from ..compiler.digest import combined, runtime_digest
from ..model import Model, outlined
from ..program.bounds import SLACK, OutOfBounds
from ..program.program import PythonStep
from ..system.executable import ExecutableMemoryError
from .kept_file import Damaged, decode, encode
from .kept_records import OutlineRecord, PlanRecord, kernels_of

if TYPE_CHECKING:
    import msgspec
    import numpy as np

    from ..compiler.cache import KernelCache
    from ..model_file import ModelFile
    from ..program.program import Program
    from ..targets.target import Target
    from .workspace import Plan

R = TypeVar("R", OutlineRecord, PlanRecord)


class Kept:
    """What the cache has of one file's model and keeps of it. setting: what a plan depends on besides the model, the
    target and the shapes."""

    def __init__(self, cache: KernelCache, file: ModelFile, target: Target, setting: str) -> None:
        self._cache, self._file, self._target, self._setting = cache, file, target, setting

    def model(self) -> Model | None:
        """The file's model, without its graph until somebody asks for it."""
        found = self._find(self._outline_key(), OutlineRecord)
        return None if found is None else outlined(self._file, found[0].graph(), found[0].metadata)

    def keep_model(self, model: Model) -> None:
        """Only what is sound is kept: a file whose checksum nobody looked at may not be."""
        key = self._outline_key()
        if self._file.verify and type(model) is Model and self._unchanged():
            self._store(key, OutlineRecord.of(key, model.graph, model.metadata), memoryview(b""))

    def plan(self, shapes: Mapping[str, tuple[int, ...]], whole: Callable[[], Program]) -> Plan | None:
        """whole: makes the program anew."""
        found = self._find(self._plan_key(shapes), PlanRecord)
        if found is None:
            return None
        record, memory = found
        try:
            code = self._cache.load_blob(record.blob)
            if code is None or kernels_of(code) != record.kernels or memory.size != record.packed + SLACK:
                return None
            return record.plan(code, memory, whole)
        except (ExecutableMemoryError, OutOfBounds, KeyError, TypeError, ValueError):
            return None

    def keep_plan(self, plan: Plan, shapes: Mapping[str, tuple[int, ...]], blob: str) -> None:
        """blob: the key of its code. A plan with steps in NumPy is not kept."""
        if plan.code is None or plan.apart is not None or not self._file.verify:
            return
        if any(isinstance(step, PythonStep) for step in plan.program.steps) or not self._unchanged():
            return
        key, weights = self._plan_key(shapes), plan.weights
        self._store(key, PlanRecord.of(key, blob, plan), weights.memory[: weights.used + SLACK].data)

    def _find(self, key: str, kind: type[R]) -> tuple[R, np.ndarray] | None:
        mapping = self._cache.map_plan(key)
        if mapping is None:
            return None
        try:
            record, weights = decode(mapping, kind)
        except Damaged:
            return None
        return (record, weights) if record.key == key else None

    def _store(self, key: str, record: msgspec.Struct, weights: memoryview) -> None:
        self._cache.store_plan(key, encode(record, weights))

    def _unchanged(self) -> bool:
        """Whether nobody has written to the file since its digest was taken."""
        return self._file.digest_now() == self._file.digest

    def _outline_key(self) -> str:
        return combined("outline", runtime_digest(), self._file.digest)

    def _plan_key(self, shapes: Mapping[str, tuple[int, ...]]) -> str:
        sizes = (f"{name} {shape}" for name, shape in sorted(shapes.items()))
        return combined("plan", runtime_digest(), self._file.digest, self._target.fingerprint, self._setting, *sizes)
