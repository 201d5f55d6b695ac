"""Subroutines of kernels: numba compiles each once for the types it is called with, and LLVM inlines the calls.

numba's own inliner would copy, type and lower a subroutine's code, and that of all it calls, wherever it is called.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from llvmlite import ir
from numba.core import types

from .vector import primitive

Types = tuple[types.Type, ...]
Compile = Callable[[Callable[..., Any], Types], Any]
"""compile(function, argument types) -> a function of the kernel's module, as numba describes it."""


class _Module:
    """What the module of one kernel already has."""

    def __init__(self, compile_: Compile) -> None:
        self._compile = compile_
        self._compiled: dict[tuple[Callable[..., Any], Types], Any] = {}

    def get(self, function: Callable[..., Any], arguments: Types) -> Any:
        key = function, arguments
        if key not in self._compiled:
            self._compiled[key] = self._compile(*key)
        return self._compiled[key]


_module: ContextVar[_Module] = ContextVar("_module")


@contextmanager
def compiled_by(compile_: Compile) -> Iterator[None]:
    """One kernel is compiled: its subroutines become functions of its module."""
    token = _module.set(_Module(compile_))
    try:
        yield
    finally:
        _module.reset(token)


def subroutine(function: Callable[..., Any]) -> Any:
    """A Python function as something that kernels call."""

    def result(*arguments: types.Type) -> types.Type:
        return _module.get().get(function, arguments).signature.return_type

    def emit(b: ir.IRBuilder, c: Any, k: Types, *values: ir.Value) -> ir.Value:
        compiled = _module.get().get(function, k)
        return c.call_internal(b, compiled.fndesc, compiled.signature, values)

    result.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    return primitive(result, emit)
