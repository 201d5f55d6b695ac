"""numba's front end without what kernels do not need: from a Python function to types and LLVM's language."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from numba.core import types, typing
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import PassManager
from numba.core.cpu import CPUContext
from numba.core.registry import cpu_target

_OPERATORS = frozenset(function for function in vars(operator).values() if callable(function))


class Typing(typing.Context):
    """numba's typing context, which remembers what types the results of Python's operators have.

    numba tries a dozen rules of NumPy's for each `+` before its own: a tenth of the time that a kernel takes.
    """

    def __init__(self) -> None:
        # What it knows of types is the process's, as is what it learns.
        self.__dict__ = cpu_target.typing_context.__dict__
        self._known: dict[tuple[types.Type, tuple[types.Type, ...]], Any] = {}

    def resolve_function_type(self, func: types.Type, args: tuple[types.Type, ...], kws: dict[str, types.Type]) -> Any:
        if kws or not isinstance(func, types.Function) or func.typing_key not in _OPERATORS:
            return super().resolve_function_type(func, args, kws)
        if (func, args) not in self._known:
            self._known[func, args] = super().resolve_function_type(func, args, kws)
        return self._known[func, args]


class Context(CPUContext):
    """numba's target context."""

    def __init__(self) -> None:
        # What it knows of implementations is the process's, as is what it learns.
        self.__dict__ = cpu_target.target_context.__dict__


@contextmanager
def few_registries() -> Iterator[None]:
    """numba compiles knowing of numbers, tuples and ranges alone, and links no memory manager of arrays to what it
    compiles; the caller holds its lock.

    Otherwise a process that compiles its first function imports all that numba knows of NumPy and SciPy: half a second,
    in which four small kernels are compiled. What others compile in the same process later finds all of that.
    """
    target, typing_ = cpu_target.target_context.__dict__, cpu_target.typing_context.__dict__
    target |= {"load_additional_registries": _of_targets, "post_lowering": _unchanged}
    typing_["load_additional_registries"] = _of_types
    try:
        yield
    finally:
        del target["load_additional_registries"], target["post_lowering"], typing_["load_additional_registries"]


def _unchanged(module: Any, library: Any) -> None:
    pass


def _of_targets() -> None:
    from numba.core import optional  # noqa: F401
    from numba.cpython import builtins, iterators, numbers, rangeobj, tupleobj  # noqa: F401


def _of_types() -> None:
    pass


UNNEEDED = {
    "WithLifting", "InlineClosureLikes", "RewriteSemanticConstants", "GenericRewrites", "RewriteDynamicRaises",
    "MakeFunctionToJitFunction", "FindLiterallyCalls", "LiteralUnroll", "LiteralPropagationSubPipelinePass",
    "NopythonRewrites", "NoPythonSupportedFeatureValidation", "DumpParforDiagnostics",
}  # fmt: skip
"""Passes of numba's that find nothing to do in kernels, which know no arrays, closures, exceptions or `with`: looking
takes them an eighth of the time that a kernel takes."""


class Pipeline(CompilerBase):
    """numba's own, without UNNEEDED."""

    def define_pipelines(self) -> list[PassManager]:
        whole = DefaultPassBuilder.define_nopython_pipeline(self.state)
        pipeline = PassManager(whole.pipeline_name)
        for kind, description in whole.passes:
            if kind.__name__ not in UNNEEDED:
                pipeline.add_pass(kind, description)
        pipeline.finalize()
        return [pipeline]


@cache
def typing_context() -> Typing:
    """The process's."""
    return Typing()
