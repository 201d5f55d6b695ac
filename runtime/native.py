"""Calling machine code from Python: the step loop's own kernels as functions."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from .compiler.abi import Address, encode

if TYPE_CHECKING:
    from .compiler.loader import Code

_KEEPING_THE_GIL = ctypes.PYFUNCTYPE(None)
_RELEASING_THE_GIL = ctypes.CFUNCTYPE(None)


def function(
    code: Code,
    kernel: str,
    bases: np.ndarray,
    arguments: dict[str, Address | int],
    start: int = 0,
    stop: int = 0,
    *,
    brief: bool = False,
    alive: object = None,
) -> Callable[[], None]:
    """A kernel as a function that does its chunks start to stop, with all arguments converted once. It keeps the code
    mapped.

    bases: uint64 base registers, which must stay where they are. brief: shorter than it takes to hand over the GIL.
    alive: what else must live as long as the function.
    """
    prototype = _KEEPING_THE_GIL if brief else _RELEASING_THE_GIL
    params = np.array(encode(code.kernels[kernel].signature, arguments), np.int32)
    call = np.array([code.address(kernel), bases.ctypes.data, params.ctypes.data, start, stop], np.uint64)
    # Without argument types, which ctypes would look at in every call.
    run = partial(prototype(code.address("execute.enter()")), ctypes.c_void_p(call.ctypes.data))
    run.alive = code, bases, params, call, alive  # type: ignore[attr-defined]
    return run


def function_of_arrays(
    code: Code,
    kernel: str,
    bases: np.ndarray,
    arguments: dict[str, Address | int],
    stop: int,
    *,
    brief: bool = False,
    alive: object = None,
) -> tuple[Callable[[], None], memoryview]:
    """As `function`, of two NumPy arrays whose data the first two base registers get the addresses of. Before a call,
    words 5 and 6 of the memoryview are set to `data_of` the arrays."""
    prototype = _KEEPING_THE_GIL if brief else _RELEASING_THE_GIL
    params = np.array(encode(code.kernels[kernel].signature, arguments), np.int32)
    call = np.array([code.address(kernel), bases.ctypes.data, params.ctypes.data, 0, stop, 0, 0], np.uint64)
    run = partial(prototype(code.address("execute.enter_with_arrays()")), ctypes.c_void_p(call.ctypes.data))
    run.alive = code, bases, params, call, alive  # type: ignore[attr-defined]
    return run, memoryview(call)  # type: ignore[arg-type]


DATA = object.__basicsize__
"""Where an array object holds the address of its data: behind the object's head, and so in every NumPy, since compiled
extensions read it there (PyArray_DATA)."""


def data_of(array: np.ndarray) -> int:
    """The address of the address of an array's data. NumPy's own ways to say the latter take longer than the softmax of
    a thousand elements."""
    return id(array) + DATA
