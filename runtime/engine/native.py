"""Calling machine code from Python: the step loop's own kernels as functions."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ..compiler.abi import Address, encode

if TYPE_CHECKING:
    from ..compiler.loader import Code

DATA = object.__basicsize__
"""Where an array object holds the address of its data: behind the object's head, and so in every NumPy, since compiled
extensions read it there (PyArray_DATA). NumPy's own ways to say it take longer than the softmax of a thousand
elements."""
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
    apart: int,
    *,
    brief: bool = False,
    alive: object = None,
) -> tuple[Callable[[], None], memoryview]:
    """As `function`, of two NumPy arrays whose data the first two base registers get the addresses of. Before a call,
    words 5 and 6 of the memoryview are set to the arrays' id(). Unless the data is the same, or `apart` bytes of it do
    not overlap, nothing is done and word 9 is not 0."""
    prototype = _KEEPING_THE_GIL if brief else _RELEASING_THE_GIL
    params = np.array(encode(code.kernels[kernel].signature, arguments), np.int32)
    call = np.array(
        [code.address(kernel), bases.ctypes.data, params.ctypes.data, 0, stop, 0, 0, DATA, apart, 0], np.uint64
    )
    run = partial(prototype(code.address("execute.enter_with_arrays()")), ctypes.c_void_p(call.ctypes.data))
    run.alive = code, bases, params, call, alive  # type: ignore[attr-defined]
    return run, memoryview(call)  # type: ignore[arg-type]
